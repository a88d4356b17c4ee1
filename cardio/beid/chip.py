"""INTERNAL AUTHENTICATE: the one place that builds `00 88`; no I/O of its own.

After 5000 calls an applet 1.8 refuses this command until a good VERIFY, and a 1.7 card
is blocked as a whole (applet manual 1.8, 1.9.1, 5.2 and 6.11). So the card is asked
anew what it is, right before, and nothing here is ever sent twice (SAFETY 3).
"""

from __future__ import annotations

from collections.abc import Callable

from cardio import apdu
from cardio.apdu import INS, SW, Response
from cardio.card import CARD_DATA_SIZE, CardData
from cardio.channel import Apdu
from cardio.errors import (
    CardChanged,
    CardUnreadable,
    ChipBlocked,
    UnexpectedStatus,
    UnsupportedCard,
)
from cardio.files import Key

DIGEST_SIZE = 48
SIGNATURE_SIZE = 96

#: The lowest applet version (GET CARD DATA, offset 21) on which the limit harms only
#: this command.
_FIRST_APPLET = 0x18
_APPLET_OFFSET = 21
_SHA384 = 0x02
_CHALLENGE_TAG = 0x94

#: The chip has no basic key, or knows no such command.
_NOT_THERE = frozenset({SW.REFERENCE_NOT_FOUND, SW.INS_NOT_SUPPORTED})


def authenticate(
    transmit: Callable[[Apdu], Response],
    atr: bytes,
    serial: bytes,
    digest: bytes,
    about_to_ask: Callable[[], None],
) -> bytes:
    """Let the chip with this serial number sign 48 bytes with its basic key; r||s.

    Belongs inside one transaction. Raises what `Card.authenticate_chip` names.
    """
    if len(digest) != DIGEST_SIZE:
        raise ValueError(f"the chip signs {DIGEST_SIZE} bytes")
    _check_card(transmit(apdu.get_card_data()), atr, serial)
    command = _internal_authenticate(digest)
    about_to_ask()
    response = transmit(command)
    if response.sw == SW.CONDITIONS_OF_USE:
        raise ChipBlocked("the chip answers no challenge until a PIN was verified")
    if response.sw in _NOT_THERE:
        raise UnsupportedCard(atr, "the chip has no key to prove itself with")
    if response.sw != SW.OK:
        raise UnexpectedStatus(INS.INTERNAL_AUTHENTICATE, response.sw)
    if len(response.data) != SIGNATURE_SIZE:
        raise CardUnreadable("a chip's signature of the wrong size")
    return response.data


def _check_card(response: Response, atr: bytes, serial: bytes) -> None:
    """Let pass the card that was recognised, if its applet is 1.8 or newer."""
    if response.sw != SW.OK:
        raise UnexpectedStatus(INS.GET_CARD_DATA, response.sw)
    if len(response.data) != CARD_DATA_SIZE:
        raise CardUnreadable("card data of the wrong size")
    if CardData.from_bytes(response.data, atr).chip_serial != serial:
        raise CardChanged("another card than the one that was recognised")
    if response.data[_APPLET_OFFSET] < _FIRST_APPLET:
        raise UnsupportedCard(atr, "this applet cannot prove its chip without harm")


def _internal_authenticate(digest: bytes) -> bytes:
    """Build the command for a P-384 key: SHA-384, basic key, `94 30` and the digest.

    Case 4, so without Le under T=0.
    """
    data = bytes([_CHALLENGE_TAG, DIGEST_SIZE]) + digest
    head = (0x00, INS.INTERNAL_AUTHENTICATE, _SHA384, Key.BASIC, len(data))
    return bytes(head) + data
