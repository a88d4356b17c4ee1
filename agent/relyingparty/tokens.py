"""Validation of Web eID authentication tokens (`web-eid:1`).

Nothing is fetched but OCSP and CRL, by `revocation`, for a chain that was found good.

The checks run in the order of Web eID's own validators: form, purpose, validity and
chain, revocation, signature, name.
"""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.relyingparty import certificates as certs
from agent.relyingparty import trust, wire
from agent.relyingparty.algorithms import Algorithm, algorithm
from agent.relyingparty.challenges import checked_nonce, utc_now
from agent.relyingparty.errors import (
    CertificateMalformed,
    CertificateMissing,
    FormatUnsupported,
    IssuerMalformed,
    NationalNumberMissing,
    SignatureMalformed,
    TokenMalformed,
    TokenSizeRefused,
)
from agent.relyingparty.revocation import ONLINE, RevocationChecker

#: Web eID's own bounds. The largest real token, of a 1.7 card with `issuerCertificate`
#: (RSA-2048 holder, RSA-4096 CA), has about 5 000 characters.
TOKEN_CHARACTERS = range(100, 10_001)

_MAX_CERTIFICATE = 5_000
_MAX_SIGNATURE = 1_024
_FORMAT = re.compile(r"web-eid:1(?:\.[0-9]+)*")


class AcceptingTestCards(UserWarning):
    """`allow_test=True` is in force: anybody can make a card that is believed."""


def warn_of_test_cards(level: int) -> None:
    """Warn the caller `level` frames up that test cards are accepted."""
    warnings.warn(
        "allow_test=True: chains marked TEST are accepted, never do this in production",
        AcceptingTestCards,
        stacklevel=level + 1,
    )


@dataclass(frozen=True)
class Identity:
    """Who logged in, from a certificate that was found good (not shown by repr)."""

    #: 11 digits, the certificate's serialNumber attribute.
    national_number: str = field(repr=False)
    #: As in the certificate; None where it has no such attribute.
    surname: str | None = field(repr=False)
    given_names: str | None = field(repr=False)
    common_name: str = field(repr=False)
    #: `citizen` or `foreigner` by the issuing CA; None for an anchor of another name.
    card_kind: str | None
    certificate: x509.Certificate = field(repr=False)
    issuer: x509.Certificate = field(repr=False)
    #: A chain marked TEST: this is no person.
    test: bool
    #: False when `revocation=None` was chosen.
    revocation_checked: bool


@dataclass(frozen=True)
class _Token:
    """The members that count, decoded; `issuer` is looked at only when needed."""

    certificate: x509.Certificate
    algorithm: object
    signature: object
    issuer: object


