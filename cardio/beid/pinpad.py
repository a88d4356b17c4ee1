"""What a reader with keys is told to verify or change this card's PIN; pure, no I/O.

Sources: PC/SC part 10 v2.02, 2.5 (the structures and the reader's own answers), and the
PIN block of the applet manuals (2.8): half a byte 2, half a byte with the number of
digits, seven bytes of digits filled up with F. The reader puts number and digits into
the command below; no PIN reaches this computer. Not yet run on a real reader.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from cardio.apdu import INS
from cardio.errors import (
    CardError,
    CardUnreadable,
    NewPinsDiffer,
    PinEntryCancelled,
    PinEntryTimeout,
    PinFormat,
)
from cardio.part10 import Keypad
from cardio.pin import MAX_DIGITS, MIN_DIGITS

#: Seconds that the reader waits for the first key and, after it, for the rest.
ENTRY_SECONDS = 30
#: Seconds that a reader may take beyond that, for the card's answer too.
_MARGIN_SECONDS = 15.0

ByteOrder = Literal["little", "big"]


@dataclass(frozen=True)
class Quirks:
    """In what a kind of reader differs from the standard.

    `old_format_below` is the firmware from which on it takes the usual format string.
    `intercepts_verify`: it swallows a VERIFY without data, so that tries cannot be
    asked through it on 1.7 (safety rule 4).
    """

    max_digits: int = MAX_DIGITS
    old_format_below: tuple[int, int] | None = None
    intercepts_verify: bool = False


STANDARD: Final = Quirks()

#: By a part of the reader's name, in lower case.
_QUIRKS: Mapping[str, Quirks] = {
    "gempc pinpad": Quirks(max_digits=8, intercepts_verify=True),
    "gempcpinpad": Quirks(max_digits=8, intercepts_verify=True),
    "sprx32": Quirks(old_format_below=(5, 6)),
    "spr532": Quirks(old_format_below=(5, 6)),
    "spr 532": Quirks(old_format_below=(5, 6)),
}


def quirks(reader: str) -> Quirks:
    """Return what is known of a reader by its name."""
    name = reader.lower()
    return next((row for part, row in _QUIRKS.items() if part in name), STANDARD)


#: Windows language identifiers; what readers with a display may show prompts in.
_LANGUAGES = {"nl": 0x0813, "fr": 0x080C, "de": 0x0407, "en": 0x0409}

# bmFormatString: units are bytes, the PIN begins 1 byte after the start of the data,
# left justified, BCD. The old form: the same without the position.
_FORMAT = 0x89
_OLD_FORMAT = 0x01
#: bmPINBlockString: the number of digits takes 4 bits, the digits 7 bytes.
_BLOCK = 0x47
#: bmPINLengthFormat: the number of digits stands 4 bits after the start of the data.
_LENGTH = 0x04
_VALIDATION_KEY = 0x02
#: bConfirmPIN: the new PIN is typed twice, and the old one is asked for.
_CONFIRM_AND_OLD = 0x03

_TEMPLATE = b"\x20" + b"\xff" * 7
_VERIFY = bytes([0x00, INS.VERIFY, 0x00, 0x01, 0x08]) + _TEMPLATE
_CHANGE = (
    bytes([0x00, INS.CHANGE_REFERENCE_DATA, 0x00, 0x01, 0x10]) + _TEMPLATE + _TEMPLATE
)


def verify_structure(
    keypad: Keypad,
    row: Quirks = STANDARD,
    lang: str = "en",
    order: ByteOrder = sys.byteorder,
) -> bytes:
    """Return PIN_VERIFY_STRUCTURE, 19 bytes and the command.

    PC/SC has numbers of more bytes little-endian; pcsc-lite wants them in the order
    of the machine, which is the default here.
    """
    return b"".join(
        (
            _entry(keypad, row),
            _digits(row).to_bytes(2, order),
            bytes([_VALIDATION_KEY]),
            _messages(1, lang, order),
            _data(_VERIFY, order),
        )
    )


def modify_structure(
    keypad: Keypad,
    row: Quirks = STANDARD,
    lang: str = "en",
    order: ByteOrder = sys.byteorder,
) -> bytes:
    """Return PIN_MODIFY_STRUCTURE, 24 bytes and the command: old, new, new again."""
    return b"".join(
        (
            _entry(keypad, row),
            bytes([0, len(_TEMPLATE)]),  # where old and new block stand in the data
            _digits(row).to_bytes(2, order),
            bytes([_CONFIRM_AND_OLD, _VALIDATION_KEY]),
            _messages(3, lang, order),
            _data(_CHANGE, order),
        )
    )


def _entry(keypad: Keypad, row: Quirks) -> bytes:
    """Times and the three bytes that say where number and digits go."""
    limit = row.old_format_below
    old = limit is not None and keypad.firmware is not None and keypad.firmware < limit
    form = _OLD_FORMAT if old else _FORMAT
    return bytes([ENTRY_SECONDS, ENTRY_SECONDS, form, _BLOCK, _LENGTH])


def _digits(row: Quirks) -> int:
    """wPINMaxExtraDigit: the smallest number of digits, then the largest."""
    return MIN_DIGITS << 8 | row.max_digits


def _messages(count: int, lang: str, order: ByteOrder) -> bytes:
    """How many prompts, in which language, which ones: 0 to `count` - 1."""
    language = _LANGUAGES.get(lang, _LANGUAGES["en"])
    return bytes([count]) + language.to_bytes(2, order) + bytes(range(count))


def _data(command: bytes, order: ByteOrder) -> bytes:
    """An empty T=1 prologue, the command's length, the command."""
    return bytes(3) + len(command).to_bytes(4, order) + command


def seconds(entries: int) -> float:
    """Return the time limit for so many PINs typed on the reader."""
    return entries * 2 * ENTRY_SECONDS + _MARGIN_SECONDS


#: The reader's own answers. The card's 6400 to these commands means no more than
#: the reader's: the PIN was not taken.
_ANSWERS: Mapping[int, Callable[[str], CardError]] = {
    0x6400: PinEntryTimeout,
    0x6401: PinEntryCancelled,
    0x6402: NewPinsDiffer,
    0x6403: PinFormat,
    0x6B80: CardUnreadable,
}


def check(sw: int) -> None:
    """Raise what the reader answered in the card's place; nothing for the card's SW."""
    error = _ANSWERS.get(sw)
    if error is not None:
        raise error(f"the reader's keypad answered {sw:04X}")
