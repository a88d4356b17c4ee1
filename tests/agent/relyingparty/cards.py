"""One card's files and the answer that the agent would give; every part can be spoiled.

Written from the manuals, not from the code under test: what is signed (6), the chip's
digest (the API's description), the files' padding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from agent.relyingparty import VerifiedIdentity, verify_identity
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.login import NONCE, ORIGIN, b64

PHOTO = b"\xff\xd8" + bytes(range(256)) * 4 + b"\xff\xd9"
FIELDS: Mapping[int, bytes] = {
    0x01: b"592123456789",
    0x02: bytes(16),
    0x03: b"01.03.2024",
    0x04: b"01.03.2034",
    0x05: b"Gent",
    0x06: pki.NATIONAL_NUMBER.encode(),
    0x07: b"Peeters",
    0x08: b"Jan Maria",
    0x0C: b"30 JUL 1985",
    0x0D: b"M",
    0x0F: b"1",
}
ADDRESS: Mapping[int, bytes] = {
    0x01: b"Kerkstraat 1",
    0x02: b"9000",
    0x03: b"Gent",
}


def tlv(fields: Mapping[int, bytes]) -> bytes:
    """Write fields below 255 bytes as the card does."""
    return b"".join(bytes([tag, len(v)]) + v for tag, v in sorted(fields.items()))


def chip_key(name: str = "chip") -> ec.EllipticCurvePrivateKey:
    """Return the basic key of a chip."""
    key = pki.key(name)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def key_file(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return EF 4040 of a key."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign_file(
    key: pki.Key, data: bytes, algorithm: hashes.HashAlgorithm | None = None
) -> bytes:
    """Return EF 4032 or 4034: DER and zeros to 256 bytes, or PKCS#1 v1.5."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), algorithm or hashes.SHA256())
    der = key.sign(data, ec.ECDSA(algorithm or hashes.SHA384()))
    return der.ljust(256, b"\0")


def chip_answer(
    key: ec.EllipticCurvePrivateKey, origin: str = ORIGIN, challenge: str = NONCE
) -> dict[str, object]:
    """Return what a genuine chip answers to a challenge."""
    text = b"eid-agent-chip:1"
    for part in (origin, challenge):
        text += hashlib.sha384(part.encode()).digest()
    scheme = ec.ECDSA(utils.Prehashed(hashes.SHA384()))
    signature = key.sign(hashlib.sha384(text).digest(), scheme)
    r, s = utils.decode_dss_signature(signature)
    return {
        "format": "eid-agent-chip:1",
        "publicKey": b64(key_file(key)),
        "signature": b64(r.to_bytes(48) + s.to_bytes(48)),
    }


@dataclass(frozen=True)
class Card:
    """A card as the National Register would make it; the defaults are a 1.8 card."""

    rrn: pki.Pair = field(default_factory=lambda: pki.rrn(pki.root()))
    fields: Mapping[int, bytes] = field(default_factory=lambda: FIELDS)
    address: bytes = tlv(ADDRESS).ljust(121, b"\0")
    photo: bytes = PHOTO
    photo_hash: str = "sha384"
    has_chip: bool = True
    algorithm: hashes.HashAlgorithm | None = None
    trim_identity_signature: bool = False
    keep_address_padding: bool = False

    @classmethod
    def rsa(cls, **changes: object) -> Self:
        """Return a 1.7 card: RSA-2048, no chip's key, SHA-256 throughout."""
        card = cls(
            rrn=pki.rrn(pki.root("RSA-2048"), kind="RSA-2048"),
            has_chip=False,
            photo_hash="sha256",
        )
        return replace(card, **changes)  # type: ignore[arg-type]

    def identity(self) -> bytes:
        """Return EF 4031."""
        fields = {**self.fields}
        fields[0x11] = hashlib.new(self.photo_hash, self.photo).digest()
        if self.has_chip:
            fields[0x1A] = hashlib.sha384(key_file(chip_key())).digest()
        return tlv(fields)

    def files(self) -> dict[str, bytes]:
        """Return all files by their names on the wire."""
        identity = self.identity()
        signature = sign_file(self.rrn.key, identity, self.algorithm)
        appended = signature
        if self.trim_identity_signature:
            appended = signature[: signature[1] + 2]
        address = self.address
        if not self.keep_address_padding:
            address = address.rstrip(b"\0")
        return {
            "identity": identity,
            "identitySignature": signature,
            "address": self.address,
            "addressSignature": sign_file(
                self.rrn.key, address + appended, self.algorithm
            ),
            "photo": self.photo,
            "rrnCertificate": pki.der(self.rrn.cert) + bytes(1100),
            "rootCertificate": b"only a hint",
        }


def answer(files: Mapping[str, bytes], *without: str) -> dict[str, object]:
    """Return the agent's answer with these files, some left out."""
    raw = {name: b64(data) for name, data in files.items() if name not in without}
    return {"format": "eid-agent-identity:1", "raw": raw}


#: What `include` without the part in the name leaves out.
NO_IDENTITY = ("identity", "photo")
NO_ADDRESS = ("address", "addressSignature")


def verify(
    response: object,
    *trusted: x509.Certificate,
    **options: object,
) -> VerifiedIdentity:
    """Verify at the tests' present, against our own roots by default."""
    anchors = trusted or (pki.root().cert, pki.root("RSA-2048").cert)
    return verify_identity(response, anchors, **{"now": pki.clock, **options})  # type: ignore[arg-type]
