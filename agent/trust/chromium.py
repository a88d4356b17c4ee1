"""Where Chromium and its relatives look on Linux; looks at folders.

Measured with Chromium 156: `~/.pki/nssdb` where it is there, and then the one below
XDG_DATA_HOME is not read at all (since 146). Snap and Flatpak give each program a home
of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.trust.nss import NssStore
from agent.trust.runner import Runner

_SNAPS = ("chromium", "brave")
_FLATPAKS = (
    "org.chromium.Chromium",
    "com.google.Chrome",
    "com.brave.Browser",
    "com.microsoft.Edge",
    "com.vivaldi.Vivaldi",
    "io.github.ungoogled_software.ungoogled_chromium",
)


def database(home: Path, data_home: Path) -> Path:
    """Return the folder of the database for a home and its XDG data folder."""
    old = home / ".pki" / "nssdb"
    return old if old.is_dir() else data_home / "pki" / "nssdb"


def stores(home: Path, data_home: Path, runner: Runner) -> Iterator[NssStore]:
    """Return the user's own database, and that of each confined browser there is."""
    places = [("chromium", home, data_home)]
    for name in _SNAPS:
        own = home / "snap" / name / "current"
        places.append(("chromium-snap", own, own / ".local" / "share"))
    for name in _FLATPAKS:
        own = home / ".var" / "app" / name
        places.append(("chromium-flatpak", own, own / "data"))
    for kind, own, data in places:
        if own == home or own.is_dir():
            yield NssStore(kind, database(own, data), runner, can_be_made=True)
