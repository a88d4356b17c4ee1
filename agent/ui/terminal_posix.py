"""The keyboard on Linux and macOS: lines as bytes from file descriptor 0, no echo."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

assert sys.platform != "win32"

import termios  # noqa: E402

_MAX_LINE = 200


class Keyboard:
    """Standard input, whether a terminal or a pipe."""

    def __init__(self) -> None:
        try:
            self._descriptor = sys.stdin.fileno()
            self._terminal = os.isatty(self._descriptor)
        except (OSError, ValueError, AttributeError):
            self._descriptor = -1
            self._terminal = False

    @contextmanager
    def mode(self, *, secret: bool) -> Iterator[None]:
        """Forget what was typed before the question; hide a PIN while it is typed."""
        if not self._terminal:
            yield
            return
        termios.tcflush(self._descriptor, termios.TCIFLUSH)
        before = termios.tcgetattr(self._descriptor)
        changed = list(before)
        if secret:
            changed[3] &= ~termios.ECHO
        termios.tcsetattr(self._descriptor, termios.TCSANOW, changed)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, before)
            if secret:
                os.write(sys.stdout.fileno(), b"\n")

    def read_line(self) -> bytearray | None:
        """Read one line without its end, None at the end of input; blocks.

        Byte by byte into one buffer, so that no copy of a PIN is made on the way and
        nothing of the next line is taken.
        """
        line = bytearray()
        byte = bytearray(1)
        try:
            while os.readv(self._descriptor, [byte]):
                if byte == b"\n":
                    break
                if len(line) < _MAX_LINE:
                    line += byte
            else:
                return line or None
        except OSError:
            return None
        finally:
            byte[0] = 0
        if line.endswith(b"\r"):
            del line[-1]
        return line
