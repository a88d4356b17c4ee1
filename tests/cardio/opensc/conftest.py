"""OpenSC's programs, pointed at the private PC/SC service."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.pcscd import Pcscd

Finished = subprocess.CompletedProcess[bytes]
Run = Callable[..., Finished]


@pytest.fixture
def run(pcscd: Pcscd, tmp_path: Path) -> Run:
    """Run a program of OpenSC against the private service, without its caches."""
    settings = tmp_path / "opensc.conf"
    settings.write_text(
        "app default { framework pkcs15 { use_file_caching = no; } }\n",
        encoding="ascii",
    )
    environment = {
        **os.environ,
        **pcscd.env,
        "OPENSC_CONF": str(settings),
        "HOME": str(tmp_path),
        "LANG": "C",
    }

    def call(*words: str | Path) -> Finished:
        return subprocess.run(
            words, env=environment, capture_output=True, timeout=60, check=False
        )

    return call
