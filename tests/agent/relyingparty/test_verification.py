"""Identity data: what is proven by whom, and every forgery that proves nothing."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import example, given
from hypothesis import strategies as st

from agent import relyingparty as rp
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.cards import (
    ADDRESS,
    FIELDS,
    NO_ADDRESS,
    NO_IDENTITY,
    PHOTO,
    Card,
    answer,
    chip_answer,
    chip_key,
    key_file,
    sign_file,
    tlv,
    verify,
)
from tests.agent.relyingparty.login import NONCE, ORIGIN, Attempt, b64

CHALLENGE = {"origin": ORIGIN, "challenge": NONCE}

# --- what is proven ------------------------------------------------------------------


@pytest.mark.parametrize("card", [Card(), Card.rsa()], ids=["1.8", "1.7"])
def test_genuine_files_prove_identity_address_and_photo(card: Card) -> None:
    """Everything comes from the signed files."""
    result = verify(answer(card.files()))
    assert result.data_authentic is True
    assert result.identity is not None
    assert result.identity.surname == "Peeters"
    assert result.identity.national_number == pki.NATIONAL_NUMBER
    assert result.address is not None
    assert result.address.street_and_number == "Kerkstraat 1"
    assert result.photo == PHOTO
    assert result.card_valid_from == datetime.date(2024, 3, 1)
    assert result.card_valid_until == datetime.date(2034, 3, 1)
    assert result.same_person_as_login is None
    assert result.chip_present is False
    assert result.test is False
    assert result.historic is False


def test_the_result_shows_no_personal_data_in_a_log() -> None:
    """A result that is logged names nobody."""
    shown = repr(verify(answer(Card().files())))
    assert "Peeters" not in shown
    assert "Kerkstraat" not in shown


def test_parsed_members_are_not_believed() -> None:
    """A page may write into them what it likes: `raw` counts alone."""
    lies: dict[str, object] = {"surname": "Somebody", "nationalNumber": "71715100070"}
    response = {**answer(Card().files()), "identity": lies, "address": 5, "photo": "x"}
    result = verify(response)
    assert result.identity is not None
    assert result.identity.surname == "Peeters"


def test_the_answer_may_be_json_text() -> None:
    """As it came over the wire."""
    assert verify(json.dumps(answer(Card().files()))).data_authentic


async def test_verification_works_inside_a_running_event_loop() -> None:
    """A portal calls it from its request handler, or from a thread beside it."""
    response = answer(Card().files())
    assert verify(response).data_authentic
    assert (await asyncio.to_thread(verify, response)).data_authentic


def test_a_card_need_not_be_valid_for_its_data_to_be_genuine() -> None:
    """The result offers the dates; the portal decides."""
    fields = {**FIELDS, 0x03: b"01.03.2012", 0x04: b"01.03.2022"}
    result = verify(answer(Card(fields=fields).files()))
    assert result.card_valid_until == datetime.date(2022, 3, 1)


def test_an_address_alone_is_genuine_and_proves_no_person() -> None:
    """It is tied to the card by the identity's signature, which names nobody."""
    response = answer(Card().files(), *NO_IDENTITY)
    result = verify(response)
    assert result.data_authentic
    assert result.address is not None
    assert result.identity is None
    assert result.same_person_as_login is None
    with pytest.raises(rp.PersonUnproven):
        verify(response, expected_national_number=pki.NATIONAL_NUMBER)


def test_identity_alone_is_enough() -> None:
    """A portal that asks for identity alone gets no more."""
    result = verify(answer(Card().files(), *NO_ADDRESS, "photo", "rootCertificate"))
    assert result.identity is not None
    assert result.address is None
    assert result.photo is None


def test_the_person_who_logged_in_is_the_person_in_the_file() -> None:
    """The number of the validated token against the number that was signed."""
    login = Attempt().run()
    response = answer(Card().files())
    result = verify(response, expected_national_number=login.national_number)
    assert result.same_person_as_login is True


def test_another_persons_genuine_files_after_a_login_are_refused() -> None:
    """One person logs in, another's files are posted."""
    login = Attempt().run()
    fields = {**FIELDS, 0x06: b"71715100070", 0x07: b"Janssens"}
    response = answer(Card(fields=fields).files())
    assert verify(response).data_authentic
    with pytest.raises(rp.PersonMismatch) as caught:
        verify(response, expected_national_number=login.national_number)
    assert "71715100070" not in str(caught.value)


