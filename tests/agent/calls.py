"""Calls the agent over TLS from a thread, as a page would."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.monitor import stay_of
from agent.service import AgentService

PORTAL = "https://portal.example"
#: For an answer, on a machine that is busy with something else, too.
SECONDS = 90


def prepared(service: AgentService) -> bool:
    """Tell whether what a login needs was read of some card that is in.

    Nothing outside tells it, since it shows in nothing but fewer commands.
    """
    monitor = service._monitor
    return any(monitor.held(stay_of(found)) for found in monitor.found())


class Call(threading.Thread):
    """One request in the background; `status` and `body` when it is over."""

    def __init__(
        self, port: int, ca: Path, path: str, body: Any, origin: str = PORTAL
    ) -> None:
        super().__init__(daemon=True)
        context = ssl.create_default_context(cafile=str(ca))
        self._connection = http.client.HTTPSConnection(
            "localhost", port, context=context, timeout=SECONDS
        )
        self._path = path
        self._body = body
        self._origin = origin
        self.status = 0
        self.body: Any = None

    def run(self) -> None:
        """Send and wait for the answer; a connection that ends leaves status 0."""
        headers = {
            "Origin": self._origin,
            "X-EID-Agent": "1",
            "Content-Type": "application/json",
        }
        try:
            self._connection.request(
                "POST", self._path, json.dumps(self._body), headers
            )
            response = self._connection.getresponse()
            self.status, self.body = response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self._connection.close()

    def leave(self) -> None:
        """Go away before the answer, as a page that is closed."""
        assert self._connection.sock is not None
        self._connection.sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def ask(port: int, ca: Path, path: str, body: Any) -> Iterator[Call]:
    """Send a request; it has been answered when the block ends."""
    call = Call(port, ca, path, body)
    call.start()
    yield call
    call.join(SECONDS)


def ask_login(port: int, ca: Path) -> Any:
    """Ask for a login."""
    return ask(port, ca, "/v1/authenticate", {"challengeNonce": "n" * 44})


def ask_identity(port: int, ca: Path, **members: Any) -> Any:
    """Ask for the identity."""
    body = {"include": ["identity"], **members}
    return ask(port, ca, "/v1/identity", body)
