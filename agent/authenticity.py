"""Judges whether a card and its data are genuine, check by check; pure, no I/O.

Needs the extra `relyingparty`. The checks and their names stand in `agent.checks`.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Callable, Iterable

from cryptography import x509

from agent.checks import CardContent, Check, Result
from agent.relyingparty import certificates as certs
from agent.relyingparty import roots, trust
from agent.relyingparty.chip import check_key_file, check_signature
from agent.relyingparty.errors import (
    CertificateMalformed,
    ChipError,
    IssuerUnknown,
    NationalNumberMissing,
    PurposeRefused,
    RelyingPartyError,
    RootUnknown,
)
from agent.relyingparty.rrn import RrnKey, check_card_began, check_rrn_dates, rrn_chain
from agent.relyingparty.tokens import national_number
from agent.relyingparty.verification import PHOTO_HASHES
from cardio.beid.identity import Identity, parse_identity
from cardio.beid.rrn_signature import signed_address
from cardio.errors import MalformedData
from cardio.files import EF

_HOLDER = (EF.AUTHENTICATION, EF.SIGNATURE)
#: Kinds of document (tag 0F) whose cards may come without address: those of officials.
_HOMELESS = frozenset({"7", "8"})
#: Kinds whose cards may come without the holder's certificates: those of children.
_KIDS = frozenset({"6", *map(str, range(61, 70))})


def judge(
    content: CardContent, cas: Iterable[x509.Certificate], now: datetime.datetime
) -> tuple[Check, ...]:
    """Return every check of a card. `cas` are trusted besides Belgium's pinned roots.

    ValueError for a certificate of `cas` that can be no anchor.
    """
    judge = _Judge(content, tuple(cas), now)

    def has(*files: EF) -> bool:
        return any(ef in content.files for ef in files)

    has_key = content.applet == "1.8" or judge.names_key
    has_address = has(EF.ADDRESS, EF.ADDRESS_SIGNATURE) or judge.kind not in _HOMELESS
    certified = judge.kind not in _KIDS
    has_certificates = has(*_HOLDER) or certified
    return (
        Check("rrn-certificate", judge.rrn_certificate()),
        Check("identity-signature", judge.identity_signature()),
        _check("address-signature", judge.address_signature(), has_address),
        _check("photo-hash", judge.photo_hash(), has(EF.PHOTO) or judge.names_photo),
        _check("basic-key-hash", judge.basic_key_hash(), has_key or has(EF.BASIC_KEY)),
        Check("chip", judge.chip(), needed=has_key),
        Check("chip-number", judge.chip_number()),
        Check("card-dates", judge.card_dates()),
        *(
            _check(name, judge.holder_certificate(ef), has(ef) or certified)
            for name, ef in (
                ("authentication-certificate", EF.AUTHENTICATION),
                ("signature-certificate", EF.SIGNATURE),
            )
        ),
        _check("certificate-holder", judge.certificate_holder(), has_certificates),
        _check("certificate-dates", judge.certificate_dates(), has_certificates),
        Check("revocation", Result(None, "not-checked"), needed=False),
    )


def _check(name: str, result: Result, needed: bool) -> Check:
    """Return a check that says of what a card of this kind lacks that it may."""
    may_lack = not needed and result.reason == _ABSENT.reason
    return Check(name, Result(None, "absent-allowed") if may_lack else result, needed)


_FITS = Result(True, "fits")
_DIFFERS = Result(False, "differs")
_ABSENT = Result(None, "absent")
_UNPROVABLE = Result(None, "unprovable")
_HISTORIC = Result(None, "historic")


def _refused(error: RelyingPartyError) -> Result:
    return Result(False, "refused", {"code": error.code})


class _Judge:
    """The checks of one card."""

    def __init__(
        self,
        content: CardContent,
        cas: tuple[x509.Certificate, ...],
        now: datetime.datetime,
    ) -> None:
        if cas:
            trust.Anchors(cas)  # refuses what can be no anchor
        self._files = content.files
        self._content = content
        self._now = now
        self._identity = _parsed(content.files.get(EF.IDENTITY))
        self._own_root = _root(content.files.get(EF.ROOT))
        self._trusted = cas
        root = self._own_root
        if root and (roots.is_belgian(root) or roots.is_historic(root)):
            self._trusted = (*cas, root)

    @property
    def kind(self) -> str | None:
        """The code of the document that the identity names; None where it does not."""
        document = self._identity.document_type if self._identity else None
        return document.code.lstrip("0") if document else None

    @property
    def names_key(self) -> bool:
        """True where the signed identity names a chip's key, whatever the applet is."""
        return bool(self._identity and self._identity.basic_key_hash)

    @property
    def names_photo(self) -> bool:
        """True where the signed identity names a photo: a copy without it is none."""
        return bool(self._identity and self._identity.photo_hash)

    # --- the National Register -------------------------------------------------------

    def rrn_certificate(self) -> Result:
        """Under a root itself, of the Register's profile, alive when the card began."""

        def check(certificate: x509.Certificate) -> Result:
            chain, trusted = self._chain(
                lambda anchors: rrn_chain(certificate, anchors)
            )
            chain.check(check_rrn_dates(certificate, self._now))
            begun = _date(self._identity.valid_from) if self._identity else None
            check_card_began(certificate, self._now, begun)
            return _end(chain, trusted=trusted)

        return self._certificate(EF.RRN, check)

    def identity_signature(self) -> Result:
        """Over the identity file as it is stored."""
        return self._signed(EF.IDENTITY, EF.IDENTITY_SIGNATURE, lambda data: data)

    def address_signature(self) -> Result:
        """Over the address without padding and the identity's signature with it."""
        identity_signature = self._files.get(EF.IDENTITY_SIGNATURE)
        if EF.ADDRESS in self._files and identity_signature is None:
            return _UNPROVABLE
        return self._signed(
            EF.ADDRESS,
            EF.ADDRESS_SIGNATURE,
            lambda data: signed_address(data, identity_signature or b""),
        )

    def _signed(self, ef: EF, by: EF, covered: Callable[[bytes], bytes]) -> Result:
        data, signature = self._files.get(ef), self._files.get(by)
        if data is None:
            return _ABSENT
        try:
            certificate = certs.load_padded(self._files.get(EF.RRN, b""))
        except CertificateMalformed:
            return _UNPROVABLE
        if signature is None:
            return _UNPROVABLE
        key = RrnKey(trust.service_chain((certificate,)), allow_historic=True)
        if not key.signed(signature, covered(data)):
            return _DIFFERS
        return _HISTORIC if key.historic else _FITS

    # --- hashes in the identity file -------------------------------------------------

    def photo_hash(self) -> Result:
        """The photo is the one that the identity file names."""
        photo = self._files.get(EF.PHOTO)
        if photo is None:
            return _ABSENT
        if self._identity is None:
            return _UNPROVABLE
        expected = bytes.fromhex(self._identity.photo_hash or "")
        name = PHOTO_HASHES.get(len(expected))
        if name is None:
            return Result(None, "no-hash")
        if not hmac.compare_digest(hashlib.new(name, photo).digest(), expected):
            return _DIFFERS
        return _HISTORIC if name == "sha1" else _FITS

    def basic_key_hash(self) -> Result:
        """The chip's public key is the one that the identity file names."""
        key_file = self._files.get(EF.BASIC_KEY)
        if key_file is None:
            return _ABSENT
        if self._identity is None:
            return _UNPROVABLE
        if not self.names_key:
            return Result(None, "no-hash")
        expected = bytes.fromhex(self._identity.basic_key_hash or "")
        try:
            check_key_file(key_file, expected)
        except ChipError:
            return _DIFFERS
        return _FITS

    def chip(self) -> Result:
        """The chip has the private key of what the identity file names."""
        proof = self._content.chip
        if isinstance(proof, str):
            return Result(None, proof)
        if not self.basic_key_hash().ok:
            return Result(None, "chip-other-key")
        key_file = self._files[EF.BASIC_KEY]
        try:
            check_signature(key_file, proof.signature, proof.digest)
        except ChipError:
            return Result(False, "chip-differs")
        return Result(True, "chip-answered")

    def chip_number(self) -> Result:
        """The identity file was made for this chip."""
        if self._identity is None or not self._identity.chip_number:
            return _UNPROVABLE
        same = self._identity.chip_number == self._content.chip_serial.hex()
        return _FITS if same else _DIFFERS

    def card_dates(self) -> Result:
        """Today lies within the card's own dates."""
        begin = _date(self._identity.valid_from) if self._identity else None
        end = _date(self._identity.valid_until) if self._identity else None
        if begin is None or end is None:
            return _UNPROVABLE
        return _within(begin, end, self._now.date())

    # --- the holder's certificates ---------------------------------------------------

    def holder_certificate(self, ef: EF) -> Result:
        """Issued by a Citizen or Foreigner CA under a root, for this very use."""

        def check(certificate: x509.Certificate) -> Result:
            _check_use(certificate, ef)
            chain, trusted = self._chain(
                lambda anchors: self._path(certificate, anchors)
            )
            begin, end = (
                certificate.not_valid_before_utc,
                certificate.not_valid_after_utc,
            )
            chain.check(min(max(self._now, begin), end))  # dates have their own check
            return _end(chain, trusted=trusted)

        return self._certificate(ef, check)

    def _path(
        self, certificate: x509.Certificate, anchors: trust.Anchors
    ) -> trust.Chain:
        given = [certs.load_padded(self._files[EF.CA])] if EF.CA in self._files else []
        return trust.holder_chain(trust.find_holder_path(certificate, anchors, given))

    def certificate_holder(self) -> Result:
        """Both certificates are of the person in the identity file."""
        found = self._loaded(*_HOLDER)
        if not found:
            return _ABSENT
        if self._identity is None or not self._identity.national_number:
            return _UNPROVABLE
        try:
            numbers = {national_number(certificate.subject) for certificate in found}
        except NationalNumberMissing as error:
            return _refused(error)
        return _FITS if numbers == {self._identity.national_number} else _DIFFERS

    def certificate_dates(self) -> Result:
        """Today lies within the dates of both certificates and their CA."""
        if not self._loaded(*_HOLDER):
            return _ABSENT
        found = self._loaded(*_HOLDER, EF.CA)
        begin = max(certificate.not_valid_before_utc for certificate in found)
        end = min(certificate.not_valid_after_utc for certificate in found)
        return _within(begin, end, self._now)

    def _loaded(self, *files: EF) -> list[x509.Certificate]:
        """Return those that can be read; their own checks tell of the others."""
        found = []
        for ef in files:
            try:
                found.append(certs.load_padded(self._files.get(ef, b"")))
            except CertificateMalformed:
                continue
        return found

    # --- chains ----------------------------------------------------------------------

    def _certificate(
        self, ef: EF, check: Callable[[x509.Certificate], Result]
    ) -> Result:
        if ef not in self._files:
            return _ABSENT
        try:
            return check(certs.load_padded(self._files[ef]))
        except RootUnknown:
            return Result(None, "root-unknown")
        except IssuerUnknown:
            return Result(None, "issuer-unknown")
        except RelyingPartyError as error:
            return _refused(error)

    def _chain(
        self, find: Callable[[trust.Anchors], trust.Chain]
    ) -> tuple[trust.Chain, bool]:
        """Return a chain and whether its end is trusted.

        Where no trusted root fits, the card's own shows at least whether its
        certificates hold together: a forgery is then wrong and not just unknown.
        """
        if self._trusted:
            try:
                return find(trust.Anchors(self._trusted)), True
            except (RootUnknown, IssuerUnknown):
                pass
        if self._own_root is None:
            raise RootUnknown
        return find(trust.Anchors([self._own_root])), False


