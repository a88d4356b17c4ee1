"""After many people at a counter nothing of theirs is in memory or on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.agent.program import ROOT


def test_nothing_of_the_people_served_stays_in_memory_or_on_disk(
    tmp_path: Path,
) -> None:
    """Five people, one after the other; what is found of them is named."""
    looked = subprocess.run(
        [sys.executable, "-m", "tests.agent.counter_memory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert looked.returncode == 0, looked.stderr
