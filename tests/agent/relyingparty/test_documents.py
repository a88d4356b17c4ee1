"""Every foreigners' document, and re-keyed cards, as a portal would judge them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from agent import relyingparty as rp
from cardio.beid.identity import DOCUMENT_TYPES, parse_address, parse_identity
from cardio.files import EF, Key
from cardio.virtual import pki as test_pki
from cardio.virtual.persona import Persona
from cardio.virtual.personas import CATALOGUE, PERSONAS
from cardio.virtual.profile import Profile, load_profile
from tests.agent.relyingparty.login import NONCE
from tests.agent.relyingparty.test_personas import (
    _response,
    _token,
    _validator,
    _verify,
)

pytestmark = pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards")

DOCUMENTS = {n: one for n, one in CATALOGUE.items() if n.startswith("document-")}
CARDS = pytest.mark.parametrize(
    ("name", "applet"),
    [(name, applet) for name, one in DOCUMENTS.items() for applet in one.applets],
)
#: Member of the identity by tag, for texts that stand there as on the card.
TEXTS = {
    0x01: "cardNumber",
    0x05: "issuingMunicipality",
    0x06: "nationalNumber",
    0x07: "surname",
    0x08: "givenNames",
    0x09: "thirdGivenNameInitial",
    0x0A: "nationality",
    0x0B: "placeOfBirth",
    0x0E: "nobleCondition",
    0x12: "duplicate",
    0x13: "specialOrganisation",
    0x15: "protection",
    0x16: "workPermitMention",
    0x17: "employerVatNumber1",
    0x18: "employerVatNumber2",
    0x19: "regionalFileNumber",
    0x1B: "brexitMention1",
    0x1C: "brexitMention2",
    0x1D: "cardAMention1",
    0x1E: "cardAMention2",
}


def _iso(dotted: str) -> str:
    return "-".join(reversed(dotted.split("."))) if dotted else ""


def _members(persona: Persona, applet: str, profile: Profile) -> dict[str, object]:
    """Write down the members from what the generator was given."""
    texts = persona.texts(applet)
    members: dict[str, object] = {
        member: texts[tag] for tag, member in TEXTS.items() if tag in texts
    }
    code = texts[0x0F]
    hashed = hashlib.sha384 if applet == "1.8" else hashlib.sha256
    members |= {
        "chipNumber": profile.chip_serial.hex(),
        "validFrom": persona.valid[0].isoformat(),
        "validUntil": persona.valid[1].isoformat(),
        "dateOfBirth": persona.birth.isoformat(),
        "sex": "M" if texts[0x0D] == "M" else "F",
        "documentType": {"code": code, "name": DOCUMENT_TYPES[code]},
        "specialStatus": {"code": "0", "name": "none"},
        "photoHash": hashed(profile.files[EF.PHOTO]).hexdigest(),
    }
    if 0x14 in texts:
        members["memberOfFamily"] = True
    if applet == "1.8":
        public = profile.files[EF.BASIC_KEY]
        members["basicKeyHash"] = hashlib.sha384(public).hexdigest()
        members["cardEuStartDate"] = _iso(texts[0x1F])
    return members


@CARDS
def test_each_document_is_read_back_as_it_was_made(name: str, applet: str) -> None:
    """Field by field, tags that say nothing included; the address, too."""
    persona, profile = DOCUMENTS[name], load_profile(name, applet=applet)
    identity = parse_identity(profile.files[EF.IDENTITY]).to_json()
    assert identity == _members(persona, applet, profile)
    address = parse_address(profile.files[EF.ADDRESS]).to_json()
    assert list(address.values()) == list(persona.address.values())


@CARDS
def test_each_document_is_believed(name: str, applet: str) -> None:
    """The Register's signatures hold, for the person of the login if there is one."""
    persona, profile = DOCUMENTS[name], load_profile(name, applet=applet)
    data = _verify(_response(profile), expected_national_number=persona.national_number)
    assert data.data_authentic
    assert data.same_person_as_login
    assert data.photo == profile.files[EF.PHOTO]
    assert data.identity is not None
    assert data.identity.to_json() == _members(persona, applet, profile)
    if persona.certificates:
        login = _validator().validate(_token(profile), NONCE)
        assert login.card_kind == "foreigner"
        assert login.national_number == persona.national_number


