"""A portal on a public address: the browser asks before it lets the page reach here.

With a screen the person's keys answer Chromium's own question (F6 goes to it, its first
button is Block, Escape closes it). Headless Chromium refuses by itself what it would
ask. Where neither can be, CDP sets the permission, and the test says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page

from agent.demo import web
from tests.e2e.harness import (
    Screen,
    chromium,
    grant,
    needs_chromium,
    needs_screen,
    virtual_screen,
)
from tests.e2e.stage import Stage, accepts_test_cards, stage, state

pytestmark = [pytest.mark.browser, needs_chromium, accepts_test_cards]

BLOCK = ("F6", "Return")
ALLOW = ("F6", "Tab", "Return")
CLOSE = ("F6", "Escape")

PERMISSION = (
    "navigator.permissions.query({name: 'loopback-network'}).then(s => s.state)"
)


@asynccontextmanager
async def _opened(
    stage: Stage, *, screen: Screen | None = None, locale: str = "nl-BE"
) -> AsyncIterator[Page]:
    """Show the portal in a Chromium that takes it for public; page errors fail."""
    problems: list[str] = []
    async with chromium(
        stage.endpoints, stage.public, screen=screen, locale=locale
    ) as context:
        page = context.pages[0]
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(stage.portal)
        await state(page, "start")
        if screen is not None:
            await screen.focus("Chromium")
        yield page
        assert problems == []


@asynccontextmanager
async def _on_screen(folder: Path) -> AsyncIterator[tuple[Stage, Screen, Page]]:
    """Show the portal where Chromium's own question can be answered by keys."""
    async with (
        stage(folder) as running,
        virtual_screen() as screen,
        _opened(running, screen=screen) as page,
    ):
        yield running, screen, page


async def _click(page: Page, name: str = "Aanmelden met eID") -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def _picture(page: Page) -> tuple[bool, str]:
    """Tell whether the picture that is shown has loaded, and its words."""
    image = page.locator("main figure:visible img")
    loaded = await image.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
    return bool(loaded), str(await image.get_attribute("alt"))


@needs_screen
async def test_while_the_browser_asks_nothing_reaches_the_agent(tmp_path: Path) -> None:
    """The page shows where to look after a second; Allow leads on to the data."""
    async with _on_screen(tmp_path) as (running, screen, page):
        await _click(page)
        await state(page, "asked", "permission-asked")
        assert running.connections > 0
        assert running.untouched
        text = await page.locator("main").inner_text()
        assert "Toestaan" in text
        loaded, alt = await _picture(page)
        assert loaded
        assert "Toestaan" in alt
        await screen.press(*ALLOW)
        await state(page, "data")
        assert await page.evaluate(PERMISSION) == "granted"
        assert running.requests > 0


@needs_screen
async def test_a_refusal_reaches_the_page_and_not_the_agent(tmp_path: Path) -> None:
    """Block: the page says what to change; the next click asks and sends nothing.

    Then the person lets the site in after all (set through CDP, in place of the
    browser's settings), and the page goes on by itself.
    """
    async with _on_screen(tmp_path) as (running, screen, page):
        await _click(page)
        await state(page, "asked", "permission-asked")
        await screen.press(*BLOCK)
        for _ in range(2):
            await state(page, "error", "permission-denied")
            assert "Apps op apparaat" in await page.locator("main").inner_text()
            assert (await _picture(page))[0]
            await _click(page, "Probeer opnieuw")
        await state(page, "error", "permission-denied")
        assert running.untouched
        await grant(page, running.portal.rstrip("/"))
        await state(page, "start")
        assert running.person.questions == []
        await _click(page)
        await state(page, "data")


@needs_screen
async def test_a_question_closed_three_times_becomes_a_refusal(tmp_path: Path) -> None:
    """Each click asks once; nothing is tried again in between, nothing reaches us."""
    async with _on_screen(tmp_path) as (running, screen, page):
        await _click(page)
        for code in ("permission-dismissed", "permission-dismissed", None):
            await state(page, "asked", "permission-asked")
            await screen.press(*CLOSE)
            if code is None:
                break
            await state(page, "error", code)
            assert "Toestaan" in await page.locator("main").inner_text()
            await _click(page, "Probeer opnieuw")
        await state(page, "error", "permission-denied")
        assert await page.evaluate(PERMISSION) == "denied"
        assert running.untouched


