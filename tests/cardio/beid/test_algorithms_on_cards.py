"""Every algorithm with both keys of both applets, against the certificates' keys."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)

from cardio.apdu import INS
from cardio.beid.algorithms import (
    ES384,
    RS256,
    algorithms,
    unspecified,
)
from cardio.beid.card import BeidCard
from cardio.card import Expected
from cardio.errors import UnsupportedCard
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.signature import Padding, SignatureAlgorithm
from cardio.virtual.profile import Profile, load_profile
from tests.cardio.channels import Recorder, virtual_channel

CERTIFICATES = {
    Key.AUTHENTICATION: EF.AUTHENTICATION,
    Key.NON_REPUDIATION: EF.SIGNATURE,
}
UNNAMED = [unspecified("1.8", size) for size in (20, 28, 32, 48, 64)]
ALL = [("1.7", row) for row in algorithms("1.7")] + [
    ("1.8", row) for row in (*algorithms("1.8"), *UNNAMED)
]
#: A stand-in of the digest's length: ECDSA takes the digest as a number, whatever
#: hash it came from.
BY_LENGTH = {
    20: hashes.SHA1(),
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}


def _name(value: object) -> str | None:
    if isinstance(value, SignatureAlgorithm):
        hashed = value.hash_function or f"{value.digest_size}-bytes"
        return f"{value.padding.value}-{hashed}"
    return None


def profile_of(applet: str) -> Profile:
    return load_profile("expired", applet=applet)


def digest_for(row: SignatureAlgorithm) -> bytes:
    if row.hash_name:
        return hashlib.new(row.hash_name, b"to be signed").digest()
    return hashlib.sha512(b"to be signed").digest()[: row.digest_size]


def check(
    profile: Profile, key: Key, row: SignatureAlgorithm, signature: bytes
) -> None:
    """Verify with the certificate's public key; raises InvalidSignature."""
    stored = profile.files[CERTIFICATES[key]]
    der = stored[: 4 + int.from_bytes(stored[2:4], "big")]
    public = x509.load_der_x509_certificate(der).public_key()
    stand_in, digest = BY_LENGTH[row.digest_size], digest_for(row)
    if isinstance(public, rsa.RSAPublicKey):
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if row.padding is Padding.PSS:
            scheme = padding.PSS(padding.MGF1(stand_in), row.digest_size)
        public.verify(signature, digest, scheme, Prehashed(stand_in))
        return
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert len(signature) == 96
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    public.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(stand_in)))


def sign(card: BeidCard, key: Key, row: SignatureAlgorithm, digest: bytes) -> bytes:
    expected = Expected(card.card_data.chip_serial, card.pin_status().tries_left)
    with Pin(bytearray(b"1234")) as pin:
        return card.sign(key, row, digest, pin, expected)


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("key", CERTIFICATES, ids=lambda key: f"{key:02X}")
@pytest.mark.parametrize(("applet", "row"), ALL, ids=_name)
def test_every_algorithm_verifies(
    applet: str, row: SignatureAlgorithm, key: Key, strict: bool
) -> None:
    """Twice on one card, so that nothing lives on what the first one left behind."""
    profile = profile_of(applet)
    card = BeidCard(virtual_channel(profile, strict=strict))
    card.recognise()
    for _ in range(2):
        check(profile, key, row, sign(card, key, row, digest_for(row)))


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("key", CERTIFICATES, ids=lambda key: f"{key:02X}")
@pytest.mark.parametrize(("applet", "row"), ALL, ids=_name)
def test_one_verify_and_nothing_around_it(
    applet: str, row: SignatureAlgorithm, key: Key, strict: bool
) -> None:
    """MSE, VERIFY, PSO, GET RESPONSE, LOG OFF: for key 83 the only order that holds."""
    recorder = Recorder(virtual_channel(profile_of(applet), strict=strict))
    card = BeidCard(recorder)
    card.recognise()
    sign(card, key, row, digest_for(row))
    mse = recorder.instructions().index(INS.MSE)
    assert recorder.sent[mse] == f"002241B6050480{row.reference:02X}84{key:02X}"
    assert recorder.sent[mse + 1] == "0020000108241234FFFFFFFFFF"
    assert recorder.sent[mse + 2].startswith("002A9E9A")
    assert recorder.sent[mse + 2].endswith(digest_for(row).hex().upper())
    assert recorder.instructions()[mse + 3 :] == [INS.GET_RESPONSE, INS.LOG_OFF]


