"""What a certificate says about itself; pure, no I/O. Nothing here is trust."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.relyingparty.errors import (
    CertificateMalformed,
    PurposeMissing,
    PurposeRefused,
)
from cardio import tlv
from cardio.beid.certificates import parse_certificate
from cardio.errors import MalformedData

E = TypeVar("E", bound=x509.ExtensionType)

#: TEST as a word of its own; digits and underscores end a word here.
_TEST_WORD = re.compile(r"(?<![^\W\d_])TEST(?![^\W\d_])", re.IGNORECASE)
#: `Citizen CA` on real cards; test PKIs write words before it.
_ISSUING_CA = re.compile(r"(?:.*\s)?(Citizen|Foreigner) CA", re.IGNORECASE)

#: Roots from before Root CA3; what hangs below them is history (SAFETY 10).
_HISTORIC_ROOTS = frozenset({"Belgium Root CA", "Belgium Root CA2"})
_HISTORIC_RSA_BITS = 2048
_HASHES = (hashes.SHA1, hashes.SHA256, hashes.SHA384, hashes.SHA512)


def load(data: bytes) -> x509.Certificate:
    """Parse a DER certificate to its end, or raise CertificateMalformed."""
    try:
        return parse_certificate(data)
    except MalformedData:
        raise CertificateMalformed from None


def load_padded(data: bytes) -> x509.Certificate:
    """Parse a certificate file of the card, of which the DER length says the end."""
    try:
        length = tlv.der_length(data[:6])
    except MalformedData:
        raise CertificateMalformed from None
    return load(data[:length])


def texts(name: x509.Name, oid: x509.ObjectIdentifier | None = None) -> list[str]:
    """Return the texts of a name, or those of one attribute; it may stand twice."""
    return [
        attribute.value
        for attribute in name
        if isinstance(attribute.value, str) and oid in (None, attribute.oid)
    ]


def common_name(name: x509.Name) -> str:
    """Return the one common name, or an empty text when there is none or several."""
    found = texts(name, NameOID.COMMON_NAME)
    return found[0] if len(found) == 1 else ""


def says_test(names: Iterable[x509.Name]) -> bool:
    """Tell whether any of these names contains the word TEST."""
    return any(_TEST_WORD.search(text) for name in names for text in texts(name))


def issuing_kind(ca: x509.Certificate) -> str | None:
    """Return `citizen` or `foreigner` by the CA's name, None for any other CA.

    Exactly `Citizen CA` or `Foreigner CA`; where the CA's names say TEST, the common
    name may have words before that (`TEST Citizen CA`, `eID test Foreigner CA`).
    """
    name = common_name(ca.subject)
    match = _ISSUING_CA.fullmatch(name)
    if match is None:
        return None
    if name not in ("Citizen CA", "Foreigner CA") and not says_test([ca.subject]):
        return None
    return match[1].lower()


def names_holders_ca(name: x509.Name) -> bool:
    """Tell whether a name is that of a CA for people's cards, or a test PKI's."""
    return _ISSUING_CA.fullmatch(common_name(name)) is not None


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Tell whether subject and issuer are the same name."""
    return certificate.subject == certificate.issuer


def may_have_issued(ca: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Compare names, and key identifiers where both have one; proves nothing yet."""
    if certificate.issuer != ca.subject:
        return False
    wanted = _extension(certificate, x509.AuthorityKeyIdentifier)
    offered = _extension(ca, x509.SubjectKeyIdentifier)
    if wanted is None or offered is None or wanted.key_identifier is None:
        return True
    return wanted.key_identifier == offered.digest


def is_signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Verify a certificate's signature with the key of `ca`: RSA or ECDSA, SHA-1 or -2.

    SHA-1 is let through here for the sake of a precise reason; see `is_historic`.
    """
    algorithm = certificate.signature_hash_algorithm
    if not isinstance(algorithm, _HASHES):
        return False
    key = ca.public_key()
    parameters = certificate.signature_algorithm_parameters
    signed = (certificate.signature, certificate.tbs_certificate_bytes)
    try:
        if isinstance(key, rsa.RSAPublicKey) and isinstance(
            parameters, padding.PKCS1v15 | padding.PSS
        ):
            key.verify(*signed, parameters, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
            parameters, ec.ECDSA
        ):
            key.verify(*signed, parameters)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_historic(chain: Iterable[x509.Certificate]) -> bool:
    """Tell whether a chain rests on SHA-1, a short RSA key or an old root.

    An anchor's own signature says nothing and is not looked at; the chain ends with it.
    """
    certificates = list(chain)
    names = [
        name
        for certificate in certificates
        for name in (certificate.subject, certificate.issuer)
    ]
    return (
        any(
            isinstance(c.signature_hash_algorithm, hashes.SHA1)
            for c in certificates[:-1]
        )
        or any(common_name(name) in _HISTORIC_ROOTS for name in names)
        or any(_has_short_key(certificate) for certificate in certificates)
    )


def _has_short_key(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    return isinstance(key, rsa.RSAPublicKey) and key.key_size < _HISTORIC_RSA_BITS


def is_ca(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate may issue others (basic constraints, key usage)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return (
        constraints is not None
        and constraints.ca
        and (usage is None or usage.key_cert_sign)
    )


def claims_ca(certificate: x509.Certificate) -> bool:
    """Tell whether the basic constraints say CA, whatever the key usage says."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def path_length(certificate: x509.Certificate) -> int | None:
    """Return how many CAs may follow below this one; None when it does not say."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints.path_length if constraints is not None else None


def has_name_constraints(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate limits the names below it."""
    return _extension(certificate, x509.NameConstraints) is not None


def signs_digitally(certificate: x509.Certificate) -> bool:
    """Tell whether the key usage is there and includes digitalSignature."""
    usage = _extension(certificate, x509.KeyUsage)
    return usage is not None and usage.digital_signature


def commits_to_content(certificate: x509.Certificate) -> bool:
    """Tell whether the key usage is there and includes contentCommitment."""
    usage = _extension(certificate, x509.KeyUsage)
    return usage is not None and usage.content_commitment


def check_login_purpose(certificate: x509.Certificate) -> None:
    """Raise PurposeMissing or PurposeRefused unless the key is one for logging in.

    Key usage must include digitalSignature (the signing certificate has only
    contentCommitment); an extended key usage, if any, must include clientAuth.
    """
    if _extension(certificate, x509.KeyUsage) is None:
        raise PurposeMissing
    if not signs_digitally(certificate):
        raise PurposeRefused("its key usage lacks digitalSignature")
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        raise PurposeRefused("its extended key usage lacks clientAuth")
    if claims_ca(certificate):
        raise PurposeRefused("it is a CA")


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
