"""Keeps generated test keys and cards; touches one private folder of the user.

The folder is EID_AGENT_CACHE_DIR, else the platform's place for caches. It belongs to
the user alone (0700, files 0600), since test keys are keys. Where it cannot be written,
entries live as long as the process and a warning says so.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cardio.virtual.storage import write_json

_log = logging.getLogger(__name__)

#: What an entry holds: names and texts (PEM, base64).
Entry = dict[str, str]

_memory: dict[tuple[Path, str], Entry] = {}
#: One thread makes entries at a time; making a card asks for the PKI's entry.
_guard = threading.RLock()


def folder() -> Path:
    """Return where entries are kept; it need not exist yet."""
    named = os.environ.get("EID_AGENT_CACHE_DIR")
    base = Path(named) if named else _platform_caches() / "eid-agent"
    return base / "virtual-card"


def _platform_caches() -> Path:
    if sys.platform == "win32":
        named, usual = "LOCALAPPDATA", Path("AppData", "Local")
    elif sys.platform == "darwin":
        named, usual = "", Path("Library", "Caches")
    else:
        named, usual = "XDG_CACHE_HOME", Path(".cache")
    given = os.environ.get(named)
    return Path(given) if given else _home() / usual


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # no HOME and no entry in the user database
        return Path(os.devnull)


def entry(
    name: str, make: Callable[[], Entry], usable: Callable[[Entry], bool]
) -> Entry:
    """Return the entry of this name, made when there is none or it is not `usable`.

    Processes that start at once agree: the first makes it, the others take it over.
    """
    with _guard:
        place = folder()
        found = _memory.get((place, name))
        if found is None or not usable(found):
            found = _kept(place, name, make, usable)
            _memory[place, name] = found
        return found


def _kept(
    place: Path, name: str, make: Callable[[], Entry], usable: Callable[[Entry], bool]
) -> Entry:
    path = place / f"{name}.json"
    found = _load(path)
    if found is not None and usable(found):
        return found
    try:
        lock = _lock_file(place, name)
    except OSError as error:
        _warn(place, error)
        return make()
    with lock, _locked(lock):
        found = _load(path)  # another process may have been first
        if found is None or not usable(found):
            found = make()
            _store(path, found)
    return found


def _warn(place: Path, error: OSError) -> None:
    _log.warning("test cards are not kept in %s: %s", place, error.strerror)


def _load(path: Path) -> Entry | None:
    """Return what a file holds; None when there is none, or it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if isinstance(found, dict) and all(isinstance(v, str) for v in found.values()):
        return found
    return None


def _store(path: Path, found: Entry) -> None:
    """Write a file in one step; a failure costs only the cache."""
    try:
        write_json(path, found)
    except OSError as error:
        _warn(path.parent, error)


def _lock_file(place: Path, name: str) -> IO[bytes]:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)  # the folder may be older than this rule
    flags = os.O_RDWR | os.O_CREAT
    return os.fdopen(os.open(place / f".{name}.lock", flags, 0o600), "r+b")


@contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    """Hold the lock between processes; closing the file would free it, too."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    yield
