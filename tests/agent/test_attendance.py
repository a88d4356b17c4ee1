"""Sleep and screen lock inside the agent: what waits for a person ends.

No computer sleeps here, the test tells of it: a sleep is a jump of the clock that goes
on meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from agent import host
from agent.attendance import Attendance
from agent.errors import Problem
from agent.ui import Login
from cardio.apdu import INS
from cardio.pin import Pin
from tests.agent.calls import prepared
from tests.agent.people import Person, running
from tests.agent.test_cancelling import SlowCard

HOUR = 3600.0


class Clock:
    """The clock that goes on during a sleep; `slept` is moved by the test."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.slept


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the agents that this test runs."""
    clock = Clock()
    monkeypatch.setattr(host, "clock", clock)
    return clock


def _leave(attendance: Attendance, how: str, clock: Clock) -> None:
    if how == "lock":
        attendance.lock(locked=True)
    elif how == "announced sleep":
        attendance.sleep(asleep=True)
    else:  # nobody announced it, but something woke the agent
        clock.slept += HOUR
        attendance.look()


@pytest.mark.parametrize("how", ["lock", "announced sleep", "sleep"])
@pytest.mark.parametrize("call", ["login", "identity", "choice"])
async def test_an_open_question_ends_when_nobody_can_be_at_the_screen(
    how: str, call: str, clock: Clock
) -> None:
    """The page hears `timeout`, the dialog is closed, and the reader is free."""
    person = Person(thinks=True)
    cards = ("adult", "adult-1.7") if call == "choice" else ("adult",)
    async with running(*cards, person=person) as agent:
        ask = agent.identity("address") if call == "identity" else agent.login()
        request = asyncio.create_task(ask)
        await person.asked.wait()
        _leave(agent.service.attendance, how, clock)
        answer = await request
        assert (answer.status, answer.body["code"]) == (504, "timeout")
        assert person.left.is_set()
        await agent.service.attendance.settled()
        assert sum(card.count(INS.VERIFY) for card in agent.cards) == 0


@pytest.mark.parametrize("how", ["lock", "announced sleep"])
async def test_no_question_opens_while_nobody_can_be_at_the_screen(
    how: str, clock: Clock
) -> None:
    """Nobody is asked, and the page hears why; afterwards the person is asked again."""
    async with running("adult") as agent:
        attendance = agent.service.attendance
        _leave(attendance, how, clock)
        for ask in (agent.login(lang="en"), agent.identity("address", lang="en")):
            answer = await ask
            assert (answer.status, answer.body["code"]) == (424, "no-user-interface")
            assert answer.body["title"].startswith("The screen is locked.")
        assert agent.person.questions == []
        attendance.lock(locked=False)
        attendance.sleep(asleep=False)
        assert (await agent.login()).status == 200


class SleepyPerson(Person):
    """Lets the computer sleep for an hour, and answers before anything else woke."""

    clock: Clock
    buffer: bytearray

    async def consent(self, question: Any) -> bool:
        """Say yes."""
        self.clock.slept += HOUR
        return await super().consent(question)

    async def login_pin(self, question: Login) -> Pin:
        """Type the PIN."""
        self.clock.slept += HOUR
        await self._hear(question)
        self.buffer = bytearray(self.pin)
        return Pin(self.buffer)


async def test_an_answer_to_a_question_of_before_the_sleep_does_not_count(
    clock: Clock,
) -> None:
    """Neither a yes nor a PIN, which is wiped and reaches no card."""
    person = SleepyPerson()
    person.clock = clock
    async with running("adult", person=person) as agent:
        login = await agent.login()
        reading = await agent.identity("address")
        assert (login.body["code"], reading.body["code"]) == ("timeout", "timeout")
        assert len(person.questions) == 2
        assert agent.cards[0].count(INS.VERIFY) == 0
        assert not any(person.buffer)


@pytest.mark.parametrize("how", ["lock", "announced sleep", "sleep"])
async def test_a_signature_under_way_is_finished_before_the_sleep(
    how: str, clock: Clock
) -> None:
    """LOG OFF follows; only then a sleep may come. The signature is thrown away."""
    async with running("adult") as agent:
        card = SlowCard(INS.PSO)
        agent.readers.remove()
        agent.readers.insert(card)
        request = asyncio.create_task(agent.login())
        assert await asyncio.to_thread(card.reached.wait, 5)
        _leave(agent.service.attendance, how, clock)
        assert (await request).body["code"] == "timeout"
        settled = asyncio.create_task(agent.service.attendance.settled())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not settled.done()
        assert INS.LOG_OFF not in card.instructions()
        card.go.set()
        await settled
        assert card.instructions()[-1] == INS.LOG_OFF
        assert not card._rights.verified


async def test_a_pin_that_waits_for_the_card_is_not_sent_after_the_sleep(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program kept the card while the computer fell asleep."""
    person = Person(pin=b"9999")
    async with running("adult", person=person) as agent:
        connecting, go = threading.Event(), threading.Event()
        connect = agent.readers.connect

        def slowly(name: str) -> Any:
            if person.questions:
                connecting.set()
                assert go.wait(20)
            return connect(name)

        monkeypatch.setattr(agent.readers, "connect", slowly)
        request = asyncio.create_task(agent.login())
        assert await asyncio.to_thread(connecting.wait, 5)
        agent.service.attendance.sleep(asleep=True)
        assert (await request).body["code"] == "timeout"
        go.set()
        await agent.service.attendance.settled()
        assert agent.cards[0].count(INS.VERIFY) == 0
        assert agent.cards[0].tries_left == 3


async def test_this_once_ends_while_the_computer_sleeps(clock: Clock) -> None:
    """Ten minutes are ten minutes, asleep or awake."""
    async with running("adult") as agent:
        assert (await agent.identity("address")).status == 200
        clock.slept += HOUR / 10
        assert (await agent.call("GET", "/v1/readers")).status == 200
        clock.slept += HOUR
        assert (await agent.call("GET", "/v1/readers")).body["code"] == "user-denied"


async def test_what_was_kept_of_a_card_goes_with_a_sleep(clock: Clock) -> None:
    """It may have been swapped meanwhile: it is recognised anew, and read anew."""
    async with running("adult") as agent:
        assert (await agent.login()).status == 200
        read = agent.cards[0].count(INS.READ_BINARY)
        assert (await agent.login()).status == 200
        assert agent.cards[0].count(INS.READ_BINARY) == read  # kept
        clock.slept += HOUR
        recognised = agent.cards[0].count(INS.GET_CARD_DATA)
        assert (await agent.identity("address")).status == 200
        assert agent.cards[0].count(INS.GET_CARD_DATA) >= recognised + 2  # and to read
        assert not prepared(agent.service)  # the certificates went, too


async def test_a_sleep_that_was_called_off_locks_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Announced, and neither slept nor taken back: half a minute later all goes on."""
    now = 0.0
    attendance = Attendance(
        lambda: now, lambda: now, lambda: None, asyncio.Event().wait
    )
    attendance.sleep(asleep=True)
    with pytest.raises(Problem):
        attendance.check()
    now += 30
    attendance.check()


async def test_a_slow_look_at_the_clocks_is_no_sleep() -> None:
    """However long the program was kept from running between two of them."""
    now = 0.0
    slow = False

    def tick() -> float:
        nonlocal now
        now += HOUR if slow else 0
        return now

    attendance = Attendance(tick, tick, lambda: None, asyncio.Event().wait)
    for pause in (True, False, True, True, False):
        slow = pause
        attendance.look()
    assert attendance.absences == 0
