"""Who is told what happens to readers, cards and operations; knows no sockets.

Card events carry no identifiers; progress and dialogs go to the origin whose operation
it is and to nobody else (safety rule 23).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from agent.errors import Problem
from cardio.readers import ReaderState

#: Seconds for which a ticket is good.
TICKET_SECONDS = 30.0
#: Seconds without a call after which an origin's sockets are closed.
IDLE_SECONDS = 1800.0
MAX_SOCKETS = 8
#: Tickets of one origin that are not used yet.
_MAX_TICKETS = 8
#: Messages that wait for a page which does not take them.
_MAX_WAITING = 256

Message = dict[str, object]


def changes(
    before: tuple[ReaderState, ...], after: tuple[ReaderState, ...]
) -> tuple[str, ...]:
    """Return the types of what happened between two looks at the readers."""
    old = {state.name: state for state in before}
    new = {state.name: state for state in after}
    happened: list[str] = []
    for name in old.keys() - new.keys():
        happened += ["card-removed"] if old[name].atr else []
        happened.append("reader-removed")
    for name, state in new.items():
        was = old.get(name)
        if was is None:
            happened.append("reader-added")
        same = was is not None and was.insertion == state.insertion
        if was is not None and was.atr and not (same and state.atr):
            happened.append("card-removed")
        if state.atr and not (same and was is not None and was.atr):
            happened.append("card-inserted")
    return tuple(happened)


class Tickets:
    """Tickets for one socket each: good once, for a short time, for one origin."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._given: dict[str, tuple[str, float]] = {}

    def give(self, origin: str) -> str:
        """Return a new ticket; an origin with too many loses its oldest one."""
        now = self._clock()
        for old in [old for old, (_, until) in self._given.items() if until <= now]:
            del self._given[old]
        own = [old for old, (whose, _) in self._given.items() if whose == origin]
        if len(own) >= _MAX_TICKETS:
            del self._given[own[0]]
        ticket = secrets.token_urlsafe(32)
        self._given[ticket] = (origin, now + TICKET_SECONDS)
        return ticket

    def take(self, ticket: str, origin: str) -> bool:
        """Use a ticket up, and tell whether it was good for this origin now."""
        wanted, until = self._given.pop(ticket, ("", 0.0))
        return wanted == origin and self._clock() < until


class Listener:
    """One page's place in the audience; `ended` says why it has to leave."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.ended: str | None = None
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(_MAX_WAITING)

    def tell(self, message: Message) -> None:
        """Put a message into the queue; a page that takes none has to leave."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.end("slow")

    def tell_of(self, kinds: Iterable[str]) -> None:
        """Say what happened to readers and cards."""
        for kind in kinds:
            self.tell({"type": kind})

    def end(self, reason: str) -> None:
        """Have the page leave after what it was told so far."""
        if self.ended is None:
            self.ended = reason
            if self._queue.full():
                self._queue.get_nowait()
            self._queue.put_nowait(None)

    async def next(self) -> Message | None:
        """Return the next message, None at the end."""
        return await self._queue.get()


class Audience:
    """All pages that listen now."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def __bool__(self) -> bool:
        return any(self)

    def __iter__(self) -> Iterator[Listener]:
        """Go through those who have not been sent away."""
        return iter([one for one in self._listeners if one.ended is None])

    def has(self, origin: str) -> bool:
        """Tell whether a page of this origin listens."""
        return any(listener.origin == origin for listener in self)

    @contextmanager
    def join(self, origin: str) -> Iterator[Listener]:
        """Listen while the block runs; `too-many-requests` when there is no place.

        An origin with several places gives one up for an origin that has none.
        """
        here = list(self)
        if len(here) >= MAX_SOCKETS:
            spare = _spare(here)
            if spare is None or self.has(origin):
                raise Problem("too-many-requests")
            spare.end("crowded")
        listener = Listener(origin)
        self._listeners.append(listener)
        try:
            yield listener
        finally:
            self._listeners.remove(listener)

    def tell(self, origin: str, message: Message) -> None:
        """Tell one origin of its own operation."""
        for listener in self:
            if listener.origin == origin:
                listener.tell(message)

    def end(self, reason: str) -> None:
        """Send everybody away."""
        for listener in self:
            listener.end(reason)


def _spare(listeners: list[Listener]) -> Listener | None:
    """Return the oldest place of the origin with most of them, if it has several."""
    counts = Counter(listener.origin for listener in listeners)
    ((most, count),) = counts.most_common(1)
    if count == 1:
        return None
    return next(listener for listener in listeners if listener.origin == most)
