"""The demo's own start and end: what it takes is given back, whatever goes wrong."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent import cli, connections
from agent.commands import demo
from tests.agent.program import ROOT


def test_the_portals_sockets_are_closed_when_the_agent_finds_no_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The agent's port is taken, so the demo fails with a sentence and leaves none."""
    bound: list[socket.socket] = []

    def bind(port: int) -> tuple[int, list[socket.socket]]:
        number, sockets = connections.bind(port)
        bound.extend(sockets)
        return number, sockets

    monkeypatch.setattr(demo, "bind", bind)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(connections, "PORTS", (taken.getsockname()[1],))
        words = ["demo", "--no-browser", "--ui", "terminal", "--lang", "en"]
        assert cli.main(words) == 1
    assert "in use" in capsys.readouterr().err
    assert bound
    assert all(sock.fileno() == -1 for sock in bound)


def test_the_service_is_called_before_the_demos_own_card_goes_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also for a persona that was named: systemd starts pcscd at the first call.

    Service and card are stand-ins that note their turn.
    """
    turns: list[str] = []

    class Service:
        def readers(self) -> tuple[()]:
            turns.append("service")
            return ()

    @contextmanager
    def put_in(_options: object) -> Iterator[None]:
        turns.append("card")
        yield

    monkeypatch.setattr(demo, "card_source", lambda _: Service())
    monkeypatch.setattr(demo, "_virtual_card", put_in)
    words = ["demo", "--card", "pcsc", "--persona", "adult"]
    with demo._pcsc(cli.parser().parse_args(words)):
        assert turns == ["service", "card"]


def test_without_the_portals_library_the_demo_says_what_to_install() -> None:
    """One sentence, as for the library of card readers, and no traceback."""
    code = (
        "import sys; sys.modules['asn1crypto'] = None\n"
        "from agent.cli import main\n"
        "sys.exit(main(['demo', '--lang', 'en']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "pip install 'eid-agent[relyingparty]'" in result.stderr
    assert result.stderr.count("\n") == 1
