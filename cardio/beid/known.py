"""Certificates that need not be read again: which of the known ones a card has; pure.

CA, root and RRN certificates belong to nobody in person and are the same on thousands
of cards. One is taken for the card's own only if its key made the signature that the
card holds, so a wrong one costs a reading, never a false result.

A key alone does not say which certificate it is: a crafted card could bring a genuine
key and name with another issuer. What one card brings is therefore used for others only
if a pinned root issued it; else for that card alone, and for test cards among
themselves.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from cardio.beid.certificates import parse_certificate
from cardio.beid.rrn_signature import holds_by, signed_address
from cardio.card import CardData
from cardio.errors import MalformedData
from cardio.files import EF

#: What may be remembered: all but the holder's.
ISSUERS = frozenset({EF.CA, EF.ROOT, EF.RRN})


class KnownCertificates(Protocol):
    """Certificates seen before, in DER, by the file that held them."""

    def of(self, ef: EF, card: CardData) -> tuple[bytes, ...]:
        """Return those of one file that a card may have, the last used first."""

    def learn(self, ef: EF, certificate: bytes, card: CardData) -> None:
        """Remember what a card was read to hold, or was found to; never raises.

        Those of a root are proven by it if it was learned before them.
        """

    def forget_cards(self) -> None:
        """Forget what was learned for one card alone, and for which."""


class InMemory:
    """Remembers for as long as it lives; at most `limit` of each kind and card.

    `pinned` tells whether a root is trusted by its fingerprint. Chip serials are kept
    as a hash with a salt of this run.
    """

    def __init__(
        self,
        pinned: Callable[[x509.Certificate], bool] = lambda root: False,
        limit: int = 32,
    ) -> None:
        self._pinned = pinned
        self._limit = limit
        self._salt = secrets.token_bytes(16)
        self._proven: dict[EF, tuple[bytes, ...]] = {}
        self._unproven: dict[tuple[EF, bytes], tuple[bytes, ...]] = {}

    def of(self, ef: EF, card: CardData) -> tuple[bytes, ...]:
        """Return those that a pinned root proves, and what this card brought."""
        own = self._unproven.get((ef, self._whose(card)), ())
        return (*self._proven.get(ef, ()), *own)

    def learn(self, ef: EF, certificate: bytes, card: CardData) -> None:
        """Put a certificate first; the one not used for longest may go."""
        if self._learn_proven(ef, certificate):
            return
        whose = (ef, self._whose(card))
        known = self._unproven.pop(whose, ())
        self._unproven[whose] = self._first(certificate, known)
        if len(self._unproven) > self._limit * len(ISSUERS):
            del self._unproven[next(iter(self._unproven))]

    def forget_cards(self) -> None:
        """Forget what no pinned root proves, and the hashes of chip serials with it."""
        self._unproven.clear()

    def _learn_proven(self, ef: EF, certificate: bytes) -> bool:
        """Remember what a pinned root proves; tell whether it does."""
        known = self._proven.get(ef, ())
        if certificate not in known and not self._proves(ef, certificate):
            return False
        self._proven[ef] = self._first(certificate, known)
        return True

    def _proves(self, ef: EF, certificate: bytes) -> bool:
        if ef is not EF.ROOT:
            return issuer(self._proven.get(EF.ROOT, ()), certificate) is not None
        root = _load(certificate)
        return root is not None and self._pinned(root)

    def _first(self, certificate: bytes, known: tuple[bytes, ...]) -> tuple[bytes, ...]:
        rest = (other for other in known if other != certificate)
        return (certificate, *rest)[: self._limit]

    def _whose(self, card: CardData) -> bytes:
        """Return a name for a card, one for all test cards."""
        if card.virtual:
            return b""
        return hashlib.sha256(self._salt + card.chip_serial).digest()


def rrn_certificate(known: Iterable[bytes], files: Mapping[EF, bytes]) -> bytes | None:
    """Return the one of `known` whose key signed the files, None if none did."""
    signature, data = _signed(files)
    for der in known if signature else ():
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
