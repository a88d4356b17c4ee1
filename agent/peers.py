"""Lets only programs of the agent's own user ask; touches the system's tables.

Loopback is shared by everybody who is logged in on a machine. Each connection is looked
up once, when its first request has passed the gate, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

from agent import host
from agent.errors import Problem
from agent.host.peers import UNKNOWN, Peer
from agent.words import one_line

_log = logging.getLogger(__name__)


class Peers:
    """Who holds the other end of each connection of one endpoint."""

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[
            asyncio.BaseTransport, asyncio.Future[Peer | None]
        ] = WeakKeyDictionary()
        self._strangers: WeakKeyDictionary[
            asyncio.BaseTransport, asyncio.Future[str | None]
        ] = WeakKeyDictionary()
        self._thread = ThreadPoolExecutor(1, "peers")

    async def check(self, transport: asyncio.BaseTransport | None) -> Peer:
        """Return who asks; `other-user` where that is somebody else, or nobody found.

        A connection that is gone meanwhile (None) counts as nobody's.
        """
        peer = await self._of(transport) if transport is not None else None
        if peer is None or not peer.same_user:
            raise Problem("other-user")
        return peer

    async def stranger(self, transport: asyncio.BaseTransport | None) -> str | None:
        """Return the name, fit to be shown, of a program that is no known browser.

        None for a browser; `other-user` as `check`. Looked for once a connection, and
        only when somebody wants to know: it takes longer than whose program it is.
        """
        peer = await self.check(transport)
        assert transport is not None  # or it were nobody's
        found = self._strangers.get(transport)
        if found is None:
            loop = asyncio.get_running_loop()
            found = loop.run_in_executor(self._thread, _name, peer)
            self._strangers[transport] = found
        return await asyncio.shield(found)

    async def _of(self, transport: asyncio.BaseTransport) -> Peer | None:
        found = self._found.get(transport)
        if found is None:
            loop = asyncio.get_running_loop()
            found = loop.run_in_executor(self._thread, _look_up, transport)
            self._found[transport] = found
        # One request that is cancelled leaves the answer to the next one.
        return await asyncio.shield(found)


def _name(peer: Peer) -> str | None:
    try:
        name = peer.stranger()
    except OSError as error:
        _log.warning("cannot tell which program asks: %s", error.strerror)
        name = UNKNOWN
    return None if name is None else one_line(name)


def _look_up(transport: asyncio.BaseTransport) -> Peer | None:
    client = transport.get_extra_info("peername")
    server = transport.get_extra_info("sockname")
    if client is None or server is None:
        return None
    try:
        return host.peer(client[:2], server[:2])
    except OSError as error:
        _log.warning("cannot tell whose a connection is: %s", error.strerror)
        return None
