"""What the agent and its window process say over their two pipes; pure.

A frame is one byte of kind, four of length (big-endian), and that many bytes: a JSON
object, or a PIN. A PIN is a frame of its own, so that its digits never stand in a text:
four bytes that name the question (big-endian), then the digits.

The agent asks (`ask`, with the number of the question in `id` and how long it stays
open in `seconds`), gives more time (`time`, seconds again, or null for none), says that
a question is over (`over`), how far a reading is (`work`), how a request ended
(`ended`), that an "always" is used (`notice`) and that a window shall come to the front
(`front`), and gives a page of a document (`drawn`). The process is `ready`, and tells
that a question was answered (`answer`) or closed (`closed`), has no screen to be on
(`no-screen`) or needs more time (`more`), that a notice is `shown`, that its window
stays behind others (`behind`), and which page it wants (`draw`).
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

#: A page of a document is the longest that is sent: a compressed picture in base64.
MAX_BYTES = 1 << 24
HEAD_BYTES = 5

JSON = ord("J")
PIN = ord("P")

Message = dict[str, Any]


class BadFrame(Exception):
    """What came over the pipe has no form."""


def encode(message: Message) -> bytes:
    """Return the frame of a message."""
    body = json.dumps(message, default=dataclasses.asdict).encode()
    return _head(JSON, body) + body


def pin_head(question: int, digits: int) -> bytes:
    """Return what goes before a PIN's digits, which are written apart and wiped."""
    return bytes([PIN]) + (digits + 4).to_bytes(4) + question.to_bytes(4)


def _head(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(4)


def parse_head(head: bytes) -> tuple[int, int]:
    """Return a frame's kind and length; BadFrame."""
    kind, length = head[0], int.from_bytes(head[1:HEAD_BYTES])
    if kind not in (JSON, PIN) or length > MAX_BYTES:
        raise BadFrame
    return kind, length


def parse_message(body: bytes | bytearray) -> Message:
    """Return the object of a JSON frame; BadFrame."""
    try:
        message = json.loads(body)
    except ValueError:
        raise BadFrame from None
    if not isinstance(message, dict):
        raise BadFrame
    return message


def parse_pin(body: bytearray) -> tuple[int, bytearray]:
    """Return the question and the digits of a PIN frame, and wipe the frame."""
    if len(body) < 4:
        raise BadFrame
    question, digits = int.from_bytes(body[:4]), body[4:]
    body[:] = bytes(len(body))
    return question, digits
