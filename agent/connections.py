"""The endpoint's sockets and connections, below the gate; touches sockets.

Listens on 127.0.0.1 and ::1 alone, on one port. What aiohttp refuses by itself, before
any handler of ours, is answered here in the API's own form; the demo's portal serves on
the same connections, in its own form. Bodies are read here, within a time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDictProxy

from agent import host
from agent.door import Door, Site
from agent.errors import Problem

_log = logging.getLogger(__name__)

PORTS = range(27410, 27420)

#: On every answer, whatever it is.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Server": "eid-agent",
}

#: A body that is not there by then will not come.
BODY_SECONDS = 10.0
#: The sender of a body that nobody wants may finish for this long, to see the answer.
_LINGER_SECONDS = 2.0
#: A request that is open when the program is told to end lives this much longer.
_SHUTDOWN_SECONDS = 0.2

#: How aiohttp begins what it says about a request without exactly one Host header.
_NOT_ONE_HOST = ("Missing 'Host'", "Duplicate 'Host'")


#: Tries for a port that is free on both addresses.
_ATTEMPTS = 20


class PortTaken(Exception):
    """The port, or every port of the range, is in use."""


class PortRefused(Exception):
    """The system does not let this program use the port."""


# --- listening -----------------------------------------------------------------------


def bind(port: int | None) -> tuple[int, list[socket.socket]]:
    """Bind 127.0.0.1 and ::1 on one port: the one named, else the first of ours.

    0 stands for any free port. A machine without IPv6 gets 127.0.0.1 alone. Raises
    PortTaken; PortRefused, where no other port could be tried.
    """
    candidates = PORTS if port is None else (port,) if port else (0,) * _ATTEMPTS
    for candidate in candidates:
        try:
            sockets = _bind_both(candidate)
        except PermissionError:
            if port:
                raise PortRefused(f"port {port} is not to be had") from None
            continue
        if sockets:
            return int(sockets[0].getsockname()[1]), sockets
    raise PortTaken(
        f"port {port} is in use" if port else "the ports 27410 to 27419 are in use"
    )


def _bind_both(port: int) -> list[socket.socket]:
    """Return both sockets, or none when one of them is taken."""
    sockets: list[socket.socket] = []
    places = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    for family, address in places:
        try:
            sockets.append(_bind_one(family, address, port))
        except OSError as error:
            no_ipv6 = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if family == socket.AF_INET6 and no_ipv6:
                continue
            for bound in sockets:
                bound.close()
            if error.errno == errno.EACCES:
                raise
            return []
        port = sockets[0].getsockname()[1]  # both get the one that 0 stood for
    return sockets


def _bind_one(family: int, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        host.claim_port(listener)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    return listener


# --- connections ---------------------------------------------------------------------


class BodyRefused(Exception):
    """A body that did not come, or not in a form that can be read."""


def problem_response(code: str) -> web.Response:
    """Answer in the form of the HTTP API."""
    problem = Problem(code)
    return web.json_response(
        problem.to_json("en"),
        status=problem.status,
        content_type="application/problem+json",
        headers=HEADERS,
    )


class _Refusing(web.RequestHandler):
    """One connection; what aiohttp refuses by itself is answered in our form, too.

    Such a request never reaches the gate, so it gets no CORS headers, and nothing of it
    is logged.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or has no Host header or two of them."""
        level = logging.ERROR if status == 500 else logging.DEBUG
        _log.log(level, "refused a request: %s", type(exc).__name__)
        without_host = (message or "").startswith(_NOT_ONE_HOST)
        code = "host-refused" if without_host else "invalid-request"
        server = self._manager  # None once the connection is lost
        answer = server.answer if isinstance(server, _Server) else problem_response
        response = answer("internal-error" if status == 500 else code)
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave room for another one."""
        server = self._manager
        super().connection_lost(exc)
        if isinstance(server, _Server):
            server.door.leave(self)


class _Server(web.Server):
    """Makes connections of the kind above."""

    answer: Callable[[str], web.Response]
    door: Door

    def __call__(self) -> web.RequestHandler:
        handler = super().__call__()
        handler.__class__ = _Refusing  # the same in memory: it adds no attribute
        return handler


class Runner(web.AppRunner):
    """Runs an application on connections of the kind above.

    `answer` makes the answer for a code, where no handler of the application does;
    `door` holds the connections, and has to be told of work (`Door.working`). An
    `Expect` is not seen by aiohttp, which would answer it before any check of ours: see
    `expects_only_continue` and `read_body`.
    """

    def __init__(
        self,
        app: web.Application,
        answer: Callable[[str], web.Response] = problem_response,
        door: Door | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            app,
            access_log=None,  # it would write down who was here and when
            auto_decompress=False,  # a page has no reason to send compressed JSON
            lingering_time=_LINGER_SECONDS,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            max_line_size=4096,
            max_field_size=4096,
            **options,
        )
        self._answer = answer
        self._door = door or Door()

    async def listen(
        self, sockets: list[socket.socket], context: ssl.SSLContext | None
    ) -> None:
        """Accept connections on bound sockets; plain HTTP without a context."""
        for listener in sockets:
            await Site(self, listener, self._door, context).start()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        make = server.request_factory

        def without_expect(message: Any, *rest: Any) -> web.BaseRequest:
            if hdrs.EXPECT in message.headers:
                headers = message.headers.copy()
                headers.popall(hdrs.EXPECT)
                message = message._replace(headers=CIMultiDictProxy(headers))
            return make(message, *rest)

        server.request_factory = without_expect
        server.__class__ = _Server
        assert isinstance(server, _Server)
        server.answer = self._answer
        server.door = self._door
        return server


# --- bodies --------------------------------------------------------------------------


def expects_only_continue(request: web.Request) -> bool:
    """Tell whether nothing but 100 Continue is expected of us (RFC 9110, 10.1.1)."""
    return all(value.lower() == b"100-continue" for value in _expectations(request))


def _expectations(request: web.Request) -> list[bytes]:
    return [
        value.strip()
        for name, value in request.raw_headers
        if name.lower() == b"expect"
    ]


async def read_body(request: web.Request) -> bytes:
    """Return the body, of which the sender that waits for it learns that it may come.

    Raises BodyRefused, HTTPRequestEntityTooLarge.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            if _expectations(request) and request.version >= HttpVersion11:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0  # the answer's begins with the answer
            return await request.read()
    except TimeoutError:
        raise BodyRefused("the body did not come in time") from None
    except ConnectionResetError:  # it left before it could learn that
        raise BodyRefused("the sender has left") from None
    except web.RequestPayloadError:
        raise BodyRefused("the body is not as its headers say") from None
