"""What a person chose in the tray for good; touches a small file of the data folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from agent import host
from agent.texts import LANGUAGES

FILE = "settings.json"


@dataclass(frozen=True)
class Preferences:
    """`lang` is None until one was chosen; `told` names what is said only once."""

    lang: str | None = None
    told: tuple[str, ...] = ()


def load(folder: Path | None) -> Preferences:
    """Return what was chosen; what cannot be read counts as nothing."""
    if folder is None:
        return Preferences()
    try:
        match json.loads(host.read_private(folder / FILE)):
            case {"lang": lang, "told": list(told)}:
                known = lang if lang in LANGUAGES else None
                return Preferences(known, tuple(map(str, told)))
            case _:
                pass
    except (OSError, ValueError, RecursionError):
        pass
    return Preferences()


def save(folder: Path | None, chosen: Preferences) -> None:
    """Keep what was chosen, in one step; OSError."""
    if folder is not None:
        host.write_private(folder / FILE, json.dumps(asdict(chosen)).encode())
