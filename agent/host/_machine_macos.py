"""macOS: what `doctor` looks at on this machine; reads folders.

Not run there yet. The service and its driver are part of macOS; policies of browsers
stand in profiles and are not looked at.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

assert sys.platform == "darwin"

#: Below the home: where Chromium and its relatives keep their profiles.
_CHROMIUM_PROFILES = (
    "Library/Application Support/Chromium",
    "Library/Application Support/Google/Chrome",
    "Library/Application Support/Microsoft Edge",
    "Library/Application Support/BraveSoftware/Brave-Browser",
)
#: Other programs that use the card, by a file of theirs.
_PROGRAMS = {
    "eID Viewer": "/Applications/eID Viewer.app",
    "Web eID": "/Applications/Utilities/web-eid.app",
}


def system() -> str:
    """Return name and version of the system; nothing of the computer's own."""
    return f"macOS {platform.mac_ver()[0]}"


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
