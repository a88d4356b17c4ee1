"""Linux: start with the session, by a desktop file of the user's, or the package's.

Touches the user's alone, which goes before a package's of the same name; `Hidden` in it
switches that off. Source: Desktop Application Autostart Specification 0.5.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

#: Where the Debian package has its own.
SYSTEM = Path("/etc/xdg/autostart/eid-agent.desktop")
_HIDDEN = "Hidden=true"


def _file() -> Path:
    # A relative path there is to be ignored (XDG Base Directory Specification).
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    folder = base if base.is_absolute() else Path.home() / ".config"
    return folder / "autostart" / "eid-agent.desktop"


def starts_by_itself() -> bool:
    """Tell whether the agent starts when the user's session begins."""
    try:
        return _HIDDEN not in _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return SYSTEM.is_file()
    except (OSError, ValueError):
        return False


def start_by_itself(command: Sequence[str], folder: Path) -> None:
    """Have a command started in a folder at the beginning of each session; OSError."""
    if SYSTEM.is_file():
        _file().unlink(missing_ok=True)
        return
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
    """Undo `start_by_itself`, or switch the package's file off; OSError."""
    file = _file()
    file.unlink(missing_ok=True)
    if SYSTEM.is_file():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        entry = f"[Desktop Entry]\nType=Application\nName=eID agent\n{_HIDDEN}\n"
        file.write_text(entry, encoding="utf-8")


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
