"""The keyboard on Windows, through msvcrt. Not run on Windows yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

assert sys.platform == "win32"

import msvcrt  # noqa: E402


class Keyboard:
    """Standard input: the console's keys, or a pipe's lines."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.isatty()
        self._secret = False

    @contextmanager
    def mode(self, *, secret: bool) -> Iterator[None]:
        """Hide a PIN while it is typed."""
        while self._terminal and msvcrt.kbhit():
            msvcrt.getwch()
        self._secret = secret
        yield

    def echoes_end(self, *, secret: bool) -> bool:
        """Tell whether the end of a typed line shows as one."""
        return self._terminal

    def begin(self) -> None:
        """Nothing to do: what is typed shows only as it is read."""

    def read_line(self) -> bytearray | None:
        """Read one line without its end, None at the end of input; blocks."""
        if not self._terminal:
            raw = sys.stdin.buffer.readline(200)
            return bytearray(raw.rstrip(b"\r\n")) if raw else None
        line = bytearray()
        while (key := msvcrt.getwch()) not in "\r\n":
            if key in "\x03\x1a":
                return None
            if key == "\b":
                del line[-1:]
            else:
                line += key.encode()
            msvcrt.putwch("*" if self._secret else key)
        msvcrt.putwch("\n")
        return line
