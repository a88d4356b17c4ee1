"""Reads ahead what logins will need of the cards, while an allowed page is open.

Gives way to every request; what was read is kept by the monitor until the card goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from agent import reading
from agent.errors import Problem
from agent.inspection import Found, on_card
from agent.monitor import Monitor, Stay, stay_of
from agent.readers import Readers
from agent.reading import LoginCertificates
from agent.work import Reservations
from cardio.beid.known import KnownCertificates
from cardio.card import CardSource
from cardio.channel import Stopped
from cardio.errors import CardBusy, CardError, CardReset
from cardio.readers import ReaderState

_log = logging.getLogger(__name__)


class ReadAhead:
    """The reading that nobody has asked for yet."""

    def __init__(
        self,
        source: CardSource,
        readers: Readers,
        monitor: Monitor,
        reservations: Reservations,
        known: KnownCertificates,
        listened: Callable[[], bool],
        wanted: Callable[[Stay], bool] = lambda stay: True,
    ) -> None:
        """`listened` tells whether an allowed page listens.

        `wanted` tells whether a card may be read that nobody asked for.
        """
        self._source = source
        self._readers = readers
        self._monitor = monitor
        self._reservations = reservations
        self._known = known
        self._listened = listened
        self._wanted = wanted
        self._failed: set[Stay] = set()
        #: Cards of people whose turn is over.
        self._past: set[Stay] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Stop all of it."""
        for task in self._tasks:
            task.cancel()

    def end_turn(self, states: tuple[ReaderState, ...]) -> None:
        """Stop, and do not read the cards again that are in; `states` has them."""
        self.close()
        self._past = {Stay(state.name, state.insertion) for state in states}

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def look_first(self) -> None:
        """Recognise what was put in, and read what logins will need of it."""
        self._start(self._look_first())

    async def _look_first(self) -> None:
        with contextlib.suppress(Problem):
            await self._readers.look_into_all()
            if self._listened():  # its consent may have ended meanwhile
                self.begin()

    def begin(self) -> None:
        """Read what logins will need of the cards, while an allowed page is open."""
        cards = [self._readers.permitted(found) for found in self._monitor.found()]
        self._failed &= {stay_of(found) for found in cards}
        for found in cards:
            stay = stay_of(found)
            free = not self._reservations.taken(stay.reader)
            free = free and stay not in self._failed | self._past
            free = free and self._wanted(stay)
            if found.signing and free and self._monitor.held(stay) is None:
                self._start(self._read_certificates(found, stay))

    async def _read_certificates(self, found: Found, stay: Stay) -> None:
        chosen = found.card
        assert chosen is not None  # it signs

        def read() -> LoginCertificates:
            return on_card(
                self._source,
                stay.reader,
                lambda card: reading.read_ahead(card, chosen, self._known),
                stop=reservation.stop,
            )

        try:
            with self._reservations.ahead(stay.reader) as reservation:
                self._monitor.hold(stay, await reservation.run(read))
        except (CardBusy, CardReset, Problem, Stopped) as error:
            _log.debug("reading ahead, given up: %s", type(error).__name__)
        except CardError as error:  # it would fail at each call of the page
            self._failed.add(stay)
            _log.debug("reading ahead: %s", type(error).__name__)
