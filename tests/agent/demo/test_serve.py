"""The demo's own start and end: what it takes is given back, whatever goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from agent import cli, connections
from agent.commands import demo
from agent.demo.portal import COOKIE, PortalConfig, make_portal
from agent.demo.serve import serve_portal
from cardio.virtual.pki import test_roots as roots_of_test
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
    assert "bootstrap.py demo" in result.stderr
    assert result.stderr.count("\n") == 1


# --- what is no proper request -------------------------------------------------------


@asynccontextmanager
async def portal() -> AsyncIterator[int]:
    """Serve the portal, without TLS; return its port."""
    port, sockets = connections.bind(0)
    config = PortalConfig(
        origin=f"https://localhost:{port}",
        agent_port=27410,
        trusted_cas=roots_of_test(),
        allow_test=True,
    )
    with pytest.warns(UserWarning, match="allow_test"):
        app = make_portal(config)
    runner = await serve_portal(app, None, sockets)
    try:
        yield port
    finally:
        await runner.cleanup()


def _head(line: str, port: int, *more: str) -> bytes:
    own = (f"Host: localhost:{port}", f"Origin: https://localhost:{port}")
    kind = "Content-Type: application/json"
    return "\r\n".join((f"{line} HTTP/1.1", *own, kind, *more, "", "")).encode()


async def _send(port: int, request: bytes) -> tuple[int, bytes, bytes]:
    """Return status, headers and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            status = int((await reader.readline()).split()[1])
            headers = await reader.readuntil(b"\r\n\r\n")
            size = int(headers.lower().partition(b"content-length: ")[2].split()[0])
            return status, headers, await reader.readexactly(size)
    finally:
        writer.close()


async def _cookie(port: int) -> str:
    """Begin a session; return the header that says so."""
    begun = _head("POST /api/challenge", port, "Content-Length: 0")
    _, headers, _ = await _send(port, begun)
    value = headers.partition(f"{COOKIE}=".encode())[2].split(b";")[0].decode()
    return f"Cookie: {COOKIE}={value}"


@pytest.mark.parametrize(
    ("line", "more", "status", "code"),
    [
        ("GET /\x01", (), 400, "invalid-request"),
        ("GET /", ("X: " + "x" * 9000,), 400, "invalid-request"),
        ("GET /", ("Host: localhost:1",), 421, "host-refused"),
        ("GET /", ("Expect: foo",), 400, "invalid-request"),
        ("POST /nowhere", ("Expect: foo",), 400, "invalid-request"),
    ],
)
async def test_what_is_no_request_is_answered_in_the_sites_form(
    line: str, more: tuple[str, ...], status: int, code: str
) -> None:
    """A code, and the headers of every answer; no page of the server's own."""
    async with portal() as port:
        answer, headers, body = await _send(port, _head(line, port, *more))
    assert (answer, json.loads(body)) == (status, {"code": code})
    assert b"Content-Security-Policy" in headers
    assert b"no-store" in headers


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b"[" * 100_000, ()),
        (b'{"a":' * 20_000, ()),
        (b"7b7d", ("Content-Type: application/json; charset=hex",)),
        (b"\xff", ("Content-Type: application/json; charset=nonsense",)),
        (gzip.compress(b"{}", mtime=0), ("Content-Encoding: gzip",)),
        (b'{"a":' + b"1" * 9000 + b"}", ()),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_bad_request(
    body: bytes, more: tuple[str, ...]
) -> None:
    """Nested, oddly encoded, compressed: a code, never a failure of the server."""
    async with portal() as port:
        own = (await _cookie(port), f"Content-Length: {len(body)}", *more)
        head = _head("POST /api/login", port, *own)
        if more and more[0].startswith("Content-Type"):
            head = head.replace(b"Content-Type: application/json\r\n", b"", 1)
        status, _, answer = await _send(port, head + body)
    assert (status, json.loads(answer)) == (400, {"code": "invalid-request"})


# --- requests that do not end --------------------------------------------------------


async def _open_post(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a login whose body does not come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    own = (await _cookie(port), "Content-Length: 50", "Expect: 100-continue")
    writer.write(_head("POST /api/login", port, *own))
    async with asyncio.timeout(5):  # the handler waits for the body from here on
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_an_open_request_does_not_hold_up_the_end() -> None:
    """The site ends within a second or two, whoever has not finished."""
    async with asyncio.timeout(10):
        async with portal() as port:
            _, writer = await _open_post(port)
        writer.close()


async def test_a_body_that_does_not_come_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A code, and the connection is closed."""
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(connections, "_LINGER_SECONDS", 0.05)
    async with portal() as port:
        reader, writer = await _open_post(port)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b'{"code": "invalid-request"}')
