"""The form of an identity answer (`eid-agent-identity:1`): bounded files; pure, no I/O.

Proves nothing yet. The parsed members and the root certificate are not even read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from agent.relyingparty import wire
from agent.relyingparty.errors import (
    DataMissing,
    PhotoWithoutIdentity,
    ResponseMalformed,
)

_FORMAT = "eid-agent-identity:1"
_RESPONSE_CHARACTERS = range(2, 300_001)
#: Files by their names on the wire, with sizes that no card reaches.
_LIMITS = {
    "identity": 4_096,
    "identitySignature": 1_024,
    "address": 1_024,
    "addressSignature": 1_024,
    "photo": 65_536,
    "rrnCertificate": 8_192,
}


@dataclass(frozen=True)
class Answer:
    """The files of an answer, by their names on the wire, and the chip's part."""

    files: Mapping[str, bytes]
    chip: object

    @classmethod
    def parse(cls, response: object) -> Self:
        """Decode an answer, an object or its JSON text.

        Raises ResponseMalformed, DataMissing, PhotoWithoutIdentity.
        """
        members = wire.parse_object(
            response, _RESPONSE_CHARACTERS, ResponseMalformed, ResponseMalformed
        )
        raw = members.get("raw")
        if members.get("format") != _FORMAT or not isinstance(raw, dict):
            raise ResponseMalformed
        files = {
            name: _decode(name, raw[name], limit)
            for name, limit in _LIMITS.items()
            if raw.get(name) is not None
        }
        if "photo" in files and "identity" not in files:
            raise PhotoWithoutIdentity
        if not files.keys() & {"identity", "address"}:
            raise DataMissing("neither identity nor address")
        return cls(files, members.get("chip"))

    def need(self, name: str) -> bytes:
        """Return a file without which there is no proof, or raise DataMissing."""
        try:
            return self.files[name]
        except KeyError:
            raise DataMissing(name) from None


def _decode(name: str, text: object, limit: int) -> bytes:
    try:
        return wire.decode_base64(text, limit)
    except ValueError:
        raise ResponseMalformed(f"{name} is no base64 of a card's file") from None
