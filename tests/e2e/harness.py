"""The demo as a person meets it: the real program, its terminal, a real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from playwright.async_api import BrowserContext, Page, Request, async_playwright

from agent.demo.profiles import Endpoint, chromium_arguments

CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).parents[2]
SECONDS = 30

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Debian's chromium is not installed"
)

#: How a question of the terminal interface ends, in every language.
QUESTION = re.compile(r"(\[y/n\] |\[1-\d+\] |PIN: )$")

#: Headless, and as root without a sandbox: this machine's needs, not the product's.
_HEADLESS = ["--headless=new", "--disable-gpu"]
_ROOT = ["--no-sandbox"] if os.geteuid() == 0 else []


needs_screen = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")),
    reason="Xvfb or xdotool is not installed",
)


class Ended(AssertionError):
    """The program ended while something was expected of it."""


class Program:
    """A running `eid-agent` command: what it writes, and lines to answer with."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self.output = ""
        self._seen = 0

    @property
    def log(self) -> str:
        """What the program wrote on standard error."""
        return self._log.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """The program's process."""
        return self._process.pid

    async def expect(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until new output matches; what came up to there counts as seen."""
        async with asyncio.timeout(SECONDS):
            while not (found := re.compile(pattern).search(self.output, self._seen)):
                await self._more()
        self._seen = found.end()
        return found

    async def question(self) -> str:
        """Wait for the next question and return its words."""
        start = self._seen
        found = await self.expect(QUESTION)
        return self.output[start : found.end()].lstrip("\n")

    async def answer(self, line: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def asked_nothing_more(self) -> bool:
        """End the program, read it to its end, and tell whether it asked nothing."""
        await self.stop()
        return QUESTION.search(self.output[self._seen :]) is None

    async def ended(self) -> int:
        """Wait until the program ends by itself and return its exit code."""
        with contextlib.suppress(Ended):
            async with asyncio.timeout(SECONDS):
                while True:
                    await self._more()
        return await asyncio.wait_for(self._process.wait(), SECONDS)

    async def logged(self, words: str) -> None:
        """Wait until standard error has these words."""
        async with asyncio.timeout(SECONDS):
            while words not in self.log:
                await asyncio.sleep(0.05)  # a file tells nobody

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the program and return its exit code."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        with contextlib.suppress(Ended, TimeoutError):
            async with asyncio.timeout(SECONDS):
                while True:
                    await self._more()
        return await asyncio.wait_for(self._process.wait(), SECONDS)

    async def _more(self) -> None:
        assert self._process.stdout is not None
        data = await self._process.stdout.read(4096)
        if not data:
            raise Ended(f"the program ended:\n{self.output}\n{self.log}")
        self.output += data.decode()


@contextlib.asynccontextmanager
async def program(
    *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run `eid-agent` with these arguments; ends it afterwards."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as folder:
        log = Path(folder) / "stderr"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "agent",
                *arguments,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        running = Program(process, log)
        try:
            yield running
        finally:
            await running.stop()


@dataclass
class Demo:
    """A running demo and where it listens."""

    program: Program
    agent: str
    portal: str

    @property
    def endpoints(self) -> list[Endpoint]:
        """The ports and certificates of this run, as the demo's browser gets them."""
        return [_endpoint(self.agent), _endpoint(self.portal)]


def _endpoint(url: str) -> Endpoint:
    port = int(url.rstrip("/").rpartition(":")[2])
    pem = ssl.get_server_certificate(("localhost", port))
    return Endpoint(port, x509.load_pem_x509_certificate(pem.encode()))


@contextlib.asynccontextmanager
async def demo(
    *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Demo]:
    """Run the demo without a browser, its questions in Dutch in the terminal."""
    words = ["demo", "--ui", "terminal", "--lang", "nl", "--no-browser", *arguments]
    async with program(*words, env=env) as running:
        agent = await running.expect(r"listening on (https://localhost:\d+)\n")
        portal = await running.expect(r"portal: (https://localhost:\d+/)\n")
        await running.expect(
            r"test PIN: 1234\n" if "pcsc" not in words else r"ca: .*\n"
        )
        yield Demo(running, agent[1], portal[1])


class Visitor:
    """A person at the browser: one page, and the requests that it sent to the agent."""

    def __init__(self, page: Page, demo: Demo) -> None:
        self.page = page
        self.demo = demo
        self.requests: list[str] = []
        self.problems: list[str] = []
        page.set_default_timeout(SECONDS * 1000)
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _note(self, request: Request) -> None:
        if request.url.startswith(self.demo.agent) and request.method != "OPTIONS":
            path = request.url.removeprefix(self.demo.agent)
            self.requests.append(f"{request.method} {path}")

    async def open(self) -> None:
        """Open the portal."""
        await self.page.goto(self.demo.portal)
        await self.state("start")

    async def state(self, state: str, code: str | None = None) -> None:
        """Wait until the page shows this state."""
        wanted = f'main[data-state="{state}"]'
        if code:
            wanted += f'[data-code="{code}"]'
        try:
            await self.page.wait_for_selector(wanted)
        except Exception as error:
            shown = await self.page.locator("main").evaluate("m => ({...m.dataset})")
            log = self.demo.program.log
            raise AssertionError(f"{wanted} expected, {shown} shown\n{log}") from error

    async def click(self, name: str) -> None:
        """Press the button of this name."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def text(self) -> str:
        """Return what can be read in the main part of the page."""
        return await self.page.locator("main").inner_text()

    async def log_in(self, pin: str = "1234") -> str:
        """Click, and give the PIN in the terminal; returns the question."""
        await self.page.locator("#login").click()
        question = await self.demo.program.question()
        assert question.endswith("PIN: ")
        await self.demo.program.answer(pin)
        return question

    async def to_data(self) -> None:
        """Log in and let the card be read."""
        await self.log_in()
        assert (await self.demo.program.question()).endswith("[y/n] ")
        await self.demo.program.answer("y")
        await self.state("data")

    def posts(self) -> list[str]:
        """Return the operations that the page asked of the agent."""
        return [item for item in self.requests if item.startswith("POST")]


@contextlib.asynccontextmanager
async def chromium(
    endpoints: list[Endpoint],
    *more: str,
    locale: str = "nl-BE",
    screen: Screen | None = None,
) -> AsyncIterator[BrowserContext]:
    """Run Chromium with the demo's own switches and a profile that goes afterwards.

    Headless, unless there is a screen for its windows.
    """
    assert CHROMIUM is not None
    headless = screen is None
    with tempfile.TemporaryDirectory(prefix="e2e-", ignore_cleanup_errors=True) as name:
        switches = [
            switch
            for switch in chromium_arguments(Path(name), endpoints)
            if not switch.startswith("--user-data-dir")  # Playwright adds it itself
        ]
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                name,
                executable_path=CHROMIUM,
                args=[*switches, *(_HEADLESS if headless else []), *_ROOT, *more],
                headless=headless,
                env={**os.environ, **({"DISPLAY": screen.name} if screen else {})},
                viewport={"width": 1100, "height": 900} if headless else None,
                no_viewport=None if headless else True,
                locale=locale,
            )
            try:
                yield context
            finally:
                await context.close()


class Screen:
    """A virtual screen, and a keyboard for the window on it."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def focus(self, title: str) -> None:
        """Give the window whose title has these words the keyboard."""
        await self._xdotool(
            *("search", "--sync", "--onlyvisible", "--name", title),
            *("windowfocus", "--sync"),
        )

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, as fast as a person might."""
        await self._xdotool("key", "--delay", "150", *keys)

    async def _xdotool(self, *words: str) -> None:
        env = {**os.environ, "DISPLAY": self.name}
        process = await asyncio.create_subprocess_exec("xdotool", *words, env=env)
        assert await asyncio.wait_for(process.wait(), SECONDS) == 0


@contextlib.asynccontextmanager
async def virtual_screen() -> AsyncIterator[Screen]:
    """Run Xvfb on a number of its own choice."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as chosen:
        process = await asyncio.create_subprocess_exec(
            *("Xvfb", "-displayfd", str(writing), "-screen", "0", "1200x1000x24"),
            *("-nolisten", "tcp"),
            pass_fds=[writing],
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(writing)
        try:
            number = await asyncio.to_thread(chosen.readline)
            yield Screen(f":{number.strip()}")
        finally:
            process.terminate()
            await process.wait()


async def grant(page: Page, origin: str) -> None:
    """Let pages of an origin reach this computer, in the person's place."""
    session = await page.context.new_cdp_session(page)
    await session.send(
        "Browser.grantPermissions",
        {"permissions": ["loopbackNetwork"], "origin": origin},
    )


@contextlib.asynccontextmanager
async def visit(
    *arguments: str, env: Mapping[str, str] | None = None, locale: str = "nl-BE"
) -> AsyncIterator[Visitor]:
    """Run the demo and open its portal; page errors fail the test."""
    async with (
        demo(*arguments, env=env) as running,
        chromium(running.endpoints, locale=locale) as context,
    ):
        visitor = Visitor(context.pages[0], running)
        await visitor.open()
        yield visitor
        assert visitor.problems == []
