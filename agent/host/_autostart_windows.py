"""Windows: start with the session, by the user's Run key. Not run on Windows yet.

Touches the registry through `reg`. Source: Microsoft, "Run and RunOnce Registry Keys".
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

_KEY = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run"
_NAME = "eid-agent"

ASK = ("reg", "query", _KEY, "/v", _NAME)
REMOVE = ("reg", "delete", _KEY, "/v", _NAME, "/f")


def adding(command: Sequence[str]) -> tuple[str, ...]:
    """Return the command that writes the entry."""
    value = subprocess.list2cmdline(command)
    return ("reg", "add", _KEY, "/v", _NAME, "/t", "REG_SZ", "/d", value, "/f")


def starts_by_itself() -> bool:
    """Tell whether the agent starts when the user's session begins."""
    return _run(ASK) == 0


def start_by_itself(command: Sequence[str], folder: Path) -> None:
    """Have a command started at the beginning of each session; OSError.

    The Run key knows no folder to start in, so `folder` has no effect.
    """
    if _run(adding(command)):
        raise OSError("reg")


def start_no_more() -> None:
    """Undo `start_by_itself`; OSError."""
    if starts_by_itself() and _run(REMOVE):
        raise OSError("reg")


def _run(command: Sequence[str]) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode
