"""Which CA was put into which store, so that exactly that can be undone.

`trust.json` in the data folder, 0600. A place is written down before it is changed:
what a crash leaves is a place too many, never one too few. The whole certificate stands
there, since the agent may have another one by the time that the old one is removed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from agent import host
from agent.exclusive import exclusive
from agent.trust.store import Store, pem

_log = logging.getLogger(__name__)

_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Place:
    """A store, by its kind and path, and the CA that was put there."""

    name: str
    path: str
    ca: x509.Certificate


class RecordBusy(Exception):
    """Another command changes stores, and does not come to its end."""


class Record:
    """The places of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "trust.json"
        self._lock = data_dir / "trust.lock"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands, and the agent, from changing stores; RecordBusy."""
        with ExitStack() as held:
            try:
                held.enter_context(exclusive(self._lock, _WAIT_SECONDS))
            except TimeoutError:
                raise RecordBusy from None
            yield

    def places(self) -> list[Place]:
        """Return every place, the oldest first; a damaged file has none. OSError."""
        try:
            entries = json.loads(host.read_private(self._file))["places"]
            return [_parse(entry) for entry in entries]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            _log.warning("%s is damaged and is begun anew", self._file)
            return []

    def begun(self) -> bool:
        """Tell whether a place was ever written down, or taken out by the person."""
        return self._file.exists()

    def has(self, store: Store, ca: x509.Certificate | None = None) -> bool:
        """Tell whether the store stands there, with this CA or with any."""
        return any(
            (place.name, place.path) == (store.name, store.path)
            and ca in (None, place.ca)
            for place in self.places()
        )

    def add(self, store: Store, ca: x509.Certificate) -> None:
        """Write a place down; OSError."""
        if not self.has(store, ca):
            self._write([*self.places(), Place(store.name, store.path, ca)])

    def drop(self, gone: Place) -> None:
        """Forget a place; OSError."""
        self._write([place for place in self.places() if place != gone])

    def _write(self, places: list[Place]) -> None:
        entries = [
            {
                "name": place.name,
                "path": place.path,
                "certificate": pem(place.ca).decode(),
            }
            for place in places
        ]
        body = {"format": "eid-agent-trust:1", "places": entries}
        host.write_private(self._file, json.dumps(body, indent=1).encode())


def _parse(entry: object) -> Place:
    match entry:
        case {"name": str(name), "path": str(path), "certificate": str(text)}:
            return Place(name, path, x509.load_pem_x509_certificate(text.encode()))
        case _:
            raise ValueError("no place")
