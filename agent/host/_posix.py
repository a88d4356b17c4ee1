"""Linux and macOS: the data folder and files that only their owner can touch."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import IO

assert sys.platform != "win32"

import fcntl  # noqa: E402


def data_dir() -> Path:
    """Return the user's folder for this program."""
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/eid-agent"
    base = os.environ.get("XDG_DATA_HOME")
    return Path(base if base else Path.home() / ".local/share") / "eid-agent"


def make_private_dir(path: Path) -> None:
    """Make a folder of mode 0700; PermissionError when it is somebody else's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{path} is not a folder of yours")
    path.chmod(0o700)


def read_private(path: Path) -> bytes:
    """Read a file of ours; PermissionError for a link or one that others can read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise PermissionError(f"{path} can be read by others; remove it")
        return file.read()


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 anew, in one step."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    work.unlink(missing_ok=True)
    descriptor = os.open(work, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        work.replace(path)
    except BaseException:
        work.unlink(missing_ok=True)
        raise


def lock(file: IO[bytes]) -> None:
    """Lock an open file for this process; OSError when another has it."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
