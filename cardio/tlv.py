"""The card's own TLV form and DER lengths; pure, no I/O.

Source: card content documents 6.1 (both versions). Every malformed input ends as
MalformedData.
"""

from __future__ import annotations

from cardio.errors import MalformedData


def parse(data: bytes) -> dict[int, bytes]:
    """Parse an identity or address file into {tag: value}.

    Tag one byte; length one byte below 255, else FF for each 255 and the rest. Tag 00
    (file structure version) is a field at the very start only; a later 00 begins the
    padding, of which nothing is read, whatever stands in it.
    """
    fields: dict[int, bytes] = {}
    offset = 0
    while offset < len(data):
        tag = data[offset]
        if tag == 0 and (offset > 0 or not any(data)):
            break
        length, start = _length(data, offset + 1)
        if start + length > len(data):
            raise MalformedData(f"tag {tag:02X} is cut off")
        if tag in fields:
            raise MalformedData(f"tag {tag:02X} stands twice")
        fields[tag] = data[start : start + length]
        offset = start + length
    return fields


def _length(data: bytes, offset: int) -> tuple[int, int]:
    """Return (length, offset of the value)."""
    length = 0
    while offset < len(data):
        octet = data[offset]
        length += octet
        offset += 1
        if octet != 0xFF:
            return length, offset
    raise MalformedData("a length is cut off")


def encode(fields: dict[int, bytes]) -> bytes:
    """Write {tag: value} in the given order; the inverse of `parse`."""
    return b"".join(
        bytes([tag, *[0xFF] * (len(value) // 255), len(value) % 255]) + value
        for tag, value in fields.items()
    )


def der_length(head: bytes) -> int:
    """Return the whole length, header included, of the DER object that `head` begins.

    `head` needs up to 6 bytes. MalformedData for anything but a definite length.
    """
    if len(head) < 2:
        raise MalformedData("a DER header is cut off")
    first = head[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if not 1 <= count <= 4 or len(head) < 2 + count:
        raise MalformedData("a DER length of an unknown form")
    return 2 + count + int.from_bytes(head[2 : 2 + count], "big")
