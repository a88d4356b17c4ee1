"""A thread of a channel's own, in which each call has a time limit; no I/O itself.

winscard knows no limit for a card that does not answer, so its calls run here. Apart
from `cardio.lane`, which many callers share and nobody ends: this one ends with its
channel, or when its card stayed mute, and releases the card as its last act.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from cardio.errors import CardMute, CardRemoved

T = TypeVar("T")


class Worker:
    """One daemon thread that runs one call after the other, each within a limit."""

    def __init__(self, last: Callable[[], None]) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._calls = queue.SimpleQueue()
        self._last = last
        self.ended = False
        self.given_up = False
        threading.Thread(target=self._serve, name="pcsc-channel", daemon=True).start()

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """Run `work` in the thread; CardMute when it takes too long, ever after too."""
        if self.given_up:
            raise CardMute("this card was given up")
        if self.ended:
            raise CardRemoved("this card was given back")
        result: Future[T] = Future()
        self._calls.put((work, result))
        try:
            return result.result(timeout=seconds)
        except TimeoutError:
            self.given_up = True
            self.end()
            raise CardMute("the card does not answer") from None

    def end(self) -> None:
        """Let the thread end after what it is doing; it runs `last` before."""
        self.ended = True
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            work, result = call
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)
        self._last()
