"""A page of another origin gets nothing: no data, and no question of its own choice.

The browser must not be what refuses here, or the tests would prove nothing: the
permission for this computer is given to the page, or its check is switched off as in
browsers that have none. That each request arrived is read from the network's record.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import Page

from tests.e2e.harness import (
    SECONDS,
    Visitor,
    chromium,
    demo,
    grant,
    needs_chromium,
)

pytestmark = [pytest.mark.browser, needs_chromium]

TRY = """async ([url, init]) => {
  try {
    const answer = await fetch(url, init);
    return { type: answer.type, status: answer.status, text: await answer.text() };
  } catch (error) {
    return { failed: error.name };
  }
}"""

#: An older browser, which asks nobody before a page reaches this computer.
NO_PERMISSION_NEEDED = "--disable-features=LocalNetworkAccessChecks"

OWN_HEADER = {"X-EID-Agent": "1"}


async def _foreign(page: Page, url: str) -> None:
    """Show an empty page of this address; nothing of it comes from a network."""
    await page.route(
        f"{url}**",
        lambda route: route.fulfill(body="<p>x", content_type="text/html"),
    )
    await page.goto(url)


class Network:
    """What went over the wire for a page, whatever the page itself may see of it."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._statuses: dict[str, list[int]] = {}
        self._news = asyncio.Event()

    @classmethod
    async def of(cls, page: Page) -> Network:
        """Record from now on."""
        record = cls()
        session = await page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", record._sent)
        session.on("Network.responseReceivedExtraInfo", record._answered)
        await session.send("Network.enable")
        return record

    def _sent(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["request"]["url"]

    def _answered(self, event: dict[str, Any]) -> None:
        self._statuses.setdefault(event["requestId"], []).append(event["statusCode"])
        self._news.set()

    async def statuses(self, url: str, count: int) -> list[int]:
        """Return the answers to requests and preflights for the URL, once they came.

        The page may know that it failed before the record has the answer.
        """
        async with asyncio.timeout(SECONDS):
            while len(found := self._of(url)) < count:
                self._news.clear()
                await self._news.wait()
        return found

    def _of(self, url: str) -> list[int]:
        return [
            status
            for key, sent in self._urls.items()
            if sent == url
            for status in self._statuses.get(key, [])
        ]


@pytest.mark.parametrize(
    "url", ["http://evil.example/", "http://localhost.evil.example/"]
)
async def test_a_page_without_https_learns_nothing(url: str) -> None:
    """Each request arrives, is refused at the gate, and the page can read nothing."""
    async with (
        demo() as running,
        chromium(running.endpoints, NO_PERMISSION_NEEDED) as context,
    ):
        page = Visitor(context.pages[0], running).page
        await _foreign(page, url)
        network = await Network.of(page)
        shapes: list[dict[str, object]] = [
            {},
            {"headers": OWN_HEADER},
            {"mode": "no-cors"},
            {"method": "POST", "body": "{}", "mode": "no-cors"},
        ]
        for path in ("status", "identity", "authenticate"):
            address = f"{running.agent}/v1/{path}"
            for shape in shapes:
                got = await page.evaluate(TRY, [address, shape])
                assert got.get("failed") or got["type"] == "opaque", (path, shape)
                assert not got.get("text")
            answers = await network.statuses(address, len(shapes))
            assert answers == [403] * len(shapes), path
        assert await running.program.asked_nothing_more()


async def _https_page(page: Page) -> None:
    """Show a page of another https site whose visitor gave the browser's permission."""
    await grant(page, "https://evil.example")
    await _foreign(page, "https://evil.example/")


async def test_another_https_site_gets_no_data_without_the_person() -> None:
    """It may ask, as any site; without a yes it gets neither data nor card state."""
    async with demo() as running, chromium(running.endpoints) as context:
        page = Visitor(context.pages[0], running).page
        await _https_page(page)
        own = {"headers": OWN_HEADER}
        status = await page.evaluate(TRY, [f"{running.agent}/v1/status", own])
        assert status["status"] == 200
        assert json.loads(status["text"]) == {"api": ["v1"], "origin": "ask"}
        readers = await page.evaluate(TRY, [f"{running.agent}/v1/readers", own])
        assert readers["status"] == 403
        assert json.loads(readers["text"])["code"] == "user-denied"
        assert "Virtual" not in readers["text"]

        network = await Network.of(page)
        address = f"{running.agent}/v1/identity"
        simple = {"method": "POST", "body": '{"include":["identity"]}'}
        assert "failed" in await page.evaluate(TRY, [address, simple])
        assert await network.statuses(address, 1) == [400]
        assert await running.program.asked_nothing_more()


async def test_the_portals_own_data_stay_with_the_portal() -> None:
    """A page of another origin can read nothing of a visitor who is logged in."""
    async with demo() as running, chromium(running.endpoints) as context:
        visitor = Visitor(context.pages[0], running)
        await visitor.open()
        await visitor.to_data()
        other = await context.new_page()
        await _https_page(other)
        network = await Network.of(other)
        address = f"{running.portal}api/session"
        shapes: tuple[dict[str, str], ...] = (
            {"credentials": "include"},
            {"credentials": "include", "mode": "no-cors"},
        )
        for number, shape in enumerate(shapes, 1):
            got = await other.evaluate(TRY, [address, shape])
            assert got.get("failed") or got["type"] == "opaque"
            assert not got.get("text")
            assert len(await network.statuses(address, number)) == number
