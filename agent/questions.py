"""One question at a time in the whole agent; it ends with card, request, time or sleep.

Waits on the event loop; what is asked, and how, is the interface's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from agent.attendance import Attendance
from agent.errors import Problem
from agent.events import Audience
from agent.monitor import Monitor, Offer, Stay
from agent.ui import Cancelled, Unavailable
from cardio.pin import Pin
from cardio.readers import ReaderState

T = TypeVar("T")

DIALOG_SECONDS = 120.0


class Questions:
    """Asks the person about a card; tells the page that a dialog opens and closes."""

    def __init__(
        self,
        monitor: Monitor,
        audience: Audience,
        states: Callable[[], Awaitable[tuple[ReaderState, ...]]],
        attendance: Attendance,
    ) -> None:
        """`states` returns the readers as they are now."""
        self._monitor = monitor
        self._audience = audience
        self._states = states
        self._attendance = attendance
        self._dialog = asyncio.Lock()

    async def pose(
        self, origin: str, watched: Stay | Offer, question: Coroutine[Any, Any, T]
    ) -> T:
        """Put one question; it ends with what it is about, the request, or the time."""
        if self._dialog.locked():
            question.close()
            raise Problem("busy")
        async with self._dialog:
            absences = self._attendance.absences
            leaving = asyncio.ensure_future(self._monitor.over(watched))
            try:  # it may have left before anybody waited for that
                if (code := watched.over(await self._states())) is not None:
                    raise Problem(code)
                self._attendance.check()
            except BaseException:
                leaving.cancel()
                question.close()
                raise
            self._audience.tell(origin, {"type": "dialog", "state": "opened"})
            asking = asyncio.ensure_future(question)
            both: set[asyncio.Future[Any]] = {asking, leaving}
            try:
                await asyncio.wait(
                    both, timeout=DIALOG_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
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
    raise Problem(leaving.result() if leaving.done() else "timeout")


def _forget_answer(asking: asyncio.Future[Any]) -> None:
    """Wipe a PIN that was typed for a request which is over."""
    if asking.done() and not asking.cancelled() and asking.exception() is None:
        answer = asking.result()
        if isinstance(answer, Pin):
            answer.wipe()