class TokenValidator:
    """Validates tokens for one origin, against the CAs that the portal trusts.

    `origin`: the portal's own, `https://host[:port]`. `trusted_cas`: a CA that is not
    self-signed is trusted as the issuer; under a root the issuing CA comes from
    `intermediates` or from the token. `allow_test` accepts chains marked TEST, and
    warns. `revocation`: the default asks OCSP and CRL online and refuses where that
    fails; None is the choice not to ask. `now` returns an aware time.

    ValueError for an origin or a list of CAs that could never work. May be used from
    several threads. Only `revocation` waits for anything (the network): inside an event
    loop call `validate` through `asyncio.to_thread`.
    """

    def __init__(
        self,
        origin: str,
        trusted_cas: Iterable[x509.Certificate],
        *,
        intermediates: Iterable[x509.Certificate] = (),
        allow_test: bool = False,
        revocation: RevocationChecker | None = ONLINE,
        now: Callable[[], datetime.datetime] | None = None,
    ) -> None:
        self._origin = wire.checked_origin(origin)
        self._anchors = trust.Anchors(trusted_cas)
        self._intermediates = tuple(intermediates)
        self._allow_test = allow_test
        self._revocation = revocation
        self._now = utc_now if now is None else now
        if allow_test:
            warn_of_test_cards(2)

    def validate(self, token: Mapping[str, object] | str, nonce: str) -> Identity:
        """Return who logged in with this token, answering this nonce.

        `nonce` comes from the portal's own ChallengeStore, taken before this call.
        Raises a RelyingPartyError, one type for each reason.
        """
        challenge = checked_nonce(nonce)
        parsed = _parse(token)
        certs.check_login_purpose(parsed.certificate)
        moment = aware(self._now())
        chain = self._chain(parsed, moment)
        if self._revocation is not None:
            self._revocation.check(chain.certificates, moment)
        self._check_signature(parsed, challenge)
        return self._identity(chain)

    def _chain(self, token: _Token, moment: datetime.datetime) -> trust.Chain:
        trust.check_holder_dates(token.certificate, moment)
        path = trust.find_holder_path(
            token.certificate, self._anchors, self._candidates(token)
        )
        chain = trust.holder_chain(path)
        trust.check_issuer_dates(chain, moment)
        chain.admit(allow_test=self._allow_test, allow_historic=False)
        chain.check(moment)
        return chain

    def _candidates(self, token: _Token) -> tuple[x509.Certificate, ...]:
        """Certificates that may be the issuer's; the token's own may be unreadable
        where it is not needed."""
        if token.issuer is None:
            return self._intermediates
        try:
            data = wire.decode_wrapped(token.issuer, _MAX_CERTIFICATE)
            return (*self._intermediates, certs.load_padded(data))
        except (ValueError, CertificateMalformed):
            known = (*self._anchors.issuing, *self._intermediates)
            if any(certs.may_have_issued(ca, token.certificate) for ca in known):
                return self._intermediates
            raise IssuerMalformed from None

    def _check_signature(self, token: _Token, nonce: str) -> None:
        chosen: Algorithm = algorithm(token.algorithm)
        try:
            signature = wire.decode_base64(token.signature, _MAX_SIGNATURE)
        except ValueError:
            raise SignatureMalformed("it is not standard base64") from None
        message = chosen.signed_message(self._origin, nonce)
        chosen.verify(token.certificate.public_key(), signature, message)

    def _identity(self, chain: trust.Chain) -> Identity:
        certificate = chain.certificates[0]
        subject = certificate.subject
        return Identity(
            national_number=national_number(subject),
            surname=_joined(subject, NameOID.SURNAME),
            given_names=_joined(subject, NameOID.GIVEN_NAME),
            common_name=_joined(subject, NameOID.COMMON_NAME) or "",
            card_kind=certs.issuing_kind(chain.issuer),
            certificate=certificate,
            issuer=chain.issuer,
            test=chain.test,
            revocation_checked=self._revocation is not None,
        )


def aware(moment: datetime.datetime) -> datetime.datetime:
    """Return a time that knows its zone, or raise ValueError."""
    if moment.utcoffset() is None:
        raise ValueError("the clock must return an aware datetime")
    return moment


def _parse(token: object) -> _Token:
    """Step 1: size, JSON, format, and a certificate that can be read."""
    members = wire.parse_object(
        token, TOKEN_CHARACTERS, TokenSizeRefused, TokenMalformed
    )
    form = members.get("format")
    if not isinstance(form, str) or not _FORMAT.fullmatch(form):
        raise FormatUnsupported
    encoded = members.get("unverifiedCertificate")
    if encoded is None or encoded == "":
        raise CertificateMissing
    try:
        certificate = certs.load(wire.decode_wrapped(encoded, _MAX_CERTIFICATE))
    except ValueError:
        raise CertificateMalformed("it is not standard base64") from None
    return _Token(
        certificate,
        members.get("algorithm"),
        members.get("signature"),
        members.get("issuerCertificate"),
    )


def national_number(subject: x509.Name) -> str:
    """Return the one serialNumber of 11 digits; specimens carry another one besides."""
    numbers = {
        text.strip()
        for text in certs.texts(subject, NameOID.SERIAL_NUMBER)
        if wire.NATIONAL_NUMBER.fullmatch(text.strip())
    }
    if len(numbers) != 1:
        raise NationalNumberMissing
    return numbers.pop()


def _joined(subject: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    found = [text.strip() for text in certs.texts(subject, oid)]
    return " ".join(found) if found else None
