"""The virtual card's commands against the manuals' tables, as raw APDUs."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)
from hypothesis import given
from hypothesis import strategies as st

from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile

APPLETS = pytest.mark.parametrize("applet", ["1.7", "1.8"])
GOOD = "0020000108241234FFFFFFFFFF"


def card(applet: str = "1.8", **options: bool) -> VirtualCard:
    """Return a fresh card of the adult."""
    return VirtualCard(load_profile("adult", applet=applet), **options)


def send(virtual: VirtualCard, *apdus: str) -> str:
    """Send commands in hex and return the last answer in hex, upper case."""
    answer = b""
    for apdu in apdus:
        answer = virtual.transmit(bytes.fromhex(apdu))
    return answer.hex().upper()


SELECTS = [
    ("applet by AID, P2=00", "00A404000FA00000003029057000AD13100101FF", "9000"),
    ("applet by AID", "00A4040C0FA00000003029057000AD13100101FF", "9000"),
    ("PKCS#15 by AID", "00A4040C0CA000000177504B43532D3135", "9000"),
    ("AID too short", "00A4040C04A0000001", "6A87"),
    ("unknown AID", "00A4040C05A000000001", "6A82"),
    ("path without MF", "00A4080C04DF014031", "9000"),
    ("path with MF", "00A4080C063F00DF014031", "9000"),
    ("path to a DF", "00A4080C043F00DF00", "9000"),
    ("path of odd length", "00A4080C03DF0140", "6A87"),
    ("RRN CA", "00A4080C06 3F00DF00503D", "6A82"),
    ("MF by FID", "00A4020C023F00", "9000"),
    ("DF by FID", "00A4020C02DF01", "9000"),
    ("EF(DIR) from the MF", "00A4020C022F00", "9000"),
    ("EF of another DF", "00A4020C024031", "6A82"),
    ("unknown P1", "00A4010C023F00", "6A86"),
    ("unknown P2", "00A40804 04DF014031", "6A86"),
    ("with a stray Le", "00A4080C04DF01403100", "9000"),
]


@APPLETS
@pytest.mark.parametrize(("what", "apdu", "sw"), SELECTS, ids=[s[0] for s in SELECTS])
def test_select(applet: str, what: str, apdu: str, sw: str) -> None:
    """SELECT gives a bare status word, in every form that other software sends."""
    assert send(card(applet), apdu) == sw, what


def test_select_walk_after_a_failure() -> None:
    """The official module provokes 6A82 and then walks MF, DF, EF by their FIDs."""
    steps = ("00A4020C024031", "00A4020C023F00", "00A4020C02DF01", "00A4020C024031")
    assert send(card(), *steps) == "9000"


@APPLETS
def test_read_binary_limits(applet: str) -> None:
    """Too long: 6Cxx with the rest; at or beyond the end: 6B00; no file: 6986."""
    virtual = card(applet)
    assert send(virtual, "00B0000000") == "6986"
    size = len(virtual.profile.files[EF.ADDRESS])
    assert send(virtual, "00A4080C04DF014033", "00B0000000") == f"6C{size:02X}"
    assert send(virtual, f"00B00000{size:02X}").endswith("9000")
    assert send(virtual, f"00B000{size:02X}01") == "6B00"
    assert send(virtual, f"00B000{size - 1:02X}02") == "6C01"


@APPLETS
@pytest.mark.parametrize("block", [4, 128, 244, 248, 250, 252, 255, 256])
def test_every_block_size_reads_the_same_file(applet: str, block: int) -> None:
    """Whatever block size a program prefers, it gets the file as stored."""
    virtual = card(applet)
    send(virtual, "00A4080C04DF005038")
    data = b""
    while True:
        head = bytes([0, 0xB0, len(data) >> 8, len(data) & 0xFF])
        answer = virtual.transmit(head + bytes([block & 0xFF]))
        if answer[-2] == 0x6C:
            answer = virtual.transmit(head + answer[-1:])
        if answer[-2:] == b"\x6b\x00":
            break
        data += answer[:-2]
    assert data == virtual.profile.files[EF.AUTHENTICATION]


def test_card_data() -> None:
    """28 bytes, on 1.8 also 31 with the tries; another length gives 6Cxx."""
    new, old = card("1.8"), card("1.7")
    for virtual, version in ((new, "18"), (old, "17")):
        answer = send(virtual, "80E400001C")
        assert len(answer) == 2 * 30
        assert answer.startswith(virtual.profile.chip_serial.hex().upper())
        assert answer[42:44] == version
        assert answer.endswith("0F9000")
        assert send(virtual, "80E4000000") == "6C1C"
    assert send(new, "80E400011F").endswith("0F03FFFF9000")
    assert send(new, "80E400011C") == "6C1F"
    assert send(old, "80E400011F") == "6B00"


def test_chip_serial_is_one_everywhere() -> None:
    """Card data, TokenInfo and the identity file name the same chip."""
    virtual = card()
    serial = virtual.profile.chip_serial
    assert virtual.profile.files[EF.TOKEN_INFO][7:23] == serial
    assert b"\x02\x10" + serial in virtual.profile.files[EF.IDENTITY]


def test_get_response_rules() -> None:
    """Nothing waiting: 6985; too long: 6Cxx and the data stay; in pieces: 61xx."""
    virtual = card()
    assert send(virtual, "00C0000000") == "6985"
    sign = "002A9E9A30" + "11" * 48
    assert send(virtual, GOOD, "002241B6050480028482", sign) == "6160"
    assert send(virtual, "00C0000000") == "6C60"
    first = send(virtual, "00C0000040")
    assert first.endswith("6120")
    assert len(first) == 2 * 66
    assert send(virtual, "00C0000020").endswith("9000")
    assert send(virtual, "00C0000020") == "6985"


def test_another_command_drops_what_waits() -> None:
    """Data announced with 61xx are gone after the next command."""
    virtual = card()
    send(virtual, GOOD, "002241B6050480028482", "002A9E9A30" + "11" * 48)
    assert send(virtual, "80E400001C", "00C0000060") == "6985"


MSES = [
    ("key 82", "002241B6050480028482", "9000"),
    ("key 83", "002241B6050480408483", "9000"),
    ("no such key", "002241B6050480028484", "6A88"),
    ("combined algorithms", "002241B6050480038482", "6A80"),
    ("wrong tag", "002241B6050481028482", "6A80"),
    ("wrong length", "002241B60404800284", "6700"),
    ("wrong P1P2", "002241A4050480028482", "6B00"),
]


@pytest.mark.parametrize(("what", "apdu", "sw"), MSES, ids=[m[0] for m in MSES])
def test_mse(what: str, apdu: str, sw: str) -> None:
    """MSE:SET never looks at the PIN and refuses what the table refuses."""
    assert send(card(), apdu) == sw, what


def test_signature_needs_mse_then_pin() -> None:
    """Without MSE 6985, without PIN 6982."""
    virtual = card()
    sign = "002A9E9A30" + "00" * 48
    assert send(virtual, sign) == "6985"
    assert send(virtual, "002241B6050480028482", sign) == "6982"
    assert send(virtual, "002A9E9A1F" + "00" * 31) == "6982"
    assert send(virtual, GOOD, "002A9E9A1F" + "00" * 31) == "6700"


def signature(virtual: VirtualCard, algorithm: int, key: int, data: bytes) -> bytes:
    """Sign with VERIFY right before, and fetch the answer."""
    mse = bytes([0, 0x22, 0x41, 0xB6, 5, 4, 0x80, algorithm, 0x84, key])
    assert virtual.transmit(mse) == b"\x90\x00"
    assert virtual.transmit(bytes.fromhex(GOOD)) == b"\x90\x00"
    announced = virtual.transmit(bytes([0, 0x2A, 0x9E, 0x9A, len(data)]) + data)
    assert announced[0] == 0x61
    answer = virtual.transmit(bytes([0, 0xC0, 0, 0, announced[1]]))
    assert answer[-2:] == b"\x90\x00"
    return answer[:-2]


def public_key(virtual: VirtualCard, ef: EF) -> object:
    """Return the public key of a certificate file, padding cut off by its length."""
    data = virtual.profile.files[ef]
    size = int.from_bytes(data[2:4], "big") + 4
    return x509.load_der_x509_certificate(data[:size]).public_key()


KEYS = pytest.mark.parametrize(
    ("key", "ef"), [(0x82, EF.AUTHENTICATION), (0x83, EF.SIGNATURE)]
)
EC = [
    (0x01, hashes.SHA256()),
    (0x02, hashes.SHA384()),
    (0x04, hashes.SHA512()),
    (0x08, hashes.SHA3_256()),
    (0x10, hashes.SHA3_384()),
    (0x20, hashes.SHA3_512()),
    (0x40, hashes.SHA224()),
]


@pytest.mark.parametrize(
    ("key", "ef"), [(0x82, EF.AUTHENTICATION), (0x83, EF.SIGNATURE)]
)
@pytest.mark.parametrize(("algorithm", "hash_"), EC)
def test_signatures_of_1_8(
    key: int, ef: EF, algorithm: int, hash_: hashes.HashAlgorithm
) -> None:
    """Each algorithm gives r||s that the holder's certificate verifies."""
    virtual = card("1.8")
    digest = bytes(range(hash_.digest_size))
    raw = signature(virtual, algorithm, key, digest)
    assert len(raw) == 96
    der = encode_dss_signature(
        int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")
    )
    verifier = public_key(virtual, ef)
    assert isinstance(verifier, ec.EllipticCurvePublicKey)
    verifier.verify(der, digest, ec.ECDSA(Prehashed(hash_)))


SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")


@pytest.mark.parametrize(
    ("key", "ef"), [(0x82, EF.AUTHENTICATION), (0x83, EF.SIGNATURE)]
)
@pytest.mark.parametrize("algorithm", [0x01, 0x02, 0x04, 0x08, 0x10, 0x20])
def test_signatures_of_1_7(key: int, ef: EF, algorithm: int) -> None:
    """PKCS#1 v1.5 with and without the caller's DigestInfo, and PSS."""
    by_algorithm = {
        0x01: hashes.SHA256(),
        0x02: hashes.SHA1(),
        0x04: hashes.MD5(),
        0x08: hashes.SHA256(),
        0x10: hashes.SHA1(),
        0x20: hashes.SHA256(),
    }
    hash_ = by_algorithm[algorithm]
    virtual = card("1.7")
    digest = bytes(range(hash_.digest_size))
    data = SHA256_INFO + digest if algorithm == 0x01 else digest
    raw = signature(virtual, algorithm, key, data)
    assert len(raw) == 256
    verifier = public_key(virtual, ef)
    assert isinstance(verifier, rsa.RSAPublicKey)
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm >= 0x10:
        scheme = padding.PSS(padding.MGF1(hash_), hash_.digest_size)
    verifier.verify(raw, digest, scheme, Prehashed(hash_))


