"""Windows: what `doctor` looks at on this machine; reads folders.

Not run there yet. The service and its drivers are part of Windows; policies of browsers
stand in the registry and are not looked at.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

assert sys.platform == "win32"

#: Below the home: where Chromium and its relatives keep their profiles.
_CHROMIUM_PROFILES = (
    "AppData/Local/Chromium/User Data",
    "AppData/Local/Google/Chrome/User Data",
    "AppData/Local/Microsoft/Edge/User Data",
    "AppData/Local/BraveSoftware/Brave-Browser/User Data",
)
#: Other programs that use the card, by a file of theirs.
_PROGRAMS = {
    "eID Viewer": r"C:\Program Files\Belgium Identity Card\EidViewer\eID Viewer.exe",
    "Web eID": r"C:\Program Files\Web eID\web-eid.exe",
}


def system() -> str:
    """Return name and version of the system; nothing of the computer's own."""
    return f"Windows {platform.version()}"


def service_installed() -> bool:
    """Tell whether the PC/SC service is there: it always is."""
    return True


def driver_installed() -> bool:
    """Tell whether the driver for USB readers is there: it always is."""
    return True


def usb_readers() -> int:
    """Return how many readers are connected by USB; not looked at here."""
    return 0


def vpcd_ports() -> list[int]:
    """Return the ports of the virtual reader's slots; not looked at here."""
    return []


def chromium_policies() -> list[Path]:
    """Return the policy files of Chromium and its relatives; not looked at here."""
    return []


def firefox_policies() -> list[Path]:
    """Return the policy files of Firefox; not looked at here."""
    return []


def chromium_profiles(home: Path) -> list[Path]:
    """Return the folders in which Chromium and its relatives keep their profiles."""
    return [home / name for name in _CHROMIUM_PROFILES]


def other_software() -> list[str]:
    """Return the names of other programs here that use the card."""
    return sorted(name for name, file in _PROGRAMS.items() if Path(file).exists())
