"""Whether a child signed what was shown, and nothing else; pure.

The child reads the document and may be deceived by it. What it wants signed, and what
it then returns, are looked at here without reading the document: by its bytes alone.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import asn1crypto.tsp  # noqa: F401  (teaches `cms` the attribute of certificates)
from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

#: The range of bytes that the newest signature covers, as pyHanko and others write it.
_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


@dataclass(frozen=True)
class Made:
    """What was signed, and the signature: DER of the attributes, digest in them.

    `token` is the time stamp over the signature, as DER.
    """

    algorithm: str
    attributes: bytes
    digest: bytes
    signature: bytes
    token: bytes | None = None


class Untrue(Exception):
    """What the child wants signed, or returned, is not what it has to be."""


def message_digest(attributes: bytes, certificate: bytes, algorithm: str) -> bytes:
    """Return the digest that signed attributes are about; Untrue.

    They must be those of one signature over data, with this certificate.
    """
    try:
        signed = cms.CMSAttributes.load(attributes, strict=True)
        values: dict[str, list[object]] = {}
        for attribute in signed:
            name = attribute["type"].native
            if name in values:
                raise Untrue(f"{name} twice")
            values[name] = list(attribute["values"])
        (kind,) = values["content_type"]
        (digest,) = values["message_digest"]
        (named,) = values["signing_certificate_v2"]
        (first, *_) = named["certs"]  # type: ignore[index]  # as asn1crypto parses it
        hashed = first["cert_hash"].native
        used = first["hash_algorithm"]["algorithm"].native
        if kind.native != "data":  # type: ignore[attr-defined]
            raise Untrue("signed is not data")
        if hashlib.new(used, certificate).digest() != hashed:
            raise Untrue("another certificate")
        found = bytes(digest.native)  # type: ignore[attr-defined]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Untrue("no signed attributes") from error
    if len(found) != hashlib.new(algorithm).digest_size:
        raise Untrue("another digest")
    return found


def check_result(shown: bytes, signed: bytes, made: Made, certificate: bytes) -> None:
    """Want a document that is what was shown with one signature behind it; Untrue.

    Its range covers everything but the hole for the signature, has this digest, and in
    the hole are these attributes, signed with the key of this certificate.
    """
    if not signed.startswith(shown):
        raise Untrue("what was shown has changed")
    added = signed[len(shown) :]
    ranges = _BYTE_RANGE.findall(added)
    if len(ranges) != 1:
        raise Untrue("not one signature more")
    begin, first, second, rest = map(int, ranges[0])
    if begin != 0 or second + rest != len(signed):
        raise Untrue("a part is not covered")
    if not len(shown) <= first < second <= len(signed):
        raise Untrue("the hole is not behind what was shown")
    covered = hashlib.new(made.algorithm, signed[:first])
    covered.update(signed[second:])
    if covered.digest() != made.digest:
        raise Untrue("another digest was signed")
    _check_hole(signed[first:second], made, certificate)


def check_completed(signed: bytes, completed: bytes) -> None:
    """Want a signed document with one more part behind it, which signs nothing; Untrue.

    What is in that part no signature covers: who validates judges it.
    """
    if not completed.startswith(signed):
        raise Untrue("what was signed has changed")
    added = completed[len(signed) :]
    if not added.rstrip().endswith(b"%%EOF") or b"/ByteRange" in added:
        raise Untrue("not what was to be added")


def _check_hole(hole: bytes, made: Made, certificate: bytes) -> None:
    if not (hole.startswith(b"<") and hole.endswith(b">")):
        raise Untrue("no signature in the hole")
    try:
        content = cms.ContentInfo.load(bytes.fromhex(hole[1:-1].decode("ascii")))
        (signer,) = content["content"]["signer_infos"]
        there = signer["signed_attrs"].untag().dump()
        signature = signer["signature"].native
        tokens = _tokens(signer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Untrue("no signature in the hole") from error
    if there != made.attributes:
        raise Untrue("other attributes in the hole")
    if tokens != ([] if made.token is None else [made.token]):
        raise Untrue("another time stamp in the hole")
    try:
        _verify(signature, made.attributes, made.algorithm, certificate)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Untrue("the signature does not hold") from error


def _tokens(signer: cms.SignerInfo) -> list[bytes]:
    """Return the time stamps over a signature."""
    if not signer["unsigned_attrs"]:
        return []
    return [
        value.dump()
        for attribute in signer["unsigned_attrs"]
        for value in attribute["values"]
        if attribute["type"].native == "signature_time_stamp_token"
    ]


def _verify(
    signature: bytes, attributes: bytes, algorithm: str, certificate: bytes
) -> None:
    key = x509.load_der_x509_certificate(certificate).public_key()
    used = {"sha256": hashes.SHA256, "sha384": hashes.SHA384}[algorithm]()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, attributes, ec.ECDSA(used))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, attributes, padding.PKCS1v15(), used)
    else:
        raise TypeError("no key of a card")