def test_internal_authenticate() -> None:
    """The chip's own key signs the challenge as a digest; the MSE is cleared."""
    virtual = card()
    challenge = bytes(range(48))
    send(virtual, "002241B6050480028482")
    announced = send(virtual, "00880281329430" + challenge.hex())
    assert announced == "6160"
    raw = bytes.fromhex(send(virtual, "00C0000060"))[:-2]
    spki = virtual.profile.files[EF.BASIC_KEY]
    assert len(spki) == 120
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), spki[23:])
    der = encode_dss_signature(
        int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")
    )
    point.verify(der, challenge, ec.ECDSA(Prehashed(hashes.SHA384())))
    assert (
        b"\x1a\x30" + hashlib.sha384(spki).digest()
        in virtual.profile.files[EF.IDENTITY]
    )
    assert send(virtual, GOOD, "002A9E9A30" + "00" * 48) == "6985"


def test_internal_authenticate_stops_after_5000_until_a_good_pin() -> None:
    """The counter blocks this command alone; VERIFY opens it again."""
    virtual = card()
    virtual._counters.authentications = 4999  # 5000 real calls would say no more
    command = "00880281329430" + "00" * 48
    assert send(virtual, command) == "6160"
    assert send(virtual, command) == "6985"
    assert send(virtual, GOOD, command) == "6160"