@pytest.mark.parametrize("name", ["document-eu", "document-kids-f-plus", "document-d"])
def test_a_documents_changed_bit_is_found_out(name: str) -> None:
    """The signature covers the tags that foreigners' cards alone have."""
    profile = load_profile(name)
    identity = bytearray(profile.files[EF.IDENTITY])
    identity[-1] ^= 0x01
    files = {**profile.files, EF.IDENTITY: bytes(identity)}
    with pytest.raises(rp.IdentitySignatureInvalid):
        _verify(_response(replace(profile, files=files)))


def test_there_is_a_document_of_each_type() -> None:
    """A to N, EU and EU+, the layouts of 1030/2002, the children's."""
    codes = {one.identity[0x0F] for one in DOCUMENTS.values()}
    citizens = {"1", "6"}
    # Of a card content of 2004, or no foreigner's.
    others = {"2", "3", "7", "8"}
    assert codes == set(DOCUMENT_TYPES) - citizens - others
    assert len(DOCUMENTS) == len(codes)
    older = {one.identity[0x0F] for one in DOCUMENTS.values() if "1.7" in one.applets}
    assert older == {str(code) for code in range(11, 22)}


def test_every_tag_says_something_somewhere() -> None:
    """Of ID file v5: 12 to 1F; 14 by being there, 1A with the basic key's hash."""
    told = {0x1A}
    for name, one in DOCUMENTS.items():
        assert 0x1A not in one.identity, name
        told |= {tag for tag, text in one.identity.items() if text or tag == 0x14}
    assert told >= set(range(0x12, 0x20))
    silent = {t for one in DOCUMENTS.values() for t, x in one.identity.items() if not x}
    assert silent >= {0x13, *range(0x15, 0x1A), *range(0x1B, 0x20)}
    assert not all(0x14 in one.identity for one in DOCUMENTS.values())


def test_children_have_what_their_age_gives_them() -> None:
    """No non-repudiation; some have the authentication certificate, others nothing."""
    kids = {n: one for n, one in DOCUMENTS.items() if n.startswith("document-kids")}
    assert len(kids) == 9
    kinds = set()
    for name, one in kids.items():
        profile = load_profile(name)
        assert not any(profile.files[EF.SIGNATURE])
        assert Key.NON_REPUDIATION not in profile.keys
        has = any(profile.files[EF.AUTHENTICATION])
        assert has is (Key.AUTHENTICATION in profile.keys) is one.certificates
        kinds.add(has)
    assert kinds == {True, False}


# --- re-keyed 1.7 --------------------------------------------------------------------


def test_a_rekeyed_card_logs_in_and_its_data_are_its_own() -> None:
    """RSA keys signed RS256, certificates and data signed with ECDSA."""
    profile = load_profile("rekeyed-1.7")
    token = _token(profile)
    assert token["algorithm"] == "RS256"
    login = _validator().validate(json.dumps(token), NONCE)
    data = _verify(_response(profile), expected_national_number=login.national_number)
    assert data.same_person_as_login
    assert login.national_number == PERSONAS["rekeyed-1.7"].national_number
    assert (login.card_kind, data.photo) == ("citizen", profile.files[EF.PHOTO])


def test_a_rekeyed_card_stands_under_the_ec_root_alone() -> None:
    """Who trusts only the RSA hierarchy does not believe it."""
    profile = load_profile("rekeyed-1.7")
    rsa_root = test_pki.hierarchy("rsa").root.certificate
    with pytest.raises(rp.RootUnknown):
        rp.verify_identity(_response(profile), [rsa_root], allow_test=True)
    ec_root = test_pki.hierarchy("ec").root.certificate
    assert rp.verify_identity(_response(profile), [ec_root], allow_test=True).test
