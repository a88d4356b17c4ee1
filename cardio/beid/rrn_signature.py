"""What the National Register signed: EF 4032 and 4034 under a public key; pure, no I/O.

Source: card content documents 6 (both versions) and the applet 1.7 addendum. Says only
whether a signature holds, not whose key it is.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from cardio import tlv
from cardio.errors import MalformedData

#: By which a signature may have been made; SHA-1 is history (safety rule 10).
SHA1 = "sha1"
SHA256 = "sha256"
SHA384 = "sha384"


def signed_address(address: bytes, identity_signature: bytes) -> bytes:
    """Return what EF 4034 signs: the address without padding, the whole of EF 4032."""
    return address.rstrip(b"\0") + identity_signature


def holds_by(key: PublicKeyTypes, file: bytes, data: bytes) -> str | None:
    """Return the hash by which a signature file covers `data`, None if it does not.

    `file` is EF 4032 or 4034, padding included. EC: ECDSA P-384 with SHA-384, DER, as
    long as it says itself. RSA: PKCS#1 v1.5 with SHA-256, or SHA-1 on older cards.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        return SHA384 if _holds_ec(key, file, data) else None
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    if _holds_rsa(key, file, data, hashes.SHA256()):
        return SHA256
    # Not the certificate's own algorithm decides but what verifies: data of RSA cards
    # were signed anew with SHA-256 under certificates signed with SHA-1.
    old = hashes.SHA1()  # noqa: S303  # what old cards have
    return SHA1 if _holds_rsa(key, file, data, old) else None


def has_form(key: PublicKeyTypes, file: bytes) -> bool:
    """Tell whether a file is EF 4032 as a card made under this key has it.

    EC: a DER signature and zeros to the end. RSA: a signature by this very key, over
    whatever. EF 4034 signs but the two files one behind the other, so that without this
    a part of another signed file could stand for EF 4032.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _has_ec_form(file)
    return isinstance(key, rsa.RSAPublicKey) and any(
        _is_rsa_signature(key, file, algorithm)
        for algorithm in (hashes.SHA256(), hashes.SHA1())  # noqa: S303  # old cards
    )


def _has_ec_form(file: bytes) -> bool:
    try:
        length = tlv.der_length(file[:6])
        utils.decode_dss_signature(file[:length])
    except (MalformedData, ValueError):
        return False
    return not any(file[length:])


def _is_rsa_signature(
    key: rsa.RSAPublicKey, file: bytes, algorithm: hashes.HashAlgorithm
) -> bool:
    if len(file) != (key.key_size + 7) // 8:
        return False
    try:
        key.recover_data_from_signature(file, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def _holds_ec(key: ec.EllipticCurvePublicKey, file: bytes, data: bytes) -> bool:
    if not isinstance(key.curve, ec.SECP384R1):
        return False
    try:
        signature = file[: tlv.der_length(file[:6])]
        key.verify(signature, data, ec.ECDSA(hashes.SHA384()))
    except (MalformedData, InvalidSignature):
        return False
    return True


def _holds_rsa(
    key: rsa.RSAPublicKey, file: bytes, data: bytes, algorithm: hashes.HashAlgorithm
) -> bool:
    signature = file[: (key.key_size + 7) // 8]
    try:
        key.verify(signature, data, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True
