"""The policies of `installer/policies` in real browsers: no question, and it works.

A browser reads its policies from a fixed folder of the machine, so each test gives its
browser a mount namespace of its own with another folder there.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e import firefox as firefox_harness
from tests.e2e import harness
from tests.e2e.firefox import needs_firefox
from tests.e2e.harness import CHROMIUM, chromium, needs_chromium
from tests.e2e.stage import accepts_test_cards, stage, state
from tests.e2e.test_permission import PERMISSION
from tests.e2e.test_permission_firefox import visiting

POLICIES = Path(__file__).parents[2] / "installer" / "policies"

pytestmark = [pytest.mark.browser, accepts_test_cards]


def _in_place_of(folder: Path, place: Path, program: str, script: Path) -> Path:
    """Write a script that runs the program with another folder in this place."""
    for words in (["unshare", "-m"], ["unshare", "-rm"]):
        try_it = [*words, "mount", "--bind", str(folder), str(place)]
        if subprocess.run(try_it, capture_output=True, check=False).returncode == 0:
            break
    else:
        pytest.skip("a private mount namespace needs root or user namespaces")
    inner = 'mount --bind "$0" "$1" && shift && exec "$@"'
    line = shlex.join([*words, "sh", "-c", inner, str(folder), str(place), program])
    script.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
    script.chmod(0o755)
    return script


@needs_chromium
async def test_chromiums_policy_saves_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The permission is there before anybody asks, for the named portal alone."""
    async with stage(tmp_path) as running:
        place = Path("/etc/chromium")
        folder = tmp_path / "etc"
        shutil.copytree(place, folder)
        managed = folder / "policies" / "managed"
        managed.mkdir(parents=True)
        template = (POLICIES / "chrome.json").read_text(encoding="utf-8")
        origin = running.portal.rstrip("/")
        (managed / "eid-agent.json").write_text(
            template.replace("https://portal.example", origin)
        )
        assert CHROMIUM is not None
        script = _in_place_of(folder, place, CHROMIUM, tmp_path / "chromium")
        monkeypatch.setattr(harness, "CHROMIUM", str(script))
        async with chromium(running.endpoints, running.public) as context:
            page = context.pages[0]
            await page.goto(running.portal)
            await state(page, "start")
            assert await page.evaluate(PERMISSION) == "granted"
            await page.click("#login")
            await state(page, "data")


@needs_firefox
async def test_firefoxs_policy_saves_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page gets through; no question was put above it."""
    place = Path("/usr/share/firefox-esr/distribution")
    if not place.is_dir():
        pytest.skip("this Firefox keeps its policies elsewhere")
    folder = tmp_path / "distribution"
    shutil.copytree(place, folder)
    template = (POLICIES / "firefox.json").read_text(encoding="utf-8")
    policies = template.replace("portal.example", "localhost")
    (folder / "policies.json").write_text(policies)
    assert firefox_harness.FIREFOX is not None
    script = _in_place_of(
        folder, place, firefox_harness.FIREFOX, tmp_path / "firefox-esr"
    )
    monkeypatch.setattr(firefox_harness, "FIREFOX", str(script))
    async with stage(tmp_path) as running, visiting(running, tmp_path) as visit:
        asked = "window.asked = 0; PopupNotifications.panel.addEventListener"
        await visit.chrome(f"{asked}('popupshown', () => window.asked++)")
        await visit.click("login")
        await visit.state("data")
        assert await visit.chrome("window.asked") == 0
        assert await visit.browser.evaluate(PERMISSION) == "prompt"
