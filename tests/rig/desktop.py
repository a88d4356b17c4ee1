"""A desktop of its own: screen, window manager, and what a screen reader speaks to.

Starts Xvfb, openbox, a session bus with AT-SPI on it, and a reader of the windows
(`tests/rig/screen_reader.py`, under the system's Python, which has pyatspi).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYSTEM_PYTHON = "/usr/bin/python3"
_PROGRAMS = ("Xvfb", "openbox", "dbus-daemon", "xdotool")
_READER = Path(__file__).with_name("screen_reader.py")
_SECONDS = 10.0


class NoDesktop(Exception):
    """A part is missing on this machine; the message says which."""


def _want_parts() -> None:
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            raise NoDesktop(f"{program} is not installed")
    tried = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import pyatspi, gi"], capture_output=True, check=False
    )
    if tried.returncode:
        raise NoDesktop("python3-pyatspi is not installed")


@dataclass(frozen=True)
class Node:
    """One thing in a window, as a screen reader has it; `process` owns the window."""

    name: str
    role: str
    description: str
    states: Sequence[str]
    text: str | None
    process: int


def want(
    name: str | None = None,
    role: str | None = None,
    *,
    has: Sequence[str] = (),
    lacks: Sequence[str] = (),
    process: int | None = None,
) -> dict[str, Any]:
    """Return the description of a node that is waited for."""
    said = {"name": name, "role": role, "process": process}
    given = {key: value for key, value in said.items() if value is not None}
    return given | {"has": list(has), "lacks": list(lacks)}


class Desktop:
    """The running desktop; use it as a context manager.

    `env` is what a program needs to show its windows there.
    """

    def __init__(self) -> None:
        _want_parts()
        self.env: Mapping[str, str] = {}
        self._stack = contextlib.ExitStack()
        self._reader: subprocess.Popen[str] | None = None

    def __enter__(self) -> Desktop:
        with contextlib.ExitStack() as stack:
            reading, writing = os.pipe()
            with os.fdopen(reading) as chosen:
                screen = ("Xvfb", "-displayfd", str(writing), "-nolisten", "tcp")
                self._start(
                    stack, *screen, "-screen", "0", "1280x900x24", pass_fds=[writing]
                )
                os.close(writing)
                display = f":{chosen.readline().strip()}"
            bus = self._start(
                stack,
                *("dbus-daemon", "--session", "--nofork", "--print-address=1"),
                stdout=subprocess.PIPE,
                env={**os.environ, "DISPLAY": display},
            )
            assert bus.stdout is not None
            stack.callback(bus.stdout.close)
            self.env = {
                "DISPLAY": display,
                "DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip(),
                "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
                "QT_QPA_PLATFORM": "xcb",
            }
            whole = {**os.environ, **self.env}
            self._start(stack, "openbox", env=whole)
            self._reader = self._start(
                stack,
                *(SYSTEM_PYTHON, str(_READER)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=whole,
            )
            assert self._reader.stdin is not None
            assert self._reader.stdout is not None
            stack.callback(self._reader.stdout.close)
            stack.callback(self._reader.stdin.close)
            assert self._reader.stdout.readline(), "AT-SPI does not answer"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @staticmethod
    def _start(
        stack: contextlib.ExitStack, *command: str, **more: Any
    ) -> subprocess.Popen[str]:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        process: subprocess.Popen[str] = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, text=True, **(quiet | more)
        )

        def end() -> None:
            process.terminate()
            process.wait(_SECONDS)

        stack.callback(end)
        return process

    def wait(
        self,
        *there: Mapping[str, Any],
        gone: Sequence[Mapping[str, Any]] = (),
        seconds: float = _SECONDS,
    ) -> list[Node]:
        """Wait until all of `there` can be read and none of `gone`; return all nodes.

        AssertionError with what there was instead.
        """
        assert self._reader is not None
        assert self._reader.stdin is not None
        assert self._reader.stdout is not None
        asked = {"there": there, "gone": gone, "seconds": seconds}
        self._reader.stdin.write(json.dumps(asked) + "\n")
        self._reader.stdin.flush()
        answers = select.select([self._reader.stdout], [], [], seconds + _SECONDS)[0]
        assert answers, f"the screen reader hangs at {asked}"
        said = json.loads(self._reader.stdout.readline())
        nodes = [Node(**node) for node in said["nodes"]]
        seen = "\n".join(f"{n.role} {n.name!r} {' '.join(n.states)}" for n in nodes)
        assert said["fits"], f"not in {seconds} s: {asked}; there was:\n{seen}"
        return nodes

    def nodes(self) -> list[Node]:
        """Return what can be read now."""
        return self.wait()

    def keys(self, *keys: str) -> None:
        """Press keys by their X names, one after the other."""
        self._xdotool("key", "--delay", "15", *keys)

    def type(self, words: str) -> None:
        """Type a text."""
        self._xdotool("type", "--delay", "15", words)

    def _xdotool(self, *words: str) -> None:
        self._run("xdotool", *words)

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, env={**os.environ, **self.env})
