"""Where no window can open the terminal asks, and says what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.agent.calls import ask_login
from tests.agent.program import Program, started

pytest.importorskip("PySide6", reason="PySide6 is not installed")

#: In a mount namespace of its own: without libxcb-cursor, which Qt needs for X11.
_HIDE = """
file=$(readlink -f "$0") && folder=$(dirname "$file") && mount -t tmpfs none /mnt &&
mkdir /mnt/up /mnt/work && mknod "/mnt/up/libxcb-cursor.so.0" c 0 0 &&
mount -t overlay none -o "lowerdir=$folder,upperdir=/mnt/up,workdir=/mnt/work" \
"$folder" && exec "$@"
"""


def _library() -> str:
    told = subprocess.run(
        ["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False
    ).stdout
    found = [
        line.split()[-1] for line in told.splitlines() if "xcb-cursor.so.0" in line
    ]
    if not found:
        pytest.skip("libxcb-cursor0 is not installed")
    return found[0]


def test_a_missing_library_is_named_and_the_terminal_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its package; the question comes all the same."""
    hide = ("unshare", "-m", "sh", "-c", _HIDE, _library())
    if subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a private mount namespace with an overlay needs root")
    monkeypatch.setenv("DISPLAY", ":1")  # nobody needs to be there
    monkeypatch.setattr(Program, "wrapper", hide)
    arguments = ("run", "--card", "virtual", "--lang", "en", "--data-dir")
    with started(*arguments, str(tmp_path)) as agent:
        port = agent.port()
        with ask_login(port, tmp_path / "tls" / "ca.pem") as login:
            agent.until("PIN: $")
            agent.type("1234")
        assert login.status == 200
        assert agent.end() == 0
        assert "Windows need these packages: libxcb-cursor0." in agent.errors()


def test_a_screen_that_does_not_answer_is_no_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with no terminal either, the question is closed and the page hears that."""
    monkeypatch.setenv("DISPLAY", ":nobody")
    arguments = ("run", "--card", "virtual", "--lang", "en", "--data-dir")
    with started(*arguments, str(tmp_path), stdin=subprocess.DEVNULL) as agent:
        port = agent.port()
        with ask_login(port, tmp_path / "tls" / "ca.pem") as login:
            pass
        assert login.body["code"] == "user-cancelled"  # the end of its input
        assert agent.end() == 0
        assert "No window can open here." in agent.errors()
