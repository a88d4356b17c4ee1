"""A real Firefox for tests, driven over WebDriver BiDi by npm's puppeteer-core.

    async with firefox(home, profile) as browser:
        await browser.open("https://localhost:27410/")   # FirefoxError: it refuses
        assert await browser.evaluate("document.title") == "…"

`home` stands for the person's home, so that nothing of this machine's own is read or
written. Without Debian's firefox-esr (Ubuntu has none), node or the npm packages that
`bootstrap.py test` installs, the tests skip and say which of them is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

FIREFOX = shutil.which("firefox-esr")
NODE = shutil.which("node")
SECONDS = 60

_HERE = Path(__file__).parent
_DRIVER = _HERE / "firefox.mjs"
_PACKAGES = _HERE / "node_modules" / "puppeteer-core"


def _missing() -> str | None:
    """Return what is not there, or None."""
    if FIREFOX is None:
        return "Debian's firefox-esr is not installed (Ubuntu has no such package)"
    if NODE is None:
        return "node is not installed"
    if not _PACKAGES.is_dir():
        return "puppeteer-core is not installed: npm ci in tests/e2e"
    return None


needs_firefox = pytest.mark.skipif(_missing() is not None, reason=str(_missing()))

#: Quiet: no first pages, no connections of its own, no proxy of this machine.
_PREFERENCES: dict[str, bool | int | str] = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "intl.locale.requested": "en-US",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
}


class FirefoxError(AssertionError):
    """Firefox refused or failed; the message is its own."""


class Firefox:
    """A running Firefox with one current tab."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def open(self, url: str) -> int | None:
        """Load an address and return the status of the answer; FirefoxError."""
        status: int | None = await self._ask("open", url)
        return status

    async def evaluate(self, code: str) -> Any:
        """Return the value of an expression of the page; promises are awaited."""
        return await self._ask("evaluate", code)

    async def wait(self, code: str) -> None:
        """Wait until an expression of the page is true."""
        await self._ask("wait", code)

    async def tab(self) -> None:
        """Open a new tab, which is the current one from now on."""
        await self._ask("tab", None)

    async def bidi(self, method: str, **params: object) -> Any:
        """Send a command of WebDriver BiDi itself and return its result.

        With the argument `--remote-allow-system-access` also to the windows of Firefox
        itself: `browsingContext.getTree` with `{"moz:scope": "chrome"}` names them.
        """
        return await self._ask("bidi", {"method": method, "params": params})

    async def _ask(self, verb: str, argument: object) -> Any:
        await self._write([verb, argument])
        return await self._answer()

    async def _write(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        await self._process.stdin.drain()

    async def _answer(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            raise FirefoxError("the driver ended")
        answer = json.loads(line)
        if "error" in answer:
            raise FirefoxError(answer["error"])
        return answer["value"]

    async def start(self, options: Mapping[str, object]) -> None:
        """Launch; FirefoxError when that fails."""
        await self._write(options)
        await self._answer()

    async def close(self) -> None:
        """End Firefox and its driver."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def firefox(
    home: Path,
    profile: Path | None = None,
    *,
    preferences: Mapping[str, bool | int | str] | None = None,
    arguments: Sequence[str] = (),
    headless: bool = True,
) -> AsyncIterator[Firefox]:
    """Run Firefox with a home and a profile; one that goes afterwards by default.

    `preferences` are added to those that keep it quiet, `arguments` go to its command
    line. Not headless it needs a DISPLAY.
    """
    assert FIREFOX is not None
    assert NODE is not None
    with tempfile.TemporaryDirectory(prefix="e2e-", ignore_cleanup_errors=True) as name:
        folder = profile or Path(name) / "profile"
        folder.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            NODE,
            _DRIVER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        browser = Firefox(process)
        try:
            await browser.start(
                {
                    "executable": FIREFOX,
                    "profile": str(folder),
                    "headless": headless,
                    "args": list(arguments),
                    "preferences": {**_PREFERENCES, **(preferences or {})},
                    "env": _environment(home),
                }
            )
            yield browser
        finally:
            await browser.close()


def _environment(home: Path) -> dict[str, str]:
    """Return this environment with another home, and no folders of the real one."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "MOZ_"))
    }
    return {**kept, "HOME": str(home)}
