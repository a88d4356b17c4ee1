"""What stands where in a PKCS#11 token of a Belgian card, and how it signs; pure.

Sources: the official module's object names (card data of the middleware, names of
files and groups; its certificate and key numbers are those of the card's PKCS#15
files), PKCS#11 2.40 (mechanism numbers).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cardio.errors import UnsupportedCard
from cardio.files import EF, Key
from cardio.signature import DIGEST_INFO, SignatureAlgorithm

#: What the official module says of itself in C_GetInfo.
OFFICIAL_MANUFACTURER = "Belgium Government"
#: How the token of every Belgian card is called (EF TokenInfo, label).
LABEL = "BELPIC"


@dataclass(frozen=True)
class DataObject:
    """A whole file as a data object of the official module: label and CKA_OBJECT_ID."""

    label: str
    group: bytes


CARD_DATA = DataObject("CARD_DATA", b"carddata")

DATA_OBJECTS = {
    EF.IDENTITY: DataObject("DATA_FILE", b"id"),
    EF.IDENTITY_SIGNATURE: DataObject("SIGN_DATA_FILE", b"sign_data_file"),
    EF.ADDRESS: DataObject("ADDRESS_FILE", b"address"),
    EF.ADDRESS_SIGNATURE: DataObject("SIGN_ADDRESS_FILE", b"sign_address_file"),
    EF.PHOTO: DataObject("PHOTO_FILE", b"photo"),
    EF.RRN: DataObject("CERT_RN_FILE", b"rncert"),
    EF.BASIC_KEY: DataObject("BASIC_KEY_FILE", b"basic_key_file"),
}

#: Certificates by their label and by their number in the card's PKCS#15 files.
CERTIFICATES = {
    EF.AUTHENTICATION: ("Authentication", 2),
    EF.SIGNATURE: ("Signature", 3),
    EF.CA: ("CA", 4),
    EF.ROOT: ("Root", 6),
}
KEYS = {Key.AUTHENTICATION: 2, Key.NON_REPUDIATION: 3}


def identifiers(number: int) -> tuple[bytes, ...]:
    """Return the forms of a CKA_ID: one byte (PKCS#15), or the official CK_ULONG."""
    return bytes([number]), struct.pack("@L", number)


_FIRMWARE = {0x11: "1.1", 0x17: "1.7", 0x18: "1.8"}


def applet_by_firmware(major: int) -> str | None:
    """Return the applet that the official module's firmware version names."""
    return _FIRMWARE.get(major)


def applet_by_certificate(certificate: bytes) -> str | None:
    """Return the applet whose keys are like the one in this certificate."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError:
        return None
    if isinstance(key, rsa.RSAPublicKey):
        return applet_by_rsa_bits(key.key_size)
    fitting = isinstance(key, ec.EllipticCurvePublicKey) and key.key_size == 384
    return "1.8" if fitting else None


def applet_by_rsa_bits(bits: int | None) -> str | None:
    """Return the applet whose RSA keys have this size."""
    return {1024: "1.1", 2048: "1.7"}.get(bits or 0)


# --- signing -------------------------------------------------------------------------

CKM_RSA_PKCS = 0x0001
CKM_RSA_PKCS_PSS = 0x000D
CKM_ECDSA = 0x1041

#: Hash name of hashlib to (CKM of the hash, CKG_MGF1 of it).
_PSS = {
    "sha256": (0x250, 2),
    "sha384": (0x260, 3),
    "sha512": (0x270, 4),
}


@dataclass(frozen=True)
class Mechanism:
    """A mechanism and what it is given; `pss`: hash, MGF and salt bytes."""

    number: int
    data: bytes
    pss: tuple[int, int, int] | None = None


def mechanism(algorithm: SignatureAlgorithm, digest: bytes) -> Mechanism:
    """Return how a digest is signed so that the card's own signature comes out.

    Raises ValueError for a digest of the wrong length, UnsupportedCard for an algorithm
    that has no mechanism here.
    """
    if len(digest) != algorithm.digest_size:
        raise ValueError(f"{algorithm.jwa} signs {algorithm.digest_size} bytes")
    kind = algorithm.jwa[:2]
    if kind == "ES":
        return Mechanism(CKM_ECDSA, digest)
    if kind == "RS" and algorithm.hash_name in DIGEST_INFO:
        return Mechanism(CKM_RSA_PKCS, DIGEST_INFO[algorithm.hash_name] + digest)
    if kind == "PS" and algorithm.hash_name in _PSS:
        parameters = (*_PSS[algorithm.hash_name], len(digest))
        return Mechanism(CKM_RSA_PKCS_PSS, digest, parameters)
    raise UnsupportedCard(b"", f"no PKCS#11 mechanism for {algorithm.jwa}")
