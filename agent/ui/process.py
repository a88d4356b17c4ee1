"""Window process and tray as the agent sees them: a child and two pipes; no more.

Both pipes have a thread, so that a window that hangs stops nothing in the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import agent
from agent.ui import frames
from agent.ui.frames import Message
from agent.ui.streams import PinFrame, read_frame
from cardio.pin import wipe

#: -P: a folder named `agent` where the program was started is not run instead of it.
_PYTHON = (sys.executable, "-P", "-m")
COMMAND = (*_PYTHON, "agent.ui.windows")
TRAY_COMMAND = (*_PYTHON, "agent.ui.tray")


def environment() -> dict[str, str]:
    """Return the child's environment: it runs the same program as this process."""
    here = str(Path(agent.__file__).parents[1])
    before = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (here, before)))}


class Child:
    """A running child: `receive` returns what it says, None at its end."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it; OSError. Blocks for a moment; call on the loop that receives."""
        self._loop = asyncio.get_running_loop()
        self._received: asyncio.Queue[Message | PinFrame | None] = asyncio.Queue()
        self._outgoing: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._left = False
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment(),
        )
        for work in (self._read, self._write):
            threading.Thread(target=work, name="child", daemon=True).start()

    def send(self, message: Message) -> None:
        """Say something to the process, soon; nothing happens when it is gone."""
        self._outgoing.put(message)

    async def receive(self) -> Message | PinFrame | None:
        """Return the next thing that it says; None once and for ever at its end."""
        received = await self._received.get()
        if received is None:
            self._received.put_nowait(None)
        return received

    def leave(self) -> None:
        """Ask nothing any more: its pipe ends, and it ends when its window is closed.

        What it still says is forgotten, a PIN wiped.
        """
        self._left = True
        self._outgoing.put(None)
        while not self._received.empty():
            _forget(self._received.get_nowait())

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()
        self.leave()

    @property
    def ended(self) -> bool:
        """True once it has ended, by itself or not."""
        return self._child.poll() is not None

    @property
    def process_id(self) -> int:
        """Its number in the operating system."""
        return self._child.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._child.poll()

    def _write(self) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(OSError, ValueError), self._child.stdin as pipe:
            while (message := self._outgoing.get()) is not None:
                pipe.write(frames.encode(message))

    def _read(self) -> None:
        assert self._child.stdout is not None
        try:
            with self._child.stdout as pipe:
                assert isinstance(pipe, io.RawIOBase)
                while (frame := read_frame(pipe)) is not None:
                    self._deliver(frame)
        except (OSError, ValueError, frames.BadFrame):
            self._child.kill()
        self._child.wait()
        self._outgoing.put(None)  # it hears nothing any more
        self._deliver(None)

    def _deliver(self, frame: Message | PinFrame | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._take_in, frame)
        except RuntimeError:  # the agent has ended
            _forget(frame)

    def _take_in(self, frame: Message | PinFrame | None) -> None:
        if self._left:
            _forget(frame)
        if not self._left or frame is None:
            self._received.put_nowait(frame)


class WindowProcess(Child):
    """A running window process."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        super().__init__(command)


class TrayProcess(Child):
    """A running tray."""

    def __init__(self, command: Sequence[str] = TRAY_COMMAND) -> None:
        super().__init__(command)


def _forget(frame: Message | PinFrame | None) -> None:
    if isinstance(frame, PinFrame):
        wipe(frame.digits)
