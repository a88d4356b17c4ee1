"""The test PKI behind the virtual cards; touches the cache of test keys.

Two hierarchies like the real ones: RSA-2048 with SHA-256 behind applet 1.7, EC P-384
with SHA-384 behind 1.8 and behind re-keyed cards of 1.7. In each, a root has issued a
Citizen CA, a Foreigner CA and the RRN certificate that signs identity files. Every name
says TEST. Keys are made on first use and kept in the user's cache folder. No
certificate names a CRL, OCSP or caIssuers address: there is nobody to ask.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cardio.virtual import cache

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
#: Which of the two hierarchies.
Kind = Literal["rsa", "ec"]

#: To be raised with every change of what is generated, here or in `personalise`.
GENERATOR = "1"

_ROOTS = {"rsa": "TEST Belgium Root CA4", "ec": "TEST Belgium Root CA6"}
#: The path length of the real roots: Root CA4 has none, Root CA6 has one.
_ROOT_PATH_LENGTH = {"rsa": None, "ec": 1}
_ORGANISATION = "eID-Agent TEST PKI"
_PAIRS = ("root", "citizen-ca", "foreigner-ca", "rrn")

#: Earlier than the oldest card of `personas`.
_BEGIN = datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC)
_LIFETIME = datetime.timedelta(days=25 * 365)
#: A card made today is valid for ten years, and its issuer has to outlive it.
_RESERVE = datetime.timedelta(days=12 * 365)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    _pem: str = field(repr=False)

    @property
    def key(self) -> PrivateKey:
        """The private key of the certificate."""
        return load_key(self._pem.encode(), checked=False)


@dataclass(frozen=True)
class Hierarchy:
    """One test PKI: what is needed to make cards of one generation."""

    root: Pair
    citizen_ca: Pair
    foreigner_ca: Pair
    rrn: Pair


@dataclass(frozen=True)
class Issuer:
    """Who signs a certificate."""

    name: x509.Name
    key: PrivateKey


def hierarchy(kind: Kind) -> Hierarchy:
    """Return a test PKI; the first call on a machine makes its keys."""
    entry = cache.entry(f"pki-{kind}", lambda: _make(kind), _usable)
    return Hierarchy(*(_pair(entry, name) for name in _PAIRS))


def test_roots() -> tuple[x509.Certificate, ...]:
    """Return the two roots; only tests and demos may trust them."""
    return tuple(hierarchy(kind).root.certificate for kind in ("rsa", "ec"))


def test_issuers() -> tuple[x509.Certificate, ...]:
    """Return the Citizen and Foreigner CAs of both hierarchies."""
    both = [hierarchy("rsa"), hierarchy("ec")]
    return tuple(
        pair.certificate for one in both for pair in (one.citizen_ca, one.foreigner_ca)
    )


# Their names are given, but they are no tests for pytest to collect.
test_roots.__test__ = False  # type: ignore[attr-defined]
test_issuers.__test__ = False  # type: ignore[attr-defined]


def kind_of(applet: str) -> Kind:
    """Return the kind of an applet's own keys, and of who issued the card at first."""
    return "ec" if applet == "1.8" else "rsa"


# --- keys ----------------------------------------------------------------------------


def new_key(kind: Kind) -> PrivateKey:
    """Generate a key of the size that cards and CAs of this kind have."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, 2048)


def dump_key(key: PrivateKey) -> bytes:
    """Write a test key as PEM without password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_key(pem: bytes, *, checked: bool = True) -> PrivateKey:
    """Load an RSA or EC key without password; ValueError or TypeError for others.

    `checked` tests an RSA key's numbers, which takes most of the time that a card
    needs to start: for keys from a card folder, not for those in our own cache.
    """
    key = serialization.load_pem_private_key(
        pem, None, unsafe_skip_rsa_key_validation=not checked
    )
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return key
    raise ValueError("a card has RSA or EC keys")


def signing_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash that goes with a CA's or the National Register's key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return hashes.SHA384()
    return hashes.SHA256()


# --- certificates --------------------------------------------------------------------


