"""Where OpenSC's PKCS#11 module is, and an environment in which it caches nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cardio.pkcs11_places import PLACES


def opensc_module() -> Path:
    """Return the module's file; the test is skipped where there is none."""
    for system, kind, path in PLACES:
        if (system, kind) == (sys.platform, "opensc") and Path(path).is_file():
            return Path(path)
    pytest.skip("OpenSC's PKCS#11 module is not installed")


def without_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point OpenSC at settings of the test's own, where nothing is kept on disk."""
    settings = folder / "opensc.conf"
    settings.write_text(
        "app default { framework pkcs15 { use_file_caching = no; } }\n",
        encoding="ascii",
    )
    monkeypatch.setenv("OPENSC_CONF", str(settings))
    monkeypatch.setenv("HOME", str(folder))
