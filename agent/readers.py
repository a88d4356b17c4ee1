"""The readers and what is in them, for the event loop; blocks in threads alone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar

from agent.errors import Problem, as_problem
from agent.inspection import Found, reader_id
from agent.monitor import Monitor
from agent.work import Reservation, Reservations
from cardio.card import CardSource
from cardio.errors import CardBusy, UnsupportedCard
from cardio.readers import ReaderState

T = TypeVar("T")

#: Within which PC/SC tells its readers, unless it is stuck.
READERS_SECONDS = 10.0


class Readers:
    """Looks at readers; one in use is not disturbed, a stuck service not waited for.

    `test_cards`: a genuine card is taken for none of ours.
    """

    def __init__(
        self,
        source: CardSource,
        monitor: Monitor,
        reservations: Reservations,
        *,
        test_cards: bool,
        part: Callable[
            [tuple[ReaderState, ...]], tuple[ReaderState, ...]
        ] = lambda states: states,
    ) -> None:
        """`part` picks those that may be looked into without being named."""
        self._source = source
        self._monitor = monitor
        self._reservations = reservations
        self._test_cards = test_cards
        self._part = part
        self._salt = secrets.token_bytes(16)
        self._look: asyncio.Future[tuple[ReaderState, ...]] | None = None
        self._stuck = False

    def identify(self, name: str) -> str:
        """Return the id of a reader for pages; another one in each run."""
        return reader_id(name, self._salt)

    def describe(self, found: Found) -> dict[str, object]:
        """Return what GET /v1/readers tells of a reader."""
        return found.to_json(self._salt)

    def is_virtual(self, found: Found) -> bool:
        """Tell whether a test card is in a reader, whichever road leads to it."""
        return found.card is not None and (self._source.virtual or found.card.virtual)

    def permitted(self, found: Found) -> Found:
        """Take a genuine card for none of ours where test cards alone are used."""
        if found.card is None or self.is_virtual(found):
            return found
        if not self._test_cards:
            return found
        error = UnsupportedCard(found.state.atr or b"", "only test cards in this run")
        return Found(found.state, error=error)

    async def found_or_empty(self) -> list[Found]:
        try:
            return await self.look_into_all()
        except Problem:
            return []

    async def states(self) -> tuple[ReaderState, ...]:
        """Return the readers now; `pcsc-unavailable` from a service that is stuck.

        While a look at it has not come back no other one is begun, whoever waits for
        it still or does not any more.
        """
        try:
            # Not wait_for, which up to Python 3.11 can swallow a cancellation.
            async with asyncio.timeout(0 if self._stuck else READERS_SECONDS):
                while self._look is not None and not self._look.done():
                    await asyncio.wait([self._look])
                self._stuck = False
                look = asyncio.ensure_future(self._in_thread(self._source.readers))
                look.add_done_callback(
                    lambda done: done.cancelled() or done.exception()
                )
                self._look = look
                return await asyncio.shield(look)
        except TimeoutError:
            self._stuck = True
            raise Problem("pcsc-unavailable") from None

    async def look_into_all(self) -> list[Found]:
        """Look into all readers; a reader in use is not disturbed for it.

        At a counter all is the citizens' reader.
        """
        return [await self.look(state) for state in self._part(await self.states())]

    async def look(self, state: ReaderState) -> Found:
        if self._reservations.taken(state.name):
            known = self._monitor.remembered(state)
            if known is None:
                known = Found(state, error=CardBusy("another request uses the card"))
            return self.permitted(known)
        found = await self._in_thread(lambda: self._monitor.look(state))
        return self.permitted(found)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run short blocking work that needs no reservation."""
        reservation = Reservation(lambda: None)
        try:
            return await reservation.run(lambda: as_problem(work))
        finally:
            reservation.leave()


def card_state(found: list[Found]) -> str:
    """Return the `card` of /v1/status."""
    if any(reader.belgian for reader in found):
        return "present"
    filled = any(reader.state.atr is not None for reader in found)
    return "unsupported" if filled else "none"
