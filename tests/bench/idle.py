"""What agent and tray cost while nothing happens: memory, and how often they wake up.

Runs both on a screen of its own with a tray of X11 (an icon alone, without D-Bus).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.rig.tray import Screen, missing

#: What the agent may take (MiB).
TARGET = 60
_SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Idle:
    """A process' proportional memory (MiB), and its wake-ups in a minute."""

    memory: float
    wakes: float


class _Process:
    def __init__(self, number: int) -> None:
        self._folder = Path(f"/proc/{number}")
        self._before = self._switches()

    def _switches(self) -> dict[str, int]:
        """Return how often each thread has waited for something."""
        return {
            task.name: _field(task / "status", "voluntary_ctxt_switches")
            for task in (self._folder / "task").iterdir()
        }

    def idle(self, seconds: float) -> Idle:
        """Return what was seen since it was made, `seconds` ago."""
        woken = sum(
            count - self._before.get(name, 0)
            for name, count in self._switches().items()
        )
        memory = _field(self._folder / "smaps_rollup", "Pss") / 1024
        return Idle(memory, woken * 60 / seconds)


def _field(file: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", file.read_text(encoding="ascii"), re.M)
    assert found is not None
    return int(found[1])


def measured(seconds: float) -> Iterator[str]:
    """Yield a line for the agent and one for its tray, or why there is none."""
    if missing():
        yield f"idle: not measured without {', '.join(missing())}"
        return
    with ExitStack() as stack:
        screen = Screen(stack)
        screen.tray()
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        options = ("--card", "virtual", "--data-dir", f"{folder}/data", "--lang", "en")
        agent = subprocess.Popen(
            [sys.executable, "-m", "agent", "run", *options],
            env=_environment(screen, folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert agent.stdout is not None
        stack.callback(agent.stdout.close)
        stack.callback(agent.wait)
        stack.callback(agent.terminate)
        agent.stdout.readline()
        screen.docked("eID agent")
        tray = subprocess.run(
            ["pgrep", "-P", str(agent.pid)], capture_output=True, text=True, check=True
        )
        time.sleep(_SETTLE_SECONDS)  # what a start leaves behind is no idling
        numbers = {"agent": agent.pid, "its tray": int(tray.stdout.split()[0])}
        try:
            seen = {name: _Process(number) for name, number in numbers.items()}
            time.sleep(seconds)
            for name, process in seen.items():
                yield _line(name, process.idle(seconds))
        except PermissionError:  # both close themselves to all but root
            yield "idle: only root may look into agent and tray"


def _environment(screen: Screen, folder: str) -> dict[str, str]:
    env = {**os.environ, **screen.env, "XDG_RUNTIME_DIR": folder, "HOME": folder}
    for name in ("DBUS_SESSION_BUS_ADDRESS", "WAYLAND_DISPLAY"):
        env.pop(name, None)
    return env


def _line(name: str, idle: Idle) -> str:
    target = f" (target {TARGET})" if name == "agent" else ""
    return (
        f"idle {name}: {idle.memory:.0f} MiB proportional{target}, "
        f"{idle.wakes:.0f} wake-ups a minute"
    )
