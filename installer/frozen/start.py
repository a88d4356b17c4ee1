"""Windows: what the menu, the start of a session and eid-agent: links begin.

A program without a console. A link's text may come as an argument, from anybody:
nothing of the arguments is looked at (SAFETY 21). The language that was chosen at
installation stands in the folder above; the one chosen in the tray goes before. Not run
on Windows yet.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LANGUAGES = ("nl", "fr", "de", "en")
#: CREATE_NO_WINDOW: the agent's console, and that of what it starts, is not shown.
_HIDDEN = 0x08000000


def command(folder: Path) -> list[str]:
    """Return what is started, always the same words."""
    return [str(folder / "eid-agent.exe"), "run", "--install-trust"]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment, with the language of `language.txt` if there is one."""
    chosen = {}
    try:
        told = (folder.parent / "language.txt").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        told = ""
    if told in LANGUAGES:
        chosen["LC_ALL"] = told
    return {**os.environ, **chosen}


def main() -> None:
    """Start the agent, and end."""
    folder = Path(sys.executable).parent
    subprocess.Popen(
        command(folder),
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=_HIDDEN if sys.platform == "win32" else 0,
    )


if __name__ == "__main__":
    main()