@pytest.mark.parametrize("key", CERTIFICATES, ids=lambda key: f"{key:02X}")
def test_keys_in_any_order(key: Key) -> None:
    """Both keys one after the other on one connection, each with its own PIN."""
    profile = profile_of("1.7")
    card = BeidCard(virtual_channel(profile, strict=True))
    card.recognise()
    other = Key.AUTHENTICATION + Key.NON_REPUDIATION - key
    for now in (key, Key(other), key):
        check(profile, now, RS256, sign(card, now, RS256, digest_for(RS256)))


@pytest.mark.parametrize(("applet", "row"), ALL, ids=_name)
def test_a_digest_of_another_length_sends_nothing(
    applet: str, row: SignatureAlgorithm
) -> None:
    """It would cost the person a PIN for a signature of nothing."""
    recorder = Recorder(virtual_channel(profile_of(applet)))
    card = BeidCard(recorder)
    card.recognise()
    recorder.sent.clear()
    expected = Expected(card.card_data.chip_serial, 3)
    for size in (0, row.digest_size - 1, row.digest_size + 1):
        with Pin(bytearray(b"1234")) as pin, pytest.raises(ValueError, match="signs"):
            card.sign(Key.NON_REPUDIATION, row, bytes(size), pin, expected)
    assert recorder.sent == []


@pytest.mark.parametrize(
    ("applet", "row"), [("1.8", row) for row in algorithms("1.7")] + [("1.7", ES384)]
)
def test_another_applets_number_sends_nothing(
    applet: str, row: SignatureAlgorithm
) -> None:
    """08 would be SHA3 on 1.8: a signature of another kind than was asked."""
    recorder = Recorder(virtual_channel(profile_of(applet)))
    card = BeidCard(recorder)
    card.recognise()
    recorder.sent.clear()
    expected = Expected(card.card_data.chip_serial, 3)
    with Pin(bytearray(b"1234")) as pin, pytest.raises(UnsupportedCard):
        card.sign(Key.AUTHENTICATION, row, digest_for(row), pin, expected)
    assert recorder.sent == []


def test_the_basic_key_signs_nothing() -> None:
    """Key 81 is the chip's; no digest of anybody's goes to it."""
    recorder = Recorder(virtual_channel(profile_of("1.8")))
    card = BeidCard(recorder)
    card.recognise()
    recorder.sent.clear()
    expected = Expected(card.card_data.chip_serial, 3)
    with Pin(bytearray(b"1234")) as pin, pytest.raises(ValueError, match="key"):
        card.sign(Key.BASIC, ES384, bytes(48), pin, expected)
    assert recorder.sent == []


@pytest.mark.parametrize("row", algorithms("1.7"), ids=_name)
def test_openssl_agrees_on_1_7(row: SignatureAlgorithm, tmp_path: Path) -> None:
    """A second judge of prefix and padding, from the message on."""
    profile = profile_of("1.7")
    card = BeidCard(virtual_channel(profile))
    card.recognise()
    stored = profile.files[EF.SIGNATURE]
    (tmp_path / "cert.der").write_bytes(
        stored[: 4 + int.from_bytes(stored[2:4], "big")]
    )
    (tmp_path / "message").write_bytes(b"to be signed")
    signature = sign(card, Key.NON_REPUDIATION, row, digest_for(row))
    (tmp_path / "signature").write_bytes(signature)
    key = _openssl(tmp_path, "x509", "-inform", "DER", "-in", "cert.der", "-pubkey")
    (tmp_path / "key.pem").write_bytes(key)
    words = ["dgst", f"-{row.hash_name}", "-verify", "key.pem"]
    if row.padding is Padding.PSS:
        words += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
    said = _openssl(tmp_path, *words, "-signature", "signature", "message")
    assert said.strip() == b"Verified OK"


def _openssl(folder: Path, *words: str) -> bytes:
    done = subprocess.run(
        ["openssl", *words], cwd=folder, capture_output=True, check=False
    )
    return done.stdout
