"""How many operations are under way, and who is told when that changes; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.ui import Outcome


class Activity:
    """What whoever shows how it stands is told of; used on the event loop."""

    def __init__(self) -> None:
        self._watchers: list[Callable[[Outcome | None], None]] = []
        #: How many operations are under way.
        self.working = 0

    def watch(self, told: Callable[[Outcome | None], None]) -> None:
        """Call `told` whenever `tell` is called, and when an operation begins or ends.

        With the outcome where a request ended that a person or data had to do with.
        """
        self._watchers.append(told)

    def tell(self, outcome: Outcome | None = None) -> None:
        """Say that something changed."""
        for told in self._watchers:
            told(outcome)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count an operation while the block runs."""
        self.working += 1
        self.tell()
        try:
            yield
        finally:
            self.working -= 1
            self.tell()
