"""The endpoint's sockets and connections, below the gate; touches sockets.

Listens on 127.0.0.1 and ::1 alone, on one port. What aiohttp refuses by itself, before
any handler of ours, is answered here in the API's own form.
"""

from __future__ import annotations

import errno
import logging
import socket

from aiohttp import web

from agent import host
from agent.errors import Problem

_log = logging.getLogger(__name__)

PORTS = range(27410, 27420)

#: On every answer, whatever it is.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Server": "eid-agent",
}

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
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


# --- connections ---------------------------------------------------------------------


class _Refusing(web.RequestHandler):
    """One connection; what aiohttp refuses by itself is a problem, too.

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
        problem = Problem("internal-error" if status == 500 else code)
        response = web.json_response(
            problem.to_json("en"),
            status=problem.status,
            content_type="application/problem+json",
            headers=HEADERS,
        )
        response.force_close()
        return response


class _Server(web.Server):
    """Makes connections of the kind above."""

    def __call__(self) -> web.RequestHandler:
        handler = super().__call__()
        handler.__class__ = _Refusing  # the same in memory: it adds no attribute
        return handler


class Runner(web.AppRunner):
    """Runs the application on connections of the kind above."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        return server
