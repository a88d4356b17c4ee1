"""What pages that listen are told, and when they have to leave.

Knows grants and a clock that it is given; no sockets, no card.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.consent import Grants
from agent.errors import Problem
from agent.events import IDLE_SECONDS, Audience, Listener, Message, Tickets
from cardio.readers import ReaderState


class Announcer:
    """Lets pages listen by ticket; used on the event loop, but for progress."""

    def __init__(self, grants: Grants, clock: Callable[[], float]) -> None:
        """`clock` in seconds."""
        self.audience = Audience()
        self._grants = grants
        self._clock = clock
        self._tickets = Tickets(clock)
        self._last_call: dict[str, float] = {}

    def called(self, origin: str) -> None:
        """Take note that a page is still there, where it listens."""
        if self.audience.has(origin):
            self._last_call[origin] = self._clock()

    def listened(self) -> bool:
        """Tell whether a page listens."""
        return bool(self.audience)

    def ticket(self, origin: str) -> str:
        """Return what an origin may listen with, once and soon."""
        return self._tickets.give(origin)

    @contextmanager
    def listening(self, origin: str, ticket: str) -> Iterator[Listener]:
        """Tell a page what happens while the block runs.

        `user-denied` for a ticket that is not good, `too-many-requests`.
        """
        if not self._tickets.take(ticket, origin) or not self._grants.allowed(origin):
            raise Problem("user-denied")
        try:
            with self.audience.join(origin) as listener:
                self._last_call[origin] = self._clock()
                yield listener
        finally:
            if not self.audience.has(origin):
                self._last_call.pop(origin, None)

    def still_listens(self, listener: Listener) -> bool:
        """Send a page away whose consent has ended, or that has long been idle."""
        idle = self._clock() - self._last_call.get(listener.origin, 0.0)
        if idle >= IDLE_SECONDS:
            listener.end("idle")
        elif not self._grants.allowed(listener.origin):
            listener.end("consent-ended")
        return listener.ended is None

    def readers_changed(
        self, after: tuple[ReaderState, ...], kinds: tuple[str, ...]
    ) -> None:
        """Tell of `kinds`; a page whose consent goes with the card hears that it went.

        `after` are the readers now.
        """
        for listener in self.audience:
            if not self._grants.allowed(listener.origin):
                listener.end("consent-ended")
        self._grants.readers_are(after)
        for listener in self.audience:
            if self._grants.allowed(listener.origin):
                listener.tell_of(kinds)
            else:
                listener.tell_of(kind for kind in kinds if kind.endswith("-removed"))
                listener.end("consent-ended")

    def reporter(
        self, origin: str, operation: str, shown: Callable[[int, int], None] | None
    ) -> Callable[[int, int], None]:
        """Return what tells an origin, from any thread, how far its reading is.

        And the person, where `shown` is given.
        """
        loop = asyncio.get_running_loop()

        def tell(done: int, total: int) -> None:
            message: Message = {"type": "progress", "operation": operation}
            message |= {"done": done, "total": total}
            self.audience.tell(origin, message)
            if shown is not None:
                shown(done, total)

        def report(done: int, total: int) -> None:
            with contextlib.suppress(RuntimeError):  # the agent ends
                loop.call_soon_threadsafe(tell, done, total)

        return report

    def end(self, reason: str) -> None:
        """Send everybody away."""
        self.audience.end(reason)
