"""Below the gate: which sockets are bound, and what is no proper HTTP."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
from contextlib import ExitStack

import pytest

from agent import connections
from agent.connections import PortRefused, PortTaken, bind
from agent.peers import Peers
from tests.agent.people import PORTAL, running

OWN = f"Host: localhost:{{port}}\r\nOrigin: {PORTAL}\r\nX-EID-Agent: 1\r\n"
POST = f"POST /v1/identity HTTP/1.1\r\n{OWN}Content-Type: application/json\r\n"


async def _send(port: int, request: str) -> tuple[int, str, bytes]:
    """Send bytes as they are; return status, headers and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.format(port=port).encode("latin-1"))
        status = int((await reader.readline()).split()[1])
        headers = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = int(headers.lower().partition("content-length: ")[2].split()[0])
        return status, headers, await reader.readexactly(size)
    finally:
        writer.close()


#: What aiohttp itself refuses, before our gate sees it.
NO_HTTP = [
    ("GET /v1/status HTTP/1.1\r\n\r\n", 421, "host-refused"),
    (
        f"GET /v1/status HTTP/1.1\r\nHost: localhost:{{port}}\r\n{OWN}\r\n",
        421,
        "host-refused",
    ),
    (
        f"GET /v1/status HTTP/1.1\r\n{OWN}Secret: {'hidden' * 1000}\r\n\r\n",
        400,
        "invalid-request",
    ),
    (f"GET /v1/{'hidden' * 1000} HTTP/1.1\r\n{OWN}\r\n", 400, "invalid-request"),
    (f"GET /hidden\x01 HTTP/1.1\r\n{OWN}\r\n", 400, "invalid-request"),
    (f"hidden\x16\x03 / HTTP/1.1\r\n{OWN}\r\n", 400, "invalid-request"),
    (
        f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nhidden",
        400,
        "invalid-request",
    ),
]


@pytest.mark.parametrize(("raw", "status", "code"), NO_HTTP)
async def test_what_is_no_http_is_a_problem_too(
    raw: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No Host or two, too long, smuggled: refused in the API's form, without CORS,
    without the server's inside, and nothing of the request in the log."""
    caplog.set_level(logging.DEBUG)
    async with running("adult") as agent:
        answer, headers, body = await _send(agent.port, raw)
    assert (answer, json.loads(body)["code"]) == (status, code)
    assert "Access-Control" not in headers
    assert "no-store" in headers
    assert "application/problem+json" in headers
    assert "aiohttp" not in headers
    assert "hidden" not in caplog.text + body.decode()


#: Bodies that pass the gate and cannot be read.
NO_BODIES = [
    (f"{POST}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", 400),
    (f"{POST}\r\n", 400),
    (
        f"{POST}Transfer-Encoding: chunked\r\n\r\n"
        + ("1000\r\n" + " " * 0x1000 + "\r\n") * 17,
        413,
    ),
]


@pytest.mark.parametrize(("raw", "status"), NO_BODIES)
async def test_a_body_that_cannot_be_read_is_refused_readably(
    raw: str, status: int
) -> None:
    """Compressed, absent, endless: behind the gate, so the page may read why."""
    async with running("adult") as agent:
        answer, headers, _ = await _send(agent.port, raw)
    assert answer == status
    assert f"Access-Control-Allow-Origin: {PORTAL}" in headers


# --- expecting -----------------------------------------------------------------------


@pytest.mark.parametrize("expected", ["foo", "100-continue"])
@pytest.mark.parametrize("path", ["/v1/status", "/v1/identity", "/v1/nowhere"])
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ("Host: evil.example\r\n", 421, "host-refused"),
        ("Host: localhost:{port}\r\n", 403, "origin-refused"),
    ],
)
async def test_what_is_expected_is_not_looked_at_before_the_gate(
    headers: str, status: int, code: str, path: str, expected: str
) -> None:
    """Neither `100 Continue` nor a text of aiohttp's for who may not ask at all."""
    raw = f"POST {path} HTTP/1.1\r\n{headers}Expect: {expected}\r\n\r\n"
    async with running("adult") as agent:
        answer, sent, body = await _send(agent.port, raw)
    assert (answer, json.loads(body)["code"]) == (status, code)
    assert "Access-Control" not in sent


