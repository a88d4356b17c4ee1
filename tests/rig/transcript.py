"""A virtual card that remembers what it was asked: counts by the card's own view."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cardio.apdu import PIN_INSTRUCTIONS
from cardio.channel import Apdu
from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters
from cardio.virtual.profile import Profile


@dataclass(frozen=True)
class Exchange:
    """One command and its answer; `began` and `ended` by the monotonic clock.

    The data of a command that carries a PIN are left out of `command`, `size` counts
    them.
    """

    command: bytes
    size: int
    answer: bytes
    began: float
    ended: float

    @property
    def ins(self) -> int:
        """The instruction byte."""
        return self.command[1]


class RecordedCard(VirtualCard):
    """A virtual card with the list of its exchanges, the first one first."""

    def __init__(
        self,
        profile: Profile,
        *,
        strict: bool = False,
        counters: Counters | None = None,
    ) -> None:
        super().__init__(profile, strict=strict, counters=counters)
        self.exchanges: list[Exchange] = []

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer as the card does, and remember it."""
        began = time.perf_counter()
        answer = super().transmit(apdu)
        ended = time.perf_counter()
        head = bytes(apdu[:5] if apdu[1] in PIN_INSTRUCTIONS else apdu)
        self.exchanges.append(Exchange(head, len(apdu), answer, began, ended))
        return answer

    def count(self, ins: int) -> int:
        """Return how often an instruction was sent."""
        return sum(exchange.ins == ins for exchange in self.exchanges)
