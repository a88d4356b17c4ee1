"""Targets: the card's TLV form, DER lengths, the identity and the address file."""

from __future__ import annotations

import json
import re

from cardio import tlv as card_tlv
from cardio.beid.identity import parse_address, parse_identity
from cardio.errors import MalformedData

_DATE = re.compile(r"|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BIRTH = re.compile(r"|[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_HEX = re.compile(r"([0-9a-f]{2})*")


def tlv(data: bytes) -> None:
    """Fields or MalformedData; written again they are the data up to the padding."""
    try:
        fields = card_tlv.parse(data)
    except MalformedData:
        return
    written = card_tlv.encode(fields)
    assert data.startswith(written)
    assert data[len(written) : len(written) + 1] in (b"", b"\0")


def der_length(data: bytes) -> None:
    """A length or MalformedData, from the first 6 bytes alone."""
    try:
        length = card_tlv.der_length(data)
    except MalformedData:
        return
    first, *rest = data[1:]
    count = 0 if first < 0x80 else first - 0x80
    assert count <= 4
    body = first if first < 0x80 else int.from_bytes(bytes(rest[:count]), "big")
    assert length == 2 + count + body
    assert card_tlv.der_length(data[:6]) == length


def identity_file(data: bytes) -> None:
    """An identity that can be written as JSON, or MalformedData."""
    try:
        identity = parse_identity(data)
    except MalformedData:
        return
    members = identity.to_json()
    json.dumps(members).encode()
    assert _BIRTH.fullmatch(identity.date_of_birth or "")
    for date in ("validFrom", "validUntil", "cardEuStartDate"):
        assert _DATE.fullmatch(str(members.get(date, "")))
    for binary in ("fileVersion", "chipNumber", "photoHash", "basicKeyHash"):
        assert _HEX.fullmatch(str(members.get(binary, "")))
    assert identity.sex in (None, "", "M", "F")


def address_file(data: bytes) -> None:
    """An address that can be written as JSON, or MalformedData."""
    try:
        address = parse_address(data)
    except MalformedData:
        return
    members = address.to_json()
    json.dumps(members).encode()
    assert members.keys() <= {"streetAndNumber", "postalCode", "municipality"}
    assert not any(str(text).startswith((" ", "\0")) for text in members.values())
