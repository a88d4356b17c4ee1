"""A portal on a public address: the browser asks before it lets the page reach here.

Headless Chromium refuses by itself what it would ask a person, so both answers can be
tried without clicking.
"""

from __future__ import annotations

import pytest

from tests.e2e.harness import Demo, Visitor, chromium, demo, grant, needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium]


def _public(running: Demo) -> str:
    """Make Chromium take the portal's address, and it alone, for a public one."""
    port = running.portal.rstrip("/").rpartition(":")[2]
    places = f"127.0.0.1:{port}=public,[::1]:{port}=public"
    return f"--ip-address-space-overrides={places}"


async def test_a_refused_permission_is_explained() -> None:
    """The page does not say 'not running' when it is the browser that refuses."""
    async with (
        demo() as running,
        chromium(running.endpoints, _public(running)) as context,
    ):
        visitor = Visitor(context.pages[0], running)
        await visitor.open()
        await visitor.click("Aanmelden met eID")
        await visitor.state("error", "permission-denied")
        assert "Toestaan" in await visitor.text()
        assert visitor.posts() == []
        assert await running.program.asked_nothing_more()


async def test_a_granted_permission_leads_to_the_data() -> None:
    """After Allow a public portal works like a local one."""
    async with (
        demo() as running,
        chromium(running.endpoints, _public(running)) as context,
    ):
        visitor = Visitor(context.pages[0], running)
        await grant(visitor.page, running.portal.rstrip("/"))
        await visitor.open()
        await visitor.to_data()
