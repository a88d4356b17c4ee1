"""Runs the system's own tools for certificates; touches processes.

Whoever builds a command is pure; this is the one place that starts it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent import host
from agent.trust.store import StoreUnusable

#: Windows and macOS ask the person in a dialog of their own.
_SECONDS = 300


@dataclass(frozen=True)
class Result:
    """How a tool ended, and what it wrote."""

    code: int
    output: bytes = b""
    errors: str = ""

    def check(self) -> None:
        """Raise StoreUnusable for a failure, with the last line that says why."""
        if self.code:
            lines = self.errors.strip().splitlines() or [str(self.code)]
            raise StoreUnusable("trust-failed", reason=lines[-1].strip())


class ToolMissing(StoreUnusable):
    """A tool is not installed."""

    def __init__(self, tool: str) -> None:
        super().__init__("trust-no-tool", tool=tool)


class Runner(Protocol):
    """Runs one command to its end."""

    def run(
        self, command: Sequence[str], given: bytes = b"", *, as_root: bool = False
    ) -> Result:
        """Return how it ended; StoreUnusable, of which ToolMissing is one."""
        ...


class SystemRunner:
    """Runs commands here. Where nobody attends, nothing asks for a password."""

    def __init__(self, *, attended: bool) -> None:
        self._attended = attended

    def run(
        self, command: Sequence[str], given: bytes = b"", *, as_root: bool = False
    ) -> Result:
        """Return how it ended; ToolMissing, StoreUnusable for what needs a person."""
        words = host.as_root(command) if as_root else list(command)
        asks = words != list(command)
        if asks and not self._attended:
            raise StoreUnusable("trust-administrator")
        try:
            done = subprocess.run(
                words,
                input=None if asks else given,
                stdout=subprocess.PIPE,
                # What asks for the administrator's password speaks to the terminal.
                stderr=None if asks else subprocess.PIPE,
                # Without a terminal no tool can wait for a password that nobody types.
                start_new_session=not asks,
                env={**os.environ, "LC_ALL": "C"},
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise ToolMissing(words[0]) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StoreUnusable("trust-failed", reason=type(error).__name__) from None
        errors = (done.stderr or b"").decode("utf-8", "replace")
        return Result(done.returncode, done.stdout, errors)
