"""What a signature algorithm of a card is; a leaf, pure, no I/O.

Which applet has which is `cardio.beid.algorithms`' to say.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

_NAMES = {
    "": "",
    "sha224": "SHA-224",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
}

#: DER of DigestInfo up to the digest, by hash (RFC 8017, 9.2 note 1).
DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300D060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300D060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300D060960864801650304020305000440"),
}


@enum.unique
class Padding(enum.Enum):
    """How a digest becomes a signature's number, by its name in Web eID."""

    NONE = "NONE"
    PKCS1 = "PKCS1.5"
    PSS = "PSS"


@dataclass(frozen=True)
class SignatureAlgorithm:
    """How a card signs a digest: one row of the applets' tables.

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
