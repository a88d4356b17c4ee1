"""Linux: start with the session, by a desktop file of the user's.

Touches that file. Source: Desktop Application Autostart Specification 0.5.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def _file() -> Path:
    # A relative path there is to be ignored (XDG Base Directory Specification).
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    folder = base if base.is_absolute() else Path.home() / ".config"
    return folder / "autostart" / "eid-agent.desktop"


def starts_by_itself() -> bool:
    """Tell whether the agent starts when the user's session begins."""
    return _file().is_file()


def start_by_itself(command: Sequence[str], folder: Path) -> None:
    """Have a command started in a folder at the beginning of each session; OSError."""
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = " ".join(map(_quoted, command))
    entry = (
        "[Desktop Entry]\n"
        "Type=Application\n"
        "Name=eID agent\n"
        f"Exec={_escaped(words)}\n"
        f"Path={_escaped(str(folder))}\n"
        "Terminal=false\n"
        "NoDisplay=true\n"
    )
    file.write_text(entry, encoding="utf-8")


def start_no_more() -> None:
    """Undo `start_by_itself`; OSError."""
    _file().unlink(missing_ok=True)


def _quoted(word: str) -> str:
    """Quote an argument of Exec (Desktop Entry Specification, "The Exec key")."""
    for letter in '\\"`$':
        word = word.replace(letter, "\\" + letter)
    return '"' + word.replace("%", "%%") + '"'


def _escaped(value: str) -> str:
    """Escape a value of a desktop file ("Possible value types")."""
    for letter, escape in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(letter, escape)
    return value
