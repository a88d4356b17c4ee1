"""Which algorithm number and which digest the applets take; pure, no I/O.

Source: applet manual 1.7 table 11, applet manual 1.8 table 14. The same number means
different things to the two applets: 01 is PKCS#1 padding on 1.7, SHA-256 on 1.8. Both
signing keys (82 and 83) take all algorithms of their applet.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cardio.errors import UnsupportedCard


@enum.unique
class Padding(enum.Enum):
    """How a digest becomes a signature's number, by its name in Web eID."""

    NONE = "NONE"
    PKCS1 = "PKCS1.5"
    PSS = "PSS"


@dataclass(frozen=True)
class SignatureAlgorithm:
    """One row of the table.

    `jwa` is the name of RFC 7518, "" where that gives none; `hash_name` as hashlib
    knows it, "" where the card is not told which hash it was; `digest_size` and
    `signature_size` in bytes; `reference` the number in MSE:SET; `prefix` the part of
    a DigestInfo that the card does not add by itself (RFC 8017, 9.2).
    """

    jwa: str
    hash_name: str
    digest_size: int
    reference: int
    signature_size: int
    padding: Padding = Padding.NONE
    prefix: bytes = b""

    @property
    def crypto_algorithm(self) -> str:
        """`ECC` or `RSA`, as Web eID calls the kind of key."""
        return "ECC" if self.padding is Padding.NONE else "RSA"

    @property
    def hash_function(self) -> str:
        """The hash by its name in Web eID: `SHA-384`, `SHA3-512`; "" if unspecified."""
        family, _, length = self.hash_name.rpartition("_")
        return f"{family.upper()}-{length}" if family else _NAMES[self.hash_name]

    def to_json(self) -> dict[str, str]:
        """Return the object that Web eID's `supportedSignatureAlgorithms` lists."""
        return {
            "cryptoAlgorithm": self.crypto_algorithm,
            "hashFunction": self.hash_function,
            "paddingScheme": self.padding.value,
        }

    def to_be_signed(self, digest: bytes) -> bytes:
        """Return the data field of PSO:CDS; ValueError for a digest of another length.

        No length but the right one ever reaches a card: it would cost a PIN.
        """
        if len(digest) != self.digest_size:
            kind = self.jwa or self.hash_function or "this algorithm"
            raise ValueError(f"{kind} signs {self.digest_size} bytes")
        return self.prefix + digest


_NAMES = {
    "": "",
    "sha224": "SHA-224",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
}

_EC = 96
"""r and s of secp384r1, the curve of all issued 1.8 cards."""
_RSA = 256
"""RSA-2048."""

_SHA384_INFO = bytes.fromhex("3041300D060960864801650304020205000430")
_SHA512_INFO = bytes.fromhex("3051300D060960864801650304020305000440")

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
            "RS384", "sha384", 48, 0x01, _RSA, Padding.PKCS1, _SHA384_INFO
        ),
        SignatureAlgorithm(
            "RS512", "sha512", 64, 0x01, _RSA, Padding.PKCS1, _SHA512_INFO
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
