"""Accepts connections, and never more than it can hold; touches sockets.

asyncio's own server takes whatever comes, with a quarter of a megabyte of TLS buffers
each. Here a newcomer finds room: where there is none, the connection that has been idle
for longest goes, be it in its handshake or before its body has come. One with a request
under way stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

_log = logging.getLogger(__name__)

#: Connections at a time. A browser opens six to one host, and one for its events.
LIMIT = 100
#: A handshake takes milliseconds.
_HANDSHAKE_SECONDS = 10.0
#: Out of handles: the next try waits, it would fail at once.
_PAUSE_SECONDS = 0.2


class _Place:
    """What one connection takes up, from its acceptance on."""

    def __init__(self, accepted: socket.socket) -> None:
        self.accepted = accepted
        #: Kept here, since the event loop itself does not keep a task alive.
        self.handshake: asyncio.Task[None] | None = None
        self.requests = 0


class Door:
    """The connections of one endpoint, those idle for longest first."""

    def __init__(self) -> None:
        self._places: dict[web.RequestHandler, _Place] = {}

    @contextmanager
    def working(self, connection: web.RequestHandler) -> Iterator[None]:
        """Keep a connection while the block works on a request of it."""
        place = self._places.get(connection)
        if place is None:  # it was closed
            yield
            return
        place.requests += 1
        try:
            yield
        finally:
            place.requests -= 1
            if connection in self._places:  # idle from now on
                self._places[connection] = self._places.pop(connection)

    @contextmanager
    def waiting(self, connection: web.RequestHandler) -> Iterator[None]:
        """Let a newcomer have the place while the block waits for the other end.

        Else as many half requests as there are places would keep everybody out.
        """
        place = self._places.get(connection)
        if place is None:  # it was closed
            yield
            return
        place.requests -= 1
        try:
            yield
        finally:
            place.requests += 1

    def enter(
        self, connection: web.RequestHandler, accepted: socket.socket
    ) -> _Place | None:
        """Return a place for a new connection, None where each one is at work."""
        if len(self._places) >= LIMIT:
            idle = (
                found for found, place in self._places.items() if not place.requests
            )
            longest = next(idle, None)
            if longest is None:
                return None
            self._dismiss(longest)
        place = self._places[connection] = _Place(accepted)
        return place

    def _dismiss(self, connection: web.RequestHandler) -> None:
        place = self._places.pop(connection)
        if connection.transport is not None:
            connection.transport.abort()
        else:  # the handshake meets its end; cancelled, it would leave the socket open
            with contextlib.suppress(OSError):
                place.accepted.shutdown(socket.SHUT_RDWR)

    def leave(self, connection: web.RequestHandler) -> None:
        """Forget a connection that was closed."""
        self._places.pop(connection, None)


class Site(web.BaseSite):
    """One listening socket whose connections come in by a door."""

    def __init__(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        door: Door,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        self._listener = listener
        self._door = door
        self._accepting: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Name the place for aiohttp."""
        host, port = self._listener.getsockname()[:2]
        return f"https://[{host}]:{port}"

    async def start(self) -> None:
        """Begin to accept."""
        await super().start()
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(), name="accept")

    async def stop(self) -> None:
        """Accept no more."""
        if self._accepting is not None:
            self._accepting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._accepting
        self._listener.close()
        await super().stop()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # a crowd that waits would be taken in one go
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                _log.warning("cannot accept: %s", error.strerror)
                if error.errno != errno.ECONNABORTED:
                    await asyncio.sleep(_PAUSE_SECONDS)
                continue
            assert self._runner.server is not None
            connection = self._runner.server()
            place = self._door.enter(connection, accepted)
            if place is None:
                accepted.close()
            else:
                greet = self._greet(connection, accepted)
                place.handshake = asyncio.create_task(greet, name="handshake")

    async def _greet(
        self, connection: web.RequestHandler, accepted: socket.socket
    ) -> None:
        """Do the handshake and hand the connection to aiohttp."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._ssl_context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._ssl_context else None,
            )
        except (OSError, asyncio.CancelledError) as error:
            _log.debug("no handshake: %s", type(error).__name__)
            self._door.leave(connection)
            accepted.close()
