"""What a chip remembers without power: tries left, chip authentications, a chosen PIN.

`Counters` lives with the card object; `FileCounters` touches one small file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from cardio.virtual.settings import MAX_TRIES, is_pin
from cardio.virtual.storage import write_json


class DamagedCounters(ValueError):
    """The file `path` holds no counters."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged")
        self.path = path


@dataclass
class Counters:
    """Tries left, INTERNAL AUTHENTICATE calls, and the PIN that was chosen.

    `tries` and `pin` are None as long as they are as personalised.
    """

    tries: int | None = None
    authentications: int = 0
    pin: str | None = field(default=None, repr=False)

    def save(self) -> None:
        """Make the present values last; OSError when that fails."""


class FileCounters(Counters):
    """The memory of one card, by its chip number, that survives restarts in `folder`.

    A PIN that CHANGE REFERENCE DATA set is kept in clear, readable by the owner alone:
    it is the test PIN of a card of nobody's. It goes before the one that the card is
    personalised with. Deleting the file makes the card as new.

    Raises OSError when the folder or the file in it cannot be read and written,
    DamagedCounters when the file is damaged.
    """

    def __init__(self, folder: Path, chip_serial: bytes) -> None:
        super().__init__()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{chip_serial.hex()}.json"
        if self._path.exists():
            self._load()
        # A memory that cannot be written should show before the card is played.
        self.save()

    def _load(self) -> None:
        try:
            stored = json.loads(self._path.read_bytes())
            tries, calls = stored["tries"], stored["authentications"]
            pin = stored.get("pin")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamagedCounters(self._path) from error
        if not (_is_count(calls) and (tries is None or _is_count(tries, MAX_TRIES))):
            raise DamagedCounters(self._path)
        if pin is not None and not (isinstance(pin, str) and is_pin(pin)):
            raise DamagedCounters(self._path)
        self.tries, self.authentications, self.pin = tries, calls, pin

    def save(self) -> None:
        """Replace the file in one step, as one that its owner alone can read."""
        values = {
            "tries": self.tries,
            "authentications": self.authentications,
            "pin": self.pin,
        }
        write_json(self._path, values)


def _is_count(value: object, highest: int | None = None) -> bool:
    """Tell whether a stored value is a whole number from 0 on."""
    return type(value) is int and value >= 0 and (highest is None or value <= highest)
