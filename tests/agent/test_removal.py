"""The card pulled out at every command of a request, over HTTP, and of a command."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest

from agent.settings import Settings
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.calls import prepared
from tests.agent.commands import run_on, typed
from tests.agent.people import NONCE, PORTAL, Agent, Answer, running
from tests.cardio.sweep import Struck, pulled

SECONDS = 2.0
ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))
LOST = pytest.mark.parametrize(
    "lost", [True, False], ids=["command lost", "answer lost"]
)
BOTH = pytest.mark.parametrize("applet", ["1.7", "1.8"])


async def _read_ahead(agent: Agent) -> Answer:
    """Look, as a page does, and wait until what is read ahead has ended."""
    answer = await agent.call("GET", "/v1/status")
    for task in set(agent.service._ahead._tasks):
        await task
    return answer


Call = Callable[[Agent], Awaitable[Answer]]
CALLS: dict[str, Call] = {
    "identity": lambda agent: agent.identity("identity", "address", "photo"),
    "chip": lambda agent: agent.identity("identity", challenge=NONCE),
    "login": lambda agent: agent.login(),
    "login, certificates held": lambda agent: agent.login(),
    "login, wrong PIN": lambda agent: agent.login(),
}


REQUESTS = [(persona, name) for persona in ("adult-1.7", "adult") for name in CALLS]
REQUESTS += [("rekeyed-1.7", name) for name in ("identity", "login")]


@LOST
@pytest.mark.parametrize(("persona", "name"), REQUESTS)
async def test_a_card_pulled_at_any_command_of_a_request(
    persona: str, name: str, lost: bool
) -> None:
    """A typed error in time, no try lost, and the next request is answered.

    What a login came to when its LOG OFF finds no card any more, it came to all the
    same. A wrong PIN that reached the card costs one try. The chip is asked once at
    most.
    """
    wrong = "wrong" in name
    async with running("", settings=ALLOWED) as agent:
        at = 0
        while True:
            at += 1
            card = pulled(load_profile(persona))
            agent.readers.insert(card)
            if "held" in name:
                await _read_ahead(agent)
                assert prepared(agent.service)
            card.arm(at, lost=lost)
            agent.person.pin = b"9999" if wrong else b"1234"
            began = time.monotonic()
            answer = await CALLS[name](agent)
            assert time.monotonic() - began < SECONDS
            came = card.pins and not (lost and card.wire[-1] == INS.VERIFY)
            assert card.tries_left == (2 if wrong and came else 3)
            assert card.pins <= 1
            assert card.wire.count(INS.INTERNAL_AUTHENTICATE) <= 1
            if not card.struck or card.wire[-1] == INS.LOG_OFF:
                assert answer.status == (422 if wrong else 200)
                assert answer.body.get("triesLeft") == (2 if wrong else None)
            else:
                assert answer.status == 424
                assert answer.body["code"] in {"card-removed", "no-card"}
            if not card.struck:
                break
            await _put_back(agent, card)
            agent.person.pin = b"1234"
            assert (await agent.login()).status == 200
            assert card.tries_left == 3
            agent.readers.remove()
        assert at > 2


async def _put_back(agent: Agent, card: Struck) -> None:
    card.arm(0, lost=False)
    agent.readers.insert(card)


@LOST
@BOTH
async def test_a_card_pulled_while_it_is_looked_at_or_read_ahead(
    applet: str, lost: bool
) -> None:
    """The page is answered, nothing is held of the card, and a login works after it."""
    async with running("", settings=ALLOWED) as agent:
        at = 0
        while True:
            at += 1
            card = pulled(load_profile("adult", applet=applet))
            agent.readers.insert(card)
            card.arm(at, lost=lost)
            began = time.monotonic()
            assert (await _read_ahead(agent)).status == 200
            assert time.monotonic() - began < SECONDS
            async with asyncio.timeout(5):  # the removal is told by another thread
                while prepared(agent.service) is card.struck:
                    await asyncio.sleep(0)
            if not card.struck:
                break
            await _put_back(agent, card)
            assert (await agent.login()).status == 200
            assert card.tries_left == 3
            agent.readers.remove()
        assert at > 4


@LOST
@BOTH
def test_a_card_pulled_at_any_command_of_a_verification(
    applet: str,
    lost: bool,
    ca: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence in time, exit code 1; with the card back it is judged."""
    readers = VirtualReaders()

    def verify() -> int:
        options = ("--json", "--ca", ca)
        return run_on(BeidCards(readers), monkeypatch, "verify", *options)

    at = 0
    while True:
        at += 1
        card = pulled(load_profile("adult", applet=applet))
        readers.insert(card)
        card.arm(at, lost=lost)
        began = time.monotonic()
        code = verify()
        assert time.monotonic() - began < SECONDS
        assert card.wire.count(INS.INTERNAL_AUTHENTICATE) <= 1
        shown = capsys.readouterr()
        if not card.struck:
            assert (code, json.loads(shown.out)["valid"]) == (0, True)
            break
        assert (code, shown.out) == (1, "")
        assert "taken out" in shown.err
        card.arm(0, lost=False)
        readers.insert(card)
        assert verify() == 0
        assert json.loads(capsys.readouterr().out)["valid"] is True
        readers.remove()
    assert at > 20


@LOST
@BOTH
@pytest.mark.parametrize("old", ["1234", "9999"], ids=["", "wrong PIN"])
def test_a_card_pulled_at_any_command_of_a_change_of_the_pin(
    applet: str,
    lost: bool,
    old: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence in time, exit code 1; with the card back its PIN is changed.

    A wrong old PIN that reached the card costs one try. Before the command was sent
    nobody is told to try a new PIN, which would cost one.
    """
    readers = VirtualReaders()

    def change(old: str, new: str) -> int:
        with typed(monkeypatch, old, new, new):
            return run_on(BeidCards(readers), monkeypatch, "change-pin")

    at = 0
    while True:
        at += 1
        card = pulled(load_profile("adult", applet=applet))
        readers.insert(card)
        card.arm(at, lost=lost)
        began = time.monotonic()
        code = change(old, "4321")
        assert time.monotonic() - began < SECONDS
        shown = capsys.readouterr()
        came = card.pins and not (lost and card.wire[-1] == INS.CHANGE_REFERENCE_DATA)
        wrong, changed = came and old != "1234", came and old == "1234"
        assert card.pins <= 1
        assert card.tries_left == (2 if wrong else 3)
        if not card.struck or card.wire[-1] == INS.LOG_OFF:
            assert code == (1 if wrong else 0)
            said = "Tries left: 2" if wrong else "The PIN was changed"
            assert said in shown.err + shown.out
        else:
            assert code == 1
            assert shown.err.count("\n") == 1
            assert ("broke off" if card.pins else "taken out") in shown.err
            assert ("Try the new PIN" in shown.err) is (card.pins == 1)
        if not card.struck:
            break
        card.arm(0, lost=False)
        readers.insert(card)
        assert change("4321" if changed else "1234", "56789") == 0
        assert card.tries_left == 3
        capsys.readouterr()
        readers.remove()
    assert at > 4
