"""One program at a time at a file of the data folder; touches a lock file beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import host

_WAIT_SECONDS = 2.0
_PAUSE_SECONDS = 0.01


@contextmanager
def exclusive(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold a lock file while the block runs; TimeoutError and other OSErrors.

    Blocks for so long until whoever has it lets go; by default what takes moments.
    """
    deadline = time.monotonic() + (_WAIT_SECONDS if seconds is None else seconds)
    while (lock := host.lock(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"another program keeps {path}")
        time.sleep(_PAUSE_SECONDS)
    with lock:
        yield
