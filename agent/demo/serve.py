"""Binds a demonstration site to loopback and serves it; touches sockets alone."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Sequence

from aiohttp import web

from agent.connections import Runner
from agent.demo.web import REFUSED

_ATTEMPTS = 20


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock


def _has_ipv6() -> bool:
    if not socket.has_ipv6:
        return False
    with contextlib.suppress(OSError):
        _listen(socket.AF_INET6, "::1", 0).close()
        return True
    return False


def bind_loopback(port: int = 0) -> list[socket.socket]:
    """Bind one port of 127.0.0.1 and, where there is one, ::1; 0 picks a free one.

    Raises OSError when the port is taken.
    """
    six = _has_ipv6()
    for _ in range(_ATTEMPTS):
        four = _listen(socket.AF_INET, "127.0.0.1", port)
        if not six:
            return [four]
        chosen = four.getsockname()[1]
        try:
            return [four, _listen(socket.AF_INET6, "::1", chosen)]
        except OSError:
            four.close()
            if port:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free on both loopback addresses")


async def serve_portal(
    app: web.Application,
    context: ssl.SSLContext | None,
    sockets: Sequence[socket.socket],
) -> web.AppRunner:
    """Serve on sockets from `bind_loopback`; `await runner.cleanup()` ends it.

    Without a context it speaks plain HTTP (tests).
    """
    runner = Runner(app, app[REFUSED])
    await runner.setup()
    for sock in sockets:
        await web.SockSite(runner, sock, ssl_context=context).start()
    return runner
