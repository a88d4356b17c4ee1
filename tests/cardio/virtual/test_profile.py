"""Cards from personas and folders, and what is said about folders that are wrong."""

from __future__ import annotations

import logging
import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from cardio.files import ATR_1_7, ATR_1_8, EF, Key
from cardio.virtual.card import VirtualCard
from cardio.virtual.personas import CATALOGUE
from cardio.virtual.profile import (
    ImpossibleApplet,
    ProfileError,
    UnknownPersona,
    load_profile,
    write_profile,
)
from tests.cardio.virtual.wire import V_GOOD, Wire, mse, profile, pso

ALICE = Path(__file__).parents[4] / "shared" / "data" / "test-card-alice"


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_a_written_card_is_the_same_card(applet: str, tmp_path: Path) -> None:
    """Written to a folder and loaded again nothing is lost, keys included."""
    made = profile(applet)
    write_profile(made, tmp_path / "card")
    loaded = load_profile(tmp_path / "card")
    assert loaded.name == "card"
    for member in ("applet", "atr", "files", "chip_serial", "pin", "tries"):
        assert getattr(loaded, member) == getattr(made, member)
    assert {key: one.private_numbers() for key, one in loaded.keys.items()} == {
        key: one.private_numbers() for key, one in made.keys.items()
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_keys_are_written_for_the_owner(tmp_path: Path) -> None:
    """Test keys, but keys."""
    write_profile(profile("1.8"), tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.key")}
    assert modes == {0o600}


def test_what_is_missing_is_absent(tmp_path: Path) -> None:
    """Files that are not there answer 6A82, keys 6A88; the rest is as usual."""
    (tmp_path / "identity.tlv").write_bytes(profile("1.8").files[EF.IDENTITY])
    card = VirtualCard(load_profile(tmp_path))
    assert card.atr == ATR_1_8
    select = bytes.fromhex("00A4080C04DF01")
    assert card.transmit(select + b"\x40\x31").hex() == "9000"
    assert card.transmit(select + b"\x40\x33").hex() == "6a82"
    assert card.transmit(bytes.fromhex(mse(0x02))).hex() == "6a88"
    assert card.tries_left == 3
    assert card.transmit(bytes.fromhex(V_GOOD)).hex() == "9000"
    assert load_profile(tmp_path).chip_serial == profile("1.8").chip_serial


def test_a_folder_holds_no_card_that_is_not_activated(tmp_path: Path) -> None:
    """It would be an activated one when it is loaded again."""
    with pytest.raises(ProfileError, match="activated cards only"):
        write_profile(load_profile("not-activated"), tmp_path / "card")
    assert not (tmp_path / "card").exists()


def test_cdf_lists_what_is_there(tmp_path: Path) -> None:
    """Without the signature certificate its entry goes, the rest moves up."""
    write_profile(profile("1.8"), tmp_path)
    (tmp_path / "signature.der").unlink()
    cdf = load_profile(tmp_path).files[EF.CDF]
    assert b"Authentication" in cdf
    assert b"Signature" not in cdf
    assert len(cdf) == 175
    assert cdf.endswith(bytes(44))


@pytest.mark.parametrize(
    ("text", "applet", "atr", "pin", "tries"),
    [
        ("", "1.8", ATR_1_8, "1234", 3),
        ('applet = "1.7"', "1.7", ATR_1_7, "1234", 3),
        ('applet = "1.1"\ntries = 0', "1.1", ATR_1_7, "1234", 0),
        ('pin = "123456789012"', "1.8", ATR_1_8, "123456789012", 3),
        ('atr = "3B 02 14 50"', "1.8", bytes.fromhex("3B021450"), "1234", 3),
    ],
)
def test_card_toml(
    tmp_path: Path, text: str, applet: str, atr: bytes, pin: str, tries: int
) -> None:
    """Each member is optional."""
    (tmp_path / "card.toml").write_text(text)
    card = load_profile(tmp_path)
    assert (card.applet, card.atr, card.pin, card.tries) == (applet, atr, pin, tries)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("applet = ", "TOML"),
        (b"\xff\xfe", "TOML"),
        ("applet = 1.8", "applet"),
        ('applet = "1.9"', "applet"),
        ("applet = []", "applet"),
        ('atr = "3B 9"', "atr"),
        ('atr = "no hex"', "atr"),
        ('atr = ""', "atr"),
        ('atr = "00112233"', "atr"),
        (f'atr = "3B{"00" * 33}"', "atr"),
        ("atr = 59", "atr"),
        ("pin = 1234", "pin"),
        ('pin = "123"', "pin"),
        ('pin = "1234567890123"', "pin"),
        ('pin = "12a4"', "pin"),
        ('pin = "١٢٣٤"', "pin"),
        ("tries = 4", "tries"),
        ("tries = -1", "tries"),
        ("tries = true", "tries"),
        ('tries = "3"', "tries"),
        ("tries = 2.0", "tries"),
    ],
)
def test_wrong_card_toml(tmp_path: Path, text: str | bytes, problem: str) -> None:
    """One sentence that names the file and the member."""
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "card.toml").write_bytes(data)
    with pytest.raises(ProfileError, match=rf"card\.toml: .*{problem}"):
        load_profile(tmp_path)


