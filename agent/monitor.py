"""Follows readers and cards from a thread of its own; touches the card source alone.

Knows which reader holds what now, remembers for as long as a card stays in what
recognition made of it (that it is none of ours, too, so that it is asked once) and the
certificates of its login, and wakes whoever waits for a card to go.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.inspection import Found, look_into
from agent.reading import LoginCertificates
from cardio.atr import looks_belgian
from cardio.card import CardSource
from cardio.errors import UnsupportedCard
from cardio.readers import ReaderState, ReaderWatch

_log = logging.getLogger(__name__)

#: Pause after a watch failed in a way that nobody foresaw.
_AGAIN_SECONDS = 1.0


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

    def over(self, states: tuple[ReaderState, ...]) -> str | None:
        """Return why a question about this card is over, as a problem's code."""
        return "card-removed" if self.ended(states) else None


@dataclass(frozen=True)
class Offer:
    """Cards among which a person chooses; `states` are all readers at that time."""

    stays: tuple[Stay, ...]
    states: tuple[ReaderState, ...]

    def over(self, states: tuple[ReaderState, ...]) -> str | None:
        """Return why the choice is over: one of them went, or another card came.

        The numbers that the person sees would mean other readers.
        """
        if any(stay.ended(states) for stay in self.stays):
            return "card-removed"
        before = {state.name: state.insertion for state in self.states}
        for state in states:
            later = (state.insertion - before.get(state.name, 0)) & 0xFFFF
            new = state.name not in before or 0 < later < 0x8000
            if new and state.atr is not None:
                return "card-changed"
        return None


#: What `Unchanged` says when it is over; no problem's code.
CHANGED = "changed"


@dataclass(frozen=True)
class Unchanged:
    """Readers among which there is no card that can be used, as they were then."""

    states: tuple[ReaderState, ...]

    def over(self, states: tuple[ReaderState, ...]) -> str | None:
        """Return CHANGED once a reader or a card came or went."""
        return None if states == self.states else CHANGED


Watched = Stay | Offer | Unchanged


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
        """`report` is told the readers before and after each change, on the loop.

        The first look tells the same readers twice.
        """
        self._source = source
        self._report = report
        self._states: tuple[ReaderState, ...] | None = None
        self._held: dict[Stay, LoginCertificates] = {}
        self._tries: dict[Stay, int] = {}
        self._watch: ReaderWatch | None = None
        self._waiting: list[tuple[Watched, asyncio.Future[str]]] = []
        self._found: dict[Stay, Found] = {}
        self._lock = threading.Lock()
        #: How often everything was forgotten.
        self._era = 0

    def start(self) -> None:
        """Begin to follow."""
        self._watch = self._source.watch()
        arguments = (self._watch, asyncio.get_running_loop())
        threading.Thread(
            target=self._follow, args=arguments, name="monitor", daemon=True
        ).start()

    def close(self) -> None:
        """Stop following; a PC/SC service that is stuck is not waited for."""
        if self._watch is not None:
            threading.Thread(
                target=self._watch.cancel, name="unfollow", daemon=True
            ).start()

    def _follow(self, watch: ReaderWatch, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                states = watch.wait()
            except Exception as error:  # questions and grants end with what it tells
                _log.error("the watch on the readers: %s", type(error).__name__)
                time.sleep(_AGAIN_SECONDS)
                continue
            if states is None or loop.is_closed():
                return
            loop.call_soon_threadsafe(self._changed, states)

    def _changed(self, states: tuple[ReaderState, ...]) -> None:
        for watched, waiter in self._waiting:
            code = watched.over(states)
            if code is not None and not waiter.done():
                waiter.set_result(code)
        with self._lock:
            for stay in [stay for stay in self._found if stay.ended(states)]:
                self._forget(stay)
            before, self._states = self._states, states
        self._report(states if before is None else before, states)

    def states(self) -> tuple[ReaderState, ...]:
        """Return the readers as they were at the last change, none before the first."""
        return self._states or ()

    async def over(self, watched: Watched) -> str:
        """Wait until the card is gone, or the choice is over; return the code."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        entry = (watched, ended)
        self._waiting.append(entry)
        try:
            return await ended
        finally:
            self._waiting.remove(entry)

    def look(self, state: ReaderState) -> Found:
        """Recognise the card in a reader, once for each stay; blocks on the card.

        A card that was busy, silent or unreadable is looked at again the next time.
        """
        stay = Stay(state.name, state.insertion)
        with self._lock:
            known = self._found.get(stay)
        if known is not None and known.state == state:
            return known
        era = self._era
        found = look_into(self._source, state)
        # One with a Belgian ATR may have refused by a fault of the moment.
        lasting = found.error is None or (
            isinstance(found.error, UnsupportedCard)
            and not looks_belgian(state.atr or b"")
        )
        if lasting and state.atr is not None:
            with self._lock:  # it may have left meanwhile, and nobody would forget it
                gone = self._states is not None and stay.ended(self._states)
                if not gone and era == self._era:
                    self._found[stay] = found
        return found

    def forget(self, stay: Stay) -> None:
        """Have a card looked at anew, and drop what was kept of it."""
        with self._lock:
            self._forget(stay)

    def forget_all(self) -> None:
        """Have every card looked at anew: each may have been swapped during a sleep.

        What is being looked at now is not kept either.
        """
        with self._lock:
            self._era += 1
            self._found.clear()
            self._held.clear()
            self._tries.clear()

    def _forget(self, stay: Stay) -> None:
        self._found.pop(stay, None)
        self._held.pop(stay, None)
        self._tries.pop(stay, None)

    def found(self) -> tuple[Found, ...]:
        """Return what recognition said of the Belgian cards that are in now."""
        with self._lock:
            return tuple(one for one in self._found.values() if one.error is None)

    def note_tries(self, stay: Stay, left: int | None) -> None:
        """Keep the tries that a PIN left, until the card goes; None after a right one.

        From any thread.
        """
        with self._lock:
            self._tries.pop(stay, None)
            if left is not None and stay in self._found:
                self._tries[stay] = left

    def noted_tries(self, stay: Stay) -> int | None:
        """Return what `note_tries` kept; other programs may have spent tries since."""
        with self._lock:
            return self._tries.get(stay)

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