def test_a_file_without_a_national_number_is_nobodys() -> None:
    """An absent number equals no expected one."""
    fields = {tag: value for tag, value in FIELDS.items() if tag != 0x06}
    with pytest.raises(rp.PersonMismatch):
        verify(
            answer(Card(fields=fields).files()),
            expected_national_number=pki.NATIONAL_NUMBER,
        )


@pytest.mark.parametrize("number", ["", "8507300332", "85.07.30-033.28", "٨" * 11])
def test_an_expected_number_that_is_none_is_an_error(number: str) -> None:
    """An empty text from a broken session must not mean `not asked`."""
    with pytest.raises(ValueError, match="11 digits"):
        verify(answer(Card().files()), expected_national_number=number)


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha384"])
def test_a_photo_is_proven_by_a_hash_of_any_generation(name: str) -> None:
    """Its length names the function; re-signed cards keep SHA-1 for the photo."""
    assert verify(answer(Card(photo_hash=name).files())).photo == PHOTO


# --- the signatures (SAFETY 6) -------------------------------------------------------


def test_an_address_checked_with_the_trimmed_signature_is_refused() -> None:
    """The address is signed over the whole of EF 4032, its padding included."""
    files = Card(trim_identity_signature=True).files()
    with pytest.raises(rp.AddressSignatureInvalid):
        verify(answer(files))


def test_an_identity_signature_given_without_its_padding_breaks_the_address() -> None:
    """Whoever trims the file on the way loses the proof."""
    files = Card().files()
    trimmed = files["identitySignature"][: files["identitySignature"][1] + 2]
    files["identitySignature"] = trimmed
    assert verify(answer(files, *NO_ADDRESS)).identity is not None
    with pytest.raises(rp.AddressSignatureInvalid):
        verify(answer(files))


def test_an_address_signed_with_its_padding_is_refused() -> None:
    """The address itself is signed without the zeros at its end."""
    with pytest.raises(rp.AddressSignatureInvalid):
        verify(answer(Card(keep_address_padding=True).files()))


def test_leftovers_behind_an_address_signature_do_no_harm() -> None:
    """A shorter signature written over a longer one leaves bytes behind."""
    files = Card().files()
    files["addressSignature"] = files["addressSignature"][:-1] + b"\x17"
    assert verify(answer(files)).address is not None


def _cut(identity: bytes, tag: int) -> tuple[bytes, bytes]:
    """Cut an identity file before a tag."""
    place = 0
    while identity[place] != tag:
        place += 2 + identity[place + 1]
    return identity[:place], identity[place:]


@pytest.mark.parametrize("tag", [0x02, 0x03, 0x04, 0x05, 0x1A])
def test_an_identity_file_cut_in_two_is_no_address(tag: int) -> None:
    """Its signature covers the same bytes as an address and what is appended."""
    files = Card().files()
    files["addressSignature"] = files["identitySignature"]
    files["address"], files["identitySignature"] = _cut(files["identity"], tag)
    with pytest.raises(rp.AddressSignatureInvalid):
        verify(answer(files, *NO_IDENTITY))


def test_an_identity_file_whose_rest_is_as_long_as_a_signature_is_no_address() -> None:
    """RSA: any 256 bytes could be a signature, but this key must have made them."""
    place = b"x" * (256 - len(_cut(Card.rsa().identity(), 0x04)[1]) + len(b"Gent"))
    card = Card.rsa(fields={**FIELDS, 0x05: place})
    files = card.files()
    address, rest = _cut(files["identity"], 0x04)
    assert len(rest) == 256
    files["addressSignature"] = files["identitySignature"]
    files["address"], files["identitySignature"] = address, rest
    with pytest.raises(rp.AddressSignatureInvalid):
        verify(answer(files, *NO_IDENTITY))


def test_an_address_is_signed_with_its_identity_signature_and_zeros_alone() -> None:
    """What stands behind the signature in EF 4032 is signed along, and is nothing."""
    card = Card()
    files = card.files()
    spoiled = files["identitySignature"][:-1] + b"\x01"
    files["identitySignature"] = spoiled
    files["addressSignature"] = sign_file(
        card.rrn.key, card.address.rstrip(b"\0") + spoiled
    )
    with pytest.raises(rp.AddressSignatureInvalid):
        verify(answer(files))


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        (ADDRESS, True),
        ({0x00: b"\x00\x05", **ADDRESS}, True),
        ({0x01: b"Kerkstraat 1", 0x02: b"9000"}, False),
        ({**ADDRESS, 0x04: b"01.03.2034"}, False),
        ({0x01: b"592123456789"}, False),
    ],
)
def test_an_address_has_the_fields_of_one_and_no_other(
    fields: dict[int, bytes], good: bool
) -> None:
    """A signed file of another kind is no address."""
    response = answer(Card(address=tlv(fields)).files())
    if good:
        assert verify(response).address is not None
        return
    with pytest.raises(rp.DataMalformed):
        verify(response)


