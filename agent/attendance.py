"""Ends what waits for the person when nobody can be at the screen any more.

That is when the computer sleeps or the screen is locked. What is open then ends as
`timeout`: nobody refused it, and a person who comes back may simply try again. Told by
`agent.host`; compares two clocks by itself, since the event loop's own stands still
during a sleep on Linux and macOS.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from agent.errors import Problem

#: A sleep that is shorter does not show; the clocks are read one after the other.
_SHORTEST_SECONDS = 1.0
#: A sleep that was announced and has not come by then was called off.
_COMING_SECONDS = 30.0


class Attendance:
    """Whether somebody can be at the screen; an `agent.host.attendant.Attendant`."""

    def __init__(
        self,
        clock: Callable[[], float],
        uptime: Callable[[], float],
        woke: Callable[[], None],
        idle: Callable[[], Awaitable[None]],
        left: Callable[[], None] = lambda: None,
    ) -> None:
        """`clock` goes on during a sleep, `uptime` stands still; both in seconds.

        `woke` is called when a sleep shows, `left` whenever the person went; `idle`
        returns when no card is in use.
        """
        self._clock = clock
        self._uptime = uptime
        self._woke = woke
        self._idle = idle
        self._left = left
        self._locked = False
        self._sleep_announced: float | None = None
        self._limits: set[asyncio.Timeout] = set()
        self._nothing_open = asyncio.Event()
        self._nothing_open.set()
        #: How far `clock` was ahead of `uptime` at the last look, at most.
        self._ahead = float("inf")
        #: How often the person went.
        self.absences = 0
        self.look()

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """Give the block this long, and no longer than the person is there.

        TimeoutError, as from `asyncio.timeout`. What it yields is for `extend`.
        """
        self.look()
        async with asyncio.timeout(seconds) as limit:
            self._limits.add(limit)
            self._nothing_open.clear()
            try:
                yield limit
            finally:
                self._limits.discard(limit)
                if not self._limits:
                    self._nothing_open.set()

    def extend(self, limit: asyncio.Timeout, seconds: float) -> None:
        """Give a block more time, unless it is over or the person went."""
        until, now = limit.when(), asyncio.get_running_loop().time()
        if limit in self._limits and until is not None and until > now:
            limit.reschedule(until + seconds)

    def check(self) -> None:
        """Refuse to ask where nobody can see the question; `no-user-interface`."""
        announced = self._sleep_announced
        if announced is not None and self._uptime() - announced >= _COMING_SECONDS:
            announced = self._sleep_announced = None
        if self._locked or announced is not None:
            raise Problem("no-user-interface", sentence="screen-locked")

    def leave(self) -> None:
        """End what is open."""
        self.absences += 1
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        self._left()

    def lock(self, *, locked: bool) -> None:
        """Take note of the screen's lock."""
        self._locked = locked
        if locked:
            self.leave()

    def sleep(self, *, asleep: bool) -> None:
        """Take note of a sleep that is about to come, or is over."""
        self._sleep_announced = self._uptime() if asleep else None
        if asleep:
            self.leave()
        else:
            self.look()

    def look(self) -> None:
        """Find out by the clocks whether the computer slept since the last look."""
        before = self._uptime()
        now = self._clock()
        after = self._uptime()
        slept = now - after - self._ahead > _SHORTEST_SECONDS
        self._ahead = now - before
        if slept:
            self.leave()
            self._woke()

    async def settled(self) -> None:
        """Return when no question is open and no card is in use any more."""
        await self._nothing_open.wait()
        await self._idle()
