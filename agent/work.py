"""Blocking card work off the event loop; touches threads, and no card by itself.

Each piece of work gets a thread, not a pool: a card that does not answer must not keep
others waiting. `Reservations` sees to it that a reader has one operation at a time, and
counts a reader as busy until the last thread on it has really ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from agent.errors import Problem

T = TypeVar("T")


class Reservation:
    """The right to use one reader; runs the blocking work on it."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._running = 0
        self._left = False
        self.stop = threading.Event()
        #: Set while no thread of this reservation runs.
        self.still = asyncio.Event()
        self.still.set()

    async def run(
        self,
        work: Callable[[], T],
        unwanted: Callable[[asyncio.Future[T]], None] | None = None,
    ) -> T:
        """Run blocking work; a cancelled caller leaves it to end by itself.

        Then `unwanted` is called with what came of it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        threading.Thread(
            target=self._work, args=(work, loop, future), name="card", daemon=True
        ).start()
        self._running += 1  # on the loop, so before the thread's `deliver`
        self.still.clear()
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.stop.set()
            future.add_done_callback(unwanted or _forget)
            raise

    def _work(
        self,
        work: Callable[[], T],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[T],
    ) -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # it belongs to whoever waits
            failure = error

        def deliver() -> None:
            self._running -= 1
            self._settle()
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # set by work()

        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver)

    def leave(self) -> None:
        """End the reservation, as soon as nothing runs any more."""
        self._left = True
        self._settle()

    def _settle(self) -> None:
        if not self._running:
            self.still.set()
            if self._left:
                self._release()


def _forget(future: asyncio.Future[T]) -> None:
    """Take note of a result that nobody waits for; a signature is thrown away here."""
    if not future.cancelled():
        future.exception()


class Reservations:
    """Who uses which reader now.

    What is read ahead of any request gives way: a request that needs the reader stops
    it, or lets it finish where it reads just what the request wants.
    """

    def __init__(self) -> None:
        self._taken: dict[str, Reservation] = {}
        self._ahead: dict[str, Reservation] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._given_back: dict[str, asyncio.Event] = {}

    async def idle(self) -> None:
        """Return when no operation runs any more."""
        await self._idle.wait()

    async def still(self) -> None:
        """Return when no thread works on a card; whoever waits for a person may stay.

        True until the caller awaits something.
        """
        while working := [
            each for each in self._taken.values() if not each.still.is_set()
        ]:
            await working[0].still.wait()

    def taken(self, reader: str) -> bool:
        """Tell whether somebody uses the reader."""
        return reader in self._taken

    @asynccontextmanager
    async def reserve(
        self, reader: str, *, patient: bool = False
    ) -> AsyncIterator[Reservation]:
        """Take a reader for one operation; `busy` when another operation has it.

        `patient` lets what is read ahead finish.
        """
        while (ahead := self._ahead.get(reader)) is not None:
            if not patient:
                ahead.stop.set()
            await self._given_back[reader].wait()
        with self._take(reader) as reservation:
            yield reservation

    @contextmanager
    def ahead(self, reader: str) -> Iterator[Reservation]:
        """Take a reader to read ahead, giving way to operations; `busy`."""
        with self._take(reader) as reservation:
            self._ahead[reader] = reservation
            yield reservation

    @contextmanager
    def _take(self, reader: str) -> Iterator[Reservation]:
        if reader in self._taken:
            raise Problem("busy")
        reservation = Reservation(lambda: self._release(reader))
        self._taken[reader] = reservation
        self._given_back[reader] = asyncio.Event()
        self._idle.clear()
        try:
            yield reservation
        finally:
            reservation.leave()

    def _release(self, reader: str) -> None:
        del self._taken[reader]
        self._ahead.pop(reader, None)
        self._given_back.pop(reader).set()
        if not self._taken:
            self._idle.set()
