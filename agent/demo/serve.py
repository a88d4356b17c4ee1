"""Serves a demonstration site on sockets that are bound; touches these alone."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from socket import socket

from aiohttp import web

from agent.connections import Runner
from agent.demo.web import REFUSED


async def serve_portal(
    app: web.Application, context: ssl.SSLContext | None, sockets: Sequence[socket]
) -> web.AppRunner:
    """Serve on bound sockets; `await runner.cleanup()` ends it and closes them.

    Without a context it speaks plain HTTP (tests).
    """
    runner = Runner(app, app[REFUSED])
    await runner.setup()
    for sock in sockets:
        await web.SockSite(runner, sock, ssl_context=context).start()
    return runner
