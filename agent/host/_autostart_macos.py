"""macOS: start with the session, by a LaunchAgent. Not run on macOS yet.

Touches one file of the user's. Source: launchd.plist(5).
"""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from pathlib import Path

LABEL = "eid-agent"


def _file() -> Path:
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def starts_by_itself() -> bool:
    """Tell whether the agent starts when the user's session begins."""
    return _file().is_file()


def entry(command: Sequence[str], folder: Path) -> bytes:
    """Return the property list."""
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(command),
            "WorkingDirectory": str(folder),
            "RunAtLoad": True,
            "LimitLoadToSessionType": "Aqua",
        }
    )


def start_by_itself(command: Sequence[str], folder: Path) -> None:
    """Have a command started in a folder at the beginning of each session; OSError."""
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_bytes(entry(command, folder))


def start_no_more() -> None:
    """Undo `start_by_itself`; OSError."""
    _file().unlink(missing_ok=True)