@pytest.mark.parametrize("expected", ["foo", "100-continue\r\nExpect: foo"])
async def test_only_100_continue_can_be_expected(expected: str) -> None:
    """Behind the gate the page may read why."""
    async with running("adult") as agent:
        raw = f"{POST}Expect: {expected}\r\nContent-Length: 2\r\n\r\n"
        answer, headers, body = await _send(agent.port, raw)
    assert (answer, json.loads(body)["code"]) == (400, "invalid-request")
    assert "application/problem+json" in headers
    assert f"Access-Control-Allow-Origin: {PORTAL}" in headers


async def test_a_body_that_waits_is_asked_for() -> None:
    """`100 Continue` comes once, before the body and nothing else."""
    async with running("adult") as agent:
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
        raw = f"{POST}Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
        writer.write(raw.format(port=agent.port).encode())
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"{}")
            assert (await reader.readline()).split()[1] == b"400"  # nothing included
        writer.close()


async def test_who_leaves_before_its_body_may_come_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection ends while its owner is looked up: nothing of ours went wrong."""
    gone = asyncio.Event()

    async def look_up(_self: Peers, transport: asyncio.BaseTransport) -> None:
        transport.close()
        gone.set()

    monkeypatch.setattr(Peers, "check", look_up)
    async with running("adult") as agent:
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
        raw = f"{POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        writer.write(raw.format(port=agent.port).encode())
        async with asyncio.timeout(5):
            await gone.wait()
            assert await reader.read() == b""
        writer.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# --- bodies that do not end ----------------------------------------------------------


async def test_a_body_that_does_not_come_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Never 408, which browsers repeat by themselves."""
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(connections, "_LINGER_SECONDS", 0.05)
    async with running("adult") as agent:
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
        raw = f"{POST}Content-Length: 50\r\n\r\nx"
        writer.write(raw.format(port=agent.port).encode())
        async with asyncio.timeout(5):
            answer = await reader.read()  # to the end of the connection
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"invalid-request" in answer


async def test_two_origins_are_no_origin() -> None:
    """A second Origin header is refused, whatever it says."""
    async with running("adult") as agent:
        request = f"GET /v1/status HTTP/1.1\r\n{OWN}Origin: {PORTAL}\r\n\r\n"
        status, headers, body = await _send(agent.port, request)
    assert (status, json.loads(body)["code"]) == (403, "origin-refused")
    assert "Access-Control" not in headers


def _take(stack: ExitStack, family: socket.AddressFamily, place: str, port: int) -> int:
    """Listen there until the stack ends; return the port."""
    other = stack.enter_context(socket.create_server((place, port), family=family))
    return int(other.getsockname()[1])


def test_a_port_that_is_half_taken_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program on ::1 alone could answer in our place: the next port then."""
    with ExitStack() as stack:
        taken = _take(stack, socket.AF_INET6, "::1", 0)
        other = _take(stack, socket.AF_INET, "127.0.0.1", 0)
        monkeypatch.setattr(connections, "PORTS", (taken, other))
        with pytest.raises(PortTaken):
            bind(None)
        with pytest.raises(PortTaken, match=str(taken)):
            bind(taken)


def test_a_port_that_the_system_refuses_is_not_called_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A port below 1024, say: its owner must not be searched for. One of ours is
    passed over. The system's refusal is faked, since root may use every port."""
    genuine = connections._bind_one
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]

    def bind_one(family: int, address: str, port: int) -> socket.socket:
        if port == 443:
            raise PermissionError(errno.EACCES, "Permission denied")
        return genuine(family, address, port)

    monkeypatch.setattr(connections, "_bind_one", bind_one)
    with pytest.raises(PortRefused, match="443"):
        bind(443)
    monkeypatch.setattr(connections, "PORTS", (443, free))
    port, sockets = bind(None)
    for listener in sockets:
        listener.close()
    assert port == free


def test_any_free_port_is_the_same_on_both_addresses() -> None:
    """As the demo's portal takes it."""
    port, sockets = bind(0)
    bound = [listener.getsockname()[:2] for listener in sockets]
    for listener in sockets:
        listener.close()
    assert bound == [("127.0.0.1", port), ("::1", port)]
    assert port > 0


def test_both_addresses_are_bound_on_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 and ::1, and no other; a taken port is passed over."""
    with ExitStack() as stack:
        taken = _take(stack, socket.AF_INET, "127.0.0.1", 0)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()[1]
        monkeypatch.setattr(connections, "PORTS", (taken, free))
        port, sockets = bind(None)
        for listener in sockets:
            stack.enter_context(listener)
        bound = [listener.getsockname()[:2] for listener in sockets]
    assert port == free
    assert bound == [("127.0.0.1", free), ("::1", free)]
