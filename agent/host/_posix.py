"""Linux and macOS: private folders, files and sockets; touches those that it is given.

Signals are set for the event loop that asks for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

assert sys.platform != "win32"

import fcntl  # noqa: E402
import grp  # noqa: E402
import pwd  # noqa: E402
import resource  # noqa: E402

#: Who may write an administrator's file, by their numbers.
_ADMINISTRATORS = frozenset({0})
#: Groups of administrators: on macOS `admin` (80) owns /Library/Application Support.
_ADMIN_GROUPS = frozenset({0, 80} if sys.platform == "darwin" else {0})

#: A Unix socket's path may have about 100 bytes.
_MAX_PATH = 90

#: <linux/prctl.h>; <sys/ptrace.h> of macOS, not run there yet.
_PR_SET_DUMPABLE = 4
_PT_DENY_ATTACH = 31


def data_dir() -> Path:
    """Return the user's folder for this program."""
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/eid-agent"
    # A relative path there is to be ignored (XDG Base Directory Specification).
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local/share") / "eid-agent"


def confine(memory: int, seconds: int) -> None:
    """Give this process no new file or connection, and little memory and time.

    `memory` in bytes. For good; what is open stays open.
    """
    limits = {
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory,
    }
    for limit, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS has no RLIMIT_AS
            resource.setrlimit(limit, (most, most))


def has_display() -> bool:
    """Tell whether there is a screen for windows."""
    if sys.platform == "darwin":
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def policy_path() -> Path:
    """Return where an administrator's policy stands; nothing can name another place."""
    if sys.platform == "darwin":
        return Path("/Library/Application Support/eid-agent/policy.json")
    return Path("/etc/eid-agent/policy.json")


def make_data_dir(path: Path) -> None:
    """Make the data folder, 0700, or take one that is there, without changing it.

    The person may name any folder, so its mode is theirs. PermissionError when it is a
    link, somebody else's, or open for others to write.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = _own_folder(path)
    if status.st_mode & stat.S_IWOTH:
        raise PermissionError(f"everybody can write to {path}")
    if status.st_mode & stat.S_IWGRP and not _of_this_user_alone(status.st_gid):
        raise PermissionError(f"a group of several people can write to {path}")


def _of_this_user_alone(group: int) -> bool:
    """Tell whether a group is the user's private one.

    Debian gives each user such a group, of the same name and without members, and opens
    new folders to it (umask 002).
    """
    try:
        user, entry = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except KeyError:
        return False
    same = user.pw_gid == group and entry.gr_name == user.pw_name
    return same and set(entry.gr_mem) <= {user.pw_name}


def make_private_dir(path: Path) -> None:
    """Make a folder of mode 0700; PermissionError for a link or somebody else's."""
    path.mkdir(mode=0o700, exist_ok=True)
    _own_folder(path)
    path.chmod(0o700)


def _own_folder(path: Path) -> os.stat_result:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{path} is a link or not a folder of yours")
    return status


def read_private(path: Path) -> bytes:
    """Read a file of ours; PermissionError for a link or one that others can read."""
    with _open_private(path, os.O_RDONLY, "rb") as file:
        return file.read()


