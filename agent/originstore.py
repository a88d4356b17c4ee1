"""The grants that outlive a run; touches one file of the data folder, and its lock.

What others could have written, a link or garbage counts as no grant at all.
"""

from __future__ import annotations

import datetime
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent import host, origins
from agent.exclusive import exclusive
from agent.origins import Grant, Stored
from agent.reread import Reread

_log = logging.getLogger(__name__)

FILE = "origins.json"
_LOCK = "origins.lock"
_MAX_BYTES = 1024 * 1024


class OriginsRefused(Exception):
    """The file does not count; `reason` is the key of a text."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def today() -> datetime.date:
    """Return the day, in UTC."""
    return datetime.datetime.now(datetime.UTC).date()


class OriginStore:
    """The grants of one data folder; without a folder those of this run alone."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writing = threading.Lock()
        self._memory = _nothing()
        self._file = None if folder is None else Reread(folder / FILE, _load)

    def read(self) -> Stored:
        """Return what is stored now, ended grants too; OriginsRefused."""
        found = self._memory if self._file is None else self._file.now()
        if isinstance(found, OriginsRefused):
            raise found
        return found

    def now(self) -> Stored:
        """Return the grants that count now; none where the file does not."""
        try:
            stored = self.read()
        except OriginsRefused:
            return _nothing()
        day = today()
        return replace(stored, grants=tuple(g for g in stored.grants if g.counts(day)))

    def add(self, grants: Callable[[Stored], tuple[Grant, ...]]) -> None:
        """Store what `grants` makes of what is stored; OriginsRefused, OSError.

        A grant replaces the one for the same site, capability, data and card.
        """

        def added(stored: Stored) -> tuple[Grant, ...]:
            new = grants(stored)
            whom = {replace(grant, until=datetime.date.min) for grant in new}
            kept = [
                grant
                for grant in stored.grants
                if replace(grant, until=datetime.date.min) not in whom
            ]
            return (*kept, *new)[-origins.MAX_GRANTS :]

        self._change(added)

    def revoke(self, origin: str) -> bool:
        """Remove all grants of a site; False without any. OriginsRefused, OSError."""
        if all(grant.origin != origin for grant in self.read().grants):
            return False
        self._change(lambda stored: tuple(_others(stored, origin)))
        return True

    def _change(self, work: Callable[[Stored], tuple[Grant, ...]]) -> None:
        day = today()
        if self._folder is None:
            with self._writing:
                self._memory = replace(self._memory, grants=work(self._memory))
            return
        with self._writing, exclusive(self._folder / _LOCK):
            stored = _load(self._folder / FILE)
            if isinstance(stored, OriginsRefused):
                raise stored
            grants = tuple(grant for grant in work(stored) if day < grant.until)
            data = replace(stored, grants=grants).to_bytes()
            host.write_private(self._folder / FILE, data)


def _others(stored: Stored, origin: str) -> list[Grant]:
    return [grant for grant in stored.grants if grant.origin != origin]


def _nothing() -> Stored:
    return Stored(secrets.token_bytes(16))


def _load(path: Path) -> Stored | OriginsRefused:
    """Read the file; one that is missing holds no grant."""
    try:
        data = host.read_private(path)
        if len(data) > _MAX_BYTES:
            raise ValueError("too long")
        return Stored.from_bytes(data)
    except FileNotFoundError:
        return _nothing()
    except PermissionError:
        reason = "reason-not-private"
    except OSError:
        reason = "reason-unreadable"
    except ValueError:
        reason = "reason-damaged"
    _log.warning("%s does not count: %s", FILE, reason.removeprefix("reason-"))
    return OriginsRefused(path, reason)
