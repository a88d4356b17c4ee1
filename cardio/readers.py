"""Readers and what is in them: the values and a source's interface; no I/O here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cardio.channel import Channel

#: How the names of readers begin that hold no card which a person could insert.
VIRTUAL_OF_WINDOWS = ("Windows Hello",)


@dataclass(frozen=True)
class ReaderState:
    """One reader at one moment.

    `atr` is None when the reader is empty, b"" for a card that answers no reset (put in
    upside down, say). `insertion` (16 bits) changes with each card put in, so that
    (name, insertion) names one stay of one card. `pin_pad` tells that a PIN can be
    verified on keys of the reader's own (PC/SC part 10).
    """

    name: str
    atr: bytes | None
    insertion: int
    pin_pad: bool = False


class ReaderSource(Protocol):
    """Where readers come from: PC/SC, or a virtual card in this process."""

    @property
    def virtual(self) -> bool:
        """True when every card of this source is a test card inside this process."""

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now; an empty tuple when there are none.

        Raises ServiceUnavailable.
        """

    def connect(self, name: str) -> Channel:
        """Connect to the card in the reader of exactly this name.

        Raises NoReader, NoCard, CardBusy, CardRemoved, CardReset, CardUnreadable,
        ServiceUnavailable.
        """

    def watch(self) -> ReaderWatch:
        """Return a new watch on this source, to be used by one thread."""


class ReaderWatch(Protocol):
    """Waits for readers and cards to come and go; polls where nothing tells of them."""

    def wait(self) -> tuple[ReaderState, ...] | None:
        """Block until something changed since the last call; the first returns at once.

        Returns the readers then, or None once `cancel` was called. While PC/SC is
        away it looks again every 5 s and reports no readers.
        """

    def cancel(self) -> None:
        """Make `wait` return None, from any thread."""
