"""Certificates that need not be read again: which of the known ones a card has; pure.

CA, root and RRN certificates belong to nobody in person and are the same on thousands
of cards. One is taken for the card's own only if its key made the signature that the
card holds, so one with another key costs a reading, never a false result. Who issued
what is learned is not verified yet: one with its key and another issuer is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from cardio.beid.certificates import parse_certificate
from cardio.beid.rrn_signature import holds_by, signed_address
from cardio.errors import MalformedData
from cardio.files import EF

#: What may be remembered: all but the holder's.
ISSUERS = frozenset({EF.CA, EF.ROOT, EF.RRN})


class KnownCertificates(Protocol):
    """Certificates seen before, in DER, by the file that held them."""

    def of(self, ef: EF) -> tuple[bytes, ...]:
        """Return those of one file, the last used first."""

    def learn(self, ef: EF, certificate: bytes) -> None:
        """Remember a certificate that was read or used; never raises."""


class InMemory:
    """Remembers for as long as it lives; at most `limit` of each kind."""

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._known: dict[EF, tuple[bytes, ...]] = {}

    def of(self, ef: EF) -> tuple[bytes, ...]:
        """Return those of one file, the last used first."""
        return self._known.get(ef, ())

    def learn(self, ef: EF, certificate: bytes) -> None:
        """Put a certificate first; the one not used for longest may go."""
        rest = (known for known in self.of(ef) if known != certificate)
        self._known[ef] = (certificate, *rest)[: self._limit]


def rrn_certificate(
    known: KnownCertificates, files: Mapping[EF, bytes]
) -> bytes | None:
    """Return the RRN certificate whose key signed the files, None if none is known."""
    signature, data = _signed(files)
    for der in known.of(EF.RRN) if signature else ():
        certificate = _load(der)
        if certificate and holds_by(certificate.public_key(), signature, data):
            return der
    return None


def _signed(files: Mapping[EF, bytes]) -> tuple[bytes, bytes]:
    """Return one signature and what it covers; empty ones when there is none."""
    identity_signature = files.get(EF.IDENTITY_SIGNATURE, b"")
    if EF.IDENTITY in files:
        return identity_signature, files[EF.IDENTITY]
    if EF.ADDRESS in files and EF.ADDRESS_SIGNATURE in files:
        covered = signed_address(files[EF.ADDRESS], identity_signature)
        return files[EF.ADDRESS_SIGNATURE], covered
    return b"", b""


def issuer(known: Iterable[bytes], certificate: bytes) -> bytes | None:
    """Return the one of `known` that issued a certificate, None if none did."""
    issued = _load(certificate)
    for der in known if issued else ():
        ca = _load(der)
        if ca is None or issued is None:
            continue
        try:
            issued.verify_directly_issued_by(ca)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return der
    return None


def _load(der: bytes) -> x509.Certificate | None:
    try:
        return parse_certificate(der)
    except MalformedData:
        return None
