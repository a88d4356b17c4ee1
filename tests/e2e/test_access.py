"""The portal without a mouse, enlarged, on a narrow screen, and read aloud."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from agent.demo.languages import LANGUAGES
from tests.e2e.harness import Visitor, needs_chromium, visit

pytestmark = [pytest.mark.browser, needs_chromium]


async def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the control of this name has the focus."""
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"Tab does not lead to {name}")


async def _heading_has_focus(visitor: Visitor) -> None:
    """The new step begins at its heading, where a screen reader starts to read."""
    assert await visitor.page.evaluate("document.activeElement.tagName") == "H1"


async def test_the_whole_way_by_keyboard() -> None:
    """Tab and Enter lead to the receipt; each step moves the focus to its heading."""
    async with visit() as visitor:
        page, terminal = visitor.page, visitor.demo.program
        await _tab_to(page, "Aanmelden met eID")
        outline = await page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle"
        )
        assert outline == "solid"
        await page.keyboard.press("Enter")
        await terminal.question()
        await visitor.state("waiting")
        await _heading_has_focus(visitor)
        await terminal.answer("1234")
        await terminal.question()
        await terminal.answer("y")
        await visitor.state("data")
        await _heading_has_focus(visitor)
        await _tab_to(page, "Ja, ik wil op de wachtlijst blijven")
        await page.keyboard.press("Enter")
        await visitor.state("receipt")
        await _heading_has_focus(visitor)
        await _tab_to(page, "Afmelden")
        await page.keyboard.press("Space")
        await visitor.state("start")
        await _heading_has_focus(visitor)


async def test_a_second_click_does_nothing() -> None:
    """While the page waits its buttons are off: one click, one request."""
    async with visit() as visitor:
        await visitor.page.locator("#login").dblclick()
        await visitor.demo.program.question()
        assert await visitor.page.locator("#login").is_disabled()
        await visitor.page.evaluate("document.getElementById('login').click()")
        await visitor.click("Stoppen")
        await visitor.state("error", "user-cancelled")
        assert visitor.posts() == ["POST /v1/authenticate"]


WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"

#: All states, with the longest words, without walking there each time.
SHOW = """async (state) => {
  for (const view of document.querySelectorAll("[data-view]"))
    view.hidden = view.dataset.view !== state;
  for (const field of document.querySelectorAll("[data-field]"))
    field.textContent = "Wolfeschlegelsteinhausenbergerdorff-Vandenborre";
  document.getElementById("logout").hidden = false;
}"""


@pytest.mark.parametrize(("width", "zoom"), [(320, 1), (640, 2), (1280, 4)])
async def test_nothing_scrolls_sideways(width: int, zoom: int) -> None:
    """320 CSS pixels wide, or a larger window enlarged to the same: all fits.

    In each language.
    """
    async with visit() as visitor:
        page = visitor.page
        session = await page.context.new_cdp_session(page)
        await session.send(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width // zoom,
                "height": 800 // zoom,
                "deviceScaleFactor": zoom,
                "mobile": False,
            },
        )
        for lang in LANGUAGES:
            await page.goto(f"{visitor.demo.portal}?lang={lang}")
            await visitor.state("start")
            for state in ("start", "waiting", "data", "receipt", "error"):
                await page.evaluate(SHOW, state)
                assert not await page.evaluate(WIDE), (lang, state)


async def test_everything_has_a_name() -> None:
    """Controls have names, the page has its landmarks, one heading a step, Dutch."""
    async with visit() as visitor:
        page = visitor.page
        assert await page.evaluate("document.documentElement.lang") == "nl"
        assert await page.get_by_role("main").count() == 1
        assert await page.get_by_role("banner").count() == 1
        assert await page.get_by_role("navigation", name="Stappen").count() == 1
        assert await page.locator("#live").get_attribute("role") == "status"
        for state in ("start", "waiting", "data", "receipt"):
            await page.evaluate(SHOW, state)
            assert await page.get_by_role("heading", level=1).count() == 1, state
            for button in await page.get_by_role("button").all():
                assert (await button.inner_text()).strip(), state


CONTRAST = """() => {
  const channel = (c) =>
    (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) =>
    .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parts(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (!node.checkVisibility() || node.disabled) continue;
    const a = light(parts(getComputedStyle(node).color));
    const b = light(behind(node));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push(`${node.textContent.slice(0, 30)} ${ratio}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out(scheme: str) -> None:
    """Every text has a contrast of at least 4.5 to 1, in both colour schemes."""
    async with visit() as visitor:
        await visitor.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for state in ("start", "waiting", "data", "receipt", "error"):
            await visitor.page.evaluate(SHOW, state)
            assert await visitor.page.evaluate(CONTRAST) == [], state


async def test_motion_can_be_switched_off() -> None:
    """Who asks for less motion sees nothing turn."""
    async with visit() as visitor:
        await visitor.page.emulate_media(reduced_motion="reduce")
        await visitor.page.evaluate(SHOW, "waiting")
        name = "getComputedStyle(document.querySelector('.spinner')).animationName"
        assert await visitor.page.evaluate(name) == "none"
