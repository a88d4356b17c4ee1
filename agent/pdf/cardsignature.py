"""How a signature of the card becomes one of CMS; pure.

Sources: RFC 5652, 5.4 (what is signed: the DER of the signed attributes), RFC 5753
(ECDSA: the DER of r and s), RFC 8017 (PKCS#1 v1.5).
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cardio.signature import Padding, SignatureAlgorithm

_MECHANISMS = {"RS256": "sha256_rsa", "ES384": "sha384_ecdsa"}


def mechanism(algorithm: SignatureAlgorithm) -> str:
    """Return what `Document.sign` calls an algorithm of the card; KeyError."""
    return _MECHANISMS[algorithm.jwa]


def digest(algorithm: SignatureAlgorithm, attributes: bytes) -> bytes:
    """Return what the card signs for the DER of signed attributes."""
    return hashlib.new(algorithm.hash_name, attributes).digest()


def as_cms(algorithm: SignatureAlgorithm, signature: bytes) -> bytes:
    """Return the card's raw signature as CMS has it."""
    if algorithm.padding is not Padding.NONE:
        return signature
    half = len(signature) // 2
    r, s = signature[:half], signature[half:]
    return encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
