"""Personas, their files and signatures, and card folders."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from cardio import tlv
from cardio.files import EF, Key
from cardio.virtual import pki
from cardio.virtual.personas import PERSONAS, national_number
from cardio.virtual.profile import (
    ImpossibleApplet,
    Profile,
    ProfileError,
    UnknownPersona,
    load_profile,
    write_profile,
)

CARDS = [(name, applet) for name in PERSONAS for applet in PERSONAS[name].applets]
EACH_CARD = pytest.mark.parametrize(("name", "applet"), CARDS)


def der(profile: Profile, ef: EF) -> x509.Certificate:
    """Return a certificate of the card, without its padding."""
    data = profile.files[ef]
    return x509.load_der_x509_certificate(data[: tlv.der_length(data[:6])])


def verify_rrn(profile: Profile, signature: bytes, data: bytes) -> None:
    """Verify with the National Register's certificate on the card; InvalidSignature."""
    key = der(profile, EF.RRN).public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature[: signature[1] + 2], data, ec.ECDSA(hashes.SHA384()))


@EACH_CARD
def test_the_national_register_signed_identity_and_address(
    name: str, applet: str
) -> None:
    """Identity as it is; address trimmed, followed by the whole identity signature."""
    profile = load_profile(name, applet=applet)
    files = profile.files
    verify_rrn(profile, files[EF.IDENTITY_SIGNATURE], files[EF.IDENTITY])
    address = files[EF.ADDRESS].rstrip(b"\0")
    whole = address + files[EF.IDENTITY_SIGNATURE]
    verify_rrn(profile, files[EF.ADDRESS_SIGNATURE], whole)
    if applet == "1.8":
        trimmed = address + files[EF.IDENTITY_SIGNATURE].rstrip(b"\0")
        with pytest.raises(InvalidSignature):
            verify_rrn(profile, files[EF.ADDRESS_SIGNATURE], trimmed)


@EACH_CARD
def test_hashes_in_the_identity_file(name: str, applet: str) -> None:
    """Photo and, on 1.8, basic key are those that the signed identity names."""
    files = load_profile(name, applet=applet).files
    fields = tlv.parse(files[EF.IDENTITY])
    photo_hash = hashlib.sha384 if applet == "1.8" else hashlib.sha256
    assert fields[0x11] == photo_hash(files[EF.PHOTO]).digest()
    assert (0x1A in fields) == (applet == "1.8") == (EF.BASIC_KEY in files)
    if applet == "1.8":
        assert fields[0x1A] == hashlib.sha384(files[EF.BASIC_KEY]).digest()


@EACH_CARD
def test_certificates_chain_to_the_test_root(name: str, applet: str) -> None:
    """Holder under the issuing CA, CA and RRN under the root; all CAs say TEST."""
    profile = load_profile(name, applet=applet)
    root, issuer = der(profile, EF.ROOT), der(profile, EF.CA)
    issuer.verify_directly_issued_by(root)
    der(profile, EF.RRN).verify_directly_issued_by(root)
    assert root in pki.test_roots()
    assert issuer in pki.test_issuers()
    assert "TEST" in root.subject.rfc4514_string()
    assert "TEST" in issuer.subject.rfc4514_string()
    if PERSONAS[name].certificates:
        for ef in (EF.AUTHENTICATION, EF.SIGNATURE):
            der(profile, ef).verify_directly_issued_by(issuer)


@pytest.mark.parametrize(
    ("applet", "padding", "empty"), [("1.7", 50, 1300), ("1.8", 1100, 2500)]
)
def test_padding_of_certificate_files(applet: str, padding: int, empty: int) -> None:
    """Certificate files end in zeros as on real cards; absent ones are all zero."""
    files = load_profile("adult", applet=applet).files
    for ef in (EF.AUTHENTICATION, EF.SIGNATURE, EF.CA):
        assert len(files[ef]) == tlv.der_length(files[ef][:6]) + padding
    kids = load_profile("kids", applet=applet)
    assert kids.files[EF.AUTHENTICATION] == bytes(empty)
    assert Key.AUTHENTICATION not in kids.keys


