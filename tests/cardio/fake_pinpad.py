"""A reader with keys, played by a script: no real one can be had in these tests.

It knows the card's commands no better than a reader does: it follows the structure of
PC/SC part 10 that it is given, field by field, and puts digits where that says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cardio.apdu import Response
from cardio.channel import Channel, Wrapper
from cardio.part10 import Feature, Keypad
from cardio.readers import ReaderState, ReaderWatch
from cardio.virtual.reader import VirtualReaders

BOTH = Keypad(frozenset(Feature))

#: Lines of digits that a person types, or an answer of the reader's own.
Typed = tuple[str, ...] | int
TIMEOUT, CANCELLED, DIFFERENT, LENGTH, PARAMETER = (
    0x6400,
    0x6401,
    0x6402,
    0x6403,
    0x6B80,
)


@dataclass
class Order:
    """What one structure asked for, as the reader reads it."""

    max_digits: int
    min_digits: int
    offsets: tuple[int, ...]
    confirm: int
    language: int
    command: bytearray
    digits_at: int
    length_bits: int
    length_at: int
    block_size: int


def _number(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder)


def read_order(feature: Feature, structure: bytes) -> Order:
    """Take a structure apart; ValueError for what no reader would take."""
    modify = feature is Feature.MODIFY_PIN_DIRECT
    form, block, length = structure[2], structure[3], structure[4]
    if modify:
        offsets, sizes, confirm = tuple(structure[5:7]), structure[7:9], structure[9]
        condition, messages, head = structure[10], structure[11], 24
    else:
        offsets, sizes, confirm = (0,), structure[5:7], 0
        condition, messages, head = structure[7], structure[8], 19
    command = bytearray(structure[head:])
    if condition != 2 or messages != (3 if modify else 1):
        raise ValueError("how the entry ends, or what is shown")
    if _number(structure[head - 4 : head]) != len(command):
        raise ValueError("a command of another length")
    if form & 3 != 1 or form & 4:
        raise ValueError("not BCD, or not left justified")
    # Units of bytes or bits, in bits.
    at = (form >> 3 & 15) * (8 if form & 0x80 else 1)
    return Order(
        max_digits=_number(sizes) & 0xFF,
        min_digits=_number(sizes) >> 8,
        offsets=offsets,
        confirm=confirm,
        language=_number(structure[12:14] if modify else structure[9:11]),
        command=command,
        digits_at=at or 8,  # an old reader puts them behind the number
        length_bits=block >> 4,
        length_at=(length & 15) * (8 if length & 0x10 else 1),
        block_size=block & 15,
    )


def fill(order: Order, offset: int, digits: str) -> None:
    """Put digits and their number into the command's data (bytes 5 and on)."""
    start = 5 + offset
    value = int.from_bytes(order.command[start : start + 8], "big")

    def put(bit: int, size: int, number: int) -> None:
        nonlocal value
        shift = 64 - bit - size
        value = value & ~((1 << size) - 1 << shift) | number << shift

    put(order.length_at, order.length_bits, len(digits))
    for index, digit in enumerate(digits):
        put(order.digits_at + 4 * index, 4, int(digit))
    order.command[start : start + 8] = value.to_bytes(8, "big")


class FakePinPadChannel(Wrapper):
    """A channel to a card through a reader with keys, whose user is a script."""

    def __init__(
        self, inner: Channel, *typed: Typed, pad: Keypad | None = BOTH
    ) -> None:
        super().__init__(inner)
        self._typed = list(typed)
        self._pad = pad
        self.asked: list[tuple[Feature, bytes, float]] = []
        #: What happens while the person is typing.
        self.meanwhile: Callable[[], None] = lambda: None

    @property
    def keypad(self) -> Keypad | None:
        return self._pad

    def enter_pin(self, feature: Feature, structure: bytes, seconds: float) -> Response:
        self.asked.append((feature, structure, seconds))
        order = read_order(feature, structure)
        self.meanwhile()
        return self._enter(order, self._typed.pop(0))

    def _enter(self, order: Order, typed: Typed) -> Response:
        if isinstance(typed, int):
            return Response(b"", typed)
        if any(not order.min_digits <= len(x) <= order.max_digits for x in typed):
            return Response(b"", LENGTH)
        if order.confirm & 1 and typed[-1] != typed[-2]:
            return Response(b"", DIFFERENT)
        for offset, digits in zip(order.offsets, typed, strict=False):
            fill(order, offset, digits)
        return self.inner.transmit(order.command)


class FakePinPadReaders:
    """Virtual readers that have keys; what is typed is taken from one script."""

    def __init__(self, inner: VirtualReaders, typed: Iterable[Typed]) -> None:
        self._inner = inner
        self.typed = list(typed)
        self.channels: list[FakePinPadChannel] = []
        #: The keys of the next connection; None where there are none.
        self.pad: Keypad | None = BOTH

    virtual = True

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers, each with a pad."""
        return tuple(
            ReaderState(state.name, state.atr, state.insertion, pin_pad=True)
            for state in self._inner.readers()
        )

    def languages(self) -> list[int]:
        """Return the language of the prompts, of each PIN that was asked for."""
        asked = [each for channel in self.channels for each in channel.asked]
        return [read_order(each[0], each[1]).language for each in asked]

    def connect(self, name: str) -> Channel:
        """Connect through the keys."""
        channel = FakePinPadChannel(self._inner.connect(name), pad=self.pad)
        channel._typed = self.typed
        self.channels.append(channel)
        return channel

    def watch(self) -> ReaderWatch:
        """Watch the virtual readers."""
        return self._inner.watch()
