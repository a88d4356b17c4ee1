"""Windows: folders and files; touches those that it is given. Not run there yet.

The folder below LOCALAPPDATA is open to its user, administrators and the system alone;
no access list of our own is set.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

assert sys.platform == "win32"

import msvcrt  # noqa: E402


def data_dir() -> Path:
    """Return the user's folder for this program."""
    base = os.environ.get("LOCALAPPDATA")
    return Path(base if base else Path.home() / "AppData/Local") / "eid-agent"


def make_data_dir(path: Path) -> None:
    """Make the data folder, or take one that is there."""
    path.mkdir(parents=True, exist_ok=True)


def make_private_dir(path: Path) -> None:
    """Make a folder."""
    path.mkdir(parents=True, exist_ok=True)


def read_private(path: Path) -> bytes:
    """Read a file."""
    return path.read_bytes()


def write_private(path: Path, data: bytes) -> None:
    """Write a file anew, in one step."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    work.write_bytes(data)
    work.replace(path)


def lock(path: Path) -> IO[bytes] | None:
    """Lock a file until it is closed, or return None when another holds it."""
    file = path.open("ab")
    try:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        file.close()
        return None
    return file
