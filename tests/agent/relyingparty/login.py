"""One attempt to log in, every part of which a test can spoil."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from agent.relyingparty import Identity, TokenValidator
from tests.agent.relyingparty import pki

ORIGIN = "https://portal.example"
NONCE = base64.b64encode(bytes(range(32))).decode()
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def b64(data: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(data).decode()


def sign_token(key: pki.Key, algorithm: str, origin: str, nonce: str) -> bytes:
    """Sign as Web eID prescribes, written from its text and not from our validator."""
    hash_ = _HASHES[algorithm[2:]]
    message = b""
    for text in (origin, nonce):
        digest = hashes.Hash(hash_)
        digest.update(text.encode())
        message += digest.finalize()
    if isinstance(key, rsa.RSAPrivateKey):
        scheme: padding.PKCS1v15 | padding.PSS = padding.PKCS1v15()
        if algorithm.startswith("PS"):
            scheme = padding.PSS(padding.MGF1(hash_), hash_.digest_size)
        return key.sign(message, scheme, hash_)
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hash_)))
    size = (key.key_size + 7) // 8
    return r.to_bytes(size) + s.to_bytes(size)


@dataclass(frozen=True)
class Attempt:
    """A holder's login at a portal; the defaults succeed."""

    holder: pki.Pair = field(default_factory=lambda: pki.holder(pki.citizen_ca()))
    issuer: x509.Certificate | None = field(
        default_factory=lambda: pki.citizen_ca().cert
    )
    trusted: tuple[x509.Certificate, ...] = field(
        default_factory=lambda: (pki.root().cert,)
    )
    algorithm: str = "ES384"
    signed_origin: str = ORIGIN
    signed_nonce: str = NONCE
    origin: str = ORIGIN
    nonce: object = NONCE
    edit: Callable[[dict[str, object]], object] = lambda token: token
    options: Mapping[str, object] = field(default_factory=dict)

    def token(self) -> dict[str, object]:
        """Return the token that the agent would have made."""
        signature = sign_token(
            self.holder.key, self.algorithm, self.signed_origin, self.signed_nonce
        )
        token: dict[str, object] = {
            "unverifiedCertificate": b64(pki.der(self.holder.cert)),
            "algorithm": self.algorithm,
            "signature": b64(signature),
            "format": "web-eid:1.0",
            "appVersion": "https://example.invalid/eid-agent/0.1.0",
        }
        if self.issuer is not None:
            token["issuerCertificate"] = b64(pki.der(self.issuer))
        return token

    def validator(self) -> TokenValidator:
        """Return the portal's validator."""
        options = {"revocation": None, "now": pki.clock, **self.options}
        return TokenValidator(self.origin, self.trusted, **options)  # type: ignore[arg-type]

    def run(self) -> Identity:
        """Validate the token as an object, then as text: the same must come out."""
        token = self.edit(self.token())
        identity = self.validator().validate(token, self.nonce)  # type: ignore[arg-type]
        text = token if isinstance(token, str) else json.dumps(token)
        assert self.validator().validate(text, self.nonce) == identity  # type: ignore[arg-type]
        return identity


def put(**members: object) -> Callable[[dict[str, object]], object]:
    """Return an edit that replaces members; None takes one away."""

    def edit(token: dict[str, object]) -> object:
        return {k: v for k, v in {**token, **members}.items() if v is not None}

    return edit
