"""The PKCS#15 files of the card, byte for byte; pure, no I/O.

Source: card content 5.2 and 5.3 (v4.01 up to applet 1.7, v5.4 for 1.8), without their
misprints.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from cardio.files import EF
from cardio.virtual.applets import Applet

_DIR = bytes.fromhex(
    "61 23 4F 0C A0 00 00 01 77 50 4B 43 53 2D 31 35 50 06 42 45 4C 50 49 43"
    "51 04 3F 00 DF 00 73 05 06 03 60 38 02"
)
_ODF = bytes.fromhex(
    "A0 0A 30 08 04 06 3F 00 DF 00 50 35"
    "A4 0A 30 08 04 06 3F 00 DF 00 50 37"
    "A8 0A 30 08 04 06 3F 00 DF 00 50 34"
)
_AODF = bytes.fromhex(
    "30 33 30 0F 0C 09 42 61 73 69 63 20 50 49 4E 03 02 06 C0 30 03 04 01 01"
    "A1 1B 30 19 03 02 02 0C 0A 01 00 02 01 04 02 01 08 80 01 01 04 01 FF"
    "30 04 04 02 3F 00"
)


def files(
    applet: Applet, chip_serial: bytes, key_bits: int, certificates: AbstractSet[EF]
) -> dict[EF, bytes]:
    """Return EF(DIR), ODF, TokenInfo, AODF, PrKDF and CDF of a card.

    `certificates` holds AUTHENTICATION and SIGNATURE as far as the card has them.
    """
    return {
        EF.DIR: _DIR,
        EF.ODF: _ODF,
        EF.TOKEN_INFO: _token_info(applet, chip_serial),
        EF.AODF: _AODF,
        EF.PRKDF: _prkdf(applet, key_bits),
        EF.CDF: _cdf(applet, certificates),
    }


def _token_info(applet: Applet, chip_serial: bytes) -> bytes:
    """Version 0, serial number, label, flags, personalisation versions."""
    return (
        bytes.fromhex("30 27 02 01 00 04 10")
        + chip_serial
        + bytes.fromhex("80 06 42 45 4C 50 49 43 03 02 04 30 9E 04")
        + applet.personalisation
    )


def _label(text: str) -> bytes:
    """A UTF8String."""
    return bytes([0x0C, len(text)]) + text.encode()


def _prkdf(applet: Applet, key_bits: int) -> bytes:
    """Two private keys: RSA as SEQUENCE, EC under the tag [0]."""
    outer = b"\xa0" if applet.is_1_8 else b"\x30"
    path = bytes.fromhex("A1 0E 30 0C 30 06 04 04 3F 00 DF 00 02 02")
    path += key_bits.to_bytes(2, "big")
    return b"".join(
        (
            outer + bytes.fromhex("3A 30 17") + _label("Authentication"),
            bytes.fromhex("03 02 06 C0 04 01 01"),
            bytes.fromhex("30 0F 04 01 02 03 02 05 20 03 02 03 B8 02 02 00 82"),
            path,
            outer + bytes.fromhex("39 30 15") + _label("Signature"),
            bytes.fromhex("03 02 06 C0 04 01 01 02 01 01"),
            bytes.fromhex("30 10 04 01 03 03 03 06 00 40 03 02 03 B8 02 02 00 83"),
            path,
        )
    )


def _cdf(applet: Applet, certificates: AbstractSet[EF]) -> bytes:
    """One entry for each certificate; what an absent one leaves is zero at the end."""
    entries = {
        EF.AUTHENTICATION: _entry(applet, "Authentication", b"\x04\x01\x02", b"\x38"),
        EF.SIGNATURE: _entry(applet, "Signature", b"\x04\x01\x03", b"\x39"),
        EF.CA: _entry(applet, "CA", b"\x04\x01\x04\x01\x01\xff", b"\x3a"),
        EF.ROOT: _entry(applet, "Root", b"\x04\x01\x06\x01\x01\xff", b"\x3b"),
    }
    listed = {EF.CA, EF.ROOT, *certificates}
    content = b"".join(entry for ef, entry in entries.items() if ef in listed)
    return content.ljust(sum(map(len, entries.values())), b"\0")


def _entry(applet: Applet, label: str, identifier: bytes, fid: bytes) -> bytes:
    """Label and flags, identifier (with [3] implicitTrust false on 1.8), path."""
    flags = bytes.fromhex("03 02 06 40" if applet.is_1_8 else "03 02 06 C0")
    trust = bytes.fromhex("83 01 00" if applet.is_1_8 else "")
    common = _sequence(_label(label) + flags + bytes.fromhex("04 01 01"))
    path = bytes.fromhex("A1 0C 30 0A 30 08 04 06 3F 00 DF 00 50") + fid
    return _sequence(common + _sequence(identifier + trust) + path)


def _sequence(content: bytes) -> bytes:
    return bytes([0x30, len(content)]) + content
