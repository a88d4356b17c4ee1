"""One question at a time in the whole agent; it ends with card, request, time or sleep.

Waits on the event loop; what is asked, and how, is the interface's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from agent.attempt import Attempt
from agent.attendance import Attendance
from agent.errors import Problem
from agent.events import Audience
from agent.monitor import CHANGED, Monitor, Watched
from agent.ui import Cancelled, ScreenMissing, Unavailable
from cardio.pin import Pin
from cardio.readers import ReaderState

T = TypeVar("T")

#: The sentence of `policy-denied` where the citizens' screen is not connected.
SCREEN_MISSING = "screen-missing"

#: What a question ends with that the interface could not show.
_NOT_SHOWN = ("no-user-interface", "policy-denied")
#: How often a person may have more time for one dialog.
MAX_EXTENSIONS = 10


class ReadersChanged(Exception):
    """Something came or went while a card was asked for."""


class Questions:
    """Asks the person about a card; tells the page that a dialog opens and closes."""

    def __init__(
        self,
        monitor: Monitor,
        audience: Audience,
        states: Callable[[], Awaitable[tuple[ReaderState, ...]]],
        attendance: Attendance,
        seconds: float,
    ) -> None:
        """`states` returns the readers now; a dialog stays open for `seconds`."""
        self._monitor = monitor
        self._audience = audience
        self._states = states
        self._attendance = attendance
        self._seconds = seconds
        self._dialog = asyncio.Lock()
        self._limit: asyncio.Timeout | None = None
        self._extensions = 0

    def more_time(self) -> bool:
        """Give the open dialog its time once more; False where that cannot be."""
        limit = self._limit
        if limit is None or limit.expired() or self._extensions >= MAX_EXTENSIONS:
            return False
        self._extensions += 1
        limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
        return True

    async def ask(
        self, attempt: Attempt, watched: Watched, question: Coroutine[Any, Any, T]
    ) -> T:
        """Put one question as `pose`; who could not see it was not asked."""
        before = attempt.asked

        def opened() -> None:
            attempt.asked = True

        try:
            return await self.pose(attempt.origin, watched, question, opened)
        except Problem as problem:
            if problem.code in _NOT_SHOWN:
                attempt.asked = before
            raise

    async def pose(
        self,
        origin: str,
        watched: Watched,
        question: Coroutine[Any, Any, T],
        opened: Callable[[], None] = lambda: None,
    ) -> T:
        """Put one question; it ends with what it is about, the request, or the time.

        `opened` is called when the interface is asked to show it. Raises Problem, and
        ReadersChanged where `watched` is `Unchanged`.
        """
        if self._dialog.locked():
            question.close()
            raise Problem("busy")
        async with self._dialog:
            absences = self._attendance.absences
            leaving = asyncio.ensure_future(self._monitor.over(watched))
            try:  # it may have left before anybody waited for that
                if (over := watched.over(await self._states())) is not None:
                    raise _ended(over)
                self._attendance.check()
            except BaseException:
                leaving.cancel()
                question.close()
                raise
            opened()
            self._audience.tell(origin, {"type": "dialog", "state": "opened"})
            asking = asyncio.ensure_future(question)
            both: set[asyncio.Future[Any]] = {asking, leaving}
            self._extensions = 0
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds) as self._limit:
                        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                self._attendance.look()
                if self._attendance.absences != absences:  # answered too late
                    raise Problem("timeout")
                # Between here and the caller nothing is awaited, so that a request
                # which is cancelled now cannot lose a PIN unwiped.
                return _answer(asking, leaving)
            except BaseException:
                asking.add_done_callback(_forget_answer)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                raise
            finally:
                self._limit = None
                leaving.cancel()
                self._audience.tell(origin, {"type": "dialog", "state": "closed"})


def _answer(asking: asyncio.Future[T], leaving: asyncio.Future[str]) -> T:
    if asking.done():
        try:
            return asking.result()
        except Cancelled:
            raise Problem("user-cancelled") from None
        except Unavailable:
            raise Problem("no-user-interface") from None
        except ScreenMissing:
            raise Problem("policy-denied", sentence=SCREEN_MISSING) from None
    raise _ended(leaving.result()) if leaving.done() else Problem("timeout")


def _ended(over: str) -> Exception:
    """Return what a question ends with, by what `over` said of what it is about."""
    return ReadersChanged() if over == CHANGED else Problem(over)


def _forget_answer(asking: asyncio.Future[Any]) -> None:
    """Wipe a PIN that was typed for a request which is over."""
    if asking.done() and not asking.cancelled() and asking.exception() is None:
        answer = asking.result()
        for each in answer if isinstance(answer, tuple) else (answer,):
            if isinstance(each, Pin):
                each.wipe()