@needs_screen
async def test_a_connection_that_the_agent_gave_up_costs_no_second_click(
    tmp_path: Path,
) -> None:
    """A person may read the question for longer than the agent waits for a request."""
    async with _on_screen(tmp_path) as (running, screen, page):
        await _click(page)
        await state(page, "asked", "permission-asked")
        await running.drop_connections()
        assert running.untouched
        await screen.press(*ALLOW)
        await state(page, "data")


@needs_screen
async def test_the_way_is_named_when_no_agent_is_there(tmp_path: Path) -> None:
    """Chromium asks all the same; the page says that the agent does not answer."""
    async with _on_screen(tmp_path) as (running, _, page):
        await running.listening.close()
        await _click(page)
        await state(page, "error", "agent-unavailable")
        wake = page.get_by_role("link", name="Start de eID-agent")
        assert await wake.get_attribute("href") == "eid-agent:"
        text = await page.locator("main").inner_text()
        assert "vertrouwt" in text
        assert "Start de demo opnieuw" in text


async def test_a_page_that_loads_asks_nothing_and_sends_nothing(tmp_path: Path) -> None:
    """Not by itself, and not by a detect() that no click led to."""
    detect = """import("/static/client.js").then((eid) => eid.detect())
        .then(async ({ state }) => [state, await %s])"""
    async with stage(tmp_path) as running, _opened(running) as page:
        session = await page.context.new_cdp_session(page)
        await session.send("Page.enable")
        loaded = page.wait_for_event("load")
        await session.send("Page.reload")
        await loaded
        # Playwright's own evaluate counts as a person's gesture.
        found = await session.send(
            "Runtime.evaluate",
            {
                "expression": detect % PERMISSION,
                "awaitPromise": True,
                "returnByValue": True,
                "userGesture": False,
            },
        )
        assert found["result"]["value"] == ["permission-not-asked", "prompt"]
        assert running.connections == 0
        assert running.untouched


async def test_a_page_that_forbids_it_itself_blames_no_visitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Permissions-Policy of the site's own: there is nothing to allow."""
    theirs = web.headers

    def forbidding(agent_port: int) -> dict[str, str]:
        return {**theirs(agent_port), "Permissions-Policy": "loopback-network=()"}

    monkeypatch.setattr(web, "headers", forbidding)
    async with stage(tmp_path) as running, _opened(running) as page:
        await _click(page)
        await state(page, "error", "permission-denied")
        text = await page.locator("#error-text").inner_text()
        assert "Dat ligt aan de site" in text
        assert await page.locator("main figure:visible").count() == 0
        assert running.connections == 0


async def test_a_refused_permission_is_explained(tmp_path: Path) -> None:
    """The page does not say 'not running' when it is the browser that refuses."""
    async with stage(tmp_path) as running, _opened(running) as page:
        await _click(page)
        await state(page, "error", "permission-denied")
        assert running.untouched


@pytest.mark.parametrize(
    ("locale", "setting"),
    [
        ("fr-BE", "Applis sur l\N{RIGHT SINGLE QUOTATION MARK}appareil"),
        ("de-BE", "Apps auf dem Gerät"),
        ("en-GB", "Apps on device"),
        ("pt-PT", "Apps on device"),
    ],
)
async def test_the_browsers_question_is_spoken_of_in_its_language(
    tmp_path: Path, locale: str, setting: str
) -> None:
    """The names of its buttons and settings are those that the person sees."""
    async with stage(tmp_path) as running, _opened(running, locale=locale) as page:
        await page.locator("#login").click()
        await state(page, "error", "permission-denied")
        text = page.locator("#error-text")
        assert setting in await text.inner_text()
        lang = locale[:2] if locale != "pt-PT" else "en"
        assert await text.get_attribute("lang") == lang


async def test_a_chosen_language_keeps_the_names_that_the_browser_shows(
    tmp_path: Path,
) -> None:
    """German words, and the Dutch name of a setting in a Dutch browser."""
    async with stage(tmp_path) as running, _opened(running) as page:
        await page.goto(f"{running.portal}?lang=de")
        await page.locator("#login").click()
        await state(page, "error", "permission-denied")
        text = page.locator("#error-text")
        assert await text.get_attribute("lang") == "de"
        assert "erlauben Sie „Apps op apparaat“" in await text.inner_text()


async def test_a_granted_permission_leads_to_the_data(tmp_path: Path) -> None:
    """After Allow (set through CDP) a public portal works like a local one."""
    async with stage(tmp_path) as running, _opened(running) as page:
        await grant(page, running.portal.rstrip("/"))
        await _click(page)
        await state(page, "data")
