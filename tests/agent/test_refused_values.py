"""What a person said counts once nothing more is asked: before, they may say no."""

from __future__ import annotations

from typing import Any

from agent.ui import Login, Values
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.beid.typed import verify
from cardio.pin import Pin
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.people import Agent, FakeWindows, Person, running
from tests.rig.transcript import RecordedCard


class FakePatientWindows(FakeWindows):
    """A person who is shown the values, too, and answers "always" before that."""

    patient = True

    def __init__(self, *, sends: bool) -> None:
        super().__init__()
        self.sends = sends
        self.seen: list[Values] = []

    async def values(self, question: Values) -> bool:
        """Let them leave, or not."""
        self.seen.append(question)
        return self.sends


async def _origin(agent: Agent) -> Any:
    return (await agent.call("GET", "/v1/status")).body["origin"]


async def test_an_always_whose_values_were_refused_is_not_kept() -> None:
    """Neither that nor "this once": the next request asks again, and gives nothing."""
    person = FakePatientWindows(sends=False)
    async with running("adult", person=person) as agent:
        for _ in range(2):
            answer = await agent.identity("address")
            assert (answer.status, answer.body["code"]) == (403, "user-denied")
            assert await _origin(agent) == "ask"
        assert len(person.questions) == len(person.seen) == 2
        assert person.notices == []


async def test_an_always_counts_once_the_values_were_sent() -> None:
    """The next request shows a notice and asks nothing."""
    person = FakePatientWindows(sends=True)
    async with running("adult", person=person) as agent:
        for _ in range(2):
            assert (await agent.identity("address")).status == 200
        assert len(person.questions) == len(person.seen) == len(person.notices) == 1
        assert await _origin(agent) == "allowed"


async def test_a_site_whose_values_are_refused_waits_after_three_times() -> None:
    """A yes before that does not begin the count anew."""
    person = FakePatientWindows(sends=False)
    async with running("adult", person=person) as agent:
        codes = [(await agent.identity("address")).body["code"] for _ in range(4)]
    assert codes == ["user-denied"] * 3 + ["too-many-requests"]


async def test_an_always_gives_nothing_while_the_screen_is_locked() -> None:
    """Nobody could see the notice of its use."""
    person = FakePatientWindows(sends=True)
    async with running("adult", person=person) as agent:
        assert (await agent.identity("address")).status == 200
        agent.service.attendance.lock(locked=True)
        answer = await agent.identity("address")
        assert (answer.status, answer.body["code"]) == (424, "no-user-interface")
        agent.service.attendance.lock(locked=False)
        assert (await agent.identity("address")).status == 200
        assert len(person.notices) == 1


class Mistaken(Person):
    """Types a wrong PIN each time; before the second another program tries one."""

    patient = True
    card: RecordedCard

    async def login_pin(self, question: Login) -> Pin:
        """Type a wrong PIN."""
        await self._hear(question)
        if question.wrong:
            self.card.transmit(verify(Pin(bytearray(b"7777"))) or b"")
        return Pin(bytearray(b"9999"))


async def test_after_a_wrong_pin_what_may_be_the_last_try_is_asked_for_again() -> None:
    """A reader that does not tell the tries: others may have spent some meanwhile."""
    name = "Gemalto GemPC Pinpad 00 00"
    person, readers = Mistaken(), VirtualReaders(name)
    person.card = RecordedCard(load_profile("adult", applet="1.7"))
    readers.insert(person.card, name)
    async with running(person=person, source=BeidCards(readers)) as agent:
        answer = await agent.login()
    assert answer.body["code"] == "pin-blocked"
    assert person.card.count(INS.VERIFY) == 3
    assert person.last_tries == 2
