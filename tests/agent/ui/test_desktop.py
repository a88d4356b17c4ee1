"""The agent's side of the windows, with a script in place of the window process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.ui.desktop import DesktopInterface
from agent.ui.process import WindowProcess
from tests.agent.people import Agent, running

#: Writes down what it is told; answers each question with the next of its words.
_WINDOW = """
import io, signal, sys
from agent.ui import frames
come, go = io.FileIO(0, closefd=False), io.FileIO(1, "wb", closefd=False)
told, answers = open(sys.argv[1], "a", buffering=1), sys.argv[2:]
def fill(count):
    data = b""
    while len(data) < count:
        more = come.read(count - len(data))
        if not more:
            while True:  # as a window that stands until it is closed
                signal.pause()
        data += more
    return data
go.write(frames.encode({"ready": True}))
while True:
    message = frames.parse_message(fill(frames.parse_head(fill(5))[1]))
    told.write(" ".join(sorted(message)) + "\\n")
    if "ask" in message and answers:
        answer, number = answers.pop(0), message["id"]
        if answer == "dies":
            sys.exit(1)
        if answer.isdigit():
            go.write(frames.pin_head(number, len(answer)) + answer.encode())
        else:
            go.write(frames.encode({"closed": number}))
"""


class _Windows:
    """An interface whose windows are scripts."""

    def __init__(self, told: Path, *answers: str) -> None:
        self.processes: list[WindowProcess] = []
        self._told = told
        self._command = (sys.executable, "-c", _WINDOW, str(told), *answers)
        self.interface = DesktopInterface(self._start)

    def _start(self) -> WindowProcess:
        self.processes.append(WindowProcess(self._command))
        return self.processes[-1]

    async def heard(self, what: str, times: int = 1) -> None:
        """Wait until the windows were told something."""
        async with asyncio.timeout(20):
            while (
                not self._told.exists()
                or self._told.read_text().split().count(what) < times
            ):
                await asyncio.sleep(0.02)

    async def ended(self, process: WindowProcess) -> None:
        """Wait until a process has ended."""
        async with asyncio.timeout(20):
            while process._child.poll() is None:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _agent(windows: _Windows) -> AsyncIterator[Agent]:
    async with running("adult", person=windows.interface) as agent:  # type: ignore[arg-type]
        yield agent
    windows.interface.close()


async def test_a_login_that_is_cancelled_at_its_second_pin_leaves_no_window(
    tmp_path: Path,
) -> None:
    """The card signs no more then: there is nothing to be told later."""
    windows = _Windows(tmp_path / "told", "9999")
    async with _agent(windows) as agent:
        request = asyncio.create_task(agent.login())
        await windows.heard("ask", times=2)
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await request
        await windows.ended(windows.processes[0])


async def test_how_a_login_ended_stands_while_others_ask_in_vain(
    tmp_path: Path,
) -> None:
    """A request that shows nothing closes no window of another one."""
    windows = _Windows(tmp_path / "told", "closes")
    async with _agent(windows) as agent:
        assert (await agent.login()).body["code"] == "user-cancelled"
        agent.service.attendance.lock(locked=True)
        assert (await agent.login()).status == 424
        assert windows.processes[0]._child.poll() is None


async def test_a_window_that_dies_leaves_no_thread(tmp_path: Path) -> None:
    """Nor the pipe that the thread would write to."""
    windows = _Windows(tmp_path / "told", "dies")
    async with _agent(windows) as agent:
        for _ in range(2):
            assert (await agent.login()).body["code"] == "user-cancelled"
        deadline = time.monotonic() + 20
        while any(thread.name == "window" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
