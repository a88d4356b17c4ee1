"""One agent a data folder: a lock, and a private channel to the one that holds it.

Touches the data folder and a local socket (a named pipe on Windows). Two words go over
the channel, `show` and `quit`, as plain bytes; the key that opens it lies in a file
that only the user can read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import IO

from agent import host

_log = logging.getLogger(__name__)

_LOCK = "agent.lock"
_INFO = "agent.json"
#: A Unix socket's path may have about 100 bytes.
_MAX_PATH = 90
_WAIT_SECONDS = 10.0


class AlreadyRunning(Exception):
    """Another agent holds the data folder."""


class NotRunning(Exception):
    """No agent holds the data folder."""


class Instance:
    """The right to be the one agent of a data folder, until `close`."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock; AlreadyRunning when somebody else has it. OSError."""
        host.make_private_dir(data_dir)
        self._info = data_dir / _INFO
        lock = _lock(data_dir / _LOCK)
        if lock is None:
            raise AlreadyRunning
        self._lock = lock
        self._info.unlink(missing_ok=True)
        self._listener: Listener | None = None

    def publish(self, port: int, actions: Mapping[str, Callable[[], None]]) -> None:
        """Say where the agent listens, and act on `show` and `quit` from now on.

        The actions run in a thread of the channel's.
        """
        key = secrets.token_bytes(32)
        self._listener = Listener(_address(self._info.parent), authkey=key)
        info = {
            "port": port,
            "address": self._listener.address,
            "key": key.hex(),
        }
        host.write_private(self._info, json.dumps(info).encode())
        threading.Thread(
            target=self._serve, args=(actions,), name="instance", daemon=True
        ).start()

    def _serve(self, actions: Mapping[str, Callable[[], None]]) -> None:
        while (listener := self._listener) is not None:
            try:
                with listener.accept() as connection:
                    word = connection.recv_bytes(maxlength=16).decode(
                        "ascii", "replace"
                    )
                    action = actions.get(word)
                    connection.send_bytes(b"ok" if action else b"unknown")
                    if action is not None:
                        action()
            except Exception as error:  # a bad caller must not end the channel
                if self._listener is not None:
                    _log.debug("channel: %s", type(error).__name__)

    def close(self) -> None:
        """Give the folder back."""
        listener, self._listener = self._listener, None
        self._info.unlink(missing_ok=True)
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.close()
        self._lock.close()


def running_port(data_dir: Path) -> int:
    """Return the port of the agent that holds the folder; NotRunning."""
    return int(_read_info(data_dir)["port"])


def tell(data_dir: Path, word: str) -> None:
    """Send `show` or `quit` to the agent of a folder; NotRunning."""
    info = _read_info(data_dir)
    try:
        with Client(info["address"], authkey=bytes.fromhex(info["key"])) as connection:
            connection.send_bytes(word.encode())
            connection.recv_bytes(maxlength=16)
    except (OSError, EOFError, ValueError):
        raise NotRunning from None


def wait_until_gone(data_dir: Path) -> bool:
    """Wait until nobody holds the folder; False when it takes too long."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        lock = _lock(data_dir / _LOCK)
        if lock is not None:
            lock.close()
            return True
        time.sleep(0.05)
    return False


def _read_info(data_dir: Path) -> dict[str, str]:
    """Read what the running agent published; waits for one that is just starting."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            found: dict[str, str] = json.loads(host.read_private(data_dir / _INFO))
            return found
        except FileNotFoundError:
            if _free(data_dir) or time.monotonic() > deadline:
                raise NotRunning from None
        except (OSError, ValueError):
            raise NotRunning from None
        time.sleep(0.05)


def _free(data_dir: Path) -> bool:
    """Tell whether nobody holds the lock."""
    if not (data_dir / _LOCK).exists():
        return True
    lock = _lock(data_dir / _LOCK)
    if lock is None:
        return False
    lock.close()
    return True


def _address(folder: Path) -> str:
    if sys.platform == "win32":
        return rf"\\.\pipe\eid-agent-{secrets.token_hex(8)}"
    path = folder / "agent.sock"
    if len(str(path)) > _MAX_PATH:
        path = Path(tempfile.mkdtemp(prefix="eid-agent-")) / "agent.sock"
    path.unlink(missing_ok=True)
    return str(path)


def _lock(path: Path) -> IO[bytes] | None:
    """Lock a file for this process, or return None when another has it."""
    file = path.open("ab")
    try:
        host.lock(file)
    except OSError:
        file.close()
        return None
    return file