# --- forgeries -----------------------------------------------------------------------

Files = dict[str, bytes]


def spoiled(name: str, change: Callable[[bytes], bytes]) -> Callable[[], object]:
    """A genuine card of which one file was changed."""

    def make() -> object:
        files = Card().files()
        return answer({**files, name: change(files[name])})

    return make


def flip(data: bytes) -> bytes:
    """Flip a bit that stands neither in a length nor in padding."""
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


def mixed(*names: str) -> Callable[[], object]:
    """A genuine card with some files of another genuine card."""

    def make() -> object:
        other = Card(
            fields={**FIELDS, 0x06: b"71715100070"},
            address=tlv({**ADDRESS, 0x01: b"Stationsplein 9"}),
            photo=PHOTO[::-1],
        ).files()
        return answer({**Card().files(), **{name: other[name] for name in names}})

    return make


def signed_by(make: Callable[[], pki.Pair]) -> Callable[[], object]:
    """A card whose files were signed by somebody else, with a certificate."""
    return lambda: answer(Card(rrn=make()).files())


def lacking(*names: str) -> Callable[[], object]:
    """A genuine card's answer without some files."""
    return lambda: answer(Card().files(), *names)


def person_called_rrn() -> pki.Pair:
    """A holder's certificate of which the common name is RRN, by the Citizen CA."""
    return pki.rrn(pki.citizen_ca())


def stranger(cn: str = "Belgium Root CA9", identifiers: bool = True) -> pki.Pair:
    """A service certificate under a root that nobody trusts."""
    root = pki.ca(
        pki.name(C="BE", CN=cn), ca_key=pki.key("stranger"), identifiers=identifiers
    )
    return pki.rrn(root, identifiers=identifiers)


def second_signature() -> object:
    """Identity data with a valid signature, behind it a changed copy of a field."""
    files = Card().files()
    files["identity"] += bytes([0x21, 1]) + b"x"
    return answer(files)


