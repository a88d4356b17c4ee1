"""What a chip remembers without power: tries left, chip authentications.

`Counters` lives with the card object; `FileCounters` touches one small file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cardio.virtual.storage import write_json


@dataclass
class Counters:
    """Tries left (None: still as personalised) and INTERNAL AUTHENTICATE calls."""

    tries: int | None = None
    authentications: int = 0

    def save(self) -> None:
        """Make the present values last; OSError when that fails."""


class FileCounters(Counters):
    """Counters of one card, by its chip number, that survive restarts in `folder`.

    Raises OSError when the folder cannot be used, ValueError when the card's file in
    it is damaged. The PIN itself is not kept: a changed one ends with the process.
    """

    def __init__(self, folder: Path, chip_serial: bytes) -> None:
        super().__init__()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{chip_serial.hex()}.json"
        if self._path.exists():
            self._load()

    def _load(self) -> None:
        try:
            stored = json.loads(self._path.read_bytes())
            tries, calls = stored["tries"], stored["authentications"]
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{self._path} is damaged") from error
        if type(tries) is not int or type(calls) is not int or tries < 0 or calls < 0:
            raise ValueError(f"{self._path} is damaged")
        self.tries, self.authentications = tries, calls

    def save(self) -> None:
        """Replace the file in one step."""
        values = {"tries": self.tries, "authentications": self.authentications}
        write_json(self._path, values)
