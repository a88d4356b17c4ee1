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
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from pathlib import Path

from agent import host

_log = logging.getLogger(__name__)

_LOCK = "agent.lock"
_INFO = "agent.json"
_WAIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
_JOIN_SECONDS = 1.0


class AlreadyRunning(Exception):
    """Another agent holds the data folder."""


class NotRunning(Exception):
    """No agent holds the data folder."""


class NotAnswering(Exception):
    """An agent holds the data folder and does not answer."""


@dataclass(frozen=True)
class _Published:
    """What the running agent left in the data folder for others to find it."""

    port: int
    address: str
    key: bytes


class Instance:
    """The right to be the one agent of a data folder, until `close`."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock; AlreadyRunning when somebody else has it. OSError."""
        host.make_data_dir(data_dir)
        self._info = data_dir / _INFO
        lock = host.lock(data_dir / _LOCK)
        if lock is None:
            raise AlreadyRunning
        self._lock = lock
        self._info.unlink(missing_ok=True)
        self._listener: Listener | None = None
        self._folders = contextlib.ExitStack()

    def publish(self, port: int, actions: Mapping[str, Callable[[], None]]) -> None:
        """Say where the agent listens, and act on `show` and `quit` from now on.

        The actions run in a thread of the channel's. OSError.
        """
        key = secrets.token_bytes(32)
        address = host.channel_address(self._info.parent, self._folders)
        self._listener = Listener(address, authkey=key)
        host.close_channel_to_others(address)
        self._thread = threading.Thread(
            target=self._serve, args=(actions,), name="instance", daemon=True
        )
        self._thread.start()
        info = {"port": port, "address": address, "key": key.hex()}
        host.write_private(self._info, json.dumps(info).encode())

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
                    time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Give the folder back."""
        listener, self._listener = self._listener, None
        self._info.unlink(missing_ok=True)
        if listener is not None:
            # Closing alone wakes nobody who waits in accept; a caller does.
            with contextlib.suppress(OSError):
                Client(listener.address).close()
            self._thread.join(_JOIN_SECONDS)
            with contextlib.suppress(OSError):
                listener.close()
        self._folders.close()
        self._lock.close()


def running_port(data_dir: Path) -> int:
    """Return the port of the agent that holds the folder; NotRunning."""
    return _published(data_dir).port


def is_running(data_dir: Path) -> bool:
    """Tell whether an agent holds the folder: what one published may outlive it."""
    return not _free(data_dir)


def tell(data_dir: Path, word: str, seconds: float = _WAIT_SECONDS) -> None:
    """Send `show` or `quit` to the agent of a folder; NotRunning, NotAnswering."""
    published = _published(data_dir)
    answers: list[bytes] = []
    # The hand-shake has no time limit of its own, and an agent may be stopped.
    talk = threading.Thread(
        target=_talk, args=(published, word, answers), name="channel", daemon=True
    )
    talk.start()
    talk.join(seconds)
    if talk.is_alive():
        raise NotAnswering
    if not answers:
        raise NotRunning


def _talk(published: _Published, word: str, answers: list[bytes]) -> None:
    """Say a word and add the answer, if there is one."""
    with (
        contextlib.suppress(OSError, EOFError, ValueError, AuthenticationError),
        Client(published.address, authkey=published.key) as connection,
    ):
        connection.send_bytes(word.encode())
        answers.append(connection.recv_bytes(maxlength=16))


def wait_until_gone(data_dir: Path, seconds: float = _WAIT_SECONDS) -> bool:
    """Wait until nobody holds the folder; False when it takes too long."""
    deadline = time.monotonic() + seconds
    while not _free(data_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _published(data_dir: Path) -> _Published:
    """Read what the running agent published; waits for one that is just starting."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return _parse(host.read_private(data_dir / _INFO))
        except FileNotFoundError:
            if _free(data_dir) or time.monotonic() > deadline:
                raise NotRunning from None
        except (OSError, ValueError, RecursionError):
            raise NotRunning from None
        time.sleep(_PAUSE_SECONDS)


def _parse(data: bytes) -> _Published:
    """Read the file that `publish` writes; ValueError, RecursionError for others."""
    match json.loads(data):
        case {"port": int(port), "address": str(address), "key": str(key)}:
            return _Published(port, address, bytes.fromhex(key))
        case _:
            raise ValueError("not what an agent publishes")


def _free(data_dir: Path) -> bool:
    """Tell whether nobody holds the lock."""
    path = data_dir / _LOCK
    try:
        lock = host.lock(path) if path.exists() else None
    except OSError:
        return True  # nobody who runs as this user could hold it
    if lock is not None:
        lock.close()
    return lock is not None or not path.exists()
