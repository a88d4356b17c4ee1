"""What differs between the applets, as one table; pure, no I/O.

Source: applet manuals 1.7 and 1.8, chapter 6 (GET CARD DATA, MSE:SET), and their
lists of differences; card content 2.3 and 5.3.1 (ATR, TokenInfo).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cardio.files import ATR_1_7, ATR_1_8
from cardio.virtual import signing


@dataclass(frozen=True)
class Applet:
    """One version of the applet.

    `card_data` are bytes 16 to 26 of GET CARD DATA, over which the card puts TEST_MARK:
    component, OS number and version, softmask number and version (1.8: invented,
    nobody published them), applet version, global OS version (2), interface, PKCS#1
    support, key exchange.
    `personalisation` are the last four bytes of EF(TokenInfo). `key_bits` is what
    EF(PrKDF) says of the keys unless they are at hand. `window` is the number of
    commands that may stand between VERIFY and a non-repudiation signature.
    `status_query` tells that VERIFY without data costs no try, `id_aid` that DF(ID) has
    an AID of its own. `is_1_8` stands for the commands and rules that came with EC.
    """

    version: str
    atr: bytes
    card_data: bytes
    personalisation: bytes
    key_bits: int
    algorithms: Mapping[int, signing.Algorithm]
    window: int = 0
    status_query: bool = True
    id_aid: bool = False
    is_1_8: bool = False


def _old(version: str, atr: bytes, card_data: str, personalisation: str) -> Applet:
    """Return one of the applets up to 1.1, which have RSA keys of 1024 bits."""
    return Applet(
        version=version,
        atr=atr,
        card_data=bytes.fromhex(card_data),
        personalisation=bytes.fromhex(personalisation),
        key_bits=1024,
        algorithms=signing.RSA_1_1,
        status_query=False,
        id_aid=version != "1.0",
    )


APPLETS: Mapping[str, Applet] = {
    applet.version: applet
    for applet in (
        _old(
            "1.0",
            bytes.fromhex("3B9894400AA503010101AD1310"),
            "A5 03 01 01 01 10 00 01 00 01 01",
            "00 01 00 00",
        ),
        _old("1.1", ATR_1_7, "D0 00 48 01 01 11 00 02 00 01 01", "00 02 00 00"),
        Applet(
            version="1.7",
            atr=ATR_1_7,
            card_data=bytes.fromhex("F3 36 01 25 01 17 00 03 00 21 01"),
            personalisation=bytes.fromhex("00 03 00 00"),
            key_bits=2048,
            algorithms=signing.RSA_1_7,
            id_aid=True,
        ),
        Applet(
            version="1.8",
            atr=ATR_1_8,
            card_data=bytes.fromhex("F5 3A 01 01 01 18 00 01 00 00 02"),
            # The fourth byte: card content 5.4 prints 40, all else says 00.
            personalisation=bytes.fromhex("00 04 00 00"),
            key_bits=384,
            algorithms=signing.EC_1_8,
            window=1,
            is_1_8=True,
        ),
    )
}
