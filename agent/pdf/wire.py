"""What the agent and the child that reads a document say to each other; pure.

A message is four bytes with the length of a JSON object (big-endian), the object, four
bytes with the length of a blob, and the blob: a document, a bitmap, a signature.
"""

from __future__ import annotations

import json
from typing import Any

from agent.pdf.document import MAX_BYTES

Message = dict[str, Any]

MAX_OBJECT = 1 << 20
#: A signed document is larger than what was signed.
MAX_BLOB = 2 * MAX_BYTES


class BadMessage(Exception):
    """What came over the pipe has no form."""


def encode(message: Message, blob: bytes = b"") -> bytes:
    """Return a message's bytes."""
    body = json.dumps(message).encode()
    return len(body).to_bytes(4) + body + len(blob).to_bytes(4) + blob


def parse(body: bytes) -> Message:
    """Return the object of a message; BadMessage."""
    try:
        message = json.loads(body)
    except ValueError:
        raise BadMessage from None
    if not isinstance(message, dict):
        raise BadMessage
    return message


def size(head: bytes, most: int) -> int:
    """Return the length that four bytes say; BadMessage beyond `most`."""
    length = int.from_bytes(head)
    if len(head) != 4 or length > most:
        raise BadMessage
    return length
