"""The PKCS#15 files of the card, byte for byte; pure, no I/O.

Source: card content 5.2 (v4.01 for applet 1.7, v5.4 for 1.8, misprints corrected).
"""

from __future__ import annotations

from cardio.files import EF

_DIR = "61234F0CA000000177504B43532D3135500642454C50494351043F00DF0073050603603802"
_ODF = "A00A300804063F00DF005035A40A300804063F00DF005037A80A300804063F00DF005034"
_AODF = (
    "3033300F0C0942617369632050494E030206C0300304010"
    "1A11B3019030202 0C0A0100020104020108800101 0401FF300404023F00"
)
_AUTHENTICATION = "0C0E41757468656E7469636174696F6E"
_SIGNATURE = "0C095369676E6174757265"


def files(applet: str, chip_serial: bytes, present: frozenset[EF]) -> dict[EF, bytes]:
    """Return EF(DIR), ODF, TokenInfo, AODF, PrKDF and CDF for a card.

    `present` holds those of AUTHENTICATION and SIGNATURE that the card has.
    """
    return {
        EF.DIR: bytes.fromhex(_DIR),
        EF.ODF: bytes.fromhex(_ODF),
        EF.TOKEN_INFO: _token_info(applet, chip_serial),
        EF.AODF: bytes.fromhex(_AODF),
        EF.PRKDF: _prkdf(applet),
        EF.CDF: _cdf(applet, present),
    }


def _token_info(applet: str, chip_serial: bytes) -> bytes:
    """Serial, label BELPIC, flags; electrical personalisation 03 (1.7) or 04 (1.8)."""
    versions = "00040040" if applet == "1.8" else "00030000"
    return (
        bytes.fromhex("30270201000410")
        + chip_serial
        + bytes.fromhex("800642454C50494303020430 9E04" + versions)
    )


def _prkdf(applet: str) -> bytes:
    """Two private keys: RSA with its modulus length, or [0] EC with 384."""
    outer, size = {
        "1.8": ("A0", "0180"),
        "1.7": ("30", "0800"),
    }.get(applet, ("30", "0400"))
    tail = f"A10E300C300604043F00DF000202{size}"
    return bytes.fromhex(
        f"{outer}3A3017{_AUTHENTICATION}030206C0040101"
        f"300F0401020302052003 0203B802020082{tail}"
        f"{outer}393015{_SIGNATURE}030206C0040101020101"
        f"301004010303030600400302 03B802020083{tail}"
    )


def _cdf(applet: str, present: frozenset[EF]) -> bytes:
    """One entry a certificate; what an absent one leaves free is zero at the end."""
    flags, trust = ("0640", "830100") if applet == "1.8" else ("06C0", "")
    entries = (
        (EF.AUTHENTICATION, _AUTHENTICATION, "040102", "5038"),
        (EF.SIGNATURE, _SIGNATURE, "040103", "5039"),
        (EF.CA, "0C024341", "0401040101FF", "503A"),
        (EF.ROOT, "0C04526F6F74", "0401060101FF", "503B"),
    )
    encoded = {
        ef: _entry(label, identifier, fid, flags, trust)
        for ef, label, identifier, fid in entries
    }
    shown = present | {EF.CA, EF.ROOT}
    content = b"".join(entry for ef, entry in encoded.items() if ef in shown)
    return content.ljust(sum(map(len, encoded.values())), b"\0")


def _entry(label: str, identifier: str, fid: str, flags: str, trust: str) -> bytes:
    common = _sequence(bytes.fromhex(f"{label}0302{flags}040101"))
    attributes = _sequence(bytes.fromhex(identifier + trust))
    path = bytes.fromhex(f"A10C300A300804063F00DF00{fid}")
    return _sequence(common + attributes + path)


def _sequence(content: bytes) -> bytes:
    return bytes([0x30, len(content)]) + content
