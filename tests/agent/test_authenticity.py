"""Which cards are called genuine, and which forgery each check finds out.

The cards are virtual ones, read through the client as `card verify` does; OpenSSL's
program judges the signatures besides.
"""

from __future__ import annotations

import dataclasses
import datetime
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.authenticity import judge
from agent.checks import FILES, CardContent, Check, is_valid
from agent.commands import verify
from agent.relyingparty import roots
from cardio.beid.source import BeidCards
from cardio.files import EF, Key
from cardio.virtual import pki
from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters
from cardio.virtual.keyring import MAX_AUTHENTICATIONS
from cardio.virtual.personas import PERSONAS
from cardio.virtual.profile import Profile, load_profile
from cardio.virtual.reader import VirtualReaders

NAMES = [
    "rrn-certificate",
    "identity-signature",
    "address-signature",
    "photo-hash",
    "basic-key-hash",
    "chip",
    "chip-number",
    "card-dates",
    "authentication-certificate",
    "signature-certificate",
    "certificate-holder",
    "certificate-dates",
    "revocation",
]
ALICE = Path(__file__).parents[3] / "shared" / "data" / "test-card-alice"


def _content(profile: Profile, *, calls: int = 0) -> tuple[CardContent, Counters]:
    """Read a card as the command does; returns its chip's memory, too."""
    counters = Counters(authentications=calls)
    readers = VirtualReaders()
    readers.insert(VirtualCard(profile, counters=counters))
    return verify.read(BeidCards(readers), None), counters


def _judge(
    profile: Profile,
    *cas: x509.Certificate,
    now: datetime.datetime | None = None,
    calls: int = 0,
) -> dict[str, Check]:
    """Judge a card, by default with the test roots trusted and today."""
    content, _ = _content(profile, calls=calls)
    moment = now or datetime.datetime.now(datetime.UTC)
    checks = judge(content, cas or pki.test_roots(), moment)
    return {check.name: check for check in checks}


def _with(profile: Profile, files: Mapping[EF, bytes | None]) -> Profile:
    """Return the card with files replaced, or taken away (None)."""
    merged = {**profile.files, **files}
    return dataclasses.replace(
        profile, files={ef: data for ef, data in merged.items() if data is not None}
    )