def test_change_reference_data() -> None:
    """The new PIN counts at once; a bad format costs nothing, a wrong old PIN a try."""
    virtual = card()
    new, old = "245678FFFFFFFFFF", "241234FFFFFFFFFF"
    assert send(virtual, f"0024000110{old}{'24567FFFFFFFFFFF'}") == "6A80"
    assert send(virtual, "0024000108" + old) == "6700"
    assert send(virtual, f"0024000110{new}{new}") == "63C2"
    assert send(virtual, f"0024000110{old}{new}") == "9000"
    assert send(virtual, "0020000100") == "9000"
    assert send(virtual, f"0020000108{new}") == "9000"


def test_read_record_of_1_8() -> None:
    """READ RECORD gives T-L-V by tag; 1.7 does not know the command."""
    virtual = card()
    send(virtual, "00A4080C04DF014031")
    number = virtual.profile.files[EF.IDENTITY]
    assert send(virtual, "80B2060600")[:4] == "060B"
    assert bytes.fromhex(send(virtual, "80B2060600"))[:-2] in number
    assert send(virtual, "80B20606FF") == "6C0D"
    assert send(virtual, "80B21F1F00") == "6A83"
    assert send(virtual, "80B2070600") == "6A83"
    assert send(virtual, "00A4080C04DF014035", "80B2060600") == "6981"
    assert send(card("1.7"), "80B2060600") == "6D00"


OTHERS = [
    ("unknown instruction", "00FF0000", "6D00"),
    ("secure messaging class", "0CB0000000", "6E00"),
    ("another channel", "01B0000000", "6E00"),
    ("class of another command", "80A4080C04DF014031", "6E00"),
    ("nothing at all", "", "6700"),
    ("half a header", "00A4", "6700"),
    ("Lc beyond the data", "00A4080C04DF01", "6700"),
    ("log off, 4 bytes", "80E60000", "9000"),
    ("log off, 5 bytes", "80E6000000", "9000"),
    ("verify another PIN", "0020000208241234FFFFFFFFFF", "6A88"),
    ("verify with P1", "0020010108241234FFFFFFFFFF", "6A86"),
    ("verify, 7 bytes", "0020000107241234FFFFFFFF", "6700"),
]


@APPLETS
@pytest.mark.parametrize(("what", "apdu", "sw"), OTHERS, ids=[o[0] for o in OTHERS])
def test_other_commands(applet: str, what: str, apdu: str, sw: str) -> None:
    """What does not fit gets its status word and costs no try."""
    virtual = card(applet)
    assert send(virtual, apdu) == sw, what
    assert virtual.tries_left == 3


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_get_an_answer(apdus: list[bytes]) -> None:
    """No input breaks the card, and only a whole VERIFY or CHANGE can cost a try."""
    virtual = card()
    for apdu in apdus:
        before = virtual.tries_left
        answer = virtual.transmit(apdu)
        assert 2 <= len(answer) <= 258
        if virtual.tries_left < before:
            assert apdu[1] in (0x20, 0x24)
            assert apdu[4] in (8, 16)


def test_an_old_card_counts_an_empty_verify() -> None:
    """Applet 1.1 takes the status query for a wrong PIN, as the manual warns."""
    from dataclasses import replace

    old = VirtualCard(replace(load_profile("adult", applet="1.7"), applet="1.1"))
    assert send(old, "0020000100") == "63C2"