def test_unknown_member_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt member has no effect, and the log says so."""
    (tmp_path / "card.toml").write_text('appplet = "1.7"')
    with caplog.at_level(logging.WARNING):
        assert load_profile(tmp_path).applet == "1.8"
    assert "appplet" in caplog.text


def _pem(key: object, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    assert isinstance(
        key,
        ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("applet", "pem", "problem"),
    [
        ("1.8", b"", "no RSA or EC key"),
        ("1.8", b"-----BEGIN PRIVATE KEY-----\n!\n", "no RSA or EC key"),
        ("1.8", _pem(ed25519.Ed25519PrivateKey.generate()), "no RSA or EC key"),
        ("1.8", _pem(ec.generate_private_key(ec.SECP384R1()), b"x"), "password"),
        ("1.8", _pem(rsa.generate_private_key(65537, 2048)), "EC key"),
        ("1.7", _pem(ec.generate_private_key(ec.SECP384R1())), "RSA key"),
        ("1.7", _pem(rsa.generate_private_key(65537, 3072)), "2048"),
        ("1.8", _pem(ec.generate_private_key(ec.SECP224R1())), "256"),
    ],
    ids=["empty", "broken", "Ed25519", "password", "RSA", "EC", "RSA-3072", "P-224"],
)
def test_wrong_key(tmp_path: Path, applet: str, pem: bytes, problem: str) -> None:
    """A key that the card cannot have: the file and the problem are named."""
    (tmp_path / "card.toml").write_text(f'applet = "{applet}"')
    (tmp_path / "signature.key").write_bytes(pem)
    with pytest.raises(ProfileError, match=rf"signature\.key: .*{problem}"):
        load_profile(tmp_path)


def test_unreadable_files(tmp_path: Path) -> None:
    """A folder in the place of a file, and a file too long for READ BINARY."""
    (tmp_path / "photo.jpg").mkdir()
    with pytest.raises(ProfileError, match=r"photo\.jpg: "):
        load_profile(tmp_path)
    (tmp_path / "photo.jpg").rmdir()
    (tmp_path / "photo.jpg").write_bytes(bytes(0x8001))
    with pytest.raises(ProfileError, match=r"photo\.jpg: longer than 32768"):
        load_profile(tmp_path)


def test_no_card_folder(tmp_path: Path) -> None:
    """An empty folder is no card, a name that is nothing no persona."""
    with pytest.raises(ProfileError, match=r"none of a card's files"):
        load_profile(tmp_path)
    with pytest.raises(UnknownPersona, match="long-names") as raised:
        load_profile("nobody")
    assert raised.value.name == "nobody"
    with pytest.raises(UnknownPersona):
        load_profile(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "applet"),
    [
        ("adult-1.7", "1.8"),
        ("foreigner", "1.7"),
        ("rekeyed-1.7", "1.8"),
        ("document-eu", "1.7"),
        ("document-kids-a", "1.7"),
        ("adult", "1.1"),
        ("adult", "2.0"),
        ("adult", ""),
    ],
)
def test_impossible_applet(name: str, applet: str) -> None:
    """Cards that do not exist are not made."""
    with pytest.raises(ImpossibleApplet) as raised:
        load_profile(name, applet=applet)
    assert raised.value.possible == CATALOGUE[name].applets


def test_a_folder_keeps_its_applet(tmp_path: Path) -> None:
    """The files are signed: their applet may be named, but not changed."""
    write_profile(profile("1.7"), tmp_path)
    assert load_profile(tmp_path, applet="1.7").applet == "1.7"
    with pytest.raises(ImpossibleApplet):
        load_profile(tmp_path, applet="1.8")


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12 34", "abcd"])
def test_wrong_pin(pin: str) -> None:
    """A test PIN has the form of a PIN."""
    with pytest.raises(ProfileError, match="4 to 12 digits"):
        load_profile("adult", pin=pin)


def test_another_pin() -> None:
    """`pin` replaces the PIN of a persona."""
    card = VirtualCard(load_profile("adult", pin="5678"))
    assert card.transmit(bytes.fromhex(V_GOOD)).hex() == "63c2"
    block = "0020000108245678FFFFFFFFFF"
    assert card.transmit(bytes.fromhex(block)).hex() == "9000"


def test_nothing_personal_in_repr() -> None:
    """Logs that show a profile show neither PIN nor data."""
    shown = repr(load_profile("adult", pin="918273"))
    assert "918273" not in shown
    assert "Voorbeeld" not in shown


def test_damaged_identity_still_gets_a_chip_number(tmp_path: Path) -> None:
    """Whatever stands in identity.tlv, the card can be inserted and read."""
    (tmp_path / "identity.tlv").write_bytes(b"\x02\x10short")
    first = load_profile(tmp_path)
    assert len(first.chip_serial) == 16
    assert load_profile(tmp_path).chip_serial == first.chip_serial
    assert first.chip_serial in first.files[EF.TOKEN_INFO]


def test_rsa_card_of_a_folder(tmp_path: Path) -> None:
    """A card of 1.1 with a key of 1024 bits signs with it, and EF(PrKDF) says so."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  # as these cards have
    (tmp_path / "card.toml").write_text('applet = "1.1"')
    (tmp_path / "authentication.key").write_bytes(_pem(key))
    loaded = load_profile(tmp_path)
    assert loaded.files[EF.PRKDF][58:60] == b"\x04\x00"
    card = VirtualCard(loaded)
    for apdu in (mse(0x02), V_GOOD):
        assert card.transmit(bytes.fromhex(apdu)).hex() == "9000"
    assert card.transmit(bytes.fromhex(pso(bytes(20)))).hex() == "6180"
    assert card.transmit(bytes.fromhex(mse(0x08))).hex() == "6a80"
    assert set(loaded.keys) == {Key.AUTHENTICATION}


@pytest.mark.skipif(
    not ALICE.is_dir(), reason="no public test card beside the checkout"
)
def test_public_test_card() -> None:
    """A card of the 1.1 era, without keys, is read byte for byte as it lies there."""
    alice = load_profile(ALICE)
    assert (alice.applet, alice.atr) == ("1.1", ATR_1_7)
    for ef in EF:
        if ef.file_name is not None and (ALICE / ef.file_name).exists():
            assert alice.files[ef] == (ALICE / ef.file_name).read_bytes()
    assert alice.chip_serial.hex().upper().startswith("534C494E")
    assert len(alice.files[EF.CDF]) == 163
    wire = Wire("1.8")
    wire.card = VirtualCard(alice)
    data = wire.fetch("80E400001C")
    assert data[:16] == alice.chip_serial
    assert data[21] == 0x11
    assert wire.send("80E400011F") == "6B00"
    assert wire.send("80B2010100") == "6D00"
    assert wire.send(mse(0x02)) == "6A88"
    assert wire.send("0020000100") == "63C2"
