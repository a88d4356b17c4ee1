"""What the agent and the child that reads a document say to each other; pure.

A message is four bytes with the length of a JSON object (big-endian), the object, four
bytes with the length of a blob, and the blob: a document, a bitmap, a signature.
"""

from __future__ import annotations

import json

from agent.pdf.document import MAX_BYTES
from agent.ui.frames import BadFrame, Message

MAX_OBJECT = 1 << 20
#: A signed document is larger than what was signed.
MAX_BLOB = 2 * MAX_BYTES


def encode(message: Message, blob: bytes = b"") -> bytes:
    """Return a message's bytes."""
    body = json.dumps(message).encode()
    return len(body).to_bytes(4) + body + len(blob).to_bytes(4) + blob


def size(head: bytes, most: int) -> int:
    """Return the length that four bytes say; BadFrame beyond `most`."""
    length = int.from_bytes(head)
    if len(head) != 4 or length > most:
        raise BadFrame
    return length
