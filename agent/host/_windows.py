"""Windows: folders, files and sockets; touches those that it is given.

Not run there yet. Signals are set for the event loop that asks for it.

The folder below LOCALAPPDATA is open to its user, administrators and the system alone;
no access list of our own is set.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

assert sys.platform == "win32"

import msvcrt  # noqa: E402


def data_dir() -> Path:
    """Return the user's folder for this program."""
    base = os.environ.get("LOCALAPPDATA")
    return Path(base if base else Path.home() / "AppData/Local") / "eid-agent"


def clock() -> float:
    """Return seconds that go on while the computer sleeps, as Windows' own do."""
    return time.monotonic()


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


def channel_address(_folder: Path, _folders: contextlib.ExitStack) -> str:
    """Return the name of a new pipe for a private channel."""
    return rf"\\.\pipe\eid-agent-{secrets.token_hex(8)}"


def close_channel_to_others(_address: str) -> None:
    """Leave the pipe as it is: its key lies in the user's own folder."""


def claim_port(listener: socket.socket) -> None:
    """Before binding: no other program may bind the same port besides."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)


#: What ends a program that leaves it to the system; a window that closes is SIGBREAK.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)


def on_stop_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM, Ctrl-C, Ctrl-Break and when the window closes.

    Loops have no signal handlers here.
    """
    for number in ENDING_SIGNALS:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


@contextmanager
def suspended_only_when(_still: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Do nothing: no program is suspended from the keyboard here."""
    yield


def as_root(command: Sequence[str]) -> list[str]:
    """Return the command as it is: only a whole program can be elevated."""
    return list(command)
