"""Which reader is whose, as it was chosen in a window; touches one file of the folder.

It holds names of readers and nothing of a person.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from agent import host
from agent.reread import Reread

_log = logging.getLogger(__name__)

FILE = "counter.json"
_MAX_BYTES = 4096


@dataclass(frozen=True)
class ReaderNames:
    """What the two readers are called, as the system spells it; None: not named."""

    citizen: str | None = None
    clerk: str | None = None


class ChosenReaders:
    """The choice of a data folder; without a folder, that of this run."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE
        self._memory = ReaderNames()
        self._file = None if self._path is None else Reread(self._path, _load)

    def now(self) -> ReaderNames:
        """Return what was chosen; nothing where the file cannot be used."""
        stored = ReaderNames() if self._file is None else self._file.now()
        return stored if stored.citizen is not None else self._memory

    def choose(self, names: ReaderNames) -> None:
        """Keep a choice, for this run in any case; OSError where it lasts no longer."""
        self._memory = names
        if self._path is not None:
            chosen = {"citizenReader": names.citizen, "clerkReader": names.clerk}
            host.write_private(self._path, json.dumps(chosen).encode())


def _load(path: Path) -> ReaderNames:
    try:
        data = host.read_private(path)
        chosen = json.loads(data) if len(data) <= _MAX_BYTES else None
    except FileNotFoundError:
        return ReaderNames()
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("%s does not count: %s", FILE, type(error).__name__)
        return ReaderNames()
    match chosen:
        case {"citizenReader": str(citizen), "clerkReader": None | str() as clerk}:
            return ReaderNames(citizen, clerk if clerk != citizen else None)
        case _:
            _log.warning("%s does not count", FILE)
            return ReaderNames()
