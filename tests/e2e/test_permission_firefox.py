"""The portal on a public address in a real Firefox: its own question, its own buttons.

The question's buttons are pressed by script inside Firefox' window, as no keyboard is
at hand there; that the page is public is a preference for tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.demo.profiles import firefox_overrides
from tests.e2e.firefox import SECONDS, Firefox, firefox, needs_firefox
from tests.e2e.stage import Stage, accepts_test_cards, selector, stage

pytestmark = [pytest.mark.browser, needs_firefox, accepts_test_cards]

PERMISSION = (
    "navigator.permissions.query({name: 'loopback-network'}).then(s => s.state)"
)


class Visit:
    """The portal's page, and the question that Firefox puts above it."""

    def __init__(self, browser: Firefox, window: str) -> None:
        self.browser = browser
        self._window = window

    async def state(self, name: str, code: str | None = None) -> None:
        """Wait until the page shows this state."""
        await self.browser.wait(f"document.querySelector('{selector(name, code)}')")

    async def click(self, button: str) -> None:
        """Press a button of the page by its id."""
        await self.browser.evaluate(f"document.getElementById('{button}').click()")

    async def text(self) -> str:
        """Return what can be read in the main part of the page."""
        return str(
            await self.browser.evaluate("document.querySelector('main').innerText")
        )

    async def press(self, button: str) -> None:
        """Press the question's `button` (Allow) or `secondaryButton` (Block)."""
        async with asyncio.timeout(SECONDS):
            while await self.chrome("PopupNotifications.panel.state") != "open":
                await asyncio.sleep(0.05)  # Firefox tells nobody of its own panels
        panel = "PopupNotifications.panel.firstElementChild"
        await self.chrome(f"{panel}.{button}.click()")

    async def chrome(self, code: str) -> Any:
        """Return the value of an expression in Firefox' own window."""
        said = await self.browser.bidi(
            "script.evaluate",
            expression=code,
            target={"context": self._window},
            awaitPromise=True,
        )
        assert said["type"] == "success", said
        return said["result"].get("value")


@asynccontextmanager
async def visiting(running: Stage, folder: Path) -> AsyncIterator[Visit]:
    """Open the portal in a Firefox that takes it for public."""
    profile = folder / "profile"
    profile.mkdir()
    (profile / "cert_override.txt").write_text(firefox_overrides(running.endpoints))
    async with firefox(
        folder,
        profile,
        # A press within half a second of the question would not count.
        preferences={
            **running.public_preferences,
            "security.notification_enable_delay": 0,
        },
        arguments=["--remote-allow-system-access"],
    ) as browser:
        tree = await browser.bidi("browsingContext.getTree", **{"moz:scope": "chrome"})
        visit = Visit(browser, tree["contexts"][0]["context"])
        await browser.open(running.portal)
        await visit.state("start")
        yield visit


async def test_firefox_asks_and_allow_leads_to_the_data(tmp_path: Path) -> None:
    """Nothing reaches the agent while the question is open, hidden or not."""
    async with stage(tmp_path) as running, visiting(running, tmp_path) as visit:
        await visit.click("login")
        await visit.state("asked", "permission-asked")
        picture = "document.querySelector('#asked-picture img').src"
        assert "question-firefox.svg" in await visit.browser.evaluate(picture)
        await visit.chrome("PopupNotifications.panel.hidePopup()")
        assert "icon to the left" in await visit.text()
        assert running.untouched
        await visit.chrome(
            "document.getElementById('loopback-network-notification-icon').click()"
        )
        await visit.press("button")
        await visit.state("data")
        assert await visit.browser.evaluate(PERMISSION) == "granted"


async def test_a_refusal_in_firefox_is_explained(tmp_path: Path) -> None:
    """Block: the setting to change is named; the next click asks and sends nothing."""
    async with stage(tmp_path) as running, visiting(running, tmp_path) as visit:
        await visit.click("login")
        await visit.state("asked", "permission-asked")
        await visit.press("secondaryButton")
        await visit.state("error", "permission-denied")
        await visit.click("retry")
        await visit.state("error", "permission-denied")
        assert "Access this device" in await visit.text()
        assert await visit.chrome("PopupNotifications.panel.state") == "closed"
        assert running.untouched


async def test_firefox_asks_nothing_when_the_page_loads(tmp_path: Path) -> None:
    """Nor when detect() is called before the first click."""
    async with stage(tmp_path) as running, visiting(running, tmp_path) as visit:
        tree = await visit.browser.bidi("browsingContext.getTree")
        context = tree["contexts"][0]["context"]
        # A page that nobody touched: the tests' own evaluate counts as a gesture.
        await visit.browser.bidi(
            "browsingContext.reload", context=context, wait="complete"
        )
        said = await visit.browser.bidi(
            "script.evaluate",
            expression="""import("/static/client.js").then((eid) => eid.detect())
                .then(({ state }) => state)""",
            target={"context": context},
            awaitPromise=True,
        )
        assert said["result"]["value"] == "permission-not-asked"
        assert running.untouched


async def test_firefox_names_the_way_when_no_agent_is_there(tmp_path: Path) -> None:
    """It does not ask then; the page offers to start the agent."""
    async with stage(tmp_path) as running, visiting(running, tmp_path) as visit:
        await running.listening.close()
        await visit.click("login")
        await visit.state("error", "agent-unavailable")
        wake = "document.querySelector('#error-wake a').getAttribute('href')"
        assert await visit.browser.evaluate(wake) == "eid-agent:"
