"""A watch on PC/SC's readers in a thread of its own, whose reports can be awaited."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cardio.readers import ReaderState

_SECONDS = 10


class Watching:
    """The reports of one watch, the first one first; the last one is None."""

    def __init__(self) -> None:
        from cardio import pcsc  # pyscard may not be there

        self.watch = pcsc.PcscReaders().watch()
        self.reports: list[tuple[ReaderState, ...] | None] = []
        self._news = threading.Condition()
        self._taken = 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            report = self.watch.wait()
            with self._news:
                self.reports.append(report)
                self._news.notify_all()
            if report is None:
                return

    def expect(self, count: int) -> tuple[ReaderState, ...] | None:
        """Wait for report number `count` (from 1) and return it."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.reports) >= count, _SECONDS)
            return self.reports[count - 1]

    def next(self) -> dict[str, bytes | None]:
        """Wait for the next report; return names and answers to reset."""
        self._taken += 1
        report = self.expect(self._taken)
        assert report is not None
        return {state.name: state.atr for state in report}

    def nothing_more(self) -> bool:
        """Tell whether there was no report that `next` did not return."""
        with self._news:
            return len(self.reports) == self._taken

    def stop(self) -> None:
        """Cancel, and see that the thread ends."""
        self.watch.cancel()
        self.thread.join(_SECONDS)
        assert not self.thread.is_alive()


@contextmanager
def watching() -> Iterator[Watching]:
    """Watch while the block runs."""
    watcher = Watching()
    try:
        yield watcher
    finally:
        watcher.stop()
