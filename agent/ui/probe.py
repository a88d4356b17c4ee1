"""Finds out whether windows can open, in a child: Qt aborts where it cannot.

Touches a child process, and the files of Qt where that one failed.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from agent import host
from agent.ui.process import COMMAND, environment

_PROBE_SECONDS = 20.0

#: Debian's packages of the libraries that Qt's xcb plugin needs.
_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}


#: The sentence for a place without a screen: nothing is missing from the installation.
NO_DISPLAY = "ui-no-display"


@dataclass(frozen=True)
class NoWindows:
    """Why no window can open: a key of the catalogues, and what is missing."""

    sentence: str
    missing: str = ""


def why_no_windows() -> NoWindows | None:
    """Return why windows cannot open here; None where they can. Blocks for a second."""
    if importlib.util.find_spec("PySide6") is None:
        return NoWindows("ui-not-installed")
    if not host.has_display():
        return NoWindows(NO_DISPLAY)
    try:
        tried = subprocess.run(
            [*COMMAND, "--probe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_SECONDS,
            check=False,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return NoWindows("ui-failed")
    if tried.returncode == 0:
        return None
    missing = missing_packages()
    return NoWindows("ui-missing", " ".join(missing)) if missing else _failed()


def _failed() -> NoWindows:
    return NoWindows("ui-failed")


def missing_packages() -> list[str]:
    """Return the Debian packages, or libraries, that Qt's part for X11 lacks."""
    found = importlib.util.find_spec("PySide6")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent
    needed = [
        folder / "Qt" / "plugins" / "platforms" / "libqxcb.so",
        *folder.glob("QtGui.*.so"),
        *folder.glob("QtWidgets.*.so"),
    ]
    libraries = {name for file in needed for name in _not_found(file)}
    return sorted({_PACKAGES.get(name, name) for name in libraries})


def _not_found(file: Path) -> list[str]:
    try:
        told = subprocess.run(
            ["ldd", str(file)], capture_output=True, text=True, check=False
        )
    except OSError:
        return []
    return re.findall(r"^\s*(\S+) => not found", told.stdout, re.MULTILINE)