def _parsed(data: bytes | None) -> Identity | None:
    try:
        return None if data is None else parse_identity(data)
    except (MalformedData, ValueError):
        return None


def _root(data: bytes | None) -> x509.Certificate | None:
    """Return the root that a card brings along, if it can be one; no trust yet."""
    try:
        root = certs.load_padded(data or b"")
        trust.Anchors([root])
    except (CertificateMalformed, ValueError):
        return None
    return root if certs.is_self_issued(root) else None


def _end(chain: trust.Chain, *, trusted: bool) -> Result:
    """Say where a chain that holds ends."""
    anchor = chain.certificates[-1]
    values = {"root": certs.common_name(anchor.subject)}
    if not trusted:
        return Result(None, "root-unknown")
    if chain.historic:
        return _HISTORIC
    if chain.test:
        return Result(True, "root-test", values)
    belgian = roots.is_belgian(anchor)
    return Result(True, "root-belgian" if belgian else "root-added", values)


def _check_use(certificate: x509.Certificate, ef: EF) -> None:
    """Raise PurposeMissing or PurposeRefused for a certificate in the wrong place."""
    if ef is EF.AUTHENTICATION:
        certs.check_login_purpose(certificate)
    elif not certs.commits_to_content(certificate) or certs.claims_ca(certificate):
        raise PurposeRefused("its key usage lacks contentCommitment")


def _date(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None


def _within(begin: datetime.date, end: datetime.date, now: datetime.date) -> Result:
    """Compare days with days, or moments with moments."""
    first, last = begin.isoformat()[:10], end.isoformat()[:10]
    if now < begin:
        return Result(False, "dates-before", {"begin": first})
    if now > end:
        return Result(False, "dates-after", {"end": last})
    return Result(True, "dates-within", {"begin": first, "end": last})
