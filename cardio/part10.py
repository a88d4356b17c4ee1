"""What readers with keys of their own tell (PC/SC part 10, v2.02); pure, no I/O."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass


@enum.unique
class Feature(enum.IntEnum):
    """What a reader can do by itself, by its tag in the feature table (2.2).

    Some do it in two steps, as `steps` says.
    """

    VERIFY_PIN_DIRECT = 0x06
    MODIFY_PIN_DIRECT = 0x07


@dataclass(frozen=True)
class Keypad:
    """The keys of a reader: what can be done on them, and the reader's firmware.

    `firmware` is (major, minor), None where the driver does not tell.
    """

    features: frozenset[Feature]
    firmware: tuple[int, int] | None = None


def parse_features(table: bytes) -> dict[int, int]:
    """Return control codes by tag from the answer to CM_IOCTL_GET_FEATURE_REQUEST.

    Each entry is tag, length, value; a control code has 4 bytes, most significant
    first. Entries of another length are passed over, and what is cut off at the end.
    """
    codes: dict[int, int] = {}
    position = 0
    while position + 2 <= len(table):
        tag, length = table[position], table[position + 1]
        value = table[position + 2 : position + 2 + length]
        if len(value) == length == _CODE_SIZE:
            codes[tag] = int.from_bytes(value, "big")
        position += 2 + length
    return codes


_CODE_SIZE = 4


#: A PIN pad may do in two steps what others do in one: begin, and wait for the end.
_STEPS = {Feature.VERIFY_PIN_DIRECT: (1, 2), Feature.MODIFY_PIN_DIRECT: (3, 4)}
GET_KEY_PRESSED, ABORT = 0x05, 0x0B

#: Readers that tell their features by pseudo APDUs where the driver does not, by a part
#: of their names in lower case (2.2, "readers without control codes").
_PPDU_READERS = (
    "digipass 840",
    "digipass 870",
    "digipass 875",
    "digipass 876",
    "digipass 920",
    "ing shield pro",
    "ekrypto",
    "dioss",
)
#: FF C2 01: feature 0 asks for the list, any other does what it names.
_PPDU = b"\xff\xc2\x01"
PPDU_FEATURES = _PPDU + b"\x00\x00"


def speaks_ppdu(reader: str) -> bool:
    """Tell whether a reader, by its name, is known to answer pseudo APDUs."""
    return any(part in reader.lower() for part in _PPDU_READERS)


def parse_ppdu_features(answer: bytes) -> frozenset[int]:
    """Return the tags from the answer to PPDU_FEATURES, one byte each before 9000."""
    return frozenset(answer[:-2]) if answer[-2:] == b"\x90\x00" else frozenset()


def ppdu(feature: int, structure: bytes) -> bytes:
    """Return the pseudo APDU that has a reader do something."""
    return _PPDU + bytes([feature, len(structure)]) + structure


def steps(tags: Collection[int], feature: Feature) -> tuple[int, ...]:
    """Return the features to use one after the other, none where it cannot be done."""
    if feature in tags:
        return (feature,)
    return _STEPS[feature] if set(_STEPS[feature]) <= set(tags) else ()


def keypad(tags: Collection[int], firmware: tuple[int, int] | None) -> Keypad | None:
    """Return the reader's keypad, None when no PIN can be verified on it."""
    features = frozenset(feature for feature in Feature if steps(tags, feature))
    if Feature.VERIFY_PIN_DIRECT not in features:
        return None
    return Keypad(features, firmware)
