"""The cap on connections: a crowd neither fills the memory nor keeps others out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent import certs, tls
from agent.door import LIMIT
from agent.server import serve
from agent.service import AgentService
from agent.settings import Settings
from agent.ui import Permission
from cardio.beid.source import BeidCards
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.calls import ask
from tests.agent.people import NONCE, Person
from tests.rig.transcript import RecordedCard

CROWD = 1000

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="counts handles as POSIX systems list them"
)


@asynccontextmanager
async def agent_over_tls(folder: Path) -> AsyncIterator[tuple[int, Path, Person]]:
    """Run an agent with its certificate; give port, CA and the person."""
    (files,) = tls.store(certs.issue(), folder)
    readers, person = VirtualReaders(), Person()
    readers.insert(RecordedCard(load_profile("adult")))
    service = AgentService(BeidCards(readers), person, Settings())
    listening = await serve(service, files.context(), 0)
    try:
        yield listening.port, files.ca, person
    finally:
        await listening.close()


def _handles() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def _crowd(port: int, *, shake_hands: bool, ca: Path) -> list[socket.socket]:
    """Open as many connections as a hostile page or program might, and stay silent."""
    context = ssl.create_default_context(cafile=str(ca))
    opened: list[socket.socket] = []
    for _ in range(CROWD):
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        opened.append(plain)
        if shake_hands:
            with contextlib.suppress(OSError):  # sent away meanwhile
                opened[-1] = context.wrap_socket(plain, server_hostname="localhost")
    return opened


@pytest.mark.parametrize("shake_hands", [False, True])
async def test_a_person_logs_in_through_a_crowd(
    shake_hands: bool, tmp_path: Path
) -> None:
    """A thousand connections at once, with or without a handshake: the login succeeds,
    and no more handles are held than there are places."""
    async with agent_over_tls(tmp_path) as (port, ca, _):
        before = _handles()
        crowd = await asyncio.to_thread(_crowd, port, shake_hands=shake_hands, ca=ca)
        try:
            # The crowd's own ends are in this process, too.
            assert _handles() - before - CROWD <= LIMIT + 5
            with ask(port, ca, "/v1/authenticate", {"challengeNonce": NONCE}) as login:
                await asyncio.to_thread(login.join, 30)
        finally:
            for connection in crowd:
                connection.close()
    assert login.status == 200


async def test_a_request_under_way_outlives_a_crowd(tmp_path: Path) -> None:
    """A person thinks about a question while a thousand connections come."""
    async with agent_over_tls(tmp_path) as (port, ca, person):
        answer = asyncio.Event()

        async def think(_question: object) -> Permission:
            person.asked.set()
            await answer.wait()
            return Permission.ONCE

        person.consent = think  # type: ignore[method-assign]
        with ask(port, ca, "/v1/identity", {"include": ["identity"]}) as reading:
            await asyncio.wait_for(person.asked.wait(), 10)
            crowd = await asyncio.to_thread(_crowd, port, shake_hands=True, ca=ca)
            answer.set()
            await asyncio.to_thread(reading.join, 30)
            for connection in crowd:
                connection.close()
    assert reading.status == 200
