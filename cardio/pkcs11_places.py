"""Where PKCS#11 modules for the Belgian card usually are; looks for files only.

The official module comes first: it also shows identity, address and photo, which OpenSC
does not. None of these places but Debian's OpenSC has been looked at on a machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

_SNAP = "/var/lib/snapd/hostfs/usr/lib/x86_64-linux-gnu/libbeidpkcs11.so.0"
_BUNDLE = "/Library/Belgium Identity Card/Pkcs11/beid-pkcs11.bundle/Contents/MacOS/"
_PROGRAMS = "{ProgramFiles}\\OpenSC Project\\OpenSC\\pkcs11\\opensc-pkcs11.dll"

#: (platform as sys.platform has it, whose module, path); `{}` is a folder of Windows.
PLACES: tuple[tuple[str, str, str], ...] = (
    # Debian and Ubuntu: a folder for each architecture
    ("linux", "official", "/usr/lib/x86_64-linux-gnu/libbeidpkcs11.so.0"),
    ("linux", "official", "/usr/lib/aarch64-linux-gnu/libbeidpkcs11.so.0"),
    # Fedora, openSUSE; then Arch and builds of one's own
    ("linux", "official", "/usr/lib64/libbeidpkcs11.so.0"),
    ("linux", "official", "/usr/lib/libbeidpkcs11.so.0"),
    ("linux", "official", "/usr/local/lib/libbeidpkcs11.so.0"),
    # the machine's own libraries, as seen from inside a snap
    ("linux", "official", _SNAP),
    ("linux", "opensc", "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"),
    ("linux", "opensc", "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so"),
    ("linux", "opensc", "/usr/lib64/opensc-pkcs11.so"),
    ("linux", "opensc", "/usr/lib64/pkcs11/opensc-pkcs11.so"),
    ("linux", "opensc", "/usr/lib/opensc-pkcs11.so"),
    ("linux", "opensc", "/usr/local/lib/opensc-pkcs11.so"),
    ("win32", "official", "{SystemRoot}\\System32\\beidpkcs11.dll"),
    ("win32", "opensc", _PROGRAMS),
    ("darwin", "official", _BUNDLE + "libbeidpkcs11.dylib"),
    ("darwin", "official", "/usr/local/lib/libbeidpkcs11.dylib"),
    ("darwin", "opensc", "/Library/OpenSC/lib/opensc-pkcs11.so"),
    ("darwin", "opensc", "/usr/local/lib/opensc-pkcs11.so"),
    ("darwin", "opensc", "/opt/homebrew/lib/opensc-pkcs11.so"),
)


def candidates(platform: str = sys.platform) -> Iterable[Path]:
    """Yield the places of this platform, best first, used or not."""
    folders = {
        "SystemRoot": os.environ.get("SystemRoot", "C:\\Windows"),  # noqa: SIM112
        "ProgramFiles": os.environ.get("ProgramFiles", "C:\\Program Files"),  # noqa: SIM112
    }
    for system, _, path in PLACES:
        if system == platform:
            yield Path(path.format_map(folders))


def installed(platform: str = sys.platform) -> tuple[Path, ...]:
    """Return the modules that are there, best first."""
    return tuple(path for path in candidates(platform) if path.is_file())
