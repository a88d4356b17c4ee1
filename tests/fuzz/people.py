"""A PKI whose keys come out the same in every process; names and files of nobody.

So seeds that were signed yesterday still lead to the anchor of today's run. The keys
are hashes of their names: they protect nothing, and none is stored.
"""

from __future__ import annotations

import functools
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from cardio.tlv import encode
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.cards import ADDRESS, FIELDS, key_file, sign_file

#: A photo as small as a hash needs it.
PHOTO = b"\xff\xd8\xff\xe0 nobody's face \xff\xd9"
_ECDSA_SHA384 = bytes.fromhex("300A06082A8648CE3D040303")


@functools.cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-384 key of this name."""
    return ec.derive_private_key(
        int.from_bytes(hashlib.sha256(name.encode()).digest()), ec.SECP384R1()
    )


@functools.cache
def root() -> pki.Pair:
    """Return the anchor."""
    subject = pki.name(C="BE", CN="Belgium Root CA9")
    return pki.ca(subject, ca_key=key("root"), path_length=1)


@functools.cache
def citizen_ca() -> pki.Pair:
    """Return the CA that issues holders' certificates."""
    subject = pki.name(C="BE", CN="Citizen CA", SERIAL="202601")
    return pki.ca(subject, root(), ca_key=key("citizen"))


def holder(**subject: str) -> pki.Pair:
    """Issue a certificate for logging in."""
    return pki.issue(
        pki.name(**(subject or pki.HOLDER)),
        citizen_ca(),
        key("holder"),
        pki.usage("digital_signature"),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    )


@functools.cache
def rrn() -> pki.Pair:
    """Return the National Register's certificate."""
    return pki.issue(
        pki.name(C="BE", CN="RRN"), root(), key("rrn"), pki.usage("digital_signature")
    )


def issued(content: bytes) -> bytes:
    """Sign whatever stands in for the content of a certificate, as the Citizen CA."""
    signature = key("citizen").sign(content, ec.ECDSA(hashes.SHA384()))
    bits = _der(0x03, b"\0" + signature)
    return _der(0x30, content + _ECDSA_SHA384 + bits)


def _der(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + value


def identity(**more: bytes) -> bytes:
    """Return an identity file that names photo and chip; `more` by tag, `t0C=…`."""
    fields = {
        **FIELDS,
        0x11: hashlib.sha384(PHOTO).digest(),
        0x1A: hashlib.sha384(key_file(key("chip"))).digest(),
        **{int(tag[1:], 16): value for tag, value in more.items()},
    }
    return encode(dict(sorted(fields.items())))


def address() -> bytes:
    """Return an address file with its padding."""
    return encode(dict(ADDRESS)).ljust(117, b"\0")


def signed(identity_file: bytes, address_file: bytes) -> dict[str, bytes]:
    """Let the National Register sign two files, whatever they hold."""
    signature = sign_file(key("rrn"), identity_file)
    trimmed = address_file.rstrip(b"\0")
    return {
        "identity": identity_file,
        "identitySignature": signature,
        "address": address_file,
        "addressSignature": sign_file(key("rrn"), trimmed + signature),
        "photo": PHOTO,
        "rrnCertificate": pki.der(rrn().cert),
    }
