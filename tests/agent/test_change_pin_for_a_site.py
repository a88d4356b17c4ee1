"""A site's wish for a new PIN, at the real endpoint: asked each time, sent once."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent import host, policyfile
from agent.commands.journal import lines
from agent.journal import Journal
from agent.policy import Policy
from agent.protocol import CardRequest
from agent.settings import Settings
from agent.ui import AskedPinChange, Cancelled, Outcome, PinChange
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.channel import Channel
from cardio.pin import Pin
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.calls import ask
from tests.agent.people import PORTAL, Agent, Answer, Person, running
from tests.agent.program import started
from tests.agent.test_cancelling import SlowCard
from tests.agent.test_last_moment import pins_sent
from tests.cardio.fake_pinpad import FakePinPadReaders
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))


@dataclass
class Changer(Person):
    """A person who types an old PIN and a new one, or does something else."""

    old: bytes = b"1234"
    new: bytes = b"5678"
    changes: list[PinChange] = field(default_factory=list)
    last_tries: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def ended(self, outcome: Outcome) -> None:
        """Take note of how a request ended."""
        super().ended(outcome)
        self.heard.set()

    async def _think(self, question: PinChange) -> None:
        self.changes.append(question)
        self.asked.set()
        if self.closes:
            raise Cancelled
        if self.thinks:
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()

    async def change_last_try(self, question: PinChange) -> bool:
        """Agree or not to use the last try."""
        self.last_tries += 1
        return self.agrees

    async def change_on_reader(self, question: PinChange) -> bool:
        """Agree or not to type on the reader."""
        await self._think(question)
        return self.agrees

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Type both."""
        await self._think(question)
        return Pin(bytearray(self.old)), Pin(bytearray(self.new))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return what the limits' clock says, to be moved on."""
    now = [1000.0]
    monkeypatch.setattr(host, "clock", lambda: now[0])
    return now


async def change(agent: Agent, origin: str = PORTAL, **members: Any) -> Answer:
    """Have the running agent ask for a new PIN."""
    headers = {"Origin": origin}
    return await agent.call("POST", "/v1/change-pin", members, headers=headers)


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_the_person_changes_the_pin_and_the_site_learns_that_alone(
    persona: str, tmp_path: Path
) -> None:
    """One command; the new PIN logs in, and the journal names neither."""
    person, settings = Changer(), Settings(data_dir=tmp_path)
    async with running(persona, person=person, settings=settings) as agent:
        answer = await change(agent, lang="nl")
        assert (answer.status, answer.body) == (200, {"changed": True})
        assert pins_sent(agent.cards[0]) == 1
        assert agent.cards[0].exchanges[-1].ins == INS.LOG_OFF
        (question,) = person.changes
        assert isinstance(question, AskedPinChange)
        assert (question.site, question.tries_left, question.lang) == (PORTAL, 3, "nl")
        person.pin = b"5678"
        assert (await agent.login()).status == 200
    entry = Journal(tmp_path).read().entries[0]
    assert (entry["call"], entry["data"], entry["outcome"]) == (
        "change-pin",
        [],
        "given",
    )
    written = (tmp_path / "journal.jsonl").read_text()
    assert '"5678"' not in written
    assert "change of the PIN  " in lines(Journal(tmp_path).read(), "en")[0]


async def test_a_site_may_have_it_asked_once_in_ten_minutes(clock: list[float]) -> None:
    """Whatever came of it; another site may. Without a card nobody was asked."""
    person = Changer(closes=True)
    async with running("", person=person) as agent:
        assert (await change(agent)).body["code"] == "no-card"
        card = RecordedCard(load_profile("adult"))
        agent.readers.insert(card, "Reader 0")
        assert (await change(agent)).body["code"] == "user-cancelled"
        person.closes = False
        answer = await change(agent)
        assert (answer.status, answer.body["code"]) == (429, "too-many-requests")
        assert answer.body["retryAfter"] == 600
        assert len(person.changes) == 1
        assert (await change(agent, "https://other.example")).status == 200
        clock[0] += 601
        person.old = b"5678"
        assert (await change(agent)).status == 200
        assert pins_sent(card) == 2


@pytest.mark.parametrize("settings", [Settings(), ALLOWED])
async def test_no_grant_spares_the_question(settings: Settings) -> None:
    """Nor does --allow-origin for a test card."""
    person = Changer(closes=True)
    async with running("adult", person=person, settings=settings) as agent:
        assert (await change(agent)).body["code"] == "user-cancelled"
        assert len(person.changes) == 1
        assert pins_sent(agent.cards[0]) == 0


