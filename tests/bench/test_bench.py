"""The benchmark runs and prints its numbers; it asserts none of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.pcscd import Pcscd

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.pcscd
@pytest.mark.sweep
@pytest.mark.skipif(shutil.which("opensc-explorer") is None, reason="no opensc")
def test_the_benchmark_runs(pcscd: Pcscd) -> None:
    """Both clients are counted on both applets, and the agent is measured."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.bench"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ours / OpenSC") == 3
    for line in (
        "start to `listening`",
        "without its card time",
        "memory:",
        "in a crowd",
    ):
        assert result.stdout.count(line) == 2
    assert re.search(r"idle agent: \d+ MiB.*wake-ups", result.stdout)
    assert re.search(r"idle its tray: \d+ MiB.*wake-ups", result.stdout)
