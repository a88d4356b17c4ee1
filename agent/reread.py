"""What a file says now: it is read again when it has changed; touches that file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_Signature = tuple[int, ...] | int | None


class Reread(Generic[T]):
    """A file's content as a value; asking costs one look at the file's attributes."""

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        """`load` reads the file and raises nothing, whatever it finds."""
        self._path = path
        self._load = load
        self._lock = threading.Lock()
        self._known: tuple[_Signature, T] | None = None

    def now(self) -> T:
        """Return what the file says now."""
        with self._lock:
            # Looked at before it is read: a change in between is seen the next time.
            signature = self._signature()
            if self._known is None or self._known[0] != signature:
                self._known = signature, self._load(self._path)
            return self._known[1]

    def _signature(self) -> _Signature:
        try:
            status = self._path.lstat()
        except OSError as error:
            return error.errno
        return (
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mode,
            status.st_uid,
            status.st_gid,
        )
