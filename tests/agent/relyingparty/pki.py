"""A small PKI of our own that can also be hostile; keys are made once a process.

The names say nothing of TEST unless asked, so that most tests need no `allow_test`.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
YEAR = datetime.timedelta(days=365)
NATIONAL_NUMBER = "85073003328"
HOLDER = {
    "C": "BE",
    "CN": "Jan Peeters (Authentication)",
    "SN": "Peeters",
    "GN": "Jan Maria",
    "SERIAL": NATIONAL_NUMBER,
}
#: An extension that nobody knows, marked critical.
CRITICAL = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
_OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "CN": NameOID.COMMON_NAME,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "SERIAL": NameOID.SERIAL_NUMBER,
    "SERIAL2": NameOID.SERIAL_NUMBER,
}


def clock() -> datetime.datetime:
    """Return the tests' own present."""
    return NOW


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key."""

    cert: x509.Certificate
    key: Key


@functools.cache
def key(name: str = "", kind: str = "P-384") -> Key:
    """Return the key of this name, always the same within a process."""
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))
    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind])


def name(**attributes: str) -> x509.Name:
    """Return a name from C, O, CN, SN, GN, SERIAL (and a second serial, SERIAL2)."""
    return x509.Name(
        [x509.NameAttribute(_OIDS[short], text) for short, text in attributes.items()]
    )


def usage(*bits: str) -> x509.KeyUsage:
    """Return a key usage extension with exactly these bits."""
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in bits for bit in every})


def issue(
    subject: x509.Name,
    issuer: Pair | None,
    subject_key: Key,
    *extensions: x509.ExtensionType,
    start: datetime.datetime = NOW - YEAR,
    end: datetime.datetime = NOW + YEAR,
    identifiers: bool = True,
) -> Pair:
    """Issue a certificate; without an issuer it signs itself."""
    signer = subject_key if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.cert.subject)
        .public_key(subject_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if identifiers:
        extensions = (
            *extensions,
            x509.SubjectKeyIdentifier.from_public_key(subject_key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
        )
    for extension in extensions:
        critical = (
            isinstance(
                extension,
                x509.BasicConstraints | x509.KeyUsage,
            )
            or extension is CRITICAL
        )
        builder = builder.add_extension(extension, critical)
    return Pair(builder.sign(signer, _hash(signer)), subject_key)


def _hash(signer: Key) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA256() if isinstance(signer, rsa.RSAPrivateKey) else hashes.SHA384()


def ca(
    subject: x509.Name,
    issuer: Pair | None = None,
    *,
    ca_key: Key | None = None,
    path_length: int | None = 0,
    constraints: bool = True,
    bits: tuple[str, ...] = ("key_cert_sign", "crl_sign"),
    more: tuple[x509.ExtensionType, ...] = (),
    **options: Any,
) -> Pair:
    """Issue a CA, a root without an issuer."""
    extensions: list[x509.ExtensionType] = [usage(*bits), *more]
    if constraints:
        extensions.append(x509.BasicConstraints(True, path_length))
    return issue(
        subject,
        issuer,
        ca_key or key(str(subject)),
        *extensions,
        **options,
    )


def holder(
    issuer: Pair,
    *,
    kind: str = "P-384",
    subject: dict[str, str] | None = None,
    bits: tuple[str, ...] | None = ("digital_signature",),
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH,),
    more: tuple[x509.ExtensionType, ...] = (),
    **options: Any,
) -> Pair:
    """Issue a holder's certificate for logging in."""
    extensions = list(more)
    if bits is not None:
        extensions.append(usage(*bits))
    if purposes:
        extensions.append(x509.ExtendedKeyUsage(purposes))
    return issue(
        name(**(HOLDER if subject is None else subject)),
        issuer,
        key("holder", kind),
        *extensions,
        **options,
    )


def rrn(
    issuer: Pair,
    *,
    kind: str = "P-384",
    cn: str = "RRN",
    add: Mapping[str, str] | None = None,
    bits: tuple[str, ...] = ("digital_signature", "content_commitment"),
    **options: Any,
) -> Pair:
    """Issue a certificate like the National Register's."""
    subject = name(**{"C": "BE", "O": "RRN", "CN": cn, **(add or {})})
    return issue(subject, issuer, key("rrn", kind), usage(*bits), **options)


@functools.cache
def root(kind: str = "P-384", word: str = "") -> Pair:
    """Return a root; `word` stands before its name."""
    common = f"{word} Belgium Root CA9".strip()
    return ca(name(C="BE", CN=common), ca_key=key("root" + word, kind), path_length=1)


@functools.cache
def citizen_ca(kind: str = "P-384", word: str = "") -> Pair:
    """Return a Citizen CA under that root."""
    common = f"{word} Citizen CA".strip()
    subject = name(C="BE", CN=common, SERIAL="202601")
    return ca(subject, root(kind, word), ca_key=key("citizen" + word, kind))


def der(cert: x509.Certificate) -> bytes:
    """Return a certificate's DER."""
    return cert.public_bytes(serialization.Encoding.DER)


def reload(data: bytes) -> x509.Certificate:
    """Parse a certificate."""
    return x509.load_der_x509_certificate(data)


def tampered(pair: Pair) -> Pair:
    """Change the subject under the signature, as a forger would."""
    data = der(pair.cert).replace(b"85073003328", b"71715100070")
    if data == der(pair.cert):
        data = data.replace(b"202601", b"202699")
    return Pair(reload(data), pair.key)


def resigned_sha1(pair: Pair, issuer_key: Key) -> Pair:
    """Sign the same content with SHA-1, as the CAs before 2014 did."""
    is_rsa = isinstance(issuer_key, rsa.RSAPrivateKey)
    algorithm = {"algorithm": "sha1_rsa" if is_rsa else "sha1_ecdsa"}
    cert = asn1.Certificate.load(der(pair.cert))
    tbs = cert["tbs_certificate"]
    tbs["signature"] = algorithm
    tbs = asn1.TbsCertificate.load(tbs.dump(force=True))
    content = tbs.dump()
    if isinstance(issuer_key, rsa.RSAPrivateKey):
        signature = issuer_key.sign(content, padding.PKCS1v15(), hashes.SHA1())
    else:
        signature = issuer_key.sign(content, ec.ECDSA(hashes.SHA1()))
    made = asn1.Certificate(
        {
            "tbs_certificate": tbs,
            "signature_algorithm": algorithm,
            "signature_value": signature,
        }
    )
    return Pair(reload(made.dump()), pair.key)
