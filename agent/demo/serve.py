"""Serves a demonstration site on sockets that are bound; touches these alone."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from socket import socket

from aiohttp import web


async def serve_portal(
    app: web.Application, context: ssl.SSLContext, sockets: Sequence[socket]
) -> web.AppRunner:
    """Serve on bound sockets; `await runner.cleanup()` ends it and closes them."""
    # No access log: it would write down who was here and when.
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    for sock in sockets:
        await web.SockSite(runner, sock, ssl_context=context).start()
    return runner
