"""The tray's process on a real screen: icon, clicks, menu, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.texts import LANGUAGES, text
from agent.ui.process import TrayProcess
from agent.ui.traylink import STARTED_AGAIN, TrayLink
from agent.ui.traystate import State, TrayState
from tests.rig.tray import FakePanel, Screen, missing, session_bus

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"not installed: {', '.join(missing())}"
)

READY = TrayState(State.READY, "en", virtual=True, marks=("developer-run",))


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """Ends what a test started."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def screen(
    stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Screen:
    """A screen without a tray and without D-Bus, as the children see it."""
    screen = Screen(stack)
    for name, value in screen.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return screen


class Agent:
    """The agent's side of a tray; what the tray said is awaited."""

    def __init__(self, shown: TrayState = READY, command: Any = None) -> None:
        self.commands: asyncio.Queue[str] = asyncio.Queue()
        self.kinds: asyncio.Queue[str] = asyncio.Queue()
        self.started: list[TrayProcess] = []
        self._command = command
        self.link = TrayLink(
            shown, self.commands.put_nowait, self.kinds.put_nowait, self._start
        )

    def _start(self) -> TrayProcess:
        self.started.append(TrayProcess(*self._command or ()))
        return self.started[-1]


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[Agent]:
    """Keep a tray while the block runs."""
    task = asyncio.create_task(agent.link.run())
    try:
        async with asyncio.timeout(60):
            yield agent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_tray_of_x11_shows_the_icon_and_a_click_asks_for_the_menu(
    screen: Screen,
) -> None:
    """Its title says state and marks; each state is another picture."""
    screen.tray()
    async with running(Agent()) as agent:
        assert await agent.kinds.get() == "icon"
        icon = await asyncio.to_thread(screen.docked, "A card is ready")
        title = next(title for title in screen.titles() if "A card" in title)
        assert "[TEST CARD]" in title
        assert "[DEVELOPER MODE]" in title
        await asyncio.to_thread(screen.click, icon)
        assert await agent.commands.get() == "menu"
        before = screen.picture(icon)
        agent.link.show(TrayState(State.NO_CARD, "en", last="hello"))
        icon = await asyncio.to_thread(screen.docked, "card reader is empty · hello")
        assert screen.picture(icon) != before


async def test_a_tray_that_comes_later_gets_the_icon(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel may begin after the agent; nothing is said as long as there is hope."""
    async with running(Agent()) as agent:
        await asyncio.to_thread(screen.seen, "A card is ready")  # the undocked window
        assert agent.kinds.empty()
        await asyncio.to_thread(screen.tray)
        assert await agent.kinds.get() == "icon"


async def test_the_tray_ends_with_the_agent_and_leaves_no_file(
    screen: Screen, tmp_path: Path
) -> None:
    """Its pipe ends, and so does it."""
    screen.tray()
    async with running(Agent()) as agent:
        await agent.kinds.get()
        (child,) = agent.started
    await child.receive()
    assert child.code == 0
    await asyncio.to_thread(screen.gone, "eID agent")
    assert not list(tmp_path.glob("eid-agent-tray-*"))


async def test_ctrl_c_in_the_terminal_does_not_end_it(screen: Screen) -> None:
    """It is the agent's; the tray ends when the agent does."""
    screen.tray()
    async with running(Agent()) as agent:
        await agent.kinds.get()
        os.kill(agent.started[0].process_id, signal.SIGINT)
        agent.link.show(TrayState(State.BUSY, "en"))
        await asyncio.to_thread(screen.seen, text("tray-busy", "en"))
        assert len(agent.started) == 1


async def test_a_tray_that_crashes_is_started_again_three_times(
    screen: Screen,
) -> None:
    """After that the agent goes on without."""
    screen.tray()
    agent = Agent()
    task = asyncio.create_task(agent.link.run())
    for number in range(1 + STARTED_AGAIN):
        assert await asyncio.wait_for(agent.kinds.get(), 30) == "icon"
        os.kill(agent.started[number].process_id, signal.SIGKILL)
    await asyncio.wait_for(task, 30)
    assert len(agent.started) == 1 + STARTED_AGAIN


async def test_a_tray_that_cannot_be_shown_is_said_once_and_not_started_again(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a screen there is none, and that changes nothing for the agent."""
    monkeypatch.setenv("DISPLAY", ":4711")
    agent = Agent()
    await asyncio.wait_for(agent.link.run(), 30)
    assert agent.kinds.get_nowait() == "none"
    assert len(agent.started) == 1


async def test_a_tray_that_is_missing_is_none(screen: Screen) -> None:
    """The agent goes on where the program cannot be started."""
    agent = Agent(command=[("/nonexistent/python",)])
    await asyncio.wait_for(agent.link.run(), 30)
    assert not agent.started


def _has_indicator() -> bool:
    code = (
        "import gi; gi.require_version('AyatanaAppIndicator3', '0.1');"
        "from gi.repository import AyatanaAppIndicator3"
    )
    found = subprocess.run(
        ["/usr/bin/python3", "-c", code], capture_output=True, check=False
    )
    return found.returncode == 0


@pytest.mark.skipif(not _has_indicator(), reason="no python3-gi with AppIndicator")
@pytest.mark.parametrize("lang", LANGUAGES)
async def test_a_panel_gets_the_menu_and_its_lines_are_commands(
    screen: Screen,
    stack: contextlib.ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    lang: str,
) -> None:
    """By AppIndicator, with the system's gi; the panel is a stand-in."""
    address = session_bus(stack, screen.env)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    panel = await FakePanel.on(address)
    try:
        marks = ("tray-counter",) if lang == "en" else ()
        shown = TrayState(State.READY, lang, False, marks, "hello", starts=True)
        async with running(Agent(shown)) as agent:
            assert await agent.kinds.get() == "menu"

            async def says_ready() -> bool:
                item = await panel.item()
                return text("tray-ready", lang) in item.get("Title", "")

            await panel.until(says_ready)
            wanted = [text(f"tray-menu-{name}", lang) for name in shown.offered]
            said = [text(mark, lang) for mark in marks]
            wanted = [text("tray-ready", lang), *said, "hello", *wanted]
            assert list(await panel.menu()) == wanted
            if lang == "en":
                for name in shown.offered:
                    await panel.choose(text(f"tray-menu-{name}", lang))
                    assert await agent.commands.get() == name

            async def says_no_card() -> bool:
                return text("tray-no-card", lang) in await panel.menu()

            agent.link.show(TrayState(State.NO_CARD, lang))
            await panel.until(says_no_card)
    finally:
        panel.leave()
