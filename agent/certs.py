"""The CA and certificates for localhost, as values; touches nothing.

The CA is constrained to this machine's own names, signs its leaves, and its key is
dropped before anything is returned. Lifetimes stay below the 825 days that Apple allows
any TLS server certificate.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=800)
RENEW_BEFORE = datetime.timedelta(days=60)

_IPV4 = ipaddress.IPv4Address("127.0.0.1")
_IPV6 = ipaddress.IPv6Address("::1")


@dataclass(frozen=True)
class Leaf:
    """A server certificate with its private key (never shown)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def pem(self) -> bytes:
        """Return the certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, password: bytes) -> bytes:
        """Return the private key as encrypted PKCS#8 PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )


@dataclass(frozen=True)
class Issued:
    """A CA certificate, whose key is gone, and the leaves that it signed."""

    ca: x509.Certificate
    leaves: tuple[Leaf, ...]

    def ca_pem(self) -> bytes:
        """Return the CA certificate as PEM."""
        return self.ca.public_bytes(serialization.Encoding.PEM)


def issue(
    leaves: int = 1,
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
) -> Issued:
    """Make a CA, let it sign leaves for this machine's own names, forget its key."""
    start = now() - datetime.timedelta(hours=1)
    valid = (start, start + LIFETIME)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _ca(ca_key, valid)
    return Issued(ca, tuple(_leaf(ca, ca_key, valid) for _ in range(leaves)))


_Period = tuple[datetime.datetime, datetime.datetime]


def _start(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: _Period
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )


def _ca(key: ec.EllipticCurvePrivateKey, valid: _Period) -> x509.Certificate:
    """Sign the CA itself; a name form that it did not mention would be unrestricted."""
    name = _name(f"eid-agent localhost CA {secrets.token_hex(4)}")
    own = (
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.IPv4Network(_IPV4)),
        x509.IPAddress(ipaddress.IPv6Network(_IPV6)),
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _start(name, key, valid)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(own, None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, valid: _Period
) -> Leaf:
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(_IPV4), x509.IPAddress(_IPV6)]
    )
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        _start(_name("localhost"), key, valid)
        .issuer_name(ca.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign_certificates=False), critical=True)
        .add_extension(names, critical=False)
        .add_extension(purpose, critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return Leaf(certificate, key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )
