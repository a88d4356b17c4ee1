"""Which algorithm number and which digest the applets take; pure, no I/O.

Source: applet manual 1.7 table 11, applet manual 1.8 table 14. The same number means
different things to the two applets: 01 is PKCS#1 padding on 1.7, SHA-256 on 1.8. Both
signing keys (82 and 83) take all algorithms of their applet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cardio.errors import UnsupportedCard
from cardio.signature import DIGEST_INFO, Padding, SignatureAlgorithm

_EC = 96
"""r and s of secp384r1, the curve of all issued 1.8 cards."""
_RSA = 256
"""RSA-2048."""

ES384: Final = SignatureAlgorithm("ES384", "sha384", 48, 0x02, _EC)
RS256: Final = SignatureAlgorithm("RS256", "sha256", 32, 0x08, _RSA, Padding.PKCS1)

_UNSPECIFIED = 0x40
"""ECDSA over a digest of 20, 28, 32, 48 or 64 bytes whose hash the card is not told."""

#: By applet, the one that is best for it first. RFC 7518 has names for ECDSA with the
#: hash of the curve's size alone.
_TABLE: Mapping[str, tuple[SignatureAlgorithm, ...]] = {
    "1.7": (
        RS256,
        SignatureAlgorithm(
            "RS384", "sha384", 48, 0x01, _RSA, Padding.PKCS1, DIGEST_INFO["sha384"]
        ),
        SignatureAlgorithm(
            "RS512", "sha512", 64, 0x01, _RSA, Padding.PKCS1, DIGEST_INFO["sha512"]
        ),
        SignatureAlgorithm("PS256", "sha256", 32, 0x20, _RSA, Padding.PSS),
    ),
    "1.8": (
        ES384,
        SignatureAlgorithm("", "sha256", 32, 0x01, _EC),
        SignatureAlgorithm("", "sha512", 64, 0x04, _EC),
        SignatureAlgorithm("", "sha3_384", 48, 0x10, _EC),
        SignatureAlgorithm("", "sha3_256", 32, 0x08, _EC),
        SignatureAlgorithm("", "sha3_512", 64, 0x20, _EC),
        SignatureAlgorithm("", "sha224", 28, _UNSPECIFIED, _EC),
        SignatureAlgorithm("", "sha3_224", 28, _UNSPECIFIED, _EC),
    ),
}

_BY_LENGTH: Mapping[int, SignatureAlgorithm] = {
    size: SignatureAlgorithm("", "", size, _UNSPECIFIED, _EC)
    for size in (20, 28, 32, 48, 64)
}


def algorithms(applet: str) -> tuple[SignatureAlgorithm, ...]:
    """Return what an applet signs with, the best first; empty where it signs nothing.

    Those with a hash that the card is not told stand in it by the hash's name only.
    """
    return _TABLE.get(applet, ())


def algorithm(
    applet: str, padding: Padding | None, hash_function: str
) -> SignatureAlgorithm:
    """Return the applet's algorithm for a hash by its Web eID name (`SHA-384`).

    Without `padding` the applet's usual one is taken: PKCS#1 v1.5 on 1.7, none on 1.8.
    UnsupportedCard where the applet has no such algorithm.
    """
    for candidate in _signing(applet):
        if candidate.hash_function == hash_function and padding in (
            None,
            candidate.padding,
        ):
            return candidate
    how = "" if padding is None else f" and padding {padding.value}"
    raise UnsupportedCard(
        b"", f"applet {applet} does not sign {hash_function!r:.20}{how}"
    )


def unspecified(applet: str, digest_size: int) -> SignatureAlgorithm:
    """Return ECDSA over a digest whose hash the card is not told (1.8, number 40).

    UnsupportedCard elsewhere and for other lengths than 20, 28, 32, 48 and 64 bytes.
    """
    found = _BY_LENGTH.get(digest_size)
    if applet != "1.8" or found is None:
        reason = f"applet {applet} signs no {digest_size} bytes of an unnamed hash"
        raise UnsupportedCard(b"", reason)
    return found


def is_of(applet: str, candidate: SignatureAlgorithm) -> bool:
    """Tell whether the algorithm's number means to this applet what the row says."""
    unnamed = applet == "1.8" and candidate in _BY_LENGTH.values()
    return unnamed or candidate in algorithms(applet)


def login_algorithm(applet: str) -> SignatureAlgorithm:
    """Return the algorithm of a login on this applet; UnsupportedCard where none is."""
    return _signing(applet)[0]


def _signing(applet: str) -> tuple[SignatureAlgorithm, ...]:
    found = algorithms(applet)
    if not found:
        reason = f"applet {applet} signs with keys that nobody accepts any more"
        raise UnsupportedCard(b"", reason)
    return found