FORGED: list[tuple[str, Callable[[], object], type[rp.RelyingPartyError]]] = [
    # SAFETY 8: a holder's certificate leads to the same root and signs any digest
    (
        "signed by a holder",
        signed_by(lambda: pki.holder(pki.citizen_ca())),
        rp.NotRrnCertificate,
    ),
    (
        "signed by a holder's other key",
        signed_by(
            lambda: pki.holder(
                pki.citizen_ca(),
                bits=("digital_signature", "content_commitment"),
                purposes=(),
            )
        ),
        rp.NotRrnCertificate,
    ),
    ("a holder called RRN", signed_by(person_called_rrn), rp.RrnIssuerRefused),
    (
        "RRN with a national number",
        signed_by(lambda: pki.rrn(pki.root(), add={"SERIAL": "85073003328"})),
        rp.NotRrnCertificate,
    ),
    (
        "RRN with a surname",
        signed_by(lambda: pki.rrn(pki.root(), add={"SN": "Peeters"})),
        rp.NotRrnCertificate,
    ),
    (
        "RRN with given names",
        signed_by(lambda: pki.rrn(pki.root(), add={"GN": "Jan"})),
        rp.NotRrnCertificate,
    ),
    (
        "another service",
        signed_by(lambda: pki.rrn(pki.root(), cn="OCSP")),
        rp.NotRrnCertificate,
    ),
    (
        "ends in RRN without TEST",
        signed_by(lambda: pki.rrn(pki.root(), cn="Not RRN")),
        rp.NotRrnCertificate,
    ),
    (
        "begins with RRN",
        signed_by(lambda: pki.rrn(pki.root(), cn="RRN 2")),
        rp.NotRrnCertificate,
    ),
    (
        "a CA called RRN",
        signed_by(
            lambda: pki.ca(
                pki.name(CN="RRN"),
                pki.root(),
                bits=("digital_signature", "key_cert_sign"),
            )
        ),
        rp.NotRrnCertificate,
    ),
    (
        "RRN that may not sign",
        signed_by(lambda: pki.rrn(pki.root(), bits=("content_commitment",))),
        rp.NotRrnCertificate,
    ),
    (
        "RRN of another root",
        signed_by(lambda: stranger("Belgium Root CA0")),
        rp.RootUnknown,
    ),
    ("RRN of a root of the same name", signed_by(stranger), rp.RootUnknown),
    (
        "the same without identifiers",
        signed_by(lambda: stranger(identifiers=False)),
        rp.CertificateSignatureInvalid,
    ),
    (
        "RRN that signed itself",
        signed_by(
            lambda: pki.issue(
                pki.name(CN="RRN"),
                None,
                pki.key("self"),
                pki.usage("digital_signature"),
            )
        ),
        rp.RootUnknown,
    ),
    (
        "RRN not valid yet",
        signed_by(lambda: pki.rrn(pki.root(), start=pki.NOW + pki.YEAR / 2)),
        rp.CertificateNotYetValid,
    ),
    (
        "RRN on another curve",
        signed_by(lambda: pki.rrn(pki.root(), kind="P-256")),
        rp.IdentitySignatureInvalid,
    ),
    (
        "RRN of a test PKI",
        signed_by(lambda: pki.rrn(pki.root(), cn="TEST RRN")),
        rp.ChainMarkedTest,
    ),
    # files
    ("identity changed", spoiled("identity", flip), rp.IdentitySignatureInvalid),
    ("identity with more behind it", second_signature, rp.IdentitySignatureInvalid),
    ("identity of another card", mixed("identity"), rp.IdentitySignatureInvalid),
    (
        "identity signature changed",
        spoiled("identitySignature", flip),
        rp.IdentitySignatureInvalid,
    ),
    (
        "identity signature no DER",
        spoiled("identitySignature", lambda _: b"\xff" * 256),
        rp.IdentitySignatureInvalid,
    ),
    (
        "identity signature empty",
        spoiled("identitySignature", lambda _: b"\0"),
        rp.IdentitySignatureInvalid,
    ),
    (
        "address changed",
        spoiled("address", lambda d: d.replace(b"1", b"2")),
        rp.AddressSignatureInvalid,
    ),
    (
        "address of another card",
        mixed("address", "addressSignature"),
        rp.AddressSignatureInvalid,
    ),
    (
        "address signature changed",
        spoiled("addressSignature", flip),
        rp.AddressSignatureInvalid,
    ),
    ("photo changed", spoiled("photo", flip), rp.PhotoMismatch),
    ("photo of another card", mixed("photo"), rp.PhotoMismatch),
    (
        "RRN certificate tampered with",
        spoiled("rrnCertificate", lambda d: d.replace(b"BE", b"BB")),
        rp.RootUnknown,
    ),
    (
        "RRN certificate cut off",
        spoiled("rrnCertificate", lambda d: d[:200]),
        rp.CertificateMalformed,
    ),
    (
        "RRN certificate no DER",
        spoiled("rrnCertificate", lambda _: b"\0" * 300),
        rp.CertificateMalformed,
    ),
    # what is missing
    ("no RRN certificate", lacking("rrnCertificate"), rp.DataMissing),
    ("no identity signature", lacking("identitySignature"), rp.DataMissing),
    ("no address signature", lacking("addressSignature"), rp.DataMissing),
    (
        "address without the identity's signature",
        lacking(*NO_IDENTITY, "identitySignature"),
        rp.DataMissing,
    ),
    (
        "neither identity nor address",
        lacking(*NO_IDENTITY, *NO_ADDRESS),
        rp.DataMissing,
    ),
    ("photo alone", lacking("identity", *NO_ADDRESS), rp.PhotoWithoutIdentity),
    ("photo with an address", lacking("identity"), rp.PhotoWithoutIdentity),
    # form
    ("no object", lambda: [], rp.ResponseMalformed),
    ("no JSON", lambda: "{", rp.ResponseMalformed),
    ("None", lambda: None, rp.ResponseMalformed),
    ("bytes", lambda: b"{}", rp.ResponseMalformed),
    ("no format", lambda: {"raw": answer(Card().files())["raw"]}, rp.ResponseMalformed),
    (
        "another format",
        lambda: {**answer(Card().files()), "format": "eid-agent-identity:2"},
        rp.ResponseMalformed,
    ),
    (
        "format 10",
        lambda: {**answer(Card().files()), "format": "eid-agent-identity:10"},
        rp.ResponseMalformed,
    ),
    ("no raw", lambda: {"format": "eid-agent-identity:1"}, rp.ResponseMalformed),
    (
        "raw a list",
        lambda: {"format": "eid-agent-identity:1", "raw": []},
        rp.ResponseMalformed,
    ),
    (
        "not base64",
        lambda: {"format": "eid-agent-identity:1", "raw": {"identity": "*"}},
        rp.ResponseMalformed,
    ),
    (
        "not a text",
        lambda: {"format": "eid-agent-identity:1", "raw": {"identity": [1]}},
        rp.ResponseMalformed,
    ),
    (
        "empty file",
        lambda: {"format": "eid-agent-identity:1", "raw": {"identity": ""}},
        rp.ResponseMalformed,
    ),
    (
        "a file too large",
        spoiled("identity", lambda d: d + bytes(4096)),
        rp.ResponseMalformed,
    ),
    (
        "a photo too large",
        spoiled("photo", lambda d: d + bytes(65536)),
        rp.ResponseMalformed,
    ),
    (
        "an answer too large",
        lambda: {**answer(Card().files()), "x": "x" * 300_000},
        rp.ResponseMalformed,
    ),
]


