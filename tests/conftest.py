"""Options and environment shared by all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

pytest_plugins = ["tests.rig.fixtures"]

settings.register_profile("short", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=2000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`: the soak, fuzz and screenshot sweeps in their long forms."""
    parser.addoption("--full", action="store_true", help="run the long sweeps")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples the property tests try."""
    settings.load_profile("full" if config.getoption("--full") else "short")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Let workers begin with the sweeps: at the end none waits long for another."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("sweep") is None)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own reader, buses, proxy and language out of the tests."""
    for name in ("PCSCLITE_CSOCK_NAME", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    for bus in ("SYSTEM", "SESSION"):
        monkeypatch.setenv(f"DBUS_{bus}_BUS_ADDRESS", "unix:path=/nonexistent")
