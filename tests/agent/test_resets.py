"""Another program resets the card at every command: begun again, and no PIN twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from agent.settings import Settings
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.calls import prepared
from tests.agent.commands import run_on
from tests.agent.people import NONCE, PORTAL, Person, running
from tests.cardio.sweep import Struck, reset

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))
LOST = pytest.mark.parametrize(
    "lost", [True, False], ids=["command lost", "answer lost"]
)
BOTH = pytest.mark.parametrize("applet", ["1.7", "1.8"])


def _cards(applet: str, *, lost: bool) -> Iterator[Struck]:
    """Yield cards that are reset at the 1st command, the 2nd, ... until the last."""
    at = 0
    while True:
        at += 1
        card = reset(load_profile("adult", applet=applet))
        card.arm(at, lost=lost)
        yield card
        assert card.pins <= 1
        assert card.tries_left == 3
        assert card.wire.count(INS.INTERNAL_AUTHENTICATE) <= 1
        if not card.struck:
            assert at > 3
            return


@LOST
@BOTH
async def test_an_identity_is_read_again_after_a_reset(applet: str, lost: bool) -> None:
    """At any command until the chip was asked; that is not done a second time."""
    for card in _cards(applet, lost=lost):
        async with running("") as agent:
            agent.readers.insert(card)
            answer = await agent.identity("identity", "address", challenge=NONCE)
            if card.struck and card.chip_asked:
                assert (answer.status, answer.body["code"]) == (424, "card-unreadable")
            else:
                assert answer.status == 200
                assert ("chip" in answer.body) == (applet == "1.8")
            assert len(agent.person.questions) == 1


@LOST
@BOTH
async def test_a_login_is_begun_again_as_long_as_nobody_was_asked(
    applet: str, lost: bool
) -> None:
    """After the question a reset ends it: a PIN that was typed is sent once at most."""
    for card in _cards(applet, lost=lost):
        person = Person()
        asked: list[int] = []
        card.meanwhile = lambda person=person, to=asked: to.append(  # type: ignore[misc]
            len(person.questions)
        )
        async with running("", person=person) as agent:
            agent.readers.insert(card)
            answer = await agent.login()
            assert len(person.questions) == 1
            if asked == [1]:
                assert answer.status == 200 or answer.body["code"] == "card-unreadable"
            else:
                assert answer.status == 200
                assert card.pins == 1


@LOST
async def test_what_is_read_ahead_is_begun_again_too(lost: bool) -> None:
    """The status call that started it has long been answered."""
    for card in _cards("1.8", lost=lost):
        async with running("", settings=ALLOWED) as agent:
            agent.readers.insert(card)
            assert (await agent.call("GET", "/v1/status")).body["card"] == "present"
            for task in set(agent.service._ahead._tasks):
                await task
            assert prepared(agent.service)


def _run(
    card: Struck, monkeypatch: pytest.MonkeyPatch, action: str, *options: str
) -> int:
    readers = VirtualReaders()
    readers.insert(card)
    return run_on(BeidCards(readers), monkeypatch, action, *options)


def _last(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@LOST
@BOTH
@pytest.mark.parametrize("action", ["list", "read", "pin-status"])
def test_a_command_that_reads_is_begun_again(
    action: str,
    applet: str,
    lost: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever command the reset meets, the result is whole."""
    results = []
    for card in _cards(applet, lost=lost) if action == "read" else _few(applet, lost):
        assert _run(card, monkeypatch, action, "--json") == 0
        result = _last(capsys)
        for reader in result.get("readers", ()):
            del reader["id"]  # salted anew in each run
        results.append(result)
    assert all(result == results[-1] for result in results)


def _few(applet: str, lost: bool) -> Iterator[Struck]:
    """Yield the same for what takes two or three commands."""
    for at in (1, 2, 3):
        card = reset(load_profile("adult", applet=applet))
        card.arm(at, lost=lost)
        yield card
        assert card.pins == 0


@LOST
@BOTH
def test_a_verification_is_begun_again_until_the_chip_was_asked(
    applet: str,
    lost: bool,
    ca: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A chip whose answer got lost stays an open check; all others are there."""
    for card in _cards(applet, lost=lost):
        assert _run(card, monkeypatch, "verify", "--json", "--ca", ca) == 0
        body = _last(capsys)
        missed = card.struck and card.chip_asked
        assert body["valid"] is not missed
        open_ = [check["name"] for check in body["checks"] if check["ok"] is None]
        expected = {"chip", "basic-key-hash"} if applet == "1.7" else set()
        expected |= {"chip"} if missed else set()
        assert set(open_) == expected | {"revocation"}


@BOTH
def test_a_pin_change_looks_again_before_it_asks(
    applet: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A reset before the questions is not noticed; the PINs are sent once."""
    for at in (1, 2):
        card = reset(load_profile("adult", applet=applet))
        card.arm(at, lost=True)
        read, write = os.pipe()
        os.write(write, b"1234\n4321\n4321\n")
        os.close(write)
        with os.fdopen(read) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            assert _run(card, monkeypatch, "change-pin") == 0
        assert "changed" in capsys.readouterr().out
        assert card.pins == 1
