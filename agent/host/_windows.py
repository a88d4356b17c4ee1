"""Windows: folders, files and sockets; touches those that it is given.

Not run there yet. Signals are set for the event loop that asks for it.

The folder below LOCALAPPDATA is open to its user, administrators and the system alone;
no access list of our own is set.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import stat
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
import winreg  # noqa: E402

from agent.host import _sddl  # noqa: E402

#: Owner and access list, of a file by its name (GetNamedSecurityInfoW).
_FILE_OBJECT, _OWNER_AND_DACL, _SDDL_REVISION = 1, 5, 1

#: SEM_FAILCRITICALERRORS and SEM_NOGPFAULTERRORBOX; WER_FAULT_REPORTING_FLAG_NOHEAP.
_NO_CRASH_DIALOG = 0x0001 | 0x0002
_WER_NO_HEAP = 0x0001


def data_dir() -> Path:
    """Return the user's folder for this program."""
    base = os.environ.get("LOCALAPPDATA")
    return Path(base if base else Path.home() / "AppData/Local") / "eid-agent"


def confine(memory: int, seconds: int) -> None:
    """Not built here: this process keeps the rights of the user."""


def has_display() -> bool:
    """Tell whether there is a screen for windows."""
    return True


def policy_path() -> Path:
    """Return where an administrator's policy stands; nothing can name another place.

    The machine's registry says where, and not %ProgramData%, which a user can set.
    """
    shell = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\Shell Folders"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, shell) as key:
        base, _ = winreg.QueryValueEx(key, "Common AppData")
    return Path(base) / "eid-agent" / "policy.json"


def clock() -> float:
    """Return seconds that go on while the computer sleeps, as Windows' own do."""
    return time.monotonic()


def make_data_dir(path: Path) -> None:
    """Make the data folder, or take one that is there."""
    path.mkdir(parents=True, exist_ok=True)


def make_private_dir(path: Path) -> None:
    """Make a folder."""
    path.mkdir(parents=True, exist_ok=True)


def read_administered(path: Path) -> bytes:
    """Read a file that administrators alone can write or replace; PermissionError."""
    path.lstat()  # where there is none, nobody minds whose the folder is
    for place in (path.parent, path):
        if place.lstat().st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
            raise PermissionError(f"{place} is a link")
        if not _sddl.administrators_alone_write(_security_of(place)):
            raise PermissionError(f"others can write {place}")
    return path.read_bytes()


def _security_of(path: Path) -> str:
    """Return owner and access list of a file or folder as SDDL."""
    advapi, kernel = ctypes.windll.advapi32, ctypes.windll.kernel32
    descriptor, words = ctypes.c_void_p(), ctypes.c_wchar_p()
    failed = advapi.GetNamedSecurityInfoW(
        ctypes.c_wchar_p(str(path)),
        _FILE_OBJECT,
        _OWNER_AND_DACL,
        None,
        None,
        None,
        None,
        ctypes.byref(descriptor),
    )
    if failed:
        raise ctypes.WinError(failed)
    try:
        if not advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor, _SDDL_REVISION, _OWNER_AND_DACL, ctypes.byref(words), None
        ):
            raise ctypes.WinError()
        try:
            return words.value or ""
        finally:
            kernel.LocalFree(ctypes.cast(words, ctypes.c_void_p))
    finally:
        kernel.LocalFree(descriptor)


def read_private(path: Path) -> bytes:
    """Read a file."""
    return path.read_bytes()


def append_private(path: Path, data: bytes, apart: bytes) -> None:
    """Add to a file, and one byte between where it does not end in that."""
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        file.write((b"" if file.read(1) in (b"", apart) else apart) + data)


def wipe_private(path: Path) -> None:
    """Overwrite a file with zeros, and remove it."""
    with path.open("r+b") as file:
        file.write(bytes(os.fstat(file.fileno()).st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


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


def keep_memory_private() -> None:
    """Leave no memory of this process behind in an error report.

    No crash dialog (SetErrorMode), no heap in what Windows Error Reporting collects
    (WerSetFlags).
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.windll.kernel32.SetErrorMode(_NO_CRASH_DIALOG)
        ctypes.windll.kernel32.WerSetFlags(_WER_NO_HEAP)


def as_root(command: Sequence[str]) -> list[str]:
    """Return the command as it is: only a whole program can be elevated."""
    return list(command)
