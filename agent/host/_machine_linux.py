"""Linux: what `doctor` looks at on this machine; reads files of the system."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

assert sys.platform == "linux"

_DRIVERS = Path("/usr/lib/pcsc/drivers")
_USB = Path("/sys/bus/usb/devices")
#: USB's class of a smart card reader (CCID 1.1, 4.1).
_CARD_READER = "0b"
#: Where the service is told of the virtual reader; and its port without a word there.
_VPCD = (Path("/etc/reader.conf.d/vpcd"), Path("/etc/reader.conf"))
_VPCD_PORT = 0x8C7B

#: Whose policies, and the folders that the browser reads them from.
_CHROMIUM_POLICIES = (
    "/etc/chromium/policies/managed",
    "/etc/chromium-browser/policies/managed",
    "/etc/opt/chrome/policies/managed",
    "/etc/opt/edge/policies/managed",
    "/etc/brave/policies/managed",
    "/etc/vivaldi/policies/managed",
)
_FIREFOX_POLICIES = (
    "/etc/firefox/policies/policies.json",
    "/etc/firefox-esr/policies/policies.json",
    "/usr/lib/firefox/distribution/policies.json",
    "/usr/share/firefox/distribution/policies.json",
    "/usr/share/firefox-esr/distribution/policies.json",
)
#: Below the home: where Chromium and its relatives keep their profiles.
_CHROMIUM_PROFILES = (
    ".config/chromium",
    ".config/google-chrome",
    ".config/microsoft-edge",
    ".config/BraveSoftware/Brave-Browser",
    ".config/vivaldi",
    "snap/chromium/common/chromium",
    ".var/app/org.chromium.Chromium/config/chromium",
    ".var/app/com.google.Chrome/config/google-chrome",
)
_NATIVE_HOSTS = (
    "/usr/lib/mozilla/native-messaging-hosts",
    "/etc/chromium/native-messaging-hosts",
    "/etc/opt/chrome/native-messaging-hosts",
    "/etc/opt/edge/native-messaging-hosts",
)
#: Other programs that use the card, by a file of theirs.
_PROGRAMS = {
    "eID Viewer": "/usr/bin/eid-viewer",
    "Web eID": "/usr/bin/web-eid",
    "AusweisApp": "/usr/bin/AusweisApp",
    "GnuPG scdaemon": "/usr/lib/gnupg/scdaemon",
}
#: The same by the name of what they tell browsers.
_HOSTS = {
    "be.bosa.beidconnect": "BEIDConnect",
    "eu.webeid": "Web eID",
    "com.connective": "Connective",
    "com.isabel": "Isabel",
}


def system() -> str:
    """Return name and version of the system; nothing of the computer's own."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def service_installed() -> bool:
    """Tell whether the PC/SC service is there."""
    return (
        shutil.which("pcscd", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin")
        is not None
    )


def driver_installed() -> bool:
    """Tell whether the driver for USB readers is there."""
    return any(_DRIVERS.glob("ifd-ccid.bundle"))


def usb_readers() -> int:
    """Return how many readers are connected by USB."""
    devices = set()
    for file in _USB.glob("*/bInterfaceClass"):
        with contextlib.suppress(OSError):
            if file.read_text("ascii").strip() == _CARD_READER:
                devices.add(file.parent.name.partition(":")[0])
    return len(devices)


def vpcd_ports() -> list[int]:
    """Return the ports of the virtual reader's two slots, where it is installed."""
    first = _VPCD_PORT
    for file in _VPCD:
        with contextlib.suppress(OSError, ValueError):
            named = re.search(
                r"^\s*DEVICENAME\s+/dev/null:0x([0-9a-fA-F]+)",
                file.read_text("utf-8"),
                re.MULTILINE,
            )
            first = int(named[1], 16) if named else first
    return [first, first + 1]


def chromium_policies() -> list[Path]:
    """Return the policy files of Chromium and its relatives."""
    return [file for name in _CHROMIUM_POLICIES for file in _json_in(Path(name))]


def firefox_policies() -> list[Path]:
    """Return the policy files of Firefox."""
    return [file for name in _FIREFOX_POLICIES if (file := Path(name)).is_file()]


def _json_in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.json"))
    except OSError:
        return []


def chromium_profiles(home: Path) -> list[Path]:
    """Return the folders in which Chromium and its relatives keep their profiles."""
    return [home / name for name in _CHROMIUM_PROFILES]


def other_software() -> list[str]:
    """Return the names of other programs here that use the card."""
    found = {name for name, file in _PROGRAMS.items() if Path(file).exists()}
    for host in _native_hosts():
        found |= {name for part, name in _HOSTS.items() if host.startswith(part)}
    return sorted(found)


def _native_hosts() -> Iterator[str]:
    """Return the names under which programs offer themselves to browsers."""
    for folder in _NATIVE_HOSTS:
        for file in _json_in(Path(folder)):
            with contextlib.suppress(
                OSError, ValueError, AttributeError, RecursionError
            ):
                yield str(json.loads(file.read_bytes()).get("name", ""))