@pytest.mark.parametrize(
    ("forge", "refusal"),
    [pytest.param(make, error, id=name) for name, make, error in FORGED],
)
def test_forged(
    forge: Callable[[], object], refusal: type[rp.RelyingPartyError]
) -> None:
    """Each forgery has its own exception, and none gets through."""
    with pytest.raises(rp.RelyingPartyError) as caught:
        verify(forge())
    assert type(caught.value) is refusal


def test_identity_data_signed_with_a_holders_certificate_prove_nothing() -> None:
    """Even where the holder's own issuing CA is trusted by itself (SAFETY 8)."""
    holder = pki.holder(pki.citizen_ca())
    for pair, refusal in (
        (holder, rp.NotRrnCertificate),
        (person_called_rrn(), rp.RrnIssuerRefused),
    ):
        with pytest.raises(refusal):
            verify(
                answer(Card(rrn=pair).files()),
                pki.root().cert,
                pki.citizen_ca().cert,
            )


def test_an_rrn_certificate_under_an_anchor_of_another_name_is_refused() -> None:
    """Whatever the pinned CA is called: only a root makes the Register's signer."""
    government = pki.ca(pki.name(C="BE", CN="Government CA"), pki.root())
    response = answer(Card(rrn=pki.rrn(government)).files())
    with pytest.raises(rp.RrnIssuerRefused):
        verify(response, government.cert)
    with pytest.raises(rp.RootUnknown):
        verify(response)


def test_roots_count_and_pinned_issuers_do_not() -> None:
    """A portal that pins issuing CAs alone can believe no identity data."""
    with pytest.raises(rp.RootUnknown):
        verify(answer(Card().files()), pki.citizen_ca().cert)


def test_a_root_issued_again_under_its_key_is_the_same_anchor() -> None:
    """Its own dates and serial number do not matter."""
    again = pki.ca(
        pki.root().cert.subject,
        ca_key=pki.root().key,
        end=pki.NOW - pki.YEAR / 2,
        path_length=1,
    )
    assert verify(answer(Card().files()), again.cert).data_authentic


def test_the_root_certificate_of_the_answer_is_only_a_hint() -> None:
    """A chain that brings its own root stays unknown."""
    root = pki.ca(pki.name(C="BE", CN="Belgium Root CA0"), path_length=1)
    files = Card(rrn=pki.rrn(root)).files()
    files["rootCertificate"] = pki.der(root.cert)
    with pytest.raises(rp.RootUnknown):
        verify(answer(files))
    assert verify(answer(files), root.cert).data_authentic


def test_trusted_cas_has_no_default_and_is_never_empty() -> None:
    """Nobody trusts everything by forgetting something."""
    with pytest.raises(TypeError):
        rp.verify_identity(answer(Card().files()))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="empty"):
        rp.verify_identity(answer(Card().files()), [])


# --- the certificate's own time ------------------------------------------------------


@pytest.mark.parametrize(
    ("began", "good"),
    [(b"01.03.2015", True), (b"01.03.2025", False), (b"", False), (None, False)],
)
def test_an_rrn_certificate_that_expired_since(began: bytes | None, good: bool) -> None:
    """It signed while it lived: the card must have begun before it ended."""
    fields = {tag: v for tag, v in FIELDS.items() if tag != 0x03}
    if began is not None:
        fields[0x03] = began
    expired = pki.rrn(
        pki.root(), start=pki.NOW - 15 * pki.YEAR, end=pki.NOW - 5 * pki.YEAR
    )
    response = answer(Card(rrn=expired, fields=fields).files())
    if good:
        assert verify(response).data_authentic
        return
    with pytest.raises(rp.CertificateExpired):
        verify(response)


