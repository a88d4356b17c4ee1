"""Frames from a pipe into buffers of ours; touches the pipe that it is given.

What a pipe brings is read without growing any buffer: a PIN can be wiped.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from agent.ui import frames
from agent.ui.frames import Message
from cardio.pin import wipe


@dataclass
class PinFrame:
    """A PIN's digits, and the number of the question that they answer."""

    question: int
    digits: bytearray = field(repr=False)


def read_frame(pipe: io.RawIOBase) -> Message | PinFrame | None:
    """Read one frame; None at the end of the pipe. OSError, ValueError, BadFrame."""
    head = bytearray(frames.HEAD_BYTES)
    if not _fill(pipe, head):
        return None
    kind, length = frames.parse_head(bytes(head))
    body = bytearray(length)
    if not _fill(pipe, body):
        wipe(body)
        return None
    if kind == frames.PIN:
        return PinFrame(*frames.parse_pin(body))
    return frames.parse_message(body)


def _fill(pipe: io.RawIOBase, buffer: bytearray) -> bool:
    """Read until the buffer is full, into it alone; False at the pipe's end."""
    view, done = memoryview(buffer), 0
    while done < len(buffer):
        count = pipe.readinto(view[done:])
        if not count:
            return False
        done += count
    return True
