"""What is done to the machine's own files, as commands of an administrator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.trust.runner import Runner


def copying(source: Path, target: Path) -> list[str]:
    """Return the command that puts a file that everybody can read into a folder."""
    return ["install", "-D", "-m", "644", str(source), str(target)]


def deletion(path: Path) -> list[str]:
    """Return the command that deletes a file, if it is there."""
    return ["rm", "-f", "--", str(path)]


def run(runner: Runner, words: Sequence[str]) -> None:
    """Run a command as the administrator; StoreUnusable when it fails."""
    runner.run(words, as_root=True).check()