def append_private(path: Path, data: bytes, apart: bytes) -> None:
    """Add to a file of ours, made 0600 where it is missing; PermissionError.

    `apart` is one byte; it is put between where the file does not end in it.
    """
    with _open_private(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        file.write((b"" if file.read(1) in (b"", apart) else apart) + data)


def wipe_private(path: Path) -> None:
    """Overwrite a file of ours with zeros, and remove it; PermissionError."""
    with _open_private(path, os.O_RDWR, "r+b") as file:
        file.write(bytes(os.fstat(file.fileno()).st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _open_private(path: Path, flags: int, mode: str) -> IO[bytes]:
    """Open a file of ours; PermissionError for a link or one that others can reach."""
    descriptor, status = _open_plain(path, flags)
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(descriptor)
        raise PermissionError(f"{path} can be read by others; remove it")
    return os.fdopen(descriptor, mode)


def _open_plain(path: Path, flags: int) -> tuple[int, os.stat_result]:
    """Open a file and look at it; PermissionError for what is a link, or no file."""
    # Without O_NONBLOCK a named pipe in its place would be waited for.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PermissionError(f"{path} is a link; remove it") from None
        if error.errno == errno.EISDIR:
            raise PermissionError(f"{path} is no file; remove it") from None
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise PermissionError(f"{path} is no file; remove it")
    return descriptor, status


def read_administered(path: Path) -> bytes:
    """Read a file that administrators alone can write or replace; PermissionError."""
    path.lstat()  # where there is none, nobody minds whose the folders are
    for folder in path.parents:
        status = folder.lstat()
        # In a sticky folder nobody can replace what is an administrator's.
        shared = status.st_mode & stat.S_ISVTX
        if not stat.S_ISDIR(status.st_mode) or not _administered(status, shared=shared):
            raise PermissionError(f"others can write to {folder}")
    descriptor, status = _open_plain(path, os.O_RDONLY)
    if not _administered(status):
        os.close(descriptor)
        raise PermissionError(f"others can write {path}")
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _administered(status: os.stat_result, *, shared: int = 0) -> bool:
    """Tell whether administrators own something and alone can write it."""
    group = status.st_mode & stat.S_IWGRP and status.st_gid not in _ADMIN_GROUPS
    writable = group or status.st_mode & stat.S_IWOTH
    return status.st_uid in _ADMINISTRATORS and bool(shared or not writable)


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


def clock() -> float:
    """Return seconds that go on while the computer sleeps."""
    # Darwin's CLOCK_MONOTONIC counts its sleep, Linux' does not.
    which = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(which)


def lock(path: Path) -> IO[bytes] | None:
    """Lock a file until it is closed, or return None when another holds it; OSError.

    The file is made where it is missing, for its owner alone: whoever can open it can
    lock it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.fdopen(os.open(path, flags, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:
        file.close()
        raise
    return file


def channel_address(folder: Path, folders: contextlib.ExitStack) -> str:
    """Return where a private channel can listen; a folder made for it goes with them.

    A socket in `folder`, or in a private folder of its own where the path is too long.
    """
    path = folder.absolute() / "agent.sock"
    if len(os.fsencode(path)) > _MAX_PATH:
        made = tempfile.TemporaryDirectory(prefix="eid-agent-")
        path = Path(folders.enter_context(made)) / "agent.sock"
    path.unlink(missing_ok=True)
    return str(path)


def close_channel_to_others(address: str) -> None:
    """Let the user alone connect."""
    Path(address).chmod(0o600)


def claim_port(listener: socket.socket) -> None:
    """Before binding: take the port at once where the last agent just left it."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


#: What ends or suspends a program that leaves it to the system, and can be held back.
ENDING_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
)


def on_stop_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM, Ctrl-C, and when the terminal's window closes."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop)


@contextmanager
def suspended_only_when(still: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Have Ctrl-Z (SIGTSTP) wait for `still`, on the running loop, in the block.

    A shell without job control has it ignored; that stays so.
    """
    import asyncio  # commands without a loop need not wait for it

    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Task[None]] = []

    async def suspend() -> None:
        await still()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)  # comes back when the person goes on
        loop.add_signal_handler(signal.SIGTSTP, asked)
        waiting.clear()

    def asked() -> None:
        if not waiting:
            waiting.append(loop.create_task(suspend()))

    if signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:
        yield
        return
    loop.add_signal_handler(signal.SIGTSTP, asked)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTSTP)
        for task in waiting:
            task.cancel()


def keep_memory_private() -> None:
    """Leave no memory of this process behind in a core file.

    On Linux other programs of the user cannot look into it either, unless root lets
    them; children that start another program are not touched (prctl(2),
    PR_SET_DUMPABLE). Where the system refuses, nothing changes.
    """
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(AttributeError, OSError):
        system = ctypes.CDLL(None)
        if sys.platform == "linux":
            system.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        else:
            system.ptrace(_PT_DENY_ATTACH, 0, 0, 0)


def as_root(command: Sequence[str]) -> list[str]:
    """Return the command as the administrator's: through sudo, unless we are root."""
    return list(command) if os.geteuid() == 0 else ["sudo", "--", *command]
