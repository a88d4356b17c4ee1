"""A real card's times, against the two published ones and by hand from ISO 7816-3."""

from __future__ import annotations

import queue
import threading

import pytest

from cardio.apdu import get_card_data
from cardio.errors import CardError, CardRemoved
from cardio.files import ATR_1_7, ATR_1_8
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.playable import Pulled
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from cardio.virtual.timing import (
    SIGNATURE_SECONDS,
    TimedCard,
    byte_seconds,
    bytes_on_the_line,
    seconds,
)
from tests.cardio.virtual.wire import profile

SOON = 10
OK = bytes.fromhex("9000")


def apdu(text: str) -> bytes:
    """Return a command from hex."""
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("atr", "microseconds"),
    [
        (ATR_1_7, 279.0),  # 13: 372 / 4 clocks
        (bytes.fromhex("3B9894400AA503010101AD1310"), 192.0),  # 94: 512 / 8
        (bytes.fromhex("3B9895400AA503010101AD1310"), 96.0),  # 95: 512 / 16
        (ATR_1_8, 48.0),  # 96: 512 / 32
        (bytes.fromhex("3B00"), 1116.0),  # no TA1: 372 / 1
        (bytes.fromhex("3B1800"), 1116.0),  # 00 is reserved for D
        (bytes.fromhex("3B"), 1116.0),
    ],
)
def test_a_byte_on_the_line(atr: bytes, microseconds: float) -> None:
    """12 units at the rate of TA1, with 4 MHz."""
    assert byte_seconds(atr) * 1e6 == pytest.approx(microseconds)


@pytest.mark.parametrize(
    ("command", "answer", "count"),
    [
        ("80E60000", OK, 7),  # case 1: header of five, status
        ("80E400001C", bytes(28) + OK, 36),  # case 2: procedure byte before the data
        ("80E4000010", apdu("6C1C"), 7),  # refused: no data, no procedure byte
        ("00B0000000", bytes(256) + OK, 264),
        ("00A4080C04DF014031", OK, 12),  # case 3
        ("002A9E9A02ABCD", apdu("6160"), 10),  # case 4, whose data come later:
        ("00C0000060", bytes(96) + OK, 104),
        ("002A9E9A02ABCD00", apdu("6160"), 10),  # Le is not sent
        ("00", apdu("6700"), 7),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_bytes_on_the_line(command: str, answer: bytes, count: int) -> None:
    """By the rules of T=0."""
    assert bytes_on_the_line(apdu(command), answer) == count


def test_the_published_times_of_1_7() -> None:
    """GET CARD DATA in 18 ms, 252 bytes of a file in 88 ms."""
    card_data = seconds(ATR_1_7, apdu("80E400001C"), bytes(28) + OK)
    block = seconds(ATR_1_7, apdu("00B00000FC"), bytes(252) + OK)
    assert card_data == pytest.approx(0.018, abs=0.0005)
    assert block == pytest.approx(0.088, abs=0.0005)


def test_1_8_is_faster() -> None:
    """252 bytes take 12.5 ms on its line instead of 72.5; the chip as long."""
    command, answer = apdu("00B00000FC"), bytes(252) + OK
    gained = seconds(ATR_1_7, command, answer) - seconds(ATR_1_8, command, answer)
    assert gained == pytest.approx(0.0725 - 0.0125, abs=0.0005)


@pytest.mark.parametrize("command", ["002A9E9A02ABCD", "0088028102ABCD"])
def test_a_signature_takes_its_time(command: str) -> None:
    """Once it is made; a refused one is refused at once."""
    made = seconds(ATR_1_8, apdu(command), apdu("6160"))
    refused = seconds(ATR_1_8, apdu(command), apdu("6982"))
    assert made > SIGNATURE_SECONDS
    assert refused < 0.02


class Clock:
    """A clock that stands still unless somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        """Let the time pass."""
        self.waits.append(seconds)
        self.now += max(0.0, seconds)


class Computing(VirtualCard):
    """A card that computes for as long as it is told."""

    clock: Clock
    busy = 0.0

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """Answer, later."""
        self.clock.now += self.busy
        return super().transmit(apdu)


@pytest.mark.parametrize("busy", [0.0, 0.005, 5.0])
def test_a_card_answers_when_a_real_one_would(busy: float) -> None:
    """Its own time is part of it; an answer that is late anyway waits no more."""
    inside, clock = Computing(profile("1.7")), Clock()
    inside.clock, inside.busy = clock, busy
    card = TimedCard(inside, clock=clock, wait=clock.wait)
    answer = card.transmit(get_card_data())
    assert answer == VirtualCard(profile("1.7")).transmit(get_card_data())
    expected = seconds(ATR_1_7, get_card_data(), answer)
    assert clock.now - 100 == pytest.approx(max(busy, expected))


class Waiting(TimedCard):
    """A card of which a test knows when it begins to wait."""

    def __init__(self, inner: VirtualCard) -> None:
        super().__init__(inner)
        self.began = threading.Event()

    def wait(self, seconds: float) -> None:
        """Tell, and wait for a very long time."""
        self.began.set()
        super().wait(seconds + 600)


def test_a_card_that_is_pulled_waits_no_longer() -> None:
    """A signature's time does not hold the reader up."""
    card, readers = Waiting(VirtualCard(profile("1.8"))), VirtualReaders()
    readers.insert(card)
    channel = readers.connect(DEFAULT_NAME)
    heard: queue.Queue[CardError] = queue.Queue()

    def ask() -> None:
        try:
            channel.transmit(get_card_data())
        except CardError as error:
            heard.put(error)

    threading.Thread(target=ask, daemon=True).start()
    assert card.began.wait(SOON)
    readers.remove()
    assert type(heard.get(timeout=SOON)) is CardRemoved


def test_a_swapped_card_is_as_slow() -> None:
    """The one that comes for it keeps the same time."""
    clock = Clock()
    card = TimedCard(
        FaultyCard(VirtualCard(profile("1.8")), Fault("swapped")),
        clock=clock,
        wait=clock.wait,
    )
    with pytest.raises(Pulled) as caught:
        card.transmit(get_card_data())
    assert clock.waits == []
    successor = caught.value.successor
    assert successor is not None
    successor.transmit(get_card_data())
    assert len(clock.waits) == 1
