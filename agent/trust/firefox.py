"""Which profiles Firefox has on Linux, whatever their names; reads its folders.

Firefox 147 and newer have them below XDG_CONFIG_HOME where there is no `~/.mozilla`
with profiles yet. On Windows and macOS Firefox reads the system's own store.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from pathlib import Path

from agent.trust.nss import NssStore
from agent.trust.runner import Runner

_FLATPAK = Path(".var", "app", "org.mozilla.firefox")


def roots(home: Path, config_home: Path) -> list[tuple[str, Path]]:
    """Return each kind of Firefox, and a folder that may hold its profiles."""
    snap = home / "snap" / "firefox"
    return [
        ("firefox", home / ".mozilla" / "firefox"),
        ("firefox", config_home / "mozilla" / "firefox"),
        ("firefox-snap", snap / "common" / ".mozilla" / "firefox"),
        ("firefox-snap", snap / "common" / ".config" / "mozilla" / "firefox"),
        ("firefox-snap", snap / "current" / ".config" / "mozilla" / "firefox"),
        ("firefox-flatpak", home / _FLATPAK / ".mozilla" / "firefox"),
        ("firefox-flatpak", home / _FLATPAK / "config" / "mozilla" / "firefox"),
    ]


def profiles(root: Path) -> list[Path]:
    """Return the profiles below a folder: those listed, and any with a database.

    Also one that `profiles.ini` names elsewhere; none that does not exist.
    """
    found = {path.parent for path in _glob(root) if path.is_file()}
    found |= {path for path in _listed(root) if path.is_dir()}
    return sorted(found)


def _glob(root: Path) -> list[Path]:
    try:
        return list(root.glob("*/cert9.db"))
    except OSError:
        return []


def _listed(root: Path) -> Iterator[Path]:
    """Return what `profiles.ini` names; one that cannot be read names nothing."""
    ini = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        ini.read_string((root / "profiles.ini").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return
    for name in ini.sections():
        path = ini[name].get("Path", "") if name.startswith("Profile") else ""
        if path:
            yield root / path  # an absolute one stands for itself


def stores(home: Path, config_home: Path, runner: Runner) -> Iterator[NssStore]:
    """Return every profile's database."""
    for kind, root in roots(home, config_home):
        for profile in profiles(root):
            yield NssStore(kind, profile, runner)
