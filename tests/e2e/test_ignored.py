"""A question that nobody answers, in a real browser: asked once, and never again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.harness import chromium, grant, needs_chromium
from tests.e2e.stage import accepts_test_cards, stage, state

pytestmark = [pytest.mark.browser, needs_chromium, accepts_test_cards]


async def test_a_question_that_is_ignored_is_one_post(tmp_path: Path) -> None:
    """Its end is 504, which Chromium does not repeat by itself; the page says why."""
    async with (
        stage(tmp_path, dialog_seconds=3.0) as running,
        chromium(running.endpoints) as context,
    ):
        running.person.thinks = True
        page = context.pages[0]
        posts: list[str] = []
        page.on(
            "request",
            lambda request: (
                posts.append(request.url)
                if request.method == "POST"
                and f":{running.listening.port}/" in request.url
                else None
            ),
        )
        await grant(page, running.portal.rstrip("/"))
        await page.goto(running.portal)
        await page.get_by_role("button", name="Aanmelden met eID", exact=True).click()
        await state(page, "error", "timeout")
        before = running.requests
        assert len(posts) == len(running.person.questions) == 1
        assert running.person.left.is_set()
        await page.reload()  # and by then a repetition would have come
        await state(page, "start")
        assert running.requests == before
        assert len(running.person.questions) == 1
