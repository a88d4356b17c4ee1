"""The Web eID authentication token, format 1.0; pure.

What the card signs is H(M), M = H(origin) || H(nonce), both as the UTF-8 text that was
sent; H is the hash of the algorithm. `issuerCertificate` is ours: Web eID's validators
pass it over.
"""

from __future__ import annotations

import base64
import hashlib

from cardio.signature import SignatureAlgorithm

FORMAT = "web-eid:1.0"


def digest(algorithm: SignatureAlgorithm, origin: str, nonce: str) -> bytes:
    """Return what the card has to sign, as a digest."""

    def hashed(data: bytes) -> bytes:
        return hashlib.new(algorithm.hash_name, data).digest()

    return hashed(hashed(origin.encode()) + hashed(nonce.encode()))


def build(
    certificate: bytes,
    issuer: bytes,
    algorithm: SignatureAlgorithm,
    signature: bytes,
    version: str,
) -> dict[str, str]:
    """Return the token's members; certificates are DER, the signature raw."""
    return {
        "unverifiedCertificate": base64_text(certificate),
        "algorithm": algorithm.jwa,
        "signature": base64_text(signature),
        "format": FORMAT,
        "appVersion": f"https://eid-agent.example/releases/{version}",
        "issuerCertificate": base64_text(issuer),
    }


def base64_text(data: bytes) -> str:
    """Return standard base64 with its padding, as all of the API writes bytes."""
    return base64.b64encode(data).decode()
