"""The form of the chip's proof (`eid-agent-chip:1`); pure, for agent and portal alike.

Both sides have to hash the same bytes, so they share this and nothing else.
"""

from __future__ import annotations

import base64
import hashlib

FORMAT = "eid-agent-chip:1"


def chip_digest(origin: str, challenge: str) -> bytes:
    """Return the 48 bytes that the chip signs as they are."""
    parts = (hashlib.sha384(text.encode()).digest() for text in (origin, challenge))
    return hashlib.sha384(FORMAT.encode() + b"".join(parts)).digest()


def build(key_file: bytes, signature: bytes) -> dict[str, str]:
    """Return the member `chip`: EF 4040 and r||s, both in base64."""
    return {
        "format": FORMAT,
        "publicKey": base64.b64encode(key_file).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
