"""Virtual readers inside this process, on the seam of PC/SC; touches threads only.

They behave like PC/SC where a client can tell: one transaction at a time per card,
others wait; a pulled card fails its open channels, a reset one the other channels; a
card that stays mute is given up after a while and reset; watches wake without polling.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cardio.apdu import Response
from cardio.channel import Apdu, Channel, Transaction
from cardio.errors import CardMute, CardRemoved, CardReset, NoCard, NoReader
from cardio.readers import ReaderSource, ReaderState, ReaderWatch
from cardio.virtual.playable import PlayableCard, Pulled, ResetByOther, Silence

DEFAULT_NAME = "eID-Agent Virtual Reader"
#: Seconds after which a card that does not answer is given up.
MUTE_SECONDS = 15.0


class _Stay:
    """One stay of a card in a reader, from insertion to removal.

    `turn` guards the rest and wakes whoever waits. The card itself is called without
    it, by the channel that holds the card, so that pulling a card never waits for it.
    `leave` is told when the card leaves by itself, with the one that follows it.
    """

    def __init__(
        self,
        card: PlayableCard,
        insertion: int,
        leave: Callable[[_Stay, PlayableCard | None], None],
        mute_seconds: float,
    ) -> None:
        self.card = card
        self.insertion = insertion
        self._leave = leave
        self._mute_seconds = mute_seconds
        self._turn = threading.Condition()
        self._holder: VirtualChannel | None = None
        self._depth = 0
        self._resets = 0
        self._removed = False

    @property
    def resets(self) -> int:
        """How often the card was reset since it was put in."""
        return self._resets

    def take(self, channel: VirtualChannel) -> None:
        """Wait for the card and hold it; may be nested by the same channel."""
        with self._turn:
            self._turn.wait_for(
                lambda: self._removed or self._holder in (None, channel)
            )
            self._check(channel)
            self._holder = channel
            self._depth += 1

    def give_back(self) -> None:
        """Undo one `take`."""
        with self._turn:
            self._depth -= 1
            if self._depth == 0:
                self._holder = None
                self._turn.notify_all()

    def ask(self, channel: VirtualChannel, apdu: Apdu) -> bytes:
        """Give the card a command; CardRemoved, CardReset, CardMute."""
        answer = b""  # of a card that something happened to: `check` raises
        try:
            answer = self.card.transmit(apdu)
        except Silence:
            self._give_up(channel)
        except ResetByOther:
            self.reset(None)
        except Pulled as event:
            self._leave(self, event.successor)
        self.check(channel)
        return answer

    def _give_up(self, channel: VirtualChannel) -> None:
        """Wait for a mute card to be pulled; after a while reset it for the others."""
        with self._turn:
            if self._turn.wait_for(lambda: self._removed, self._mute_seconds):
                return
            channel.given_up = True
        self.reset(None)

    def check(self, channel: VirtualChannel) -> None:
        """Raise CardRemoved, CardMute or CardReset if that has happened to it."""
        with self._turn:
            self._check(channel)

    def _check(self, channel: VirtualChannel) -> None:
        if self._removed:
            raise CardRemoved("the card was pulled out of the virtual reader")
        if channel.given_up:
            raise CardMute("the card does not answer")
        if channel.resets_seen != self._resets:
            raise CardReset("another connection reset the card")

    def reset(self, channel: VirtualChannel | None) -> None:
        """Reset the card, which is news to every channel but this one."""
        self.card.reset()
        with self._turn:
            self._resets += 1
            if channel is not None:
                channel.resets_seen = self._resets

    def end(self) -> None:
        """Pull the card."""
        with self._turn:
            self._removed = True
            self._turn.notify_all()
        self.card.pulled()


@dataclass
class _Reader:
    stay: _Stay | None = None
    insertion: int = 0


class VirtualReaders(ReaderSource):
    """Readers with virtual cards; safe to use from any thread.

    `mute_seconds` is how long a card may stay silent before it is given up.
    """

    def __init__(self, *names: str, mute_seconds: float = MUTE_SECONDS) -> None:
        self._mute_seconds = mute_seconds
        self._readers = {name: _Reader() for name in names or (DEFAULT_NAME,)}
        self._insertions = itertools.count(1)
        self._changed = threading.Condition()
        self._version = 0

    @property
    def virtual(self) -> bool:
        """True: these are test cards."""
        return True

    # --- what happens to the readers -------------------------------------------------

    def insert(self, card: PlayableCard, name: str | None = None) -> None:
        """Put a card into a reader, by default the first one, and power it.

        Raises NoReader, and ValueError when the reader holds a card.
        """
        with self._change():
            reader = self._reader(name)
            if reader.stay is not None:
                raise ValueError("the virtual reader holds a card")
            self._fill(reader, card)

    def remove(self, name: str | None = None) -> None:
        """Pull the card out of a reader, by default the first one, if it holds any."""
        with self._change():
            self._empty(self._reader(name))

    def plug(self, name: str) -> None:
        """Add an empty reader; ValueError when there is one of this name."""
        with self._change():
            if name in self._readers:
                raise ValueError("there is a virtual reader of this name")
            self._readers[name] = _Reader()

    def unplug(self, name: str) -> None:
        """Take a reader away, and the card in it; NoReader."""
        with self._change():
            self._empty(self._reader(name))
            del self._readers[name]

    def _left(self, stay: _Stay, successor: PlayableCard | None) -> None:
        """A card leaves by itself, unless a hand was faster; another may follow."""
        with self._change():
            for reader in self._readers.values():
                if reader.stay is stay:
                    self._empty(reader)
                    if successor is not None:
                        self._fill(reader, successor)

    def _fill(self, reader: _Reader, card: PlayableCard) -> None:
        card.power_on()
        reader.insertion = next(self._insertions)
        reader.stay = _Stay(card, reader.insertion, self._left, self._mute_seconds)

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._changed:
            yield
            self._version += 1
            self._changed.notify_all()

    def _reader(self, name: str | None) -> _Reader:
        if name is None:
            name = next(iter(self._readers), "")
        if name not in self._readers:
            raise NoReader(name)
        return self._readers[name]

    @staticmethod
    def _empty(reader: _Reader) -> None:
        if reader.stay is not None:
            reader.stay.end()
            reader.stay = None

    # --- ReaderSource ----------------------------------------------------------------

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now."""
        with self._changed:
            return self._states()

    def _states(self) -> tuple[ReaderState, ...]:
        return tuple(
            ReaderState(
                name,
                None if reader.stay is None else reader.stay.card.atr,
                reader.insertion,
            )
            for name, reader in self._readers.items()
        )

    def connect(self, name: str) -> Channel:
        """Connect to the card in a reader; NoReader, NoCard."""
        with self._changed:
            stay = self._reader(name).stay
        if stay is None:
            raise NoCard(name)
        return VirtualChannel(stay)

    def watch(self) -> ReaderWatch:
        """Return a watch on these readers."""
        return _Watch(self)

    def wait_beyond(
        self, seen: int | None, watch: _Watch
    ) -> tuple[int, tuple[ReaderState, ...]] | None:
        """Wait for a state after number `seen`; None when the watch was cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: watch.cancelled or self._version != seen)
            return None if watch.cancelled else (self._version, self._states())

    def wake(self) -> None:
        """Have all waiting watches look again."""
        with self._changed:
            self._changed.notify_all()


class _Watch(ReaderWatch):
    """Waits for virtual readers to change."""

    def __init__(self, source: VirtualReaders) -> None:
        self._source = source
        self._seen: int | None = None
        self.cancelled = False

    def wait(self) -> tuple[ReaderState, ...] | None:
        news = self._source.wait_beyond(self._seen, self)
        if news is None:
            return None
        self._seen, states = news
        return states

    def cancel(self) -> None:
        self.cancelled = True
        self._source.wake()


class VirtualChannel(Channel):
    """A connection to a card for as long as it stays in its reader."""

    def __init__(self, stay: _Stay) -> None:
        self._stay = stay
        self.resets_seen = stay.resets
        self.given_up = False

    @property
    def atr(self) -> bytes:
        return self._stay.card.atr

    def transmit(self, apdu: Apdu) -> Response:
        with self._held():
            answer = self._stay.ask(self, apdu)
        return Response.from_bytes(answer)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._held():
            transaction = Transaction()
            try:
                yield transaction
            finally:
                if transaction.reset_at_end:
                    self._stay.reset(self)

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._stay.take(self)
        try:
            yield
        finally:
            self._stay.give_back()

    def close(self) -> None:
        """Nothing is held between commands; the card keeps its state, as in PC/SC."""
