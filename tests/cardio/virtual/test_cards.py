"""What personalisation puts on a card: signatures, hashes, chains, padding, bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cardio.files import EF, Key
from cardio.tlv import der_length, encode, parse
from cardio.virtual import pki
from cardio.virtual.persona import Persona
from cardio.virtual.personas import CATALOGUE
from cardio.virtual.profile import Profile, load_profile

CARDS = pytest.mark.parametrize(
    ("name", "applet"),
    [(name, applet) for name, one in CATALOGUE.items() for applet in one.applets],
)
CERTIFICATES = (EF.AUTHENTICATION, EF.SIGNATURE, EF.CA, EF.ROOT, EF.RRN)


def certificate(profile: Profile, ef: EF) -> x509.Certificate:
    """Read a certificate file by its DER length."""
    data = profile.files[ef]
    return x509.load_der_x509_certificate(data[: der_length(data[:6])])


def verify(profile: Profile, signature: bytes, data: bytes) -> None:
    """Check a signature of the National Register as a stranger would."""
    key = certificate(profile, EF.RRN).public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        der = signature[: 2 + signature[1]]
        assert not any(signature[len(der) :])
        key.verify(der, data, ec.ECDSA(hashes.SHA384()))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())


@CARDS
def test_identity_and_address_are_signed(name: str, applet: str) -> None:
    """4032 signs 4031; 4034 signs the trimmed 4033 and the whole of 4032 (18)."""
    files = load_profile(name, applet=applet).files
    profile = load_profile(name, applet=applet)
    address, signature = files[EF.ADDRESS], files[EF.ADDRESS_SIGNATURE]
    signed = address.rstrip(b"\0") + files[EF.IDENTITY_SIGNATURE]
    assert len(files[EF.IDENTITY_SIGNATURE]) == len(signature) == 256
    verify(profile, files[EF.IDENTITY_SIGNATURE], files[EF.IDENTITY])
    verify(profile, signature, signed)
    with pytest.raises(InvalidSignature):
        verify(profile, signature, address + files[EF.IDENTITY_SIGNATURE])


@pytest.mark.parametrize("name", ["adult", "foreigner", "kids"])
def test_the_trimmed_signature_does_not_count(name: str) -> None:
    """On 1.8 the address is signed over the padded 4032 (SAFETY 6)."""
    profile = load_profile(name)
    whole = profile.files[EF.IDENTITY_SIGNATURE]
    trimmed = whole.rstrip(b"\0")
    assert len(trimmed) < len(whole)
    address = profile.files[EF.ADDRESS].rstrip(b"\0")
    with pytest.raises(InvalidSignature):
        verify(profile, profile.files[EF.ADDRESS_SIGNATURE], address + trimmed)


@CARDS
def test_hashes(name: str, applet: str) -> None:
    """Photo and basic key are what the identity file says (18, 19)."""
    files = load_profile(name, applet=applet).files
    fields = parse(files[EF.IDENTITY])
    hashed = hashlib.sha384 if applet == "1.8" else hashlib.sha256
    assert fields[0x11] == hashed(files[EF.PHOTO]).digest()
    assert (0x1A in fields) is (EF.BASIC_KEY in files) is (applet == "1.8")
    if applet == "1.8":
        assert fields[0x1A] == hashed(files[EF.BASIC_KEY]).digest()
        assert len(files[EF.BASIC_KEY]) == 120


@CARDS
def test_tags_ascend(name: str, applet: str) -> None:
    """The identity file has its tags in order and exactly its size; no tag 00."""
    identity = load_profile(name, applet=applet).files[EF.IDENTITY]
    tags = list(parse(identity))
    assert tags == sorted(tags)
    assert tags[:17] == list(range(1, 18))
    assert encode(parse(identity)) == identity


@CARDS
def test_texts_are_the_personas(name: str, applet: str) -> None:
    """Every text of the persona stands on the card, and no other tag does."""
    persona = CATALOGUE[name]
    files = load_profile(name, applet=applet).files
    fields = parse(files[EF.IDENTITY])
    texts = persona.texts(applet)
    assert {tag: fields.pop(tag).decode() for tag in texts} == texts
    assert set(fields) == {0x02, 0x11} | ({0x1A} if applet == "1.8" else set())
    address = {tag: data.decode() for tag, data in parse(files[EF.ADDRESS]).items()}
    assert address == persona.address
    assert len(files[EF.ADDRESS]) == 121


@CARDS
def test_certificates(name: str, applet: str) -> None:
    """Root, CA and RRN as the real ones are; the holder's keys are the card's."""
    persona, profile = CATALOGUE[name], load_profile(name, applet=applet)
    root, ca, rrn = (certificate(profile, ef) for ef in (EF.ROOT, EF.CA, EF.RRN))
    root.verify_directly_issued_by(root)
    ca.verify_directly_issued_by(root)
    rrn.verify_directly_issued_by(root)
    assert root in pki.test_roots()
    assert ca in pki.test_issuers()
    kind = "Foreigner" if persona.foreigner else "Citizen"
    assert common_name(ca) == f"TEST {kind} CA"
    assert "TEST" in common_name(root)
    for key, ef in _HOLDER.items():
        if ef not in holders(persona):
            assert key not in profile.keys
            continue
        own = certificate(profile, ef)
        own.verify_directly_issued_by(ca)
        assert own.public_key() == profile.keys[key].public_key()


def holders(persona: Persona) -> set[EF]:
    """Return the holder's certificates that a persona's card has."""
    if not persona.certificates:
        return set()
    return {EF.AUTHENTICATION} | ({EF.SIGNATURE} if persona.non_repudiation else set())


_HOLDER = {Key.AUTHENTICATION: EF.AUTHENTICATION, Key.NON_REPUDIATION: EF.SIGNATURE}


def common_name(one: x509.Certificate) -> str:
    """Return the subject's common name."""
    return str(one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def usages(one: x509.Certificate) -> set[str]:
    """Return the names of the key usage bits, which have to be critical."""
    extension = one.extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "key_cert_sign",
        "crl_sign",
    )
    return {name for name in names if getattr(extension.value, name)}


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_certificate_profiles(applet: str) -> None:
    """Key usages, path lengths and names by which a portal tells them apart."""
    profile = load_profile("adult", applet=applet)
    parts = {ef: certificate(profile, ef) for ef in CERTIFICATES}
    assert {ef: usages(one) for ef, one in parts.items()} == {
        EF.AUTHENTICATION: {"digital_signature"},
        EF.SIGNATURE: {"content_commitment"},
        EF.CA: {"key_cert_sign", "crl_sign"},
        EF.ROOT: {"key_cert_sign", "crl_sign"},
        EF.RRN: {"digital_signature", "content_commitment"},
    }
    limits = [
        parts[ef].extensions.get_extension_for_class(x509.BasicConstraints).value
        for ef in (EF.ROOT, EF.CA)
    ]
    expected = {"1.7": [None, 0], "1.8": [1, 0]}[applet]
    assert [limit.path_length for limit in limits] == expected
    assert common_name(parts[EF.RRN]).endswith("RRN")
    personal = (NameOID.SURNAME, NameOID.GIVEN_NAME, NameOID.SERIAL_NUMBER)
    for oid in personal:
        assert not parts[EF.RRN].subject.get_attributes_for_oid(oid)


