"""What readers with keys of their own tell (PC/SC part 10, v2.02); pure, no I/O."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@enum.unique
class Feature(enum.IntEnum):
    """What a reader can do by itself, by its tag in the feature table (2.2)."""

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


def keypad(table: bytes, firmware: tuple[int, int] | None) -> Keypad | None:
    """Return the reader's keypad, None when no PIN can be verified on it."""
    tags = parse_features(table).keys()
    features = frozenset(feature for feature in Feature if feature in tags)
    if Feature.VERIFY_PIN_DIRECT not in features:
        return None
    return Keypad(features, firmware)
