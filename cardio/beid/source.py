"""From readers to Belgian cards: opens the card in a reader; no I/O of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cardio.beid.card import BeidCard
from cardio.beid.pinpad import quirks
from cardio.card import Card
from cardio.channel import Attended, Channel
from cardio.readers import ReaderSource, ReaderState, ReaderWatch


class BeidCards:
    """The cards in a source's readers, spoken to in APDUs; implements `CardSource`."""

    def __init__(self, source: ReaderSource) -> None:
        self._source = source

    @property
    def virtual(self) -> bool:
        """True when every card of this source is a test card inside this process."""
        return self._source.virtual

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now; ServiceUnavailable."""
        return self._source.readers()

    def watch(self) -> ReaderWatch:
        """Return a new watch on the readers, to be used by one thread."""
        return self._source.watch()

    def open(
        self,
        name: str,
        *,
        stop: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Card:
        """Connect to the card in a reader, as `CardSource` has it."""
        channel: Channel = self._source.connect(name)
        if stop is not None or progress is not None:
            channel = Attended(channel, stop, progress)
        return BeidCard(channel, quirks=quirks(name))