def _flipped(data: bytes, at: int = 40) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _wrong(checks: Mapping[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.ok is False}


def _open(checks: Mapping[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.ok is None}


# --- genuine cards -------------------------------------------------------------------

NOT_ON_1_7 = {"basic-key-hash", "chip"}
NOT_ON_KIDS = {name for name in NAMES if "certificate" in name} - {"rrn-certificate"}


@pytest.mark.parametrize(
    ("persona", "missing"),
    [
        ("adult", set()),
        ("adult-1.7", NOT_ON_1_7),
        ("foreigner", set()),
        ("kids", NOT_ON_KIDS),
        ("long-names", set()),
        ("blocked", set()),
    ],
)
def test_a_genuine_card_is_valid_by_every_check_that_it_can_have(
    persona: str, missing: set[str]
) -> None:
    """Each check is true; open are those of files that the kind lacks."""
    checks = _judge(load_profile(persona))
    assert list(checks) == NAMES
    assert _wrong(checks) == set()
    assert _open(checks) == missing | {"revocation"}
    assert is_valid(checks.values())


@pytest.mark.parametrize("persona", list(PERSONAS))
def test_the_chip_is_asked_once_at_most_and_never_on_1_7(persona: str) -> None:
    """One of 5000 for a command that a person typed; none below 1.8 (SAFETY 3)."""
    profile = load_profile(persona)
    _, counters = _content(profile)
    assert counters.authentications == (1 if profile.applet == "1.8" else 0)


def test_an_expired_card_is_wrong_in_its_dates_alone() -> None:
    """Its data stay genuine."""
    checks = _judge(load_profile("expired"))
    assert _wrong(checks) == {"card-dates", "certificate-dates"}
    assert not is_valid(checks.values())


def test_before_its_time_a_card_is_not_valid_yet() -> None:
    """Dates count in both directions."""
    early = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    checks = _judge(load_profile("adult"), now=early)
    assert _wrong(checks) == {"card-dates", "certificate-dates"}


def test_a_certificate_ends_at_its_second_not_at_midnight() -> None:
    """One second past the end is past the end."""
    profile = load_profile("adult")
    data = profile.files[EF.AUTHENTICATION].rstrip(b"\0")
    end = x509.load_der_x509_certificate(data).not_valid_after_utc
    second = datetime.timedelta(seconds=1)
    assert _judge(profile, now=end)["certificate-dates"].ok is True
    assert _judge(profile, now=end + second)["certificate-dates"].ok is False


# --- roots ---------------------------------------------------------------------------


def test_an_unknown_root_is_not_invalid() -> None:
    """Nothing is wrong with a card whose root nobody named; it is not valid either."""
    content, _ = _content(load_profile("adult"))
    now = datetime.datetime.now(datetime.UTC)
    checks = {check.name: check for check in judge(content, (), now)}
    chains = {"rrn-certificate", "authentication-certificate", "signature-certificate"}
    assert _wrong(checks) == set()
    assert _open(checks) == chains | {"revocation"}
    assert {checks[name].result.reason for name in chains} == {"root-unknown"}
    assert not is_valid(checks.values())


def test_another_root_does_not_help() -> None:
    """The root of 1.7 cards says nothing of a 1.8 card."""
    checks = _judge(load_profile("adult"), pki.hierarchy("rsa").root.certificate)
    assert checks["rrn-certificate"].ok is None
    assert not is_valid(checks.values())


@pytest.mark.parametrize(
    ("pinned", "published"),
    [
        (
            roots.BELGIAN_ROOTS,
            [
                "A8D14E945E3E5156BCAE5E39737CF6A1B1F51028BBBF982F50CE5F4C05568B4D",
                "C3FBF37259AF0954EEEA4282DD1C7226A54E7150F7C29A2C495BA34DBFE09CA0",
                "702DD5C1A093CF0A9D71FADD9BF9A7C5857D89FB73B716E867228B3C2BEB968F",
                "9C872BC979A7C09A58D4A274C199E5CB16CFA9B9618D98BC9A9988E984B8495C",
            ],
        ),
        (
            roots.HISTORIC_ROOTS,
            ["9F9744463BE13714754E1A3BECF98C08CC205E4AB32028F4E2830C4A1B2775B8"],
        ),
    ],
    ids=["in use", "historic"],
)
def test_the_pinned_roots_are_the_published_ones(
    pinned: frozenset[str], published: list[str]
) -> None:
    """Root CA3, CA4 (twice) and CA6, and CA2; no other root is trusted unasked."""
    assert pinned == {fingerprint.lower() for fingerprint in published}


def test_a_root_from_the_card_counts_only_by_its_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same card is trusted once its root's SHA-256 is among the pinned ones."""
    root = pki.hierarchy("ec").root.certificate
    pinned = frozenset({root.fingerprint(hashes.SHA256()).hex()})
    content, _ = _content(load_profile("adult"))
    now = datetime.datetime.now(datetime.UTC)
    assert not is_valid(judge(content, (), now))
    monkeypatch.setattr(roots, "BELGIAN_ROOTS", pinned)
    assert is_valid(judge(content, (), now))


def test_a_forged_authority_of_the_same_name_is_not_believed() -> None:
    """Names, files and chip fit together under a root that bears the right name."""
    genuine = pki.hierarchy("ec")
    forged = pki._make("ec")  # a second authority with the same names
    pairs = {name: pki._pair(forged, name) for name in ("root", "rrn")}
    assert pairs["root"].certificate.subject == genuine.root.certificate.subject
    card = _resigned_all(
        _with(load_profile("kids"), {EF.ROOT: _der(pairs["root"].certificate)}),
        pairs["rrn"].key,
        pairs["rrn"].certificate,
    )
    checks = _judge(card)
    assert checks["identity-signature"].ok is True
    assert checks["rrn-certificate"].ok is None
    assert not is_valid(checks.values())


def test_a_register_certificate_that_ended_before_the_card_began_is_refused() -> None:
    """Stolen keys of a certificate that is over make no new cards; old cards stay."""
    authority = pki.hierarchy("ec").root
    issuer = pki.Issuer(authority.certificate.subject, authority.key)
    key = pki.new_key("ec")
    first = datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC)
    for end, wrong in ((2023, {"rrn-certificate"}), (2025, set())):
        last = datetime.datetime(end, 1, 1, tzinfo=datetime.UTC)
        rrn = pki._rrn(key, issuer, (first, last))
        card = _resigned_all(load_profile("adult"), key, rrn)  # begins in 2024
        assert _wrong(_judge(card)) == wrong


def _resigned_all(
    profile: Profile, key: pki.PrivateKey, rrn: x509.Certificate
) -> Profile:
    """Return the card as another certificate of the Register would have signed it."""
    sign = _signer(key)
    identity = sign(profile.files[EF.IDENTITY])
    return _with(
        profile,
        {
            EF.RRN: _der(rrn),
            EF.IDENTITY_SIGNATURE: identity,
            EF.ADDRESS_SIGNATURE: sign(
                profile.files[EF.ADDRESS].rstrip(b"\0") + identity
            ),
        },
    )


def test_what_cannot_be_an_anchor_is_refused() -> None:
    """A person's or the Register's certificate given as a root."""
    content, _ = _content(load_profile("adult"))
    now = datetime.datetime.now(datetime.UTC)
    with pytest.raises(ValueError, match="no CA"):
        judge(content, [pki.hierarchy("ec").rrn.certificate], now)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _signer(key: pki.PrivateKey) -> Callable[[bytes], bytes]:
    """Return what signs as the National Register does for 1.8 cards."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return lambda data: key.sign(data, ec.ECDSA(hashes.SHA384())).ljust(256, b"\0")


# --- forgeries -----------------------------------------------------------------------


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
@pytest.mark.parametrize(
    ("ef", "wrong"),
    [
        (EF.IDENTITY, {"identity-signature"}),
        (EF.IDENTITY_SIGNATURE, {"identity-signature", "address-signature"}),
        (EF.ADDRESS, {"address-signature"}),
        (EF.ADDRESS_SIGNATURE, {"address-signature"}),
        (EF.PHOTO, {"photo-hash"}),
    ],
)
def test_one_flipped_bit_is_found(persona: str, ef: EF, wrong: set[str]) -> None:
    """In a signed file, a signature or the photo."""
    profile = load_profile(persona)
    card = _with(profile, {ef: _flipped(profile.files[ef])})
    checks = _judge(card)
    assert wrong <= _wrong(checks)
    assert not is_valid(checks.values())


def test_another_cards_photo_is_found() -> None:
    """Genuine for somebody else."""
    photo = load_profile("kids").files[EF.PHOTO]
    checks = _judge(_with(load_profile("adult"), {EF.PHOTO: photo}))
    assert _wrong(checks) == {"photo-hash"}


def test_an_identity_signed_by_a_holder_is_found() -> None:
    """Every citizen's certificate leads to the same root and signs any digest."""
    profile = load_profile("adult")
    sign = _signer(profile.keys[Key.AUTHENTICATION])
    identity = profile.files[EF.IDENTITY].replace(b"M", b"N", 1)
    signature = sign(identity)
    card = _with(
        profile,
        {
            EF.IDENTITY: identity,
            EF.IDENTITY_SIGNATURE: signature,
            EF.ADDRESS_SIGNATURE: sign(
                profile.files[EF.ADDRESS].rstrip(b"\0") + signature
            ),
            EF.RRN: profile.files[EF.AUTHENTICATION],
        },
    )
    checks = _judge(card)
    assert checks["rrn-certificate"].result.values == {"code": "not-rrn"}
    assert _wrong(checks) == {"rrn-certificate"}
    assert not is_valid(checks.values())


def _resigned(profile: Profile, address: bytes, identity_signature: bytes) -> Profile:
    sign = _signer(pki.hierarchy("ec").rrn.key)
    return _with(profile, {EF.ADDRESS_SIGNATURE: sign(address + identity_signature)})


def test_an_address_counts_with_the_whole_of_the_identitys_signature() -> None:
    """Signed over the trimmed 4032, or over an address with its padding: refused."""
    profile = load_profile("adult")
    stored, whole = profile.files[EF.ADDRESS], profile.files[EF.IDENTITY_SIGNATURE]
    trimmed = stored.rstrip(b"\0")
    assert whole.endswith(b"\0\0")
    good = _judge(_resigned(profile, trimmed, whole))
    assert good["address-signature"].ok is True
    for address, signature in ((trimmed, whole.rstrip(b"\0")), (stored, whole)):
        checks = _judge(_resigned(profile, address, signature))
        assert _wrong(checks) == {"address-signature"}


def _on_another_chip(original: str, chip_of: str) -> Profile:
    genuine, other = load_profile(original), load_profile(chip_of)
    keys = {**genuine.keys, Key.BASIC: other.keys[Key.BASIC]}
    return dataclasses.replace(genuine, keys=keys)


def test_a_copy_on_another_chip_is_found() -> None:
    """All files are genuine; only the chip cannot answer for them."""
    checks = _judge(_on_another_chip("adult", "kids"))
    assert _wrong(checks) == {"chip"}


def test_a_key_that_nothing_signed_names_leaves_the_card_open() -> None:
    """A 1.7 card has no chip key; one among its files was not checked."""
    content, _ = _content(load_profile("adult-1.7"))
    key = load_profile("adult").files[EF.BASIC_KEY]
    content = dataclasses.replace(content, files={**content.files, EF.BASIC_KEY: key})
    now = datetime.datetime.now(datetime.UTC)
    assert not is_valid(judge(content, pki.test_roots(), now))


def test_a_copy_that_shows_its_own_key_is_found() -> None:
    """The identity names another key, and the chip proves nothing by its own."""
    key = load_profile("kids").files[EF.BASIC_KEY]
    checks = _judge(_with(_on_another_chip("adult", "kids"), {EF.BASIC_KEY: key}))
    assert _wrong(checks) == {"basic-key-hash"}
    assert checks["chip"].ok is None
    assert not is_valid(checks.values())


def test_a_copy_on_a_chip_that_cannot_be_asked_is_not_valid() -> None:
    """The signed identity says that there is a key to ask, whatever the applet says."""
    profile = load_profile("adult")
    checks = _judge(dataclasses.replace(profile, applet="1.7"))
    assert _wrong(checks) == set()
    assert checks["chip"].ok is None
    assert not is_valid(checks.values())


def test_a_copy_on_a_chip_with_another_number_is_found() -> None:
    """GET CARD DATA tells the chip's own number."""
    other = load_profile("kids").chip_serial
    card = dataclasses.replace(load_profile("adult-1.7"), chip_serial=other)
    assert _wrong(_judge(card)) == {"chip-number"}


def test_a_blocked_chip_leaves_the_card_unproven() -> None:
    """Open, not wrong; and not valid."""
    checks = _judge(load_profile("adult"), calls=MAX_AUTHENTICATIONS)
    assert _wrong(checks) == set()
    assert checks["chip"].result.reason == "chip-blocked"
    assert not is_valid(checks.values())


def test_another_persons_certificates_are_found() -> None:
    """Genuine certificates beside genuine data of somebody else."""
    other = load_profile("long-names").files
    swapped = {ef: other[ef] for ef in (EF.AUTHENTICATION, EF.SIGNATURE)}
    checks = _judge(_with(load_profile("adult"), swapped))
    assert _wrong(checks) == {"certificate-holder"}


def test_certificates_in_each_others_place_are_found() -> None:
    """Each has its own use."""
    files = load_profile("adult").files
    card = _with(
        load_profile("adult"),
        {
            EF.AUTHENTICATION: files[EF.SIGNATURE],
            EF.SIGNATURE: files[EF.AUTHENTICATION],
        },
    )
    wrong = {"authentication-certificate", "signature-certificate"}
    assert _wrong(_judge(card)) == wrong


def test_a_forged_certificate_is_wrong_even_under_an_unknown_root() -> None:
    """The card's own CA did not sign it."""
    profile = load_profile("adult")
    data = profile.files[EF.AUTHENTICATION].rstrip(b"\0")
    forged = _flipped(data, len(data) - 1)
    content, _ = _content(_with(profile, {EF.AUTHENTICATION: forged}))
    now = datetime.datetime.now(datetime.UTC)
    checks = {check.name: check for check in judge(content, (), now)}
    assert _wrong(checks) == {"authentication-certificate"}


# --- files that are absent or garbage ------------------------------------------------


@pytest.mark.parametrize("ef", FILES, ids=lambda ef: ef.name)
def test_what_is_missing_is_never_called_right(ef: EF) -> None:
    """Open where a file is gone; the card's root proves nothing and may be absent."""
    checks = _judge(_with(load_profile("adult"), {ef: None}))
    assert _wrong(checks) == set()
    assert is_valid(checks.values()) is (ef is EF.ROOT)


@pytest.mark.parametrize("persona", ["adult", "adult-1.7", "kids", "foreigner"])
def test_a_card_whose_address_was_taken_away_is_not_valid(persona: str) -> None:
    """With its signature, so that nothing on the card tells of it."""
    gone = {EF.ADDRESS: None, EF.ADDRESS_SIGNATURE: None}
    checks = _judge(_with(load_profile(persona), gone))
    assert checks["address-signature"].result.reason == "absent"
    assert not is_valid(checks.values())


def test_an_officials_card_needs_no_address() -> None:
    """But one that it has must fit."""
    profile = load_profile("adult")
    identity = profile.files[EF.IDENTITY].replace(b"\x0f\x011", b"\x0f\x018")
    assert identity != profile.files[EF.IDENTITY]
    rrn = pki.hierarchy("ec").rrn
    card = _resigned_all(
        _with(profile, {EF.IDENTITY: identity}), rrn.key, rrn.certificate
    )
    assert is_valid(_judge(card).values())
    half = _with(card, {EF.ADDRESS: None})
    assert not is_valid(_judge(half).values())
    checks = _judge(_with(half, {EF.ADDRESS_SIGNATURE: None}))
    assert is_valid(checks.values())
    assert checks["address-signature"].result.reason == "absent-allowed"


@pytest.mark.parametrize(
    ("persona", "missing"),
    [
        ("kids", NOT_ON_KIDS),
        ("document-kids-eu", {"signature-certificate"}),
        ("document-kids-eu-plus", NOT_ON_KIDS),
    ],
)
def test_a_childs_card_may_lack_certificates_and_says_so(
    persona: str, missing: set[str]
) -> None:
    """Each check that was not made is named with its reason."""
    checks = _judge(load_profile(persona))
    assert is_valid(checks.values())
    assert {
        name
        for name, check in checks.items()
        if check.result.reason == "absent-allowed"
    } == missing


def test_an_empty_card_is_judged() -> None:
    """Nothing to check, nothing right."""
    content = CardContent("1.8", bytes(16), {}, "chip-no-key")
    checks = judge(content, pki.test_roots(), datetime.datetime.now(datetime.UTC))
    assert {check.ok for check in checks} == {None}
    assert not is_valid(checks)


@settings(max_examples=150, deadline=None)
@given(ef=st.sampled_from(FILES), data=st.binary(max_size=400), cut=st.booleans())
def test_garbage_is_never_valid_and_never_raises(
    ef: EF, data: bytes, cut: bool
) -> None:
    """Any bytes in the place of any file, or behind a genuine beginning."""
    content, _ = _content(load_profile("adult"))
    genuine = content.files[ef]
    if cut:
        data = genuine[: len(genuine) // 2] + data
    spoiled = dataclasses.replace(content, files={**content.files, ef: data})
    checks = judge(spoiled, pki.test_roots(), datetime.datetime.now(datetime.UTC))
    # The root on the card is not needed where another one is trusted.
    if is_valid(checks) and ef is not EF.ROOT:
        assert _content_of(ef, data) == _content_of(ef, genuine)


def _content_of(ef: EF, data: bytes) -> bytes:
    """Return a file without its padding, of which the card's kind decides."""
    if ef is EF.ADDRESS:
        return data.rstrip(b"\0")
    if ef is EF.ADDRESS_SIGNATURE:
        return data[: data[1] + 2]
    return data


# --- judges that are not ours --------------------------------------------------------


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
def test_openssl_comes_to_the_same_result(persona: str, tmp_path: Path) -> None:
    """The Register's signatures, over genuine files and with one bit changed."""
    profile = load_profile(persona)
    files = profile.files
    length = int.from_bytes(files[EF.RRN][2:4]) + 4
    rrn = x509.load_der_x509_certificate(files[EF.RRN][:length])
    public = rrn.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key").write_bytes(public)
    signed_address = (
        files[EF.ADDRESS].rstrip(b"\0") + files[EF.IDENTITY_SIGNATURE],
        files[EF.ADDRESS_SIGNATURE],
    )
    for data, signature in (
        (files[EF.IDENTITY], files[EF.IDENTITY_SIGNATURE]),
        signed_address,
    ):
        if persona == "adult":
            signature = signature[: signature[1] + 2]
        assert _openssl(tmp_path, data, signature, persona) == 0
        assert _openssl(tmp_path, _flipped(data), signature, persona) != 0


def _openssl(folder: Path, data: bytes, signature: bytes, persona: str) -> int:
    (folder / "data").write_bytes(data)
    (folder / "signature").write_bytes(signature)
    digest = "-sha384" if persona == "adult" else "-sha256"
    command = f"openssl dgst {digest} -verify key -signature signature data"
    return subprocess.run(
        command.split(), cwd=folder, capture_output=True, check=False
    ).returncode


@pytest.mark.skipif(
    not ALICE.is_dir(),
    reason="the public test card's files are not beside the checkout",
)
def test_the_public_test_card_is_genuine_and_historic() -> None:
    """A card not made by us: every signature holds, by SHA-1 alone, and it is over."""
    root = x509.load_der_x509_certificate((ALICE / "root.der").read_bytes())
    checks = _judge(load_profile(ALICE), root)
    historic = {
        name
        for name, check in checks.items()
        if (check.ok, check.result.reason) == (None, "historic")
    }
    assert historic == {
        "rrn-certificate",
        "identity-signature",
        "address-signature",
        "photo-hash",
        "authentication-certificate",
        "signature-certificate",
    }
    assert _wrong(checks) == {"card-dates", "certificate-dates"}
    assert checks["certificate-holder"].ok is True
    files = load_profile(ALICE).files
    forged = _with(load_profile(ALICE), {EF.ADDRESS: _flipped(files[EF.ADDRESS])})
    assert "address-signature" in _wrong(_judge(forged, root))
