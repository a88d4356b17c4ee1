"""The nine signature algorithms of a Web eID token (JWA names); pure, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from agent.relyingparty.errors import (
    AlgorithmMismatch,
    AlgorithmRefused,
    SignatureInvalid,
    SignatureMalformed,
)

Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

_HASHES: dict[str, Hash] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
#: JWA ties each ES name to one curve.
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


@dataclass(frozen=True)
class Algorithm:
    """One of the nine names, with its hash."""

    name: str
    hash: Hash

    def digest(self, data: bytes) -> bytes:
        """Hash with the algorithm's own function."""
        digest = hashes.Hash(self.hash)
        digest.update(data)
        return digest.finalize()

    def signed_message(self, origin: str, nonce: str) -> bytes:
        """Return H(origin) || H(nonce), both hashed as the texts that they are."""
        return self.digest(origin.encode()) + self.digest(nonce.encode())

    def verify(self, key: object, signature: bytes, message: bytes) -> None:
        """Check a token's signature (ECDSA as r||s, never DER).

        Raises AlgorithmMismatch, SignatureMalformed, SignatureInvalid.
        """
        try:
            if self.name in _CURVES:
                self._verify_ec(key, signature, message)
            else:
                self._verify_rsa(key, signature, message)
        except InvalidSignature:
            raise SignatureInvalid from None

    def _verify_ec(self, key: object, signature: bytes, message: bytes) -> None:
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            key.curve, _CURVES[self.name]
        ):
            raise AlgorithmMismatch
        key.verify(ecdsa_der(signature, key), message, ec.ECDSA(self.hash))

    def _verify_rsa(self, key: object, signature: bytes, message: bytes) -> None:
        if not isinstance(key, rsa.RSAPublicKey):
            raise AlgorithmMismatch
        if len(signature) != (key.key_size + 7) // 8:
            raise SignatureMalformed
        scheme: padding.PSS | padding.PKCS1v15 = padding.PKCS1v15()
        if self.name.startswith("PS"):
            scheme = padding.PSS(padding.MGF1(self.hash), self.hash.digest_size)
        key.verify(signature, message, scheme, self.hash)


_ALGORITHMS = {
    family + bits: Algorithm(family + bits, hash_)
    for family in ("ES", "PS", "RS")
    for bits, hash_ in _HASHES.items()
}


def algorithm(name: object) -> Algorithm:
    """Return the algorithm of this name, or raise AlgorithmRefused."""
    found = _ALGORITHMS.get(name) if isinstance(name, str) else None
    if found is None:
        raise AlgorithmRefused
    return found


def ecdsa_der(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """Turn r||s, each as long as the curve's order, into DER.

    Raises SignatureMalformed for any other length.
    """
    size = (key.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise SignatureMalformed
    r, s = (int.from_bytes(part) for part in (signature[:size], signature[size:]))
    return utils.encode_dss_signature(r, s)
