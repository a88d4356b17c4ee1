"""A request that is cancelled: what the card still sees, and where the PIN goes."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agent.protocol import AuthenticateRequest
from agent.ui import Login
from cardio.apdu import INS
from cardio.channel import Apdu, Channel
from cardio.pin import Pin
from cardio.virtual.profile import load_profile
from tests.agent.people import NONCE, PORTAL, Agent, Person, running
from tests.rig.transcript import RecordedCard


class SlowCard(RecordedCard):
    """A card that takes its time over one instruction, until it is let go."""

    def __init__(self, ins: INS) -> None:
        super().__init__(load_profile("adult"))
        self._ins = ins
        self.reached = threading.Event()
        self.go = threading.Event()

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer, the one instruction only when it may."""
        if apdu[1] == self._ins:
            self.reached.set()
            assert self.go.wait(20)
        return super().transmit(apdu)

    def instructions(self) -> list[int]:
        """What the card was asked, in order."""
        return [exchange.ins for exchange in self.exchanges]


def _insert(agent: Agent, ins: INS) -> SlowCard:
    card = SlowCard(ins)
    agent.readers.remove()
    agent.readers.insert(card)
    return card


async def _cancel(request: asyncio.Task[Any]) -> None:
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


async def _free(agent: Agent) -> None:
    """Wait until the reader is no longer busy."""
    async with asyncio.timeout(5):
        while (await agent.login()).status == 409:
            await asyncio.sleep(0)


async def test_a_signature_under_way_is_finished_and_thrown_away() -> None:
    """Cancelled between VERIFY and signature: LOG OFF follows, the reader is kept.

    Until then the reader is busy; afterwards the next login works.
    """
    async with running("adult") as agent:
        card = _insert(agent, INS.PSO)
        request = asyncio.create_task(agent.login())
        assert await asyncio.to_thread(card.reached.wait, 5)
        await _cancel(request)
        assert (await agent.login()).body["code"] == "busy"
        assert INS.LOG_OFF not in card.instructions()
        card.go.set()
        await _free(agent)
        first = card.instructions()
        after = first[first.index(INS.PSO) :]
        assert after[:3] == [INS.PSO, INS.GET_RESPONSE, INS.LOG_OFF]
        assert card.tries_left == 3


def _login(agent: Agent) -> asyncio.Task[dict[str, str]]:
    """Log in without HTTP between, so that the moment of a cancel is exact."""
    request = AuthenticateRequest(NONCE)
    return asyncio.create_task(agent.service.authenticate(PORTAL, request, "en"))


async def test_a_request_cancelled_before_the_signature_costs_no_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The PIN was typed, a wrong one even; the page went away before it was sent."""
    person = Person(pin=b"9999")
    async with running("adult", person=person) as agent:
        connecting, go = threading.Event(), threading.Event()
        connect = agent.readers.connect

        def slowly(name: str) -> Channel:
            if person.questions:  # the connection that will sign
                connecting.set()
                assert go.wait(20)
            return connect(name)

        monkeypatch.setattr(agent.readers, "connect", slowly)
        request = _login(agent)
        assert await asyncio.to_thread(connecting.wait, 5)
        await _cancel(request)
        go.set()
        person.pin = b"1234"
        await _free(agent)
        assert agent.cards[0].count(INS.VERIFY) == 1  # the second login's
        assert agent.cards[0].tries_left == 3


class Typist(Person):
    """Types a PIN and keeps the very buffer."""

    buffers: list[bytearray]

    async def login_pin(self, question: Login) -> Pin:
        """Type the PIN at once."""
        await self._hear(question)
        buffer = bytearray(self.pin)
        self.buffers.append(buffer)
        return Pin(buffer)


@pytest.fixture
def typist() -> Iterator[Typist]:
    """A person whose PIN buffers can be looked at afterwards."""
    person = Typist()
    person.buffers = []
    return person


@pytest.mark.parametrize("ticks", range(16))
async def test_a_pin_is_wiped_whenever_the_request_is_cancelled(
    ticks: int, typist: Typist
) -> None:
    """At every turn of the loop after the answer: no digit stays in our buffer."""
    async with running("adult", person=typist) as agent:
        request = _login(agent)
        await typist.asked.wait()
        for _ in range(ticks):
            await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    gc.collect()  # what a cancelled task held goes with its traceback
    assert not any(map(any, typist.buffers))
    assert agent.cards[0].tries_left == 3
