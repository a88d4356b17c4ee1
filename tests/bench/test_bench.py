"""The benchmark runs and prints its counts; of what depends on the machine, that."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.pcscd import Pcscd

ROOT = Path(__file__).resolve().parents[2]
#: What is printed of each card besides ratios: ours, OpenSC's, the official module's.
OURS = (
    "identity, address, photo",
    "the same with all proofs, first time",
    "  with known certificates",
    "one login, card not seen yet",
    "one login, card seen",
    "card pin-status",
    "card change-pin",
    "card verify",
)


def lines(card: str, begin: str) -> list[str]:
    """Return what stands behind a line's name, of each line with that name."""
    pattern = rf"^{re.escape(begin)}(?:, at most \d+)? +(\d.*)$"
    return re.findall(pattern, card, re.M)


def apdus(card: str, begin: str) -> int:
    """Return the number of commands in a line."""
    (line,) = lines(card, begin)
    return int(line.split()[0])


@pytest.mark.pcscd
@pytest.mark.sweep
@pytest.mark.timeout(310)
@pytest.mark.skipif(shutil.which("opensc-explorer") is None, reason="no opensc")
def test_the_benchmark_runs(pcscd: Pcscd) -> None:
    """It prints every count on both applets, within its limits, and a real card's time.

    The crowd is small and the idling short, since neither is judged here.
    """
    result = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--crowd", "50", "--idle", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    printed = result.stdout
    assert result.returncode == 0, printed + result.stderr
    cards = printed.split("card: ")[1:]
    assert [card.split()[0] for card in cards] == ["adult-1.7,", "adult,"]
    for card, read, login in zip(cards, (44, 47), (20, 24), strict=True):
        assert "real card" in card.splitlines()[2]
        for task in OURS:
            for line in lines(card, f"{task}: ours") or pytest.fail(task):
                assert float(line.split()[5]) > 0, "a real card's seconds"
        assert apdus(card, "  without the root: ours") <= 32
        assert apdus(card, "  with known certificates: ours") <= 26
        assert apdus(card, "one login, card seen: ours") <= 10
        assert apdus(card, "  without the root: official module") == read
        assert apdus(card, "one login: official module") == login
        assert lines(card, "identity, address, photo: OpenSC")
    assert lines(cards[0], "one login, card not seen yet: OpenSC")
    assert lines(cards[1], "identity with the chip's proof: ours")
    assert printed.count("ours / OpenSC") == 3
    for line in (
        "start to `listening`",
        "without its card time",
        "memory:",
        "in a crowd",
    ):
        assert printed.count(line) == 2
    assert re.search(r"idle agent: \d+ MiB.*wake-ups", printed)
    assert re.search(r"idle its tray: \d+ MiB.*wake-ups", printed)
    assert printed.splitlines()[-1].startswith("package")