async def test_a_policy_can_forbid_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the card is looked at; and where the PIN has to be typed on a reader."""
    policy = Policy(change_pin=False)
    monkeypatch.setattr(policyfile.PolicyFile, "now", lambda _: policy)
    person = Changer()
    async with running("adult", person=person) as agent:
        answer = await change(agent)
        assert (answer.status, answer.body["code"]) == (403, "policy-denied")
        assert "new PIN" in answer.body["title"]
        assert agent.cards[0].exchanges == []
        policy = Policy(require_pin_pad=True)
        assert (await change(agent)).body["code"] == "policy-denied"
        assert person.changes == []


async def test_a_wrong_old_pin_costs_one_try_and_changes_nothing() -> None:
    """Sent once; the page learns how many are left, and the sentence says why."""
    person = Changer(old=b"9999")
    async with running("adult", person=person) as agent:
        answer = await change(agent)
        assert (answer.status, answer.body["code"]) == (422, "pin-incorrect")
        assert answer.body["triesLeft"] == 2
        assert "nothing was changed" in answer.body["title"]
        assert pins_sent(agent.cards[0]) == 1
        assert (await agent.login()).status == 200  # still the old one


async def test_the_last_try_of_a_change_has_a_step_of_its_own() -> None:
    """No to it sends nothing."""
    person = Changer(agrees=False)
    async with running("one-try", person=person) as agent:
        answer = await change(agent)
        assert (answer.status, answer.body["code"]) == (403, "user-denied")
        assert person.last_tries == 1
        assert person.changes == []
        assert pins_sent(agent.cards[0]) == 0


async def test_a_blocked_card_s_pin_is_not_asked_for() -> None:
    """The sentence says what helps."""
    person = Changer()
    async with running("blocked", person=person) as agent:
        answer = await change(agent)
        assert (answer.status, answer.body["code"]) == (423, "pin-blocked")
        assert "municipality" in answer.body["title"]
        assert person.changes == []


@pytest.mark.parametrize("way", ["pulls", "leaves", "waits"])
async def test_pins_that_are_not_typed_change_nothing(way: str) -> None:
    """The card pulled, the page gone, too late."""
    person = Changer(thinks=True)
    settings = Settings(dialog_seconds=0.2 if way == "waits" else 120)
    async with running("adult", person=person, settings=settings) as agent:
        asking = asyncio.create_task(change(agent))
        await person.asked.wait()
        if way == "leaves":
            asking.cancel()
            await asyncio.wait_for(person.left.wait(), 10)
        else:
            if way == "pulls":
                agent.readers.remove("Reader 0")
            answer = await asyncio.wait_for(asking, 10)
            code = "card-removed" if way == "pulls" else "timeout"
            assert (answer.body["code"], answer.body["operation"]) == (
                code,
                "change-pin",
            )
        assert pins_sent(agent.cards[0]) == 0


async def test_a_change_that_nobody_waits_for_is_told_to_the_person(
    tmp_path: Path,
) -> None:
    """The page went while the card worked: done all the same, told and written down."""
    person, settings = Changer(), Settings(data_dir=tmp_path)
    async with running("", person=person, settings=settings) as agent:
        card = SlowCard(INS.CHANGE_REFERENCE_DATA)
        agent.readers.insert(card, "Reader 0")
        asking = asyncio.create_task(
            agent.service.change_pin(PORTAL, CardRequest(), "en")
        )
        assert await asyncio.to_thread(card.reached.wait, 20)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        card.go.set()
        await asyncio.wait_for(person.heard.wait(), 20)
        assert person.told[-1].code == "given"
    outcomes = [entry["outcome"] for entry in Journal(tmp_path).read().entries]
    assert outcomes == ["cancelled", "given"]


async def test_a_change_that_is_cancelled_before_it_is_sent_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The PINs were typed; the page went away while the card was connected."""
    person = Changer()
    async with running("adult", person=person) as agent:
        connecting, go = threading.Event(), threading.Event()
        connect = agent.readers.connect

        def slowly(name: str) -> Channel:
            if person.changes:  # the connection that will send
                connecting.set()
                assert go.wait(20)
            return connect(name)

        monkeypatch.setattr(agent.readers, "connect", slowly)
        asking = asyncio.create_task(
            agent.service.change_pin(PORTAL, CardRequest(), "en")
        )
        assert await asyncio.to_thread(connecting.wait, 20)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        go.set()
        await asyncio.wait_for(person.heard.wait(), 20)
        assert pins_sent(agent.cards[0]) == 0
        assert "was not changed" in person.told[-1].reason


async def test_a_card_swapped_while_typing_keeps_its_pin() -> None:
    """The reader tells nobody; neither card hears a PIN."""
    profile = load_profile("adult")
    readers = VirtualReaders("Reader")
    card, other = RecordedCard(profile), RecordedCard(load_profile("long-names"))
    readers.insert(card)

    class Swapped(Changer):
        async def _think(self, question: PinChange) -> None:
            readers.remove()
            readers.insert(other)
            await super()._think(question)

    source = BeidCards(readers)
    async with running(person=Swapped(), source=source) as agent:
        answer = await change(agent)
        assert answer.body["code"] in ("card-changed", "card-removed")
        assert pins_sent(card, other) == 0


async def test_pins_typed_on_the_reader_never_come_here() -> None:
    """The person agrees here and types there."""
    readers = VirtualReaders("Reader")
    card = RecordedCard(load_profile("adult"))
    readers.insert(card)
    pads = FakePinPadReaders(readers, [("1234", "5678", "5678")])
    person = Changer()
    async with running(person=person, source=BeidCards(pads)) as agent:
        answer = await change(agent)
        assert answer.status == 200, answer.body
        assert isinstance(person.changes[0], AskedPinChange)
        assert pads.typed == []


@pytest.mark.pcscd
def test_the_terminal_asks_for_a_site_through_pcscd(
    pcscd: Pcscd, tmp_path: Path
) -> None:
    """Old, new and new again; the first line names the site, the last what was done."""
    words = ("run", "--card", "pcsc", "--ui", "terminal", "--lang", "en")
    card = RecordedCard(load_profile("adult"))
    with (
        pcscd.insert(card),
        started(*words, "--data-dir", str(tmp_path)) as program,
    ):
        port, ca = program.port(), tmp_path / "tls" / "ca.pem"
        with ask(port, ca, "/v1/change-pin", {}) as call:
            question = program.until(r"PIN: $")
            assert "portal.example asks you to change your PIN" in question
            assert "Tries left: 3" in question
            program.type("1234")
            for _ in range(2):
                program.until(r"PIN: $")
                program.type("5678")
            program.until("The PIN was changed")
        assert (call.status, call.body) == (200, {"changed": True})
    assert card.count(INS.CHANGE_REFERENCE_DATA) == 1
