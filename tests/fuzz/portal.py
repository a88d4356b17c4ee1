"""Targets: what a portal's server is sent; also what a trusted key had signed.

The second kind matters: behind a good signature stand the parsers that trust more.
"""

from __future__ import annotations

import functools
import json

from cryptography import x509

from agent.relyingparty import (
    Identity,
    RelyingPartyError,
    TokenValidator,
    VerifiedIdentity,
    verify_identity,
)
from agent.relyingparty import certificates as certs
from agent.relyingparty.errors import CertificateMalformed
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.cards import answer as answer_of
from tests.agent.relyingparty.login import NONCE, ORIGIN, b64, sign_token
from tests.fuzz import people

_LOOKS = (
    certs.has_name_constraints,
    certs.is_ca,
    certs.is_self_issued,
    certs.issuing_kind,
    certs.path_length,
    certs.signs_digitally,
    certs.commits_to_content,
)


@functools.cache
def _validator() -> TokenValidator:
    return TokenValidator(ORIGIN, [people.root().cert], revocation=None, now=pki.clock)


@functools.cache
def _signed_by_root() -> list[x509.Name]:
    return [
        made().cert.subject for made in (people.root, people.citizen_ca, people.rrn)
    ]


@functools.cache
def _token_signature() -> str:
    return b64(sign_token(people.key("holder"), "ES384", ORIGIN, NONCE))


def token_of(certificate: bytes) -> dict[str, object]:
    """Return the token of the holder with this certificate."""
    return {
        "unverifiedCertificate": b64(certificate),
        "algorithm": "ES384",
        "signature": _token_signature(),
        "format": "web-eid:1.0",
        "issuerCertificate": b64(pki.der(people.citizen_ca().cert)),
    }


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def certificate(data: bytes) -> None:
    """A certificate that can be looked at in every way, or CertificateMalformed."""
    for load in (certs.load, certs.load_padded):
        try:
            found = load(data)
        except CertificateMalformed:
            continue
        for look in _LOOKS:
            look(found)
        certs.says_test([found.subject, found.issuer])
        certs.is_historic([found, found])
        certs.may_have_issued(people.root().cert, found)
        if certs.is_signed_by(found, people.root().cert):
            assert found.subject in _signed_by_root()


def token(data: bytes) -> None:
    """An identity that the anchor vouches for, or a RelyingPartyError."""
    try:
        found = _validator().validate(_text(data), NONCE)
    except RelyingPartyError as refusal:
        _check_refusal(refusal)
    else:
        _check_person(found)


def issued_certificate(data: bytes) -> None:
    """The trusted CA signs anything: a person, or a RelyingPartyError."""
    made = people.issued(data)
    try:
        found = _validator().validate(token_of(made), NONCE)
    except RelyingPartyError as refusal:
        _check_refusal(refusal)
    else:
        _check_person(found)


def _check_person(found: Identity) -> None:
    assert len(found.national_number) == 11
    assert found.national_number.isdecimal()
    assert found.card_kind == "citizen"
    assert not found.test
    assert found.issuer.subject == people.citizen_ca().cert.subject


def _check_refusal(refusal: RelyingPartyError) -> None:
    """It has its code, and no text from outside in its message."""
    assert refusal.code
    assert str(refusal).startswith(refusal.sentence)


def _verify(response: object, *, chip: bool, person: bool) -> VerifiedIdentity | None:
    try:
        return verify_identity(
            response,  # type: ignore[arg-type]
            [people.root().cert],
            now=pki.clock,
            origin=ORIGIN if chip else None,
            challenge=NONCE if chip else None,
            expected_national_number=pki.NATIONAL_NUMBER if person else None,
        )
    except RelyingPartyError as refusal:
        _check_refusal(refusal)
        return None


def answer(data: bytes) -> None:
    """What is called proven is what the Register signed; else a RelyingPartyError."""
    found = _verify(_text(data), chip=True, person=False)
    if found is not None:
        assert found.data_authentic
        assert not found.test
        assert not found.historic
        assert found.photo in (None, people.PHOTO)
        # Other people than these were never signed: only seeds come as far as this.
        assert found.identity is None or found.identity.surname == "Peeters"
        assert found.identity is None or found.chip_present


def signed_files(data: bytes) -> None:
    """The Register signs anything: proven data, or a RelyingPartyError.

    One byte of choices, two of the identity file's length, identity, address.
    """
    choices, length = data[:1] or b"\0", int.from_bytes(data[1:3], "big")
    files = people.signed(data[3:][:length], data[3:][length:])
    without = ("photo",) if choices[0] & 1 else ()
    response = answer_of({name: file for name, file in files.items() if file}, *without)
    found = _verify(response, chip=bool(choices[0] & 2), person=bool(choices[0] & 4))
    if found is not None:
        assert found.data_authentic
        assert not found.chip_present
        assert found.photo in (None, people.PHOTO)
        for part in (found.identity, found.address):
            json.dumps(part.to_json() if part else None)
