"""A cache of their own for these tests, so that they judge what is generated now."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fresh_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty cache folder for this run."""
    return tmp_path_factory.mktemp("virtual-cards")


@pytest.fixture(autouse=True)
def _fresh_cache(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the generator to it."""
    monkeypatch.setenv("EID_AGENT_CACHE_DIR", str(fresh_cache))
