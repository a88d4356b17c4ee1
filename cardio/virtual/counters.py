"""The counters that a chip keeps without power: tries left, internal authentications.

`Counters` forgets with the process, `FileCounters` writes one small file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Counters:
    """Tries left (None: as the profile says) and INTERNAL AUTHENTICATE calls."""

    tries: int | None = None
    authentications: int = 0

    def changed(self) -> None:
        """Called after each change."""


class FileCounters(Counters):
    """Counters that survive restarts in `folder`, for one card by its chip serial."""

    def __init__(self, folder: Path, chip_serial: bytes) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{chip_serial.hex()}.json"
        if self._path.is_file():
            self._load()

    def _load(self) -> None:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            tries, calls = int(stored["tries"]), int(stored["authentications"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{self._path.name} is damaged; remove it") from None
        self.tries = min(max(tries, 0), 3)
        self.authentications = max(calls, 0)

    def changed(self) -> None:
        """Write the file anew, in one step."""
        fields = {"tries": self.tries, "authentications": self.authentications}
        work = self._path.with_suffix(".new")
        work.write_text(json.dumps(fields), encoding="utf-8")
        work.replace(self._path)