@pytest.mark.parametrize("name", ["adult", "foreigner", "long-names"])
def test_holder_subject(name: str) -> None:
    """Country, name and purpose, surname, given names, national number."""
    persona, profile = CATALOGUE[name], load_profile(name)
    own = certificate(profile, EF.AUTHENTICATION)
    values = {attribute.oid: attribute.value for attribute in own.subject}
    assert values[NameOID.COUNTRY_NAME] == "BE"
    assert values[NameOID.SURNAME] == persona.surname
    assert values[NameOID.GIVEN_NAME] == persona.given_names
    assert values[NameOID.SERIAL_NUMBER] == persona.national_number
    first = persona.given_names.split()[0]
    assert common_name(own).startswith(first)
    assert common_name(own).endswith(" (Authentication)")
    assert common_name(certificate(profile, EF.SIGNATURE)).endswith(" (Signature)")
    purposes = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@CARDS
def test_certificates_run_as_long_as_the_card(name: str, applet: str) -> None:
    """Only `expired` has run out, card and certificates alike."""
    persona = CATALOGUE[name]
    now = datetime.now(UTC)
    assert (persona.valid[0] <= now.date() <= persona.valid[1]) is (name != "expired")
    if persona.certificates:
        own = certificate(load_profile(name, applet=applet), EF.AUTHENTICATION)
        assert own.not_valid_before_utc.date() == persona.valid[0]
        assert own.not_valid_after_utc.date() == persona.valid[1]


