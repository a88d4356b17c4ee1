"""Linux: each user's own file in a folder that the Debian package makes; touches it.

Everybody can make a file there (sticky, 1733), nobody can list it. A user's file has
the user's number as its name and holds data folders, a line each. Removal believes its
owner, never its name, and uses what stands in it with that user's rights alone.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

assert sys.platform != "win32"

FOLDER = Path("/var/lib/eid-agent/users")


def note(data_dir: Path) -> None:
    """Write down that this user has a data folder; OSError.

    PermissionError where the file is not this user's. Where no package made the folder,
    nothing happens.
    """
    line = os.fsencode(data_dir.absolute())
    if b"\n" in line or not FOLDER.is_dir():
        return
    descriptor = _open(os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(0)
        if line not in file.read().splitlines():
            file.write(line + b"\n")


def noted() -> list[Path]:
    """Return the data folders that this user has noted; OSError."""
    try:
        descriptor = _open(os.O_RDONLY)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        return [Path(os.fsdecode(line)) for line in file.read().splitlines()]


def _open(flags: int) -> int:
    """Open this user's file; PermissionError for anything else in its place."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(FOLDER / str(os.getuid()), flags, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
        os.close(descriptor)
        raise PermissionError(f"{FOLDER}: this user's file is somebody else's")
    return descriptor
