"""The window process' end of the pipes: frames in as Qt signals, frames out at once."""

from __future__ import annotations

import contextlib
import io
import sys
import threading

from PySide6.QtCore import QObject, Signal

from agent.ui import frames
from agent.ui.frames import Message
from cardio.pin import wipe


class Pipe(QObject):
    """Standard input and output of this process, as frames."""

    received = Signal(dict)
    ended = Signal()

    def __init__(self) -> None:
        super().__init__()
        # Unbuffered, so that a thread that waits in there keeps no lock at the end.
        self._in = io.FileIO(0, "rb", closefd=False)
        self._out = io.FileIO(1, "wb", closefd=False)
        sys.stdout = sys.stderr  # what a library prints is no frame

    def start(self) -> None:
        """Begin to read, in a thread."""
        threading.Thread(target=self._read, name="pipe", daemon=True).start()

    def send(self, message: Message) -> None:
        """Say something to the agent; nothing happens when that has gone."""
        self._write(frames.encode(message))

    def send_pin(self, question: int, digits: bytearray) -> None:
        """Send a PIN, once, and wipe it."""
        try:
            self._write(frames.pin_head(question, len(digits)), digits)
        finally:
            wipe(digits)

    def _write(self, *parts: bytes | bytearray) -> None:
        try:
            for part in parts:
                self._out.write(part)
        except (OSError, ValueError):
            self.ended.emit()

    def _read(self) -> None:
        # RuntimeError: the window was closed, and took its end of the signals along.
        with contextlib.suppress(RuntimeError):
            self._tell()

    def _tell(self) -> None:
        try:
            while head := self._fill(frames.HEAD_BYTES):
                _, length = frames.parse_head(head)
                self.received.emit(frames.parse_message(self._fill(length)))
        except (OSError, ValueError, frames.BadFrame):
            pass
        self.ended.emit()

    def _fill(self, length: int) -> bytes:
        """Read so many bytes; fewer at the end."""
        data = b""
        while len(data) < length and (more := self._in.read(length - len(data))):
            data += more
        return data