def test_cdf_without_certificates_moves_up() -> None:
    """A Kids card's CDF begins with the CA and ends in zeros, at full length."""
    adult, kids = (load_profile(n).files[EF.CDF] for n in ("adult", "kids"))
    assert len(adult) == len(kids) == 175
    assert kids.startswith(bytes.fromhex("3026300B0C024341"))
    assert kids.endswith(bytes(93))
    assert len(load_profile("adult", applet="1.7").files[EF.CDF]) == 163


@pytest.mark.parametrize(
    ("ef", "size"),
    [(EF.DIR, 37), (EF.ODF, 36), (EF.TOKEN_INFO, 41), (EF.AODF, 53), (EF.PRKDF, 119)],
)
@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_sizes_of_the_pkcs15_files(applet: str, ef: EF, size: int) -> None:
    """Lengths as the card content documents add up to."""
    assert len(load_profile("adult", applet=applet).files[ef]) == size


def test_known_national_numbers() -> None:
    """Check digits before and after 2000, against published examples."""
    assert national_number(date(1985, 7, 30), 33) == "85073003328"
    assert national_number(date(2017, 7, 30), 33) == "17073003384"


@pytest.mark.parametrize(
    ("name", "tries"), [("adult", 3), ("one-try", 1), ("blocked", 0)]
)
def test_tries_of_the_personas(name: str, tries: int) -> None:
    """one-try and blocked are what they say."""
    assert load_profile(name).tries == tries


def test_a_card_is_the_same_each_time() -> None:
    """Keys and files come from the cache the second time."""
    first, second = load_profile("adult"), load_profile("adult")
    assert first.files == second.files


def test_impossible_pairs_and_unknown_names(tmp_path: Path) -> None:
    """What cannot be made is refused with a sentence."""
    with pytest.raises(ImpossibleApplet, match=r"1\.7"):
        load_profile("adult-1.7", applet="1.8")
    with pytest.raises(ImpossibleApplet):
        load_profile("foreigner", applet="1.7")
    with pytest.raises(UnknownPersona, match="adult"):
        load_profile("nobody")
    with pytest.raises(ProfileError, match="files"):
        load_profile(tmp_path)


@pytest.mark.parametrize("pin", ["123", "1234567890123", "12a4", "", "١٢٣٤"])
def test_bad_test_pins(pin: str) -> None:
    """A test PIN, too, has 4 to 12 digits."""
    with pytest.raises(ProfileError, match="4 to 12"):
        load_profile("adult", pin=pin)


def test_a_written_card_is_read_back(tmp_path: Path) -> None:
    """A folder holds everything that the card needs."""
    profile = load_profile("adult")
    write_profile(profile, tmp_path)
    again = load_profile(tmp_path)
    assert again.files == profile.files
    assert (again.applet, again.atr, again.tries) == ("1.8", profile.atr, 3)


BAD_FOLDERS = [
    ("card.toml", "applet = ", "card.toml"),
    ("card.toml", 'applet = "2.0"', "applet"),
    ("card.toml", 'atr = "xyz"', "atr"),
    ("card.toml", "tries = 4", "tries"),
    ("card.toml", "tries = true", "tries"),
    ("card.toml", 'pin = "12"', "pin"),
    ("authentication.key", "no key", "authentication.key"),
]


@pytest.mark.parametrize(("file", "content", "named"), BAD_FOLDERS)
def test_a_damaged_folder_names_the_problem(
    tmp_path: Path, file: str, content: str, named: str
) -> None:
    """The message names the file or the member that is wrong."""
    (tmp_path / "identity.tlv").write_bytes(b"\x01\x01x")
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(ProfileError, match=named):
        load_profile(tmp_path)


def test_the_public_test_card_loads() -> None:
    """The 1.1 card of files alone can be played; it has no keys."""
    folder = Path(__file__).parents[4] / "shared/data/test-card-alice"
    if not folder.is_dir():
        pytest.skip("the public test card's files are not beside the checkout")
    profile = load_profile(folder)
    assert profile.applet == "1.1"
    assert not profile.keys
    assert profile.chip_serial == tlv.parse(profile.files[EF.IDENTITY])[0x02]
