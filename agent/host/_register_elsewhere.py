"""Windows and macOS: no package keeps such a list there."""

from __future__ import annotations

from pathlib import Path


def note(data_dir: Path) -> None:
    """Do nothing."""


def noted() -> list[Path]:
    """Return no folder."""
    return []
