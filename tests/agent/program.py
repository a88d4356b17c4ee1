"""Runs the real program as a process and talks to its standard streams."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agent.texts import text

ROOT = Path(__file__).parents[2]


class Program:
    """A started `eid-agent`; reads its output up to what is expected."""

    #: How the interpreter is told to run the program.
    launcher: tuple[str, ...] = ("-m", "agent")
    #: What runs the interpreter.
    wrapper: tuple[str, ...] = ()

    def __init__(
        self,
        *arguments: str,
        stdin: int = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        process_group: int | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [*self.wrapper, sys.executable, *self.launcher, *arguments],
            cwd=ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            process_group=process_group,
            env={**os.environ, "LANG": "C.UTF-8"},
        )

    def until(self, pattern: str) -> str:
        """Return the output up to and including the pattern; fails at its end."""
        assert self.process.stdout is not None
        seen = b""
        while not re.search(pattern.encode(), seen):
            byte = os.read(self.process.stdout.fileno(), 1)
            assert byte, f"the output ended after {seen!r}: {self.errors()}"
            seen += byte
        return seen.decode()

    def rest(self) -> str:
        """Return the output that was not read yet; waits for the end."""
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()

    def port(self) -> int:
        """Wait until the agent listens and return its port."""
        line = self.until(r"listening on https://localhost:\d+\n")
        return int(line.rpartition(":")[2])

    def type(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def errors(self) -> str:
        """Return standard error; waits for the end."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def complaints(self) -> list[str]:
        """Return the lines of standard error, but for the offer to browsers.

        None here trusts the agent; waits for the end.
        """
        offer = text("trust-offer", "en")
        return [line for line in self.errors().splitlines() if offer not in line]

    def end(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(20)


@contextmanager
def started(
    *arguments: str,
    stdin: int = subprocess.PIPE,
    process_group: int | None = None,
    of: type[Program] = Program,
) -> Iterator[Program]:
    """Start the program and see to it that it ends; `process_group` 0: in its own."""
    program = of(*arguments, stdin=stdin, process_group=process_group)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()
        for stream in (
            program.process.stdin,
            program.process.stdout,
            program.process.stderr,
        ):
            if stream is not None:
                stream.close()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
