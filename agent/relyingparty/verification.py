"""Verification of identity answers (`eid-agent-identity:1`); nothing is fetched.

Only `raw` (and `chip`) is looked at: the parsed members of an answer are for display,
its root certificate is a hint that is not even read.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from cryptography import x509

from agent.relyingparty import certificates as certs
from agent.relyingparty import trust, wire
from agent.relyingparty.answers import Answer
from agent.relyingparty.challenges import checked_nonce, utc_now
from agent.relyingparty.chip import check_chip
from agent.relyingparty.errors import (
    AddressSignatureInvalid,
    ChipKeyMismatch,
    ChipMissing,
    DataMalformed,
    IdentitySignatureInvalid,
    PersonMismatch,
    PersonUnproven,
    PhotoMismatch,
)
from agent.relyingparty.rrn import RrnKey, check_card_began, check_rrn_dates, rrn_chain
from agent.relyingparty.tokens import aware, warn_of_test_cards
from cardio import tlv
from cardio.beid.identity import Address, Identity, parse_address, parse_identity
from cardio.beid.rrn_signature import signed_address
from cardio.errors import MalformedData

T = TypeVar("T")

RequireChip = Literal["always", "when-possible", "never"]

#: Length of the photo's hash to its function.
PHOTO_HASHES = {20: "sha1", 32: "sha256", 48: "sha384"}
_KEY_HASH_BYTES = 48
#: File version (may be missing), street, postal code, municipality.
_ADDRESS_TAGS = {0, 1, 2, 3}


@dataclass(frozen=True)
class VerifiedIdentity:
    """What an answer proved; all of it, for what proves nothing raises.

    `identity`, `address` and `photo` (the file as stored) are None where the answer
    did not hold them. A card's own validity is not judged: see `card_valid_until`.
    """

    #: Every file given here was signed by the National Register.
    data_authentic: bool
    #: The genuine chip of this card answered this challenge for this origin.
    chip_present: bool
    #: True: the data name the expected person. None: no person was expected.
    same_person_as_login: bool | None
    identity: Identity | None = field(repr=False)
    address: Address | None = field(repr=False)
    photo: bytes | None = field(repr=False)
    card_valid_from: datetime.date | None
    card_valid_until: datetime.date | None
    #: A chain marked TEST: these are nobody's data.
    test: bool
    #: SHA-1 or alike was relied on, which `allow_historic` allowed.
    historic: bool


@dataclass(frozen=True)
class _Request:
    """What the portal wants to know, checked for sense."""

    anchors: trust.Anchors
    national_number: str | None
    origin: str | None
    challenge: str | None
    require_chip: RequireChip
    allow_test: bool
    allow_historic: bool
    now: datetime.datetime


def verify_identity(
    response: Mapping[str, object] | str,
    trusted_cas: Iterable[x509.Certificate],
    *,
    expected_national_number: str | None = None,
    origin: str | None = None,
    challenge: str | None = None,
    require_chip: RequireChip = "when-possible",
    allow_test: bool = False,
    allow_historic: bool = False,
    now: Callable[[], datetime.datetime] | None = None,
) -> VerifiedIdentity:
    """Return what the agent's answer to `/v1/identity` proves.

    `response`: the answer, an object or its JSON text. `trusted_cas`: as for
    TokenValidator, but only self-signed roots count here. `expected_national_number`:
    from the validated token; without it one person may log in and another's genuine
    files be posted. `origin` and `challenge`: the portal's own, both or neither.
    `now` returns an aware time.

    `require_chip`: "when-possible" asks for the chip's proof of every card whose
    signed identity file has a key for it (1.8), when a challenge is given and the
    answer holds the identity; "always" refuses every answer without it; "never" does
    not look. The answer's `chipUnavailable` is unsigned and excuses nothing.

    An RRN certificate that expired is accepted for cards that began before it did.

    Raises a RelyingPartyError, one type for each reason; ValueError for arguments that
    could never work.
    """
    request = _Request(
        trust.Anchors(trusted_cas),
        _checked_number(expected_national_number),
        *_checked_challenge(origin, challenge, require_chip),
        require_chip,
        allow_test,
        allow_historic,
        aware((utc_now if now is None else now)()),
    )
    if allow_test:
        warn_of_test_cards(2)
    return _verify(Answer.parse(response), request)


def _checked_number(number: str | None) -> str | None:
    if number is not None and not wire.NATIONAL_NUMBER.fullmatch(number):
        raise ValueError("a national number has 11 digits")
    return number


def _checked_challenge(
    origin: str | None, challenge: str | None, require_chip: str
) -> tuple[str | None, str | None]:
    if require_chip not in ("always", "when-possible", "never"):
        raise ValueError("require_chip is always, when-possible or never")
    if (origin is None) != (challenge is None):
        raise ValueError("origin and challenge belong together")
    if origin is None or challenge is None:
        if require_chip == "always":
            raise ValueError("the chip's proof needs origin and challenge")
        return None, None
    return wire.checked_origin(origin), checked_nonce(challenge)


def _verify(answer: Answer, request: _Request) -> VerifiedIdentity:
    certificate = certs.load_padded(answer.need("rrnCertificate"))
    key = _rrn_key(certificate, request)
    identity = _identity(answer, key)
    address = _address(answer, key)
    began = _date(identity.valid_from) if identity else None
    check_card_began(certificate, request.now, began)
    return VerifiedIdentity(
        data_authentic=True,
        photo=_photo(answer, identity),
        same_person_as_login=_same_person(identity, request.national_number),
        chip_present=_chip_present(answer, identity, request),
        identity=identity,
        address=address,
        card_valid_from=began,
        card_valid_until=_date(identity.valid_until) if identity else None,
        test=key.chain.test,
        historic=key.historic,
    )


def _rrn_key(certificate: x509.Certificate, request: _Request) -> RrnKey:
    chain = rrn_chain(certificate, request.anchors)
    moment = check_rrn_dates(certificate, request.now)
    chain.admit(allow_test=request.allow_test, allow_historic=request.allow_historic)
    chain.check(moment)
    return RrnKey(chain, allow_historic=request.allow_historic)


def _identity(answer: Answer, key: RrnKey) -> Identity | None:
    if "identity" not in answer.files:
        return None
    data = answer.files["identity"]
    if not key.signed(answer.need("identitySignature"), data):
        raise IdentitySignatureInvalid
    return _parsed(parse_identity, data)


def _address(answer: Answer, key: RrnKey) -> Address | None:
    """Verify over the address without its padding and the whole of EF 4032.

    Nothing signed says where the one ends and the other begins, so each must have its
    own form: an identity file cut in two passes for neither.
    """
    if "address" not in answer.files:
        return None
    data = answer.files["address"]
    appended = answer.need("identitySignature")
    if not key.could_have_made(appended) or not key.signed(
        answer.need("addressSignature"), signed_address(data, appended)
    ):
        raise AddressSignatureInvalid
    return _parsed(_address_alone, data)


def _address_alone(data: bytes) -> Address:
    """Parse an address that has every field of one and no other."""
    if tlv.parse(data).keys() | {0} != _ADDRESS_TAGS:
        raise MalformedData("not the fields of an address")
    return parse_address(data)


def _parsed(parse: Callable[[bytes], T], data: bytes) -> T:
    try:
        return parse(data)
    except (MalformedData, ValueError):
        raise DataMalformed from None


def _photo(answer: Answer, identity: Identity | None) -> bytes | None:
    """Compare with the identity file's hash, whose length names the function."""
    photo = answer.files.get("photo")
    if photo is None or identity is None:
        return None
    expected = bytes.fromhex(identity.photo_hash or "")
    name = PHOTO_HASHES.get(len(expected))
    if name is None or not hmac.compare_digest(
        hashlib.new(name, photo).digest(), expected
    ):
        raise PhotoMismatch
    return photo


def _same_person(identity: Identity | None, expected: str | None) -> bool | None:
    if expected is None:
        return None
    if identity is None:
        raise PersonUnproven
    if identity.national_number != expected:
        raise PersonMismatch
    return True


def _chip_present(answer: Answer, identity: Identity | None, request: _Request) -> bool:
    if (
        request.require_chip == "never"
        or request.origin is None
        or request.challenge is None
    ):
        return False
    key_hash = bytes.fromhex((identity and identity.basic_key_hash) or "")
    possible = len(key_hash) == _KEY_HASH_BYTES
    if answer.chip is None:
        if possible or request.require_chip == "always":
            raise ChipMissing
        return False
    if not possible:
        raise ChipKeyMismatch("the signed data name no key")
    check_chip(answer.chip, key_hash, request.origin, request.challenge)
    return True


def _date(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None