@CARDS
def test_openssl_believes_the_chain(name: str, applet: str, tmp_path: Path) -> None:
    """Another program accepts the holder's certificate under the root, at its time."""
    profile = load_profile(name, applet=applet)
    leaves: dict[str, list[str]] = {"RRN": []}
    for ef in holders(CATALOGUE[name]):
        leaves[ef.name] = ["-untrusted", "CA.pem"]
    for ef in (EF.CA, EF.ROOT, *(EF[leaf] for leaf in leaves)):
        pem = certificate(profile, ef).public_bytes(Encoding.PEM)
        (tmp_path / f"{ef.name}.pem").write_bytes(pem)
    first = CATALOGUE[name].valid[0]
    moment = int(
        datetime(first.year, first.month, first.day + 1, tzinfo=UTC).timestamp()
    )
    for leaf, chain in leaves.items():
        command = ["openssl", "verify", "-x509_strict", "-attime", str(moment)]
        subprocess.run(
            [*command, "-CAfile", "ROOT.pem", *chain, f"{leaf}.pem"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )


@CARDS
def test_padding(name: str, applet: str) -> None:
    """Certificate files end in zeros as the version's files do (15)."""
    profile = load_profile(name, applet=applet)
    zeros = dict.fromkeys(CERTIFICATES, 1100 if applet == "1.8" else 50)
    if applet == "1.7":
        zeros |= {EF.ROOT: 0, EF.RRN: 0}
    for ef in CERTIFICATES:
        data = profile.files[ef]
        if ef in _HOLDER.values() and ef not in holders(CATALOGUE[name]):
            assert data == bytes(2500 if applet == "1.8" else 1300)
        else:
            assert data[der_length(data[:6]) :] == bytes(zeros[ef])


@CARDS
def test_photo(name: str, applet: str) -> None:
    """A baseline JPEG of 140 x 200 pixels, 8-bit grey, of a card's size."""
    photo = load_profile(name, applet=applet).files[EF.PHOTO]
    assert photo[:2] == b"\xff\xd8"
    assert photo[-2:] == b"\xff\xd9"
    frame = photo[photo.index(b"\xff\xc0") + 4 :]
    assert (frame[0], frame[1:3], frame[3:5], frame[5]) == (
        8,
        (200).to_bytes(2, "big"),
        (140).to_bytes(2, "big"),
        1,
    )
    assert 2000 < len(photo) < 3600


# --- PKCS#15 -------------------------------------------------------------------------

PKCS15 = {
    EF.DIR: (
        "61234F0CA000000177504B43532D3135500642454C50494351043F00DF0073050603603802"
    ),
    EF.ODF: "A00A300804063F00DF005035A40A300804063F00DF005037A80A300804063F00DF005034",
    EF.AODF: (
        "3033300F0C0942617369632050494E030206C03003040101A11B30190302020C0A0100"
        "020104020108800101 0401FF300404023F00"
    ),
}
PRKDF = {
    "1.7": (
        "303A30170C0E41757468656E7469636174696F6E030206C0040101300F0401020302052003"
        "0203B802020082A10E300C300604043F00DF0002020800"
        "303930150C095369676E6174757265030206C00401010201013010040103030306004003"
        "0203B802020083A10E300C300604043F00DF0002020800"
    ),
    "1.8": (
        "A03A30170C0E41757468656E7469636174696F6E030206C0040101300F0401020302052003"
        "0203B802020082A10E300C300604043F00DF0002020180"
        "A03930150C095369676E6174757265030206C00401010201013010040103030306004003"
        "0203B802020083A10E300C300604043F00DF0002020180"
    ),
}
CDF = {
    "1.7": (
        "302C30170C0E41757468656E7469636174696F6E030206C00401013003040102"
        "A10C300A300804063F00DF005038",
        "302730120C095369676E6174757265030206C00401013003040103"
        "A10C300A300804063F00DF005039",
        "3023300B0C024341030206C004010130060401040101FFA10C300A300804063F00DF00503A"
        "3025300D0C04526F6F74030206C004010130060401060101FFA10C300A300804063F00DF00503B",
    ),
    "1.8": (
        "302F30170C0E41757468656E7469636174696F6E030206400401013006040102830100"
        "A10C300A300804063F00DF005038",
        "302A30120C095369676E6174757265030206400401013006040103830100"
        "A10C300A300804063F00DF005039",
        "3026300B0C0243410302064004010130090401040101FF830100"
        "A10C300A300804063F00DF00503A"
        "3028300D0C04526F6F740302064004010130090401060101FF830100"
        "A10C300A300804063F00DF00503B",
    ),
}


@CARDS
def test_pkcs15_files(name: str, applet: str) -> None:
    """Byte for byte as the documents print them, misprints corrected (16, 17, 22)."""
    profile = load_profile(name, applet=applet)
    for ef, content in PKCS15.items():
        assert profile.files[ef] == bytes.fromhex(content)
    assert profile.files[EF.PRKDF].hex().upper() == PRKDF[applet]
    versions = {"1.7": "00030000", "1.8": "00040000"}[applet]
    assert profile.files[EF.TOKEN_INFO].hex().upper() == (
        f"30270201000410{profile.chip_serial.hex().upper()}"
        f"800642454C504943030204309E04{versions}"
    )
    authentication, signature, authorities = CDF[applet]
    size = {"1.7": 163, "1.8": 175}[applet]
    present = holders(CATALOGUE[name])
    listed = authentication if EF.AUTHENTICATION in present else ""
    listed += signature if EF.SIGNATURE in present else ""
    listed += authorities
    assert profile.files[EF.CDF] == bytes.fromhex(listed).ljust(size, b"\0")


# --- one person, several cards -------------------------------------------------------


def test_every_card_has_a_number_of_its_own() -> None:
    """No two cards share chip or card number; a chip number never changes."""
    cards = [
        load_profile(name, applet=applet)
        for name, persona in CATALOGUE.items()
        for applet in persona.applets
    ]
    assert len({card.chip_serial for card in cards}) == len(cards)
    assert len({persona.identity[0x01] for persona in CATALOGUE.values()}) == len(
        CATALOGUE
    )
    adult = "534C47901B0E3C9272166CF573844762"
    assert load_profile("adult").chip_serial.hex().upper() == adult


@pytest.mark.parametrize("name", ["adult", "adult-1.7"])
def test_a_card_is_ready_soon(name: str) -> None:
    """A program with a card that was made before starts in well under a second.

    By the processor's time, which nothing else that runs makes longer.
    """
    load_profile(name)
    program = (
        "import time; from cardio.virtual.profile import load_profile;"
        f"load_profile({name!r}); print(time.process_time())"
    )
    seconds = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert float(seconds) < 1.0


def test_public_key_file() -> None:
    """EF 4040 is the SubjectPublicKeyInfo of the basic key."""
    profile = load_profile("adult")
    public = profile.keys[Key.BASIC].public_key()
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert profile.files[EF.BASIC_KEY] == info
