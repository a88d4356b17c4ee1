"""The installers for Windows, out of `installer/windows`; runs `makensis`.

Not run on Windows yet: built on Linux alone, over a folder that stands in for the
program.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from installer import bootstrap

SCRIPT = bootstrap.ROOT / "installer" / "windows" / "eid-agent.nsi"
#: For one person, without any rights; for everybody, by an administrator.
MODES = ("user", "machine")


def command(program: Path, mode: str, version: str, made: Path) -> list[str]:
    """Return what makes an installer of a frozen program; warnings are errors."""
    defines = {"MODE": mode, "VERSION": version, "PROGRAM": program, "OUTPUT": made}
    return [
        *("makensis", "-V4", "-WX", "-INPUTCHARSET", "UTF8"),
        *(f"-D{name}={value}" for name, value in defines.items()),
        str(SCRIPT),
    ]


def make(program: Path, mode: str, version: str, folder: Path) -> tuple[Path, str]:
    """Return an installer, and makensis' report of what is in it; SetupError."""
    if shutil.which("makensis") is None:
        raise bootstrap.SetupError("makensis is missing: install NSIS 3.08 or newer")
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"eid-agent-{version}-{mode}.exe"
    done = subprocess.run(
        command(program, mode, version, made),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise bootstrap.SetupError(f"makensis: {(done.stdout + done.stderr)[-2000:]}")
    return made, done.stdout