def test_an_address_alone_needs_a_certificate_that_still_lives() -> None:
    """Nothing in it tells when it was signed."""
    expired = pki.rrn(
        pki.root(), start=pki.NOW - 15 * pki.YEAR, end=pki.NOW - 5 * pki.YEAR
    )
    with pytest.raises(rp.CertificateExpired):
        verify(answer(Card(rrn=expired).files(), *NO_IDENTITY))


# --- test cards and history ----------------------------------------------------------


def _test_card() -> Card:
    return Card(rrn=pki.rrn(pki.root(word="eID test"), cn="test RRN"))


def test_a_test_chain_is_refused_by_default() -> None:
    """Trusting the test root is not enough."""
    with pytest.raises(rp.ChainMarkedTest):
        verify(answer(_test_card().files()), pki.root(word="eID test").cert)


def test_a_test_chain_is_accepted_with_a_warning() -> None:
    """And the result says that these are nobody's data."""
    with pytest.warns(rp.AcceptingTestCards):
        result = verify(
            answer(_test_card().files()),
            pki.root(word="eID test").cert,
            allow_test=True,
        )
    assert result.test is True


def test_allow_test_does_not_loosen_who_the_register_is() -> None:
    """A test holder's certificate proves nothing either."""
    word = "TEST"
    holder = pki.holder(pki.citizen_ca(word=word))
    called = pki.rrn(pki.citizen_ca(word=word), cn="TEST RRN")
    for pair, refusal in (
        (holder, rp.NotRrnCertificate),
        (called, rp.RrnIssuerRefused),
        (pki.rrn(pki.root(word=word), cn="TEST RRN 2"), rp.NotRrnCertificate),
    ):
        with (
            pytest.warns(rp.AcceptingTestCards),
            pytest.raises(refusal),
        ):
            verify(
                answer(Card(rrn=pair).files()),
                pki.root(word=word).cert,
                allow_test=True,
            )


def _sha1_certificate() -> Card:
    root = pki.root("RSA-2048")
    return Card.rsa(rrn=pki.resigned_sha1(pki.rrn(root, kind="RSA-2048"), root.key))


def _old_root() -> Card:
    root = pki.ca(
        pki.name(C="BE", CN="Belgium Root CA2"), ca_key=pki.key("old", "RSA-2048")
    )
    return Card.rsa(rrn=pki.rrn(root, kind="RSA-2048"))


HISTORIC: list[tuple[str, Callable[[], Card]]] = [
    ("files signed with SHA-1", lambda: Card.rsa(algorithm=hashes.SHA1())),
    ("certificate signed with SHA-1", _sha1_certificate),
    ("RSA-1024", lambda: Card.rsa(rrn=pki.rrn(pki.root("RSA-2048"), kind="RSA-1024"))),
    ("Belgium Root CA2", _old_root),
]


@pytest.mark.parametrize(
    "make", [pytest.param(make, id=name) for name, make in HISTORIC]
)
def test_historic_proofs_are_refused_unless_asked_for(make: Callable[[], Card]) -> None:
    """They are genuine, but no longer proof; the result says so when allowed."""
    old = pki.ca(
        pki.name(C="BE", CN="Belgium Root CA2"), ca_key=pki.key("old", "RSA-2048")
    )
    anchors = (pki.root("RSA-2048").cert, old.cert)
    response = answer(make().files())
    with pytest.raises(rp.HistoricRefused):
        verify(response, *anchors)
    result = verify(response, *anchors, allow_historic=True)
    assert result.historic is True
    assert result.address is not None


def test_history_is_no_excuse_for_a_forgery() -> None:
    """Allowing SHA-1 allows no changed file."""
    files = Card.rsa(algorithm=hashes.SHA1()).files()
    with pytest.raises(rp.IdentitySignatureInvalid):
        verify(
            answer({**files, "identity": flip(files["identity"])}), allow_historic=True
        )


def test_an_ec_signature_over_another_hash_is_refused() -> None:
    """EC cards sign with SHA-384 and nothing else."""
    with pytest.raises(rp.IdentitySignatureInvalid):
        verify(answer(Card(algorithm=hashes.SHA256()).files()))


# --- the chip ------------------------------------------------------------------------


def _with_chip(card: Card | None = None, **changes: object) -> dict[str, object]:
    chip = chip_answer(chip_key())
    return {**answer((card or Card()).files()), "chip": {**chip, **changes}}


