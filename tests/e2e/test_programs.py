"""Which program asks: a browser is known as one, and named nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.journal import Journal
from tests.e2e.harness import chromium, grant, needs_chromium
from tests.e2e.stage import accepts_test_cards, stage, state

pytestmark = [pytest.mark.browser, needs_chromium, accepts_test_cards]


async def test_chromium_is_known_as_a_browser(tmp_path: Path) -> None:
    """Neither login nor data name it, in question or journal."""
    async with stage(tmp_path) as running, chromium(running.endpoints) as context:
        page = context.pages[0]
        await grant(page, running.portal.rstrip("/"))
        await page.goto(running.portal)
        await page.get_by_role("button", name="Aanmelden met eID", exact=True).click()
        await state(page, "data")
        programs = [question.program for question in running.person.questions]
        assert programs == [None, None]
    entries = Journal(tmp_path).read().entries
    assert len(entries) == 2
    assert not [entry for entry in entries if "program" in entry]
