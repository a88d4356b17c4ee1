"""Follows readers and cards from a thread of its own; touches the card source alone.

Knows which reader holds what now, remembers for as long as a card stays in what
recognition made of it and the certificates of its login, and wakes whoever waits for a
card to go.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from agent.inspection import Found, look_into
from agent.reading import LoginCertificates
from cardio.card import CardSource
from cardio.readers import ReaderState

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stay:
    """One stay of one card in one reader."""

    reader: str
    insertion: int

    def ended(self, states: tuple[ReaderState, ...]) -> bool:
        """Tell whether these states say that the card is gone.

        States older than the insertion say nothing; the counter has 16 bits.
        """
        now = next((state for state in states if state.name == self.reader), None)
        if now is None:
            return True
        later = (now.insertion - self.insertion) & 0xFFFF
        return now.atr is None if later == 0 else later < 0x8000


def stay_of(found: Found) -> Stay:
    """Return the stay in which a card was found."""
    return Stay(found.state.name, found.state.insertion)


class Monitor:
    """Started and closed on the event loop that it reports to."""

    def __init__(
        self,
        source: CardSource,
        report: Callable[[tuple[ReaderState, ...], tuple[ReaderState, ...]], None],
    ) -> None:
        """`report` is told the readers before and after each change, on the loop."""
        self._source = source
        self._report = report
        self._states: tuple[ReaderState, ...] | None = None
        self._held: dict[Stay, LoginCertificates] = {}
        self._watch = source.watch()
        self._waiting: list[tuple[Stay, asyncio.Future[None]]] = []
        self._found: dict[Stay, Found] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to follow."""
        loop = asyncio.get_running_loop()
        arguments = (loop,)
        threading.Thread(
            target=self._follow, args=arguments, name="monitor", daemon=True
        ).start()

    def close(self) -> None:
        """Stop following; a PC/SC service that is stuck is not waited for."""
        threading.Thread(
            target=self._watch.cancel, name="unfollow", daemon=True
        ).start()

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        while (states := self._watch.wait()) is not None:
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(self._changed, states)

    def _changed(self, states: tuple[ReaderState, ...]) -> None:
        for stay, waiter in self._waiting:
            if stay.ended(states) and not waiter.done():
                waiter.set_result(None)
        with self._lock:
            for stay in [stay for stay in self._found if stay.ended(states)]:
                del self._found[stay]
                self._held.pop(stay, None)
        before, self._states = self._states, states
        if before is not None:
            self._report(before, states)

    async def gone(self, stay: Stay) -> None:
        """Return when the card is no longer in its reader."""
        entry = (stay, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await entry[1]
        finally:
            self._waiting.remove(entry)

    def look(self, state: ReaderState) -> Found:
        """Recognise the card in a reader, once for each stay; blocks on the card."""
        stay = Stay(state.name, state.insertion)
        with self._lock:
            known = self._found.get(stay)
        if known is not None and known.state == state:
            return known
        found = look_into(self._source, state)
        if found.error is None and state.atr is not None:
            with self._lock:
                self._found[stay] = found
        return found

    def found(self) -> tuple[Found, ...]:
        """Return what recognition said of the cards that are in now."""
        with self._lock:
            return tuple(self._found.values())

    def hold(self, stay: Stay, certificates: LoginCertificates) -> None:
        """Keep a holder's certificates until the card goes."""
        with self._lock:
            if stay in self._found:
                self._held[stay] = certificates

    def held(self, stay: Stay) -> LoginCertificates | None:
        """Return what `hold` kept of the card that is in."""
        with self._lock:
            return self._held.get(stay)

    def remembered(self, state: ReaderState) -> Found | None:
        """Return what recognition said before, without touching the card."""
        with self._lock:
            return self._found.get(Stay(state.name, state.insertion))
