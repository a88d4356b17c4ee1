"""The demo opens the browser itself: its own command line, no warning, nothing left."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.e2e.harness import CHROMIUM, Demo, Visitor, needs_chromium, program

pytestmark = [pytest.mark.browser, needs_chromium]

#: Adds what a machine without a screen needs, and says where it can be driven.
WRAPPER = """#!/bin/sh
echo "$@" > "{folder}/arguments"
exec {chromium} --headless=new --disable-gpu --remote-debugging-port=0 "$@" \\
    2> "{folder}/devtools"
"""


def _read_address(fifo: Path) -> str:
    """Read Chromium's messages up to the address of its debugging port."""
    with fifo.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("DevTools listening on "):
                return line.removeprefix("DevTools listening on ").strip()
    raise AssertionError("Chromium ended")


def _wait_for_page(address: str, url: str) -> None:
    """Wait until Chromium shows the page: joining it while it starts can hang."""
    listing = f"http://{address.split('/')[2]}/json/list"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urllib.request.urlopen(listing) as answer:
            targets = json.load(answer)
        if any(item["type"] == "page" and item["url"] == url for item in targets):
            return
        time.sleep(0.05)  # Chromium tells nobody who has not joined
    raise AssertionError("Chromium does not show the page")


async def test_the_demos_own_browser(tmp_path: Path) -> None:
    """The page opens without a certificate warning and leads to the data."""
    wrapper = tmp_path / "chromium"
    wrapper.write_text(WRAPPER.format(folder=tmp_path, chromium=CHROMIUM))
    wrapper.chmod(0o755)
    os.mkfifo(tmp_path / "devtools")
    home = tmp_path / "home"
    home.mkdir()
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DISPLAY": ":99",
        "HOME": str(home),
        # Test keys are made once for all tests, not for this home.
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
    }
    async with program("demo", "--ui", "terminal", "--lang", "nl", env=env) as running:
        agent = await running.expect(r"listening on (https://localhost:\d+)\n")
        portal = await running.expect(r"portal: (https://localhost:\d+/)\n")
        await running.expect(r"test PIN: 1234\n")
        shown = f"{portal[1]}?lang=nl"  # --lang's
        address = await asyncio.wait_for(
            asyncio.to_thread(_read_address, tmp_path / "devtools"), 30
        )
        await asyncio.to_thread(_wait_for_page, address, shown)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(address)
            context = browser.contexts[0]
            page = context.pages[0] if context.pages else await context.new_page()
            visitor = Visitor(page, Demo(running, agent[1], portal[1]))
            await visitor.state("start")
            assert page.url == shown
            await visitor.to_data()
            await browser.close()
        arguments = (tmp_path / "arguments").read_text().split()
        assert await running.stop() == 0
    profile = next(
        item.partition("=")[2] for item in arguments if "--user-data-dir" in item
    )
    assert not Path(profile).exists()
    assert not any(item[2:] == "ignore-certificate-errors" for item in arguments)
    assert ("--no-sandbox" in arguments) is (os.geteuid() == 0)
