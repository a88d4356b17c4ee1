"""The demo's agent and portal inside the test, where each connection can be counted.

A test that uses it lets the warning about test cards pass: `accepts_test_cards`. A
browser can be made to take the portal, and it alone, for a site on a public address.
What the agent asks is answered by a scripted person.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page

from agent import certs, host, tls
from agent.connections import bind
from agent.demo.portal import PortalConfig, make_portal
from agent.demo.profiles import Endpoint
from agent.demo.serve import serve_portal
from agent.demo.trust import test_trust as trust_of_test
from agent.server import Listening, serve
from agent.service import AgentService
from agent.settings import Settings
from cardio.beid.source import BeidCards
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.people import Person
from tests.e2e.harness import SECONDS

#: The portal warns that it takes test cards; here that is what it is for.
accepts_test_cards = pytest.mark.filterwarnings(
    "ignore::agent.relyingparty.tokens.AcceptingTestCards"
)


@dataclass
class Stage:
    """A running agent and portal."""

    listening: Listening
    portal: str
    endpoints: list[Endpoint]
    person: Person = field(default_factory=Person)

    @property
    def port(self) -> int:
        """The portal's port."""
        return self.endpoints[1].port

    @property
    def public(self) -> str:
        """Chromium's switch: the portal has a public address, and it alone."""
        places = f"127.0.0.1:{self.port}=public,[::1]:{self.port}=public"
        return f"--ip-address-space-overrides={places}"

    @property
    def public_preferences(self) -> dict[str, bool | int | str]:
        """The same in Firefox' preferences."""
        name = "network.lna.address_space.public.override"
        return {name: f"127.0.0.1:{self.port}", "network.dns.disableIPv6": True}

    @property
    def connections(self) -> int:
        """Connections that are open now, past the handshake of TLS."""
        server = self.listening.runner.server
        assert server is not None
        return len(server.connections)

    async def drop_connections(self) -> None:
        """Close what is open, as a server does that waited long enough; go on."""
        server = self.listening.runner.server
        assert server is not None
        assert server.connections
        for connection in server.connections:
            assert connection.transport is not None
            connection.transport.abort()  # closing would wait for the other's good-bye
        while server.connections:
            await asyncio.sleep(0.01)  # aiohttp tells nobody of its last one

    @property
    def requests(self) -> int:
        """HTTP requests that reached the agent, preflights included."""
        server = self.listening.runner.server
        assert server is not None
        return server.requests_count

    @property
    def untouched(self) -> bool:
        """Whether nothing but handshakes reached the agent, and nobody was asked."""
        return self.requests == 0 and self.person.questions == []


@asynccontextmanager
async def stage(folder: Path, *, dialog_seconds: float = 120.0) -> AsyncIterator[Stage]:
    """Run agent and portal, with their files in this folder."""
    issued = certs.issue(leaves=2)
    host.make_private_dir(folder / "tls")
    agent_files, portal_files = tls.store(issued, folder / "tls")
    trust = trust_of_test()
    readers = VirtualReaders()
    readers.insert(VirtualCard(load_profile("adult")))
    person = Person()
    settings = Settings(
        lang="nl",
        demo=True,
        test_cards=True,
        data_dir=folder,
        dialog_seconds=dialog_seconds,
    )
    service = AgentService(BeidCards(readers), person, settings)
    listening = await serve(service, agent_files.context(), 0)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(listening.close)
        port, sockets = bind(0)
        config = PortalConfig(
            origin=f"https://localhost:{port}",
            agent_port=listening.port,
            trusted_cas=trust.roots,
            allow_test=True,
        )
        portal = make_portal(config)
        runner = await serve_portal(portal, portal_files.context(), sockets)
        stack.push_async_callback(runner.cleanup)
        endpoints = [
            Endpoint(listening.port, issued.leaves[0].certificate),
            Endpoint(port, issued.leaves[1].certificate),
        ]
        yield Stage(listening, f"https://localhost:{port}/", endpoints, person)


async def state(page: Page, name: str, code: str | None = None) -> None:
    """Wait until the portal's page in Chromium shows this state."""
    await page.wait_for_selector(selector(name, code), timeout=SECONDS * 1000)


def selector(name: str, code: str | None = None) -> str:
    """Return what matches the portal's page in this state."""
    return f'main[data-state="{name}"]' + (f'[data-code="{code}"]' if code else "")
