"""A window that is behind others is announced by the desktop; tried with real dunst."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

if sys.platform != "linux" or not all(
    map(shutil.which, ("dbus-daemon", "dunst", "dunstctl", "Xvfb"))
):
    pytest.skip("no dunst, dbus-daemon or Xvfb here", allow_module_level=True)

from dbus_fast import BusType, Message
from dbus_fast.aio import MessageBus

from agent.host.notices import noticed
from tests.e2e.harness import virtual_screen

_CONFIG = "[global]\nmonitor = 0\nshow_indicators = false\n"


@pytest.fixture
async def bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A session's bus."""
    address = f"unix:path={tmp_path / 'bus'}"
    daemon = await asyncio.create_subprocess_exec(
        *("dbus-daemon", "--session", "--nofork", "--print-address=1"),
        f"--address={address}",
        stdout=subprocess.PIPE,
    )
    assert daemon.stdout is not None
    await daemon.stdout.readline()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    try:
        yield daemon
    finally:
        await _end(daemon)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@pytest.fixture
async def desktop(
    bus: asyncio.subprocess.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """A program that shows notifications on a screen."""
    async with virtual_screen() as screen:
        monkeypatch.setenv("DISPLAY", screen.name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        (tmp_path / "dunstrc").write_text(_CONFIG)
        dunst = await asyncio.create_subprocess_exec(
            *("dunst", "-conf", str(tmp_path / "dunstrc")),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await _dunstctl("debug")
            yield
        finally:
            await _end(dunst)


async def _dunstctl(*words: str) -> str:
    """Ask dunst, once it is there."""
    while True:
        process = await asyncio.create_subprocess_exec(
            *("dunstctl", *words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        told, _ = await process.communicate()
        if process.returncode == 0:
            return told.decode()


async def _count(wanted: str) -> None:
    async with asyncio.timeout(20):
        while (await _dunstctl("count", "displayed")).strip() != wanted:
            pass  # each look is a process of its own: no busy loop


@pytest.mark.usefixtures("desktop")
async def test_a_click_on_the_notification_is_told_and_it_goes_with_the_question() -> (
    None
):
    """Shown once, plain text, taken away at the end."""
    clicked = asyncio.Event()
    words = "<b>A question</b> & more"
    async with noticed("eID agent", words, "Show", lambda _: clicked.set()):
        await _count("1")
        await _dunstctl("action")
        await asyncio.wait_for(clicked.wait(), 20)
    async with noticed("eID agent", words, "Show", lambda _: None):
        await _count("1")
    await _count("0")


@pytest.mark.usefixtures("desktop")
async def test_a_session_that_ends_before_the_question_leaves_no_mistake_in_the_log(
    bus: asyncio.subprocess.Process,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C ends a bus that the same terminal started, and the agent just after it."""
    lines: list[MessageBus] = []
    connect = MessageBus.connect

    async def watched(self: MessageBus) -> MessageBus:
        lines.append(self)
        return await connect(self)

    monkeypatch.setattr(MessageBus, "connect", watched)
    async with noticed("eID agent", "A question", "Show", lambda _: None):
        await _count("1")
        bus.kill()
        with contextlib.suppress(EOFError, OSError):
            await asyncio.wait_for(lines[0].wait_for_disconnect(), 20)
    gc.collect()
    assert not caplog.messages


async def test_without_a_desktop_nothing_is_shown_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No bus: the question goes on without."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    async with noticed("eID agent", "A question", "Show", lambda _: None):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("bus")
async def test_who_shows_notifications_and_hangs_keeps_no_answer() -> None:
    """A question is over a moment after its answer, and its notification with it."""
    shows = await MessageBus(bus_type=BusType.SESSION).connect()
    name, path = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"

    def hear(message: Message) -> Message | bool | None:
        if message.member == "Notify":
            return Message.new_method_return(message, "u", [7])
        return message.member == "CloseNotification"  # taken, and never answered

    shows.add_message_handler(hear)
    await shows.request_name(name)
    click = Message.new_signal(path, name, "ActionInvoked", "us", [7, "default"])
    clicked = asyncio.Event()
    async with asyncio.timeout(10):
        async with noticed("eID agent", "A question", "Show", lambda _: clicked.set()):
            while not clicked.is_set():  # it is heard once the number is known
                await shows.send(click)
                await asyncio.sleep(0.02)
    shows.disconnect()