def test_the_chip_proves_itself_for_origin_and_challenge() -> None:
    """Its key is in the signed file, its answer covers our challenge."""
    assert verify(_with_chip(), **CHALLENGE).chip_present is True
    result = verify(_with_chip(), **CHALLENGE, require_chip="always")
    assert result.chip_present is True


def _other_key() -> dict[str, object]:
    chip = chip_answer(chip_key("other chip"))
    return {**answer(Card().files()), "chip": chip}


def _other_key_under_the_right_name() -> dict[str, object]:
    chip = chip_answer(chip_key("other chip"))
    chip["publicKey"] = b64(key_file(chip_key()))
    return {**answer(Card().files()), "chip": chip}


def _answer_for(origin: str, challenge: str) -> dict[str, object]:
    chip = chip_answer(chip_key(), origin, challenge)
    return {**answer(Card().files()), "chip": chip}


CHIPS: list[tuple[str, Callable[[], object], type[rp.RelyingPartyError]]] = [
    ("no chip", lambda: answer(Card().files()), rp.ChipMissing),
    (
        "chip said to be unsupported",
        lambda: {**answer(Card().files()), "chipUnavailable": "unsupported"},
        rp.ChipMissing,
    ),
    (
        "chip said to be blocked",
        lambda: {**answer(Card().files()), "chipUnavailable": "blocked"},
        rp.ChipMissing,
    ),
    ("chip null", lambda: {**answer(Card().files()), "chip": None}, rp.ChipMissing),
    ("chip a text", lambda: {**answer(Card().files()), "chip": "x"}, rp.ChipMalformed),
    ("another format", lambda: _with_chip(format="eid-agent-chip:2"), rp.ChipMalformed),
    ("key no base64", lambda: _with_chip(publicKey="*"), rp.ChipMalformed),
    ("signature no base64", lambda: _with_chip(signature=5), rp.ChipMalformed),
    (
        "signature too short",
        lambda: _with_chip(signature=b64(bytes(64))),
        rp.ChipMalformed,
    ),
    (
        "signature too long",
        lambda: _with_chip(signature=b64(bytes(97))),
        rp.ChipMalformed,
    ),
    (
        "signature of zeros",
        lambda: _with_chip(signature=b64(bytes(96))),
        rp.ChipSignatureInvalid,
    ),
    ("another chip", _other_key, rp.ChipKeyMismatch),
    (
        "another chip under this key",
        _other_key_under_the_right_name,
        rp.ChipSignatureInvalid,
    ),
    (
        "another challenge",
        lambda: _answer_for(ORIGIN, NONCE[::-1]),
        rp.ChipSignatureInvalid,
    ),
    (
        "another origin",
        lambda: _answer_for("https://evil.example", NONCE),
        rp.ChipSignatureInvalid,
    ),
    (
        "a card without a chip's key",
        lambda: _with_chip(Card(has_chip=False)),
        rp.ChipKeyMismatch,
    ),
]


@pytest.mark.parametrize(
    ("forge", "refusal"),
    [pytest.param(make, error, id=name) for name, make, error in CHIPS],
)
@pytest.mark.parametrize("required", ["always", "when-possible"])
def test_a_chip_that_does_not_prove_itself(
    forge: Callable[[], object],
    refusal: type[rp.RelyingPartyError],
    required: str,
) -> None:
    """A 1.8 card that was challenged must answer; an unsigned excuse is none."""
    with pytest.raises(rp.RelyingPartyError) as caught:
        verify(forge(), **CHALLENGE, require_chip=required)
    assert type(caught.value) is refusal


@pytest.mark.parametrize(
    ("make", "always"),
    [
        pytest.param(lambda: answer(Card.rsa().files()), rp.ChipMissing, id="1.7"),
        pytest.param(
            lambda: answer(Card().files(), *NO_IDENTITY), rp.ChipMissing, id="address"
        ),
    ],
)
def test_where_no_chip_can_answer_only_always_refuses(
    make: Callable[[], object], always: type[rp.RelyingPartyError]
) -> None:
    """1.7 has no key for it, and an address alone names none."""
    assert verify(make(), **CHALLENGE).chip_present is False
    with pytest.raises(always):
        verify(make(), **CHALLENGE, require_chip="always")


def test_never_does_not_look_at_the_chip() -> None:
    """A portal that does not care is not refused for a blocked chip."""
    response = {**answer(Card().files()), "chip": "x"}
    assert verify(response, **CHALLENGE, require_chip="never").chip_present is False