def holder_certificate(
    subject: x509.Name,
    key: PrivateKey,
    issuer: Issuer,
    valid: tuple[datetime.datetime, datetime.datetime],
    *,
    authentication: bool,
) -> x509.Certificate:
    """Issue a holder's authentication certificate, or else a non-repudiation one.

    Neither QcCompliance nor QcSSCD is claimed: a test card makes no qualified
    signatures.
    """
    builder = _begin(subject, key, issuer, valid)
    if authentication:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(usage, critical=False)
        bits = ["digital_signature"]
    else:
        bits = ["content_commitment"]
    return _finish(builder, bits, issuer)


def _make(kind: Kind) -> cache.Entry:
    """Generate a hierarchy: root, two CAs and the RRN certificate under it."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    valid = (_BEGIN, now + _LIFETIME)
    keys = {name: new_key(kind) for name in _PAIRS}
    root = Issuer(_name(_ROOTS[kind]), keys["root"])
    year = f"{now.year}01"
    certificates = {
        "root": _ca(root.name, keys["root"], root, valid, _ROOT_PATH_LENGTH[kind]),
        "citizen-ca": _ca(
            _name("TEST Citizen CA", year), keys["citizen-ca"], root, valid, 0
        ),
        "foreigner-ca": _ca(
            _name("TEST Foreigner CA", year), keys["foreigner-ca"], root, valid, 0
        ),
        "rrn": _rrn(keys["rrn"], root, valid),
    }
    entry = {"generator": GENERATOR}
    for name in _PAIRS:
        entry[f"{name}.key"] = dump_key(keys[name]).decode()
        pem = certificates[name].public_bytes(serialization.Encoding.PEM)
        entry[f"{name}.crt"] = pem.decode()
    return entry


def _usable(entry: cache.Entry) -> bool:
    """Tell whether a kept hierarchy is of this version, whole and valid for long."""
    if entry.get("generator") != GENERATOR:
        return False
    try:
        pairs = [_pair(entry, name) for name in _PAIRS]
        ends = [pair.certificate.not_valid_after_utc for pair in pairs]
    except (KeyError, ValueError):
        return False
    return min(ends) - datetime.datetime.now(datetime.UTC) > _RESERVE


def _pair(entry: cache.Entry, name: str) -> Pair:
    certificate = x509.load_pem_x509_certificate(entry[f"{name}.crt"].encode())
    return Pair(certificate, entry[f"{name}.key"])


def _name(common_name: str, serial_number: str | None = None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    if serial_number is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number))
    return x509.Name(attributes)


def _ca(
    subject: x509.Name,
    key: PrivateKey,
    issuer: Issuer,
    valid: tuple[datetime.datetime, datetime.datetime],
    path_length: int | None,
) -> x509.Certificate:
    builder = _begin(subject, key, issuer, valid).add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    )
    return _finish(builder, ["key_cert_sign", "crl_sign"], issuer)


def _rrn(
    key: PrivateKey,
    root: Issuer,
    valid: tuple[datetime.datetime, datetime.datetime],
) -> x509.Certificate:
    """Issue the National Register's certificate: under the root, naming no person."""
    builder = _begin(_name("TEST RRN"), key, root, valid).add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    return _finish(builder, ["digital_signature", "content_commitment"], root)


def _begin(
    subject: x509.Name,
    key: PrivateKey,
    issuer: Issuer,
    valid: tuple[datetime.datetime, datetime.datetime],
) -> x509.CertificateBuilder:
    """Begin a certificate with what all of them have."""
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(own, critical=False)
        .add_extension(theirs, critical=False)
    )


def _finish(
    builder: x509.CertificateBuilder, bits: Iterable[str], issuer: Issuer
) -> x509.Certificate:
    """Add the key usage (critical, exactly these bits) and sign."""
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment "
        "key_agreement key_cert_sign crl_sign encipher_only decipher_only"
    )
    usage = x509.KeyUsage(**{bit: bit in bits for bit in every.split()})
    builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer.key, signing_hash(issuer.key))
