"""The keyboard on Linux and macOS: lines as bytes from file descriptor 0, no echo."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

assert sys.platform != "win32"

import termios  # noqa: E402

from agent.ui import Unavailable  # noqa: E402
from cardio.pin import wipe  # noqa: E402

_MAX_LINE = 200
_CARRIAGE_RETURN = 0x0D


class Keyboard:
    """Standard input, whether a terminal or a pipe."""

    def __init__(self) -> None:
        try:
            self._descriptor = sys.stdin.fileno()
            self._terminal = os.isatty(self._descriptor)
        except (OSError, ValueError, AttributeError):
            self._descriptor = -1
            self._terminal = False
        self._reading = False
        self._left = False
        #: The terminal's usual mode, while a PIN line that nobody waits for is typed.
        self._late: list[Any] | None = None
        atexit.register(self._restore)

    def _restore(self) -> None:
        """Let the terminal echo again.

        Digits of a PIN that nobody waits for are dropped: a shell would show them.
        """
        late, self._late = self._late, None
        when = termios.TCSAFLUSH if self._left else termios.TCSANOW
        if late is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, when, late)

    @contextmanager
    def mode(self, *, secret: bool) -> Iterator[None]:
        """Forget what was typed before the question; hide a PIN while it is typed."""
        if not self._terminal:
            yield
            return
        before = self._prepare(secret=secret)
        try:
            yield
        finally:
            self._late = before
            self._left = secret and self._reading
            if not self._left:
                self._restore()

    def _prepare(self, *, secret: bool) -> list[Any]:
        """Change the terminal's mode and return the usual one; Unavailable."""
        try:
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
            before = self._late or termios.tcgetattr(self._descriptor)
            changed = list(before)
            if secret:
                changed[3] &= ~termios.ECHO
            termios.tcsetattr(self._descriptor, termios.TCSANOW, changed)
        except termios.error:  # the terminal was closed
            raise Unavailable from None
        return before

    def echoes_end(self, *, secret: bool) -> bool:
        """Tell whether the end of a typed line shows as one."""
        return self._terminal and not secret

    def begin(self) -> None:
        """Take note that a line is read from now on; before its thread runs.

        A question that ended sooner would let a PIN be seen that is typed late.
        """
        self._reading = True

    def read_line(self) -> bytearray | None:
        """Read one line without its end, None at the end of input; blocks.

        Byte by byte, so that nothing of the next line is taken; into one buffer that
        never grows: growing would leave digits behind in memory that was given back.
        """
        buffer = bytearray(_MAX_LINE)
        byte = bytearray(1)
        count = 0
        try:
            while os.readv(self._descriptor, [byte]):
                if byte == b"\n":
                    break
                if count < _MAX_LINE:
                    buffer[count] = byte[0]
                    count += 1
            else:
                return buffer[:count] or None
            end = count - (count > 0 and buffer[count - 1] == _CARRIAGE_RETURN)
            return buffer[:end]
        except OSError:
            return None
        finally:
            byte[0] = 0
            wipe(buffer)
            self._reading = False
            if self._left:
                self._restore()
