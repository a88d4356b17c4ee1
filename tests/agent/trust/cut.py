"""Cuts a piece of work off at its n-th change of the disk, as a crash does.

From the cut on nothing is changed any more: not by clean-up either, which a crash would
not have done.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod"}
#: What certutil does when it changes a database.
_WRITING = {"-A", "-D", "-N"}


class Cut(BaseException):
    """The work was cut here; no handler for errors may take it for one."""


class _Scissors:
    def __init__(self) -> None:
        self.left: int | None = None
        self.thread = 0
        self.only = ""

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.left is None or threading.get_ident() != self.thread:
            return
        if not _changes(event, arguments):
            return
        if self.left >= 0 and event.startswith(self.only):
            self.left -= 1
        if self.left < 0:
            raise Cut(event)


def _changes(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    if event == "subprocess.Popen":
        words = arguments[1]
        return isinstance(words, list) and bool(_WRITING & set(words))
    return event in _CHANGES


_scissors = _Scissors()
_hooked = False


@contextmanager
def cut_after(changes: int, *, of: str = "") -> Iterator[Callable[[], bool]]:
    """Let that many changes of this thread happen; yields whether it was cut.

    `of`: only changes by this event of the interpreter count.
    """
    global _hooked  # a hook cannot be taken away
    if not _hooked:
        sys.addaudithook(_scissors)
        _hooked = True
    _scissors.left, _scissors.thread = changes, threading.get_ident()
    _scissors.only = of
    was_cut = False
    try:
        yield lambda: was_cut
    except Cut:
        was_cut = True
    finally:
        _scissors.left = None
