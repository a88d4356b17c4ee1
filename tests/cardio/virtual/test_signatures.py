"""What the card signs, checked with the public key of its own certificate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import load_der_public_key

from cardio.files import EF
from cardio.tlv import der_length, parse
from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters
from tests.cardio.virtual.wire import STATUS, V_BAD, V_GOOD, Wire, mse, profile, pso

KEYS = pytest.mark.parametrize(
    ("key", "ef"), [(0x82, EF.AUTHENTICATION), (0x83, EF.SIGNATURE)]
)
SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
SHA512_INFO = bytes.fromhex("3051300D060960864801650304020305000440")
MESSAGE = b"what is signed"


def public_key(ef: EF, applet: str) -> object:
    """Return the public key of a certificate file."""
    data = profile(applet).files[ef]
    der = data[: der_length(data[:6])]
    return x509.load_der_x509_certificate(der).public_key()


def sign(wire: Wire, algorithm: int, key: int, data: bytes) -> bytes:
    """MSE, VERIFY, PSO, GET RESPONSE."""
    assert wire.send(mse(algorithm, key)) == "9000"
    assert wire.send(V_GOOD) == "9000"
    return wire.fetch(pso(data))


@dataclass(frozen=True)
class Rsa:
    """How an RSA signature by reference is made and checked."""

    reference: int
    data: bytes
    padding: padding.AsymmetricPadding
    hash: hashes.HashAlgorithm


def _pss(algorithm: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)


def _digest(name: str) -> bytes:
    return hashlib.new(name, MESSAGE).digest()


V15 = padding.PKCS1v15()
RSA = [
    Rsa(0x01, SHA256_INFO + _digest("sha256"), V15, hashes.SHA256()),
    Rsa(0x01, SHA512_INFO + _digest("sha512"), V15, hashes.SHA512()),
    Rsa(0x02, _digest("sha1"), V15, hashes.SHA1()),
    Rsa(0x04, _digest("md5"), V15, hashes.MD5()),
    Rsa(0x08, _digest("sha256"), V15, hashes.SHA256()),
    Rsa(0x10, _digest("sha1"), _pss(hashes.SHA1()), hashes.SHA1()),
    Rsa(0x20, _digest("sha256"), _pss(hashes.SHA256()), hashes.SHA256()),
]


@KEYS
@pytest.mark.parametrize("case", RSA, ids=lambda case: f"{case.reference:02X}")
def test_rsa(case: Rsa, key: int, ef: EF) -> None:
    """Each algorithm reference of 1.7 is what the manual says it is (12)."""
    public = public_key(ef, "1.7")
    assert isinstance(public, rsa.RSAPublicKey)
    signature = sign(Wire("1.7"), case.reference, key, case.data)
    assert len(signature) == 256
    public.verify(signature, MESSAGE, case.padding, case.hash)
    with pytest.raises(InvalidSignature):
        public.verify(signature, MESSAGE + b"!", case.padding, case.hash)


@pytest.mark.parametrize("length", [0, 1, 245])
def test_rsa_of_anything(length: int) -> None:
    """Reference 01 pads what comes, up to 245 bytes."""
    public = public_key(EF.AUTHENTICATION, "1.7")
    assert isinstance(public, rsa.RSAPublicKey)
    signature = sign(Wire("1.7"), 0x01, 0x82, b"\xa5" * length)
    numbers = public.public_numbers()
    block = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n)
    expected = b"\0\1" + b"\xff" * (253 - length) + b"\0" + b"\xa5" * length
    assert block.to_bytes(256, "big") == expected


EC = [
    (0x01, hashes.SHA256()),
    (0x02, hashes.SHA384()),
    (0x04, hashes.SHA512()),
    (0x08, hashes.SHA3_256()),
    (0x10, hashes.SHA3_384()),
    (0x20, hashes.SHA3_512()),
    (0x40, hashes.SHA1()),
    (0x40, hashes.SHA224()),
    (0x40, hashes.SHA256()),
    (0x40, hashes.SHA384()),
    (0x40, hashes.SHA512()),
]


@KEYS
@pytest.mark.parametrize(
    ("reference", "algorithm"), EC, ids=lambda value: getattr(value, "name", None)
)
def test_ec(reference: int, algorithm: hashes.HashAlgorithm, key: int, ef: EF) -> None:
    """Each algorithm reference of 1.8; the answer is r and s of 48 bytes each (12)."""
    public = public_key(ef, "1.8")
    assert isinstance(public, ec.EllipticCurvePublicKey)
    digest = hashes.Hash(algorithm)
    digest.update(MESSAGE)
    signature = sign(Wire("1.8"), reference, key, digest.finalize())
    assert len(signature) == 96
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    public.verify(encode_dss_signature(r, s), MESSAGE, ec.ECDSA(algorithm))


#: References and the lengths of data they take.
LENGTHS = {
    "1.7": {
        0x01: range(246),
        0x02: (20,),
        0x04: (16,),
        0x08: (32,),
        0x10: (20,),
        0x20: (32,),
    },
    "1.8": {
        0x01: (32,),
        0x02: (48,),
        0x04: (64,),
        0x08: (32,),
        0x10: (48,),
        0x20: (64,),
        0x40: (20, 28, 32, 48, 64),
    },
}


@pytest.mark.parametrize(
    ("applet", "reference"), [(a, r) for a, rows in LENGTHS.items() for r in rows]
)
def test_length_of_data(applet: str, reference: int) -> None:
    """Data of any other length are refused with 6700."""
    wire = Wire(applet)
    allowed = LENGTHS[applet][reference]
    wire.send(V_GOOD)
    wire.send(mse(reference))
    tried = {0, 15, 16, 17, 19, 20, 21, 28, 31, 32, 33, 47, 48, 49, 63, 64, 65, 246}
    for length in tried | {255}:
        status = wire.status(pso(bytes(length)))
        assert (status == "6700") == (length not in allowed), length


def test_missing_data() -> None:
    """A command that announces data and brings none is no signature."""
    wire = Wire("1.7")
    wire.send(V_GOOD)
    wire.send(mse(0x01))
    assert wire.send("002A9E9A20") == "6700"


# --- INTERNAL AUTHENTICATE -----------------------------------------------------------

CHALLENGE = hashlib.sha384(b"a challenge").digest()
CHIP = f"0088028132 9430{CHALLENGE.hex()}"


def test_chip_authentication() -> None:
    """The signature fits EF 4040, whose hash is tag 1A of the identity file (18)."""
    wire = Wire("1.8")
    signature = wire.fetch(CHIP)
    stored = wire.profile.files[EF.BASIC_KEY]
    public = load_der_public_key(stored)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    algorithm = ec.ECDSA(Prehashed(hashes.SHA384()))
    public.verify(encode_dss_signature(r, s), CHALLENGE, algorithm)
    assert (
        parse(wire.profile.files[EF.IDENTITY])[0x1A] == hashlib.sha384(stored).digest()
    )


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("0088018132" + "9430" + "00" * 48, "6B00"),
        ("0088048142" + "9440" + "00" * 64, "6B00"),
        ("0088028232" + "9430" + "00" * 48, "6982"),
        ("0088028332" + "9430" + "00" * 48, "6982"),
        ("0088028432" + "9430" + "00" * 48, "6A88"),
        ("0088028132" + "9530" + "00" * 48, "6A80"),
        ("0088028132" + "9420" + "00" * 48, "6A80"),
        ("0088028131" + "9430" + "00" * 47, "6700"),
        ("0088028100", "6700"),
        ("0088028132", "6700"),
    ],
)
def test_chip_authentication_refused(apdu: str, answer: str) -> None:
    """Keys, algorithm, tag and lengths that do not fit."""
    counters = Counters()
    assert Wire("1.8", counters=counters).send(apdu) == answer
    assert counters.authentications == 0


def test_chip_authentication_clears_the_environment() -> None:
    """It takes MSE:SET back, but not the PIN right (13)."""
    wire = Wire("1.8")
    wire.send(mse(0x02))
    wire.send(V_GOOD)
    wire.fetch(CHIP)
    assert wire.send(pso(bytes(48))) == "6985"
    wire.send(mse(0x02))
    assert wire.send(pso(bytes(48))) == "6160"


def test_chip_authentication_is_limited() -> None:
    """After 5000 calls 6985, over a reset, until a good VERIFY (13)."""
    wire = Wire("1.8", counters=Counters(authentications=4999))
    wire.fetch(CHIP)
    assert wire.send(CHIP) == "6985"
    wire.card.reset()
    assert wire.send(CHIP) == "6985"
    assert wire.send(STATUS) == "63C3"
    wire.send(V_GOOD)
    wire.fetch(CHIP)


def test_only_verify_frees_chip_authentication() -> None:
    """A changed PIN is no VERIFY, a wrong one neither (manual 1.8, 6.11)."""
    memory = Counters(authentications=5000)
    wire = Wire("1.8", counters=memory)
    same = V_GOOD[10:]
    for apdu, answer in ((V_BAD, "63C2"), (f"0024000110{same}{same}", "9000")):
        assert wire.send(apdu) == answer
        assert wire.send(CHIP) == "6985"
    assert memory.authentications == 5000
    assert wire.send(V_GOOD) == "9000"
    wire.fetch(CHIP)
    assert memory.authentications == 1


def test_refused_chip_authentication_keeps_the_environment() -> None:
    """Only a success clears it; neither needs nor touches the PIN right."""
    wire = Wire("1.8", counters=Counters(authentications=5000))
    wire.send(mse(0x02))
    assert wire.send(CHIP) == "6985"
    assert wire.send(pso(bytes(48))) == "6982"


def test_a_card_without_the_basic_key() -> None:
    """INTERNAL AUTHENTICATE finds no key."""
    assert Wire("1.8", keys={}).send(CHIP) == "6A88"


@pytest.mark.parametrize(
    ("curve", "reference", "length", "size"),
    [
        (ec.SECP256R1(), 0x01, 32, 64),
        (ec.BrainpoolP512R1(), 0x04, 64, 128),
        (ec.SECP521R1(), 0x04, 64, 132),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_other_curves(
    curve: ec.EllipticCurve, reference: int, length: int, size: int
) -> None:
    """A card folder may bring other curves: r and s are as long as their order."""
    key = ec.generate_private_key(curve)
    keys = dict.fromkeys(profile("1.8").keys, key)
    wire = Wire("1.8", keys=keys)
    assert len(sign(wire, 0x40, 0x82, bytes(32))) == size
    chip = f"0088{reference:02X}81{length + 2:02X}94{length:02X}" + "11" * length
    assert len(wire.fetch(chip)) == size


def test_answers_are_not_remembered() -> None:
    """Two cards of one profile share nothing but the profile."""
    first, second = (VirtualCard(profile("1.8")) for _ in range(2))
    first.transmit(bytes.fromhex(V_GOOD))
    assert second.transmit(bytes.fromhex(STATUS)).hex() == "63c3"