def test_without_a_challenge_no_chip_is_claimed_present() -> None:
    """An answer to somebody's challenge proves nothing to this portal."""
    assert verify(_with_chip()).chip_present is False


def test_a_key_hash_of_another_length_is_no_key() -> None:
    """1.7 cards exist whose identity file ends with an empty tag 1A."""
    fields = {**FIELDS, 0x1A: b""}
    response = answer(Card(fields=fields, has_chip=False).files())
    assert verify(response, **CHALLENGE).chip_present is False


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"origin": ORIGIN}, "together"),
        ({"challenge": NONCE}, "together"),
        ({"require_chip": "always"}, "needs origin and challenge"),
        ({"require_chip": "sometimes"}, "require_chip"),
        ({**CHALLENGE, "origin": "https://portal.example/"}, "origin"),
        ({"now": lambda: pki.NOW.replace(tzinfo=None)}, "aware"),
    ],
)
def test_a_question_without_sense_is_an_error(
    options: dict[str, object], reason: str
) -> None:
    """The portal's own mistakes are told apart from forgeries."""
    with pytest.raises(ValueError, match=reason):
        verify(answer(Card().files()), **options)


def test_a_challenge_that_no_store_issued_is_refused() -> None:
    """A short one could be guessed, an empty one comes from a broken session."""
    with pytest.raises(rp.ChallengeMalformed):
        verify(_with_chip(), origin=ORIGIN, challenge="short")


# --- what was signed and cannot be read ----------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\x01",
        b"\x01\xff\xff",
        b"\x06\x02ab\x06\x02ab",
        b"\x07\x02\xff\xfe",
        b"\x03\x0a31.02.2024",
        "\x0c\x09² MEI 1960".encode(),
    ],
)
def test_signed_files_without_the_documented_form(data: bytes) -> None:
    """The Register would have to err; we still end in our own exception."""
    card = Card()
    files = card.files()
    files["identity"] = data
    files["identitySignature"] = sign_file(card.rrn.key, data)
    with pytest.raises(rp.DataMalformed):
        verify(answer(files, *NO_ADDRESS, "photo"))


def test_a_photo_whose_hash_is_of_no_known_length_is_unproven() -> None:
    """No hash, no proof."""
    card = Card()
    files = card.files()
    files["identity"] = tlv({**FIELDS, 0x11: b""})
    files["identitySignature"] = sign_file(card.rrn.key, files["identity"])
    with pytest.raises(rp.PhotoMismatch):
        verify(answer(files, *NO_ADDRESS))


# --- whatever comes ------------------------------------------------------------------

_FILES = Card().files()
_RAW = answer(_FILES)["raw"]
_NAMES = sorted(set(_FILES) - {"rootCertificate"})


@given(st.data())
def test_one_changed_byte_is_never_accepted(data: st.DataObject) -> None:
    """In any file, at any place that is signed or read."""
    name = data.draw(st.sampled_from(_NAMES))
    raw = bytearray(_FILES[name])
    end = len(raw)
    if name == "addressSignature":
        end = raw[1] + 2  # what stands behind the DER signature is not read
    if name == "rrnCertificate":
        end -= 1100
    if name == "address":
        end = len(raw.rstrip(b"\0"))
    place = data.draw(st.integers(0, end - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(rp.RelyingPartyError):
        verify(answer({**_FILES, name: bytes(raw)}))


@example({"address": None, "addressSignature": "AA=="})
@given(
    st.dictionaries(
        st.sampled_from(_NAMES),
        st.none()
        | st.binary(max_size=300).map(b64)
        | st.text(max_size=50)
        | st.integers(),
        min_size=1,
    )
)
def test_any_raw_members_end_in_a_refusal_of_ours(members: dict[str, object]) -> None:
    """No parser's exception leaves the library."""
    assert isinstance(_RAW, dict)
    response = {"format": "eid-agent-identity:1", "raw": {**_RAW, **members}}
    try:
        result = verify(response)
    except rp.RelyingPartyError:
        return
    # Only leaving files out may go well, and what then proves nothing is not read.
    garbage = {name for name, value in members.items() if value is not None}
    assert garbage <= {"addressSignature"}
    assert not garbage or "address" in members
    assert result.data_authentic
    assert (result.address is None) == ("address" in members)


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5))
def test_any_chip_ends_in_a_refusal_of_ours(chip: object) -> None:
    """Whatever stands where the chip's proof belongs."""
    response = {**answer(_FILES), "chip": chip}
    with pytest.raises(rp.ChipError):
        verify(response, **CHALLENGE)
