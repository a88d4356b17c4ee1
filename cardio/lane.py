"""One thread for all calls into a library that bears no second one; no I/O itself.

A PKCS#11 module is one for the whole process, and python-pkcs11 initialises it without
locks. So every call takes its turn here, each within a limit: the library may hang, the
program may not.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from cardio.errors import CardBusy, CardMute

T = TypeVar("T")


class Lane:
    """A daemon thread that runs one call after the other.

    Apart from `cardio.worker`: there is one for the whole process, which serves again
    when a late call has ended. A worker is one channel's, and a channel whose card
    stayed mute is given up for good.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]]
        self._calls = queue.SimpleQueue()
        self._late: Future[Any] | None = None
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """Run `work` in the thread; CardMute when it takes too long.

        What had not begun by then never runs: CardBusy. What had goes on to its own
        end, and until then every other call is refused at once.
        """
        if self._late is not None and not self._late.done():
            raise CardMute("the library still does not answer")
        result: Future[T] = Future()
        self._calls.put((work, result))
        try:
            return result.result(timeout=seconds)
        except TimeoutError:
            if result.cancel():
                raise CardBusy("the library is busy") from None
            if result.done():  # at the last moment, or by a TimeoutError of its own
                return result.result()
            self._late = result
            raise CardMute("the library does not answer") from None

    def leave(self, work: Callable[[], None]) -> None:
        """Let the thread run `work` after all that came before; nobody waits for it."""
        self._calls.put((work, Future()))

    def _serve(self) -> None:
        while True:
            work, result = self._calls.get()
            if not result.set_running_or_notify_cancel():
                continue
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)
