"""A page of another origin gets nothing: no data, and no question of its own choice."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.e2e.harness import Visitor, chromium, demo, needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium]

TRY = """async ([url, init]) => {
  try {
    const answer = await fetch(url, init);
    return { type: answer.type, status: answer.status, text: await answer.text() };
  } catch (error) {
    return { failed: error.name };
  }
}"""


async def _foreign(page: Page, url: str) -> None:
    """Show an empty page of this address; nothing of it comes from a network."""
    await page.route(
        f"{url}**",
        lambda route: route.fulfill(body="<p>x", content_type="text/html"),
    )
    await page.goto(url)


@pytest.mark.parametrize(
    "url", ["http://evil.example/", "http://localhost.evil.example/"]
)
async def test_a_page_without_https_learns_nothing(url: str) -> None:
    """Not even the status can be read, whatever the shape of the request."""
    async with demo() as running, chromium(running.endpoints) as context:
        visitor = Visitor(context.pages[0], running)
        await _foreign(visitor.page, url)
        shapes: list[dict[str, object]] = [
            {},
            {"headers": {"X-EID-Agent": "1"}},
            {"mode": "no-cors"},
            {"method": "POST", "body": "{}", "mode": "no-cors"},
        ]
        for path in ("status", "identity", "authenticate"):
            for shape in shapes:
                address = f"{running.agent}/v1/{path}"
                got = await visitor.page.evaluate(TRY, [address, shape])
                assert got.get("failed") or got["type"] == "opaque", (path, shape)
                assert not got.get("text")
        assert await running.program.asked_nothing_more()


async def test_another_https_site_gets_no_data_without_the_person() -> None:
    """It may ask, as any site; without a yes it gets neither data nor card state."""
    async with demo() as running, chromium(running.endpoints) as context:
        visitor = Visitor(context.pages[0], running)
        await _foreign(visitor.page, "https://evil.example/")
        header = {"headers": {"X-EID-Agent": "1"}}
        for path in ("status", "readers"):
            address = f"{running.agent}/v1/{path}"
            got = await visitor.page.evaluate(TRY, [address, header])
            assert "card" not in str(got.get("text", ""))
            assert "Virtual" not in str(got.get("text", ""))
        simple = {"method": "POST", "body": '{"include":["identity"]}'}
        got = await visitor.page.evaluate(TRY, [f"{running.agent}/v1/identity", simple])
        assert "identity" not in str(got.get("text", ""))
        assert await running.program.asked_nothing_more()


async def test_the_portals_own_data_stay_with_the_portal() -> None:
    """A page of another origin can read nothing of a visitor who is logged in."""
    async with demo() as running, chromium(running.endpoints) as context:
        visitor = Visitor(context.pages[0], running)
        await visitor.open()
        await visitor.to_data()
        other = await context.new_page()
        await _foreign(other, "https://evil.example/")
        for shape in (
            {"credentials": "include"},
            {"credentials": "include", "mode": "no-cors"},
        ):
            got = await other.evaluate(TRY, [f"{running.portal}api/session", shape])
            assert got.get("failed") or got["type"] == "opaque"
            assert not got.get("text")
