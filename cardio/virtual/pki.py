"""The test PKI behind the virtual cards; touches only the user's cache folder.

Two hierarchies like the real ones: RSA for applet 1.7, EC P-384 for 1.8. Each has a
root, under it a Citizen CA, a Foreigner CA and an RRN certificate. Every CA's name says
TEST. Keys are made on first use and cached outside the checkout, never shipped.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_log = logging.getLogger(__name__)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Kind = Literal["rsa", "ec"]

#: Raised with each change of what is generated, so that old caches are left alone.
_VERSION = "1"

_ORGANISATION = "eID-agent TEST, not a government"
_ROOTS: dict[Kind, str] = {
    "rsa": "TEST Belgium Root CA4",
    "ec": "TEST Belgium Root CA6",
}
_CA_START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_CA_END = datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True)
class Hierarchy:
    """One test PKI: everything that a card of one generation needs."""

    root: Pair
    citizen_ca: Pair
    foreigner_ca: Pair
    rrn: Pair


def cache_folder() -> Path:
    """Return the folder of generated cards: EID_AGENT_CACHE_DIR, else the user's."""
    named = os.environ.get("EID_AGENT_CACHE_DIR")
    if named:
        return Path(named) / f"virtual-card-{_VERSION}"
    return _user_cache() / "eid-agent" / f"virtual-card-{_VERSION}"


def _user_cache() -> Path:
    home = Path.home()
    places = {
        "win32": Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local"),
        "darwin": home / "Library/Caches",
    }
    other = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return places.get(sys.platform, other)


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache, filled by `make` the first time.

    The folder appears at once or not at all, so that two processes may start together.
    Where the cache cannot be written, a temporary folder serves for this process.
    """
    target = cache_folder() / name
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    except OSError:
        _log.warning("the cache folder cannot be written; test cards live for this run")
        target = _temporary() / name
        if target.is_dir():
            return target
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=_temporary()))
        target.parent.mkdir(parents=True, exist_ok=True)
    make(work)
    try:
        work.rename(target)
    except OSError:  # another process was first; its folder is as good
        shutil.rmtree(work)
    return target


@functools.cache
def _temporary() -> Path:
    """Return a private folder that goes away with the process."""
    holder = tempfile.TemporaryDirectory(prefix="eid-agent-test-cards-")
    _holders.append(holder)
    return Path(holder.name)


#: Keeps the temporary folders until the interpreter ends.
_holders: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def hierarchy(kind: Kind) -> Hierarchy:
    """Return the test PKI of a kind, made on first use."""
    folder = cached(f"pki-{kind}", lambda work: _write_hierarchy(kind, work))

    def load(name: str) -> Pair:
        key = load_key((folder / f"{name}.key").read_bytes())
        der = (folder / f"{name}.der").read_bytes()
        return Pair(x509.load_der_x509_certificate(der), key)

    return Hierarchy(
        load("root"), load("citizen-ca"), load("foreigner-ca"), load("rrn")
    )


def fingerprint(kind: Kind) -> str:
    """Return a short name for this very hierarchy, for what is derived from it."""
    return hierarchy(kind).root.certificate.fingerprint(hashes.SHA256()).hex()[:16]


def test_roots() -> tuple[x509.Certificate, ...]:
    """Return the roots of both hierarchies: trust them in tests and demos alone."""
    return tuple(hierarchy(kind).root.certificate for kind in ("rsa", "ec"))


def test_issuers() -> tuple[x509.Certificate, ...]:
    """Return the Citizen and Foreigner CAs of both hierarchies."""
    pairs = (
        pair
        for kind in ("rsa", "ec")
        for pair in (hierarchy(kind).citizen_ca, hierarchy(kind).foreigner_ca)
    )
    return tuple(pair.certificate for pair in pairs)


def new_key(kind: Kind) -> PrivateKey:
    """Make a key of the size that the cards use."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, 2048)


def load_key(pem: bytes) -> PrivateKey:
    """Load an RSA or EC private key; ValueError for anything else."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("a card has RSA or EC keys")
    return key


def dump_key(key: PrivateKey) -> bytes:
    """Write a test key as PKCS#8 PEM, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash with which a key of this kind signs certificates."""
    return (
        hashes.SHA384()
        if isinstance(key, ec.EllipticCurvePrivateKey)
        else hashes.SHA256()
    )


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


# --- certificates --------------------------------------------------------------------


def _write_hierarchy(kind: Kind, work: Path) -> None:
    root_name = _name(_ROOTS[kind])
    root_key = new_key(kind)
    root = Pair(_ca(root_name, root_key, root_name, root_key, path_length=1), root_key)
    pairs = {"root": root}
    for name, common in (("citizen-ca", "Citizen"), ("foreigner-ca", "Foreigner")):
        key = new_key(kind)
        subject = _name(f"TEST {common} CA", serial="202601")
        pairs[name] = Pair(_ca(subject, key, root_name, root_key, 0), key)
    rrn_key = new_key(kind)
    pairs["rrn"] = Pair(_rrn(rrn_key, root), rrn_key)
    for name, pair in pairs.items():
        der = pair.certificate.public_bytes(serialization.Encoding.DER)
        (work / f"{name}.der").write_bytes(der)
        write_private(work / f"{name}.key", dump_key(pair.key))


def _name(common_name: str, serial: str | None = None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    if serial is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    return x509.Name(attributes)


def _start(
    subject: x509.Name,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    valid: tuple[datetime.datetime, datetime.datetime],
) -> x509.CertificateBuilder:
    """Begin a certificate: names, key, validity, key identifiers."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            False,
        )
    )


def _ca(
    subject: x509.Name,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    path_length: int,
) -> x509.Certificate:
    return (
        _start(subject, key, issuer, issuer_key, (_CA_START, _CA_END))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), True)
        .sign(issuer_key, hash_for(issuer_key))
    )


def _rrn(key: PrivateKey, root: Pair) -> x509.Certificate:
    """Issue the National Register's signing certificate directly under the root."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEST RRN"),
            x509.NameAttribute(NameOID.COMMON_NAME, "TEST RRN"),
        ]
    )
    return (
        _start(subject, key, root.certificate.subject, root.key, (_CA_START, _CA_END))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(key_usage(digital_signature=True, content_commitment=True), True)
        .sign(root.key, hash_for(root.key))
    )


def holder_certificate(
    subject: x509.Name,
    key: PrivateKey,
    issuer: Pair,
    valid: tuple[datetime.datetime, datetime.datetime],
    *,
    login: bool,
) -> x509.Certificate:
    """Issue an authentication (`login`) or a non-repudiation certificate."""
    builder = _start(subject, key, issuer.certificate.subject, issuer.key, valid)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), True
    )
    if login:
        builder = builder.add_extension(key_usage(digital_signature=True), True)
        purposes = [
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False)
    else:
        builder = builder.add_extension(key_usage(content_commitment=True), True)
    return builder.sign(issuer.key, hash_for(issuer.key))


def key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    """Return the extension with exactly the named bits."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def serial_from(text: str) -> bytes:
    """Return 16 bytes that look like a chip serial, always the same for a text."""
    return bytes.fromhex("534C4790") + hashlib.sha256(text.encode()).digest()[:12]
