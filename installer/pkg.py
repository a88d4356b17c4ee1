"""The package for macOS, out of `installer/macos`; runs Apple's tools there.

The tree is made on any system; nothing was run on macOS yet. Sources: the manual pages
pkgbuild(1), productbuild(1), codesign(1), notarytool(1), stapler(1), launchd.plist(5).
"""

from __future__ import annotations

import os
import plistlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from installer import bootstrap

PARTS = bootstrap.ROOT / "installer" / "macos"
IDENTIFIER = "be.eid-agent"
PROGRAM = Path("usr/local/lib/eid-agent")
BUNDLE = Path("Applications/eID agent.app")
#: The label of the LaunchAgent that the tray writes for one person: never both run.
AGENT = Path("Library/LaunchAgents/eid-agent.plist")
SCRIPTS = ("preinstall", "postinstall")

#: Who signs; without them the package is unsigned, and other Macs refuse it.
APPLICATION_IDENTITY = "EID_AGENT_APPLICATION_IDENTITY"
INSTALLER_IDENTITY = "EID_AGENT_INSTALLER_IDENTITY"
#: The name under which `notarytool store-credentials` has put the account away.
NOTARY_PROFILE = "EID_AGENT_NOTARY_PROFILE"

_MAGIC = {
    *(b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf"),  # 64 bits
    *(b"\xca\xfe\xba\xbe", b"\xbe\xba\xfe\xca"),  # of several kinds
}


def bundle_info(version: str) -> bytes:
    """Return Info.plist of the application: an icon to start it, and the scheme."""
    return plistlib.dumps(
        {
            "CFBundleIdentifier": IDENTIFIER,
            "CFBundleName": "eID agent",
            "CFBundleExecutable": "start",
            "CFBundlePackageType": "APPL",
            "CFBundleShortVersionString": version,
            "CFBundleVersion": version,
            "CFBundleURLTypes": [
                {"CFBundleURLName": IDENTIFIER, "CFBundleURLSchemes": ["eid-agent"]}
            ],
            "LSMinimumSystemVersion": "13.0",
            "LSUIElement": True,  # it starts the agent and ends; no icon in the Dock
        }
    )


def launch_agent() -> bytes:
    """Return the property list that starts the agent with each person's session."""
    return plistlib.dumps(
        {
            "Label": "eid-agent",
            "ProgramArguments": [f"/{PROGRAM}/eid-agent", "run", "--install-trust"],
            "RunAtLoad": True,
            "LimitLoadToSessionType": "Aqua",
        }
    )


def components() -> bytes:
    """Return what pkgbuild is told of the application: it stays where it is put."""
    return plistlib.dumps(
        [
            {
                "RootRelativeBundlePath": str(BUNDLE),
                "BundleIsRelocatable": False,
                "BundleIsVersionChecked": False,
                "BundleOverwriteAction": "upgrade",
            }
        ]
    )


def tree(program: Path, version: str, root: Path) -> None:
    """Make what the package puts on the machine; `root` must not exist."""
    shutil.copytree(program, root / PROGRAM, symlinks=True)
    _put(root / PROGRAM / "uninstall", (PARTS / "uninstall").read_bytes(), 0o755)
    _put(root / AGENT, launch_agent())
    contents = root / BUNDLE / "Contents"
    _put(contents / "Info.plist", bundle_info(version))
    _put(contents / "MacOS" / "start", (PARTS / "start").read_bytes(), 0o755)
    link = root / "usr/local/bin/eid-agent"
    link.parent.mkdir(parents=True)
    link.symlink_to("../lib/eid-agent/eid-agent")


def _put(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def code(root: Path) -> list[Path]:
    """Return the programs and libraries of a tree, each of which has to be signed."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) in _MAGIC:
                    found.append(path)
    return found


def signing(paths: Sequence[Path], identity: str) -> list[str]:
    """Return the command that signs code as notarisation wants it."""
    return [
        *("codesign", "--force", "--timestamp", "--options", "runtime"),
        *("--entitlements", str(PARTS / "entitlements.plist")),
        *("--sign", identity, *map(str, paths)),
    ]


def building(work: Path, version: str, made: Path, identity: str) -> list[list[str]]:
    """Return the commands that make the package out of what lies in `work`."""
    return [
        [
            *("pkgbuild", "--root", str(work / "root")),
            *("--component-plist", str(work / "components.plist")),
            *("--scripts", str(work / "scripts")),
            *("--identifier", IDENTIFIER, "--version", version),
            *("--install-location", "/", "--ownership", "recommended"),
            str(work / "eid-agent.pkg"),
        ],
        [
            *("productbuild", "--distribution", str(PARTS / "distribution.xml")),
            *("--package-path", str(work), "--version", version),
            *(("--sign", identity, "--timestamp") if identity else ()),
            str(made),
        ],
    ]


def notarising(made: Path, profile: str) -> list[list[str]]:
    """Return the commands that have Apple check the package, and staple its answer."""
    return [
        [
            *("xcrun", "notarytool", "submit", str(made)),
            *("--keychain-profile", profile, "--wait"),
        ],
        ["xcrun", "stapler", "staple", str(made)],
    ]


def make(program: Path, version: str, work: Path, folder: Path) -> Path:
    """Return the package; signed and notarised if the environment names who does."""
    shutil.rmtree(work, ignore_errors=True)
    tree(program, version, work / "root")
    for name in SCRIPTS:
        _put(work / "scripts" / name, (PARTS / name).read_bytes(), 0o755)
    _put(work / "components.plist", components())
    if identity := os.environ.get(APPLICATION_IDENTITY):
        bootstrap.run(signing(code(work / "root"), identity))
        bundle = work / "root" / BUNDLE
        bootstrap.run(signing([bundle], identity))
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"eid-agent-{version}.pkg"
    signer = os.environ.get(INSTALLER_IDENTITY, "")
    for command in building(work, version, made, signer):
        bootstrap.run(command)
    if profile := os.environ.get(NOTARY_PROFILE):
        for command in notarising(made, profile):
            bootstrap.run(command)
    return made
