"""No transaction stays idle for more than 5 s: Windows resets the card (SAFETY 2).

What takes long in a request is a person, so the clock of these tests is one that only
persons move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.settings import Settings
from agent.ui import Choice, Consent, Login
from cardio import apdu
from cardio.apdu import Response
from cardio.channel import Apdu, Channel, Transaction, Wrapper
from cardio.part10 import Feature
from cardio.pcsc import PcscReaders
from cardio.readers import ReaderSource, ReaderState, ReaderWatch
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from tests.agent.calls import ask_login
from tests.agent.people import NONCE, PORTAL, Person, running
from tests.agent.program import started
from tests.cardio.fake_pinpad import FakePinPadReaders, Typed
from tests.rig.pcscd import Pcscd

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))
LONGEST = 5.0
#: How long a person thinks about each question.
THINKING = 100.0


@dataclass
class Clock:
    """Moved by persons alone; keeps each gap between commands of one transaction."""

    now: float = 0.0
    gaps: list[float] = field(default_factory=list)


class Watched(Wrapper):
    """Notes how long the card waits for a command, and for the transaction's end."""

    def __init__(self, inner: Channel, clock: Clock) -> None:
        super().__init__(inner)
        self._clock = clock
        self._depth = 0
        self._since = 0.0

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.inner.transaction() as transaction:
            with self._busy():
                self._depth += 1
            yield transaction
            with self._busy():
                self._depth -= 1

    def transmit(self, apdu: Apdu) -> Response:
        with self._busy():
            return self.inner.transmit(apdu)

    def enter_pin(self, feature: Feature, structure: bytes, seconds: float) -> Response:
        with self._busy():
            return self.inner.enter_pin(feature, structure, seconds)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        if self._depth:
            self._clock.gaps.append(self._clock.now - self._since)
        yield
        self._since = self._clock.now


class WatchedReaders(ReaderSource):
    """Readers whose channels are all watched."""

    def __init__(self, inner: ReaderSource | FakePinPadReaders, clock: Clock) -> None:
        self._inner, self._clock = inner, clock

    @property
    def virtual(self) -> bool:
        """As the readers say."""
        return self._inner.virtual

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers."""
        return self._inner.readers()

    def connect(self, name: str) -> Channel:
        """Connect, and watch."""
        return Watched(self._inner.connect(name), self._clock)

    def watch(self) -> ReaderWatch:
        """Watch the readers."""
        return self._inner.watch()


class Thinker(Person):
    """Answers everything, after a while."""

    clock: Clock

    async def _hear(self, question: Consent | Login | Choice) -> None:
        self.clock.now += THINKING
        await super()._hear(question)


@pytest.mark.parametrize("pad", [False, True], ids=["typed", "on the reader"])
@pytest.mark.parametrize("persona", ["adult", "adult-1.7", "one-try"])
async def test_no_transaction_waits_for_a_person(persona: str, pad: bool) -> None:
    """Status, reading ahead, identity with the chip, logins: nobody is waited for."""
    clock = Clock()
    typed: list[Typed] = [("1234",)] * 2

    def through(readers: VirtualReaders) -> ReaderSource:
        keys = FakePinPadReaders(readers, typed) if pad else readers
        return WatchedReaders(keys, clock)

    person = Thinker()
    person.clock = clock
    async with running(persona, settings=ALLOWED, person=person, through=through) as it:
        assert (await it.call("GET", "/v1/status")).status == 200
        for _ in range(2):
            answer = await it.identity("identity", "photo", challenge=NONCE)
            assert answer.status == 200
            assert (await it.login()).status == 200
    assert len(clock.gaps) > 60
    assert clock.now >= 2 * THINKING
    assert max(clock.gaps) <= LONGEST


async def test_a_choice_among_readers_holds_no_card() -> None:
    """Both cards are free while the person chooses."""
    clock = Clock()
    person = Thinker(option=1)
    person.clock = clock
    async with running(
        "adult",
        "adult-1.7",
        settings=ALLOWED,
        person=person,
        through=lambda readers: WatchedReaders(readers, clock),
    ) as agent:
        assert (await agent.login()).status == 200
    assert clock.now == 2 * THINKING
    assert max(clock.gaps) <= LONGEST


def test_a_person_within_a_transaction_would_be_noticed() -> None:
    """Between two commands, and before the end."""
    clock, readers = Clock(), VirtualReaders()
    readers.insert(VirtualCard(load_profile("adult")))
    channel = WatchedReaders(readers, clock).connect(DEFAULT_NAME)
    clock.now += 1  # outside
    with channel.transaction():
        for pause in (2, 4):
            channel.transmit(apdu.get_card_data())
            clock.now += pause
    assert clock.gaps == [0, 2, 4]


# --- another connection gets the card while a question stands open ------------------


def _asks(connect: Callable[[str], Channel], reader: str) -> bool:
    """Use the card in a transaction of one's own, as any other program would."""
    with closing(connect(reader)) as channel, channel.transaction():
        return channel.transmit(apdu.get_card_data()).sw == 0x9000


@pytest.mark.parametrize("call", ["identity", "login"])
async def test_the_card_is_free_while_a_question_stands_open(call: str) -> None:
    """In the process: for as long as nobody answers."""
    person = Person(thinks=True)
    async with running("adult", person=person, settings=ALLOWED) as agent:
        asking = (
            agent.login()
            if call == "login"
            else agent.identity("identity", challenge=NONCE)
        )
        request = asyncio.create_task(asking)
        await person.asked.wait()
        reader = agent.readers.readers()[0].name
        free = asyncio.to_thread(_asks, agent.readers.connect, reader)
        try:
            assert await asyncio.wait_for(free, 10)
        finally:
            request.cancel()


@pytest.mark.pcscd
def test_the_card_is_free_while_a_pin_is_typed(pcscd: Pcscd, tmp_path: Path) -> None:
    """Through a real service, for a login and for a PIN change."""
    with pcscd.card("adult") as card:
        arguments = ("--ui", "terminal", "--data-dir", str(tmp_path), "--lang", "en")
        with started("run", "--card", "pcsc", *arguments) as it:
            with ask_login(it.port(), tmp_path / "tls" / "ca.pem") as login:
                it.until("PIN: $")
                assert _asks(PcscReaders().connect, pcscd.reader)
                it.type("1234")
            assert login.status == 200
        with started("card", "change-pin", "--reader", pcscd.reader) as change:
            for pin in ("1234", "4321", "4321"):
                change.until("PIN: $")
                assert _asks(PcscReaders().connect, pcscd.reader)
                change.type(pin)
            assert change.process.wait(20) == 0
        assert card.tries_left == 3
