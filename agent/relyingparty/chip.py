"""The proof that the genuine chip answered (`eid-agent-chip:1`); pure, no I/O.

Applet 1.8: the basic key (EF 4040) signs a digest of origin and challenge, and the
identity file holds the SHA-384 of that key's file.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from agent.chipproof import FORMAT, chip_digest
from agent.relyingparty import wire
from agent.relyingparty.algorithms import ecdsa_der
from agent.relyingparty.errors import (
    ChipKeyMismatch,
    ChipMalformed,
    ChipSignatureInvalid,
    SignatureMalformed,
)
from cardio import tlv
from cardio.errors import MalformedData

_MAX_KEY_FILE = 512
_MAX_SIGNATURE = 96


def check_chip(chip: object, key_hash: bytes, origin: str, challenge: str) -> None:
    """Return when `chip` proves the card whose identity file holds `key_hash`.

    Raises ChipMalformed, ChipKeyMismatch, ChipSignatureInvalid.
    """
    key_file, signature = _parse(chip)
    check_key_file(key_file, key_hash)
    check_signature(key_file, signature, chip_digest(origin, challenge))


def check_key_file(key_file: bytes, key_hash: bytes) -> None:
    """Raise ChipKeyMismatch unless the identity file names this key (tag 1A)."""
    if not hmac.compare_digest(hashlib.sha384(key_file).digest(), key_hash):
        raise ChipKeyMismatch


def check_signature(key_file: bytes, signature: bytes, digest: bytes) -> None:
    """Return when r||s is the signature of 48 bytes by the key of EF 4040.

    Raises ChipMalformed, ChipSignatureInvalid.
    """
    key = _load_key(key_file)
    scheme = ec.ECDSA(utils.Prehashed(hashes.SHA384()))
    try:
        key.verify(ecdsa_der(signature, key), digest, scheme)
    except SignatureMalformed:
        raise ChipMalformed("the signature is not r||s of 96 bytes") from None
    except InvalidSignature:
        raise ChipSignatureInvalid from None


def _parse(chip: object) -> tuple[bytes, bytes]:
    if not isinstance(chip, Mapping) or chip.get("format") != FORMAT:
        raise ChipMalformed
    try:
        return (
            wire.decode_base64(chip.get("publicKey"), _MAX_KEY_FILE),
            wire.decode_base64(chip.get("signature"), _MAX_SIGNATURE),
        )
    except ValueError:
        raise ChipMalformed("publicKey or signature is not base64") from None


def _load_key(file: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(file[: tlv.der_length(file[:6])])
    except (MalformedData, ValueError, UnsupportedAlgorithm):
        raise ChipMalformed("the key cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
        key.curve, ec.SECP384R1
    ):
        raise ChipMalformed("the key is not on P-384")
    return key
