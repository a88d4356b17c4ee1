"""What is read from a card for a request, and what need not be; blocks on the card.

Runs in the card's thread. Nothing here keeps a holder's data: what is held during a
card's stay in its reader is the caller's, who forgets it when the card goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cardio.beid.known import KnownCertificates, issuer, rrn_certificate
from cardio.card import Card, CardData, PinEntry, PinStatus
from cardio.errors import CardChanged, FileAbsent, LoginFirst, NoCertificate
from cardio.files import CERTIFICATES, EF

#: What is read for each part: the data and what proves them (HTTP API, "Identity"), and
#: the public key that goes with a proof of the chip.
_PARTS = {
    "identity": (EF.IDENTITY, EF.IDENTITY_SIGNATURE),
    "address": (EF.IDENTITY_SIGNATURE, EF.ADDRESS, EF.ADDRESS_SIGNATURE),
    "photo": (EF.PHOTO,),
    "chip": (EF.BASIC_KEY,),
}
#: A file's usual size in bytes; the real one is known when it was read.
_USUAL = {
    EF.IDENTITY: 260,
    EF.IDENTITY_SIGNATURE: 256,
    EF.ADDRESS: 121,
    EF.ADDRESS_SIGNATURE: 256,
    EF.PHOTO: 3100,
    EF.BASIC_KEY: 120,
    EF.RRN: 700,
    EF.ROOT: 900,
}
_PROOFS = (EF.RRN, EF.ROOT)


@dataclass(frozen=True)
class LoginCertificates:
    """The holder's authentication certificate and its issuer's, in DER."""

    holder: bytes
    issuer: bytes


@dataclass(frozen=True)
class LoginReady:
    """All that a login needs before the PIN: `entry` says where that is typed.

    `certificates` are None where they show only during the login.
    """

    certificates: LoginCertificates | None
    status: PinStatus
    entry: PinEntry


@dataclass(frozen=True)
class SignatureReady:
    """All that a signature needs before the PIN: the holder's certificate in DER.

    `entry` says where the PIN is typed.
    """

    certificate: bytes
    status: PinStatus
    entry: PinEntry


class Progress:
    """Adds up what was read and tells `report(done, total)`, in bytes.

    `total` is an estimate until the end, when both are equal; `done` never shrinks.
    """

    def __init__(
        self, parts: Sequence[str], report: Callable[[int, int], None]
    ) -> None:
        self._report = report
        self._done = 0
        self._ahead = sum(_USUAL[ef] for ef in (*files_of(parts), *_PROOFS))

    def read(self, count: int) -> None:
        """Take note of some bytes more."""
        if not count:
            return
        self._done += count
        self._ahead = max(self._ahead - count, 1)
        self._report(self._done, self._done + self._ahead)

    def end(self) -> None:
        """Say that nothing is ahead any more."""
        self._ahead = 0
        self._report(self._done, self._done)


def files_of(parts: Sequence[str]) -> tuple[EF, ...]:
    """Return the files of these parts of an identity request, each once, in order."""
    return tuple(dict.fromkeys(ef for part in parts for ef in _PARTS[part]))


def read_proven(
    card: Card, chosen: CardData, parts: Sequence[str], known: KnownCertificates
) -> dict[EF, bytes]:
    """Read parts of an identity and what proves them. In a transaction.

    A file that the card lacks is left out: the portal judges what cannot be proven.
    CardChanged when it is not the chosen card.
    """
    data: dict[EF, bytes] = {}
    _recognise(card, chosen)
    for ef in files_of(parts):
        take(card, ef, data)
    if EF.IDENTITY_SIGNATURE in data:
        found = rrn_certificate(known.of(EF.RRN, chosen), data)
        take(card, EF.RRN, data, found)
        if EF.RRN in data:
            found = issuer(known.of(EF.ROOT, chosen), data[EF.RRN])
            take(card, EF.ROOT, data, found)
    for ef in (EF.ROOT, EF.RRN):  # the root proves the other one
        if ef in data:
            known.learn(ef, data[ef], chosen)
    return data


def _recognise(card: Card, chosen: CardData) -> None:
    if card.recognise().chip_serial != chosen.chip_serial:
        raise CardChanged("another card than the one that was chosen")


def take(
    card: Card,
    ef: EF,
    data: dict[EF, bytes],
    found: bytes | None = None,
) -> None:
    """Put a file into `data`, read from the card unless it was found already."""
    try:
        read = card.read_certificate if ef in CERTIFICATES else card.read
        data[ef] = read(ef) if found is None else found
    except (FileAbsent, NoCertificate):
        return


def read_login(
    card: Card, chosen: CardData, known: KnownCertificates
) -> LoginCertificates:
    """Read what a login needs besides the PIN; NoCertificate. In a transaction."""
    holder = card.read_certificate(EF.AUTHENTICATION)
    ca = issuer(known.of(EF.CA, chosen), holder)
    if ca is None:
        ca = card.read_certificate(EF.CA)
    known.learn(EF.CA, ca, chosen)
    return LoginCertificates(holder, ca)


def read_ahead(
    card: Card, chosen: CardData, known: KnownCertificates
) -> LoginCertificates:
    """Read what a login will need of the chosen card, before anybody asked for it.

    In a transaction.
    """
    _recognise(card, chosen)
    return read_login(card, chosen, known)


def prepare_login(
    card: Card,
    chosen: CardData,
    held: LoginCertificates | None,
    known: KnownCertificates,
) -> LoginReady:
    """Return certificates, tries left as they are now, and where the PIN is typed.

    `held` are the certificates when they were read earlier in the card's stay.
    CardChanged when it is not the chosen card. In a transaction.
    """
    status = pin_status(card, chosen)
    try:
        certificates = held or read_login(card, chosen, known)
    except LoginFirst:
        certificates = None
    return LoginReady(certificates, status, card.pin_entry)


def prepare_signature(card: Card, chosen: CardData) -> SignatureReady:
    """Return certificate, tries left as they are now, and where the PIN is typed.

    NoCertificate, LoginFirst; CardChanged when it is not the chosen card. In a
    transaction.
    """
    status = pin_status(card, chosen)
    certificate = card.read_certificate(EF.SIGNATURE)
    return SignatureReady(certificate, status, card.pin_entry)


def read_chain(
    card: Card, chosen: CardData, holder: bytes, known: KnownCertificates
) -> tuple[bytes, bytes]:
    """Return the CA and the root above a holder's certificate, in DER; NoCertificate.

    In a transaction.
    """
    ca = issuer(known.of(EF.CA, chosen), holder) or card.read_certificate(EF.CA)
    root = issuer(known.of(EF.ROOT, chosen), ca) or card.read_certificate(EF.ROOT)
    known.learn(EF.CA, ca, chosen)
    known.learn(EF.ROOT, root, chosen)
    return ca, root


def pin_status(card: Card, chosen: CardData) -> PinStatus:
    """Ask the tries of the chosen card; recognise it again where it does not answer.

    CardChanged when it is not the chosen card. In a transaction.
    """
    try:
        card.resume(chosen)
        now = card.state()
    except CardChanged:
        card.recognise()
        now = card.state()
    if now.chip_serial != chosen.chip_serial:
        raise CardChanged("another card than the one that was chosen")
    return PinStatus(now.tries_left)
