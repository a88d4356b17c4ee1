"""What an agent would send for a virtual card, made without the agent."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from cardio.files import EF, Key
from cardio.virtual.profile import Profile, load_profile


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def card(name: str = "adult") -> Profile:
    """Return a persona's card."""
    return load_profile(name)


def token(profile: Profile, origin: str, nonce: str) -> dict[str, Any]:
    """Return a login token of a P-384 card, as Web eID describes it."""
    key = profile.keys[Key.AUTHENTICATION]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    parts = [hashlib.sha384(part.encode()).digest() for part in (origin, nonce)]
    der = key.sign(b"".join(parts), ec.ECDSA(hashes.SHA384()))
    signature = b"".join(n.to_bytes(48, "big") for n in utils.decode_dss_signature(der))
    return {
        "unverifiedCertificate": _text(_certificate(profile, EF.AUTHENTICATION)),
        "issuerCertificate": _text(_certificate(profile, EF.CA)),
        "algorithm": "ES384",
        "signature": _text(signature),
        "format": "web-eid:1.0",
        "appVersion": "https://eid-agent.example/releases/0",
    }


def identity(profile: Profile) -> dict[str, Any]:
    """Return the answer to a request for identity and address."""
    files = {
        "identity": EF.IDENTITY,
        "identitySignature": EF.IDENTITY_SIGNATURE,
        "address": EF.ADDRESS,
        "addressSignature": EF.ADDRESS_SIGNATURE,
    }
    raw = {name: _text(profile.files[ef]) for name, ef in files.items()}
    raw["rrnCertificate"] = _text(_certificate(profile, EF.RRN))
    raw["rootCertificate"] = _text(_certificate(profile, EF.ROOT))
    return {"format": "eid-agent-identity:1", "raw": raw}


def _certificate(profile: Profile, ef: EF) -> bytes:
    """Cut a certificate out of its file by its own length (two length bytes)."""
    data = profile.files[ef]
    return data[: 4 + int.from_bytes(data[2:4], "big")]
