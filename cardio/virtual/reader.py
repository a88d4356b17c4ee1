"""Virtual readers inside this process: the same seam as PC/SC, no pcscd needed.

Touches threads only. A pulled card makes its open channels raise CardRemoved, watches
wake up by a condition, transactions exclude each other per card.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cardio.apdu import Response
from cardio.channel import Apdu, Channel, Transaction
from cardio.errors import CardRemoved, NoCard, NoReader
from cardio.readers import ReaderState
from cardio.virtual.card import VirtualCard

DEFAULT_NAME = "eID-agent Virtual Reader"


@dataclass
class _Slot:
    """One reader: its card, how many cards were put in, and the lock of the card."""

    card: VirtualCard | None = None
    insertion: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)


class VirtualReaders:
    """A source of readers with virtual cards; implements `ReaderSource`."""

    virtual = True

    def __init__(self, *names: str) -> None:
        self._slots = {name: _Slot() for name in names or (DEFAULT_NAME,)}
        self.changed = threading.Condition()
        self.version = 0

    # --- what happens to the readers -------------------------------------------------

    def insert(self, card: VirtualCard, name: str | None = None) -> None:
        """Put a card into a reader (the first by default); it is powered on."""
        card.reset()
        with self._change():
            slot = self._slot(name)
            slot.card = card
            slot.insertion += 1

    def remove(self, name: str | None = None) -> None:
        """Pull the card out."""
        with self._change():
            self._slot(name).card = None

    def plug(self, name: str) -> None:
        """Add an empty reader."""
        with self._change():
            self._slots[name] = _Slot()

    def unplug(self, name: str) -> None:
        """Take a reader away, with the card in it."""
        with self._change():
            self._slot(name).card = None
            del self._slots[name]

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self.changed:
            yield
            self.version += 1
            self.changed.notify_all()

    def _slot(self, name: str | None) -> _Slot:
        if name is None:
            name = next(iter(self._slots), "")
        try:
            return self._slots[name]
        except KeyError:
            raise NoReader(name) from None

    # --- ReaderSource ----------------------------------------------------------------

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now."""
        with self.changed:
            return tuple(
                ReaderState(name, slot.card.atr if slot.card else None, slot.insertion)
                for name, slot in self._slots.items()
            )

    def connect(self, name: str) -> Channel:
        """Connect to the card in a reader; NoReader, NoCard."""
        with self.changed:
            slot = self._slot(name)
            if slot.card is None:
                raise NoCard(name)
            return VirtualChannel(slot, slot.card)

    def watch(self) -> VirtualWatch:
        """Return a watch on these readers."""
        return VirtualWatch(self)


class VirtualChannel(Channel):
    """A connection to one virtual card, for as long as it stays in its reader."""

    def __init__(self, slot: _Slot, card: VirtualCard) -> None:
        self._slot = slot
        self._card = card

    @property
    def atr(self) -> bytes:
        return self._card.atr

    def transmit(self, apdu: Apdu) -> Response:
        with self._slot.lock:
            self._check()
            raw = self._card.transmit(apdu)
        self._check()
        return Response.from_bytes(raw)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._slot.lock:
            self._check()
            transaction = Transaction()
            try:
                yield transaction
            finally:
                if transaction.reset_at_end:
                    self._card.reset()

    def close(self) -> None:
        """Nothing to give back."""

    def _check(self) -> None:
        if self._slot.card is not self._card:
            raise CardRemoved("the virtual card was pulled out")


class VirtualWatch:
    """Waits for virtual readers to change; implements `ReaderWatch`."""

    def __init__(self, source: VirtualReaders) -> None:
        self._source = source
        self._seen = -1
        self._cancelled = False

    def wait(self) -> tuple[ReaderState, ...] | None:
        """Block until something changed; the first call returns at once."""
        with self._source.changed:
            self._source.changed.wait_for(
                lambda: self._cancelled or self._source.version != self._seen
            )
            if self._cancelled:
                return None
            self._seen = self._source.version
        return self._source.readers()

    def cancel(self) -> None:
        """Make `wait` return None."""
        with self._source.changed:
            self._cancelled = True
            self._source.changed.notify_all()
