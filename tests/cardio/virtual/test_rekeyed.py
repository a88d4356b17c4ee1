"""Cards of 1.7 with certificates and data signatures of the EC hierarchy."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from cardio.files import ATR_1_7, EF, Key
from cardio.tlv import parse
from cardio.virtual import pki
from cardio.virtual.profile import Profile, load_profile
from tests.cardio.virtual.test_cards import certificate
from tests.cardio.virtual.test_signatures import MESSAGE, RSA, Rsa, sign
from tests.cardio.virtual.wire import CARD_DATA, Wire


@pytest.fixture
def card() -> Profile:
    """The re-keyed persona's card."""
    return load_profile("rekeyed-1.7")


def test_the_chip_is_one_of_1_7(card: Profile) -> None:
    """ATR, version, no basic key; re-keying wrote certificates and signatures only."""
    assert card.atr == ATR_1_7
    assert Wire.of(card).fetch(CARD_DATA)[21] == 0x17
    assert EF.BASIC_KEY not in card.files
    assert set(card.keys) == {Key.AUTHENTICATION, Key.NON_REPUDIATION}


def test_certificates_are_issued_by_ec_authorities(card: Profile) -> None:
    """RSA-2048 in the holder's, P-384 in all others; ECDSA with SHA-384 on each."""
    root = certificate(card, EF.ROOT)
    assert root == pki.hierarchy("ec").root.certificate
    for ef in (EF.AUTHENTICATION, EF.SIGNATURE, EF.CA, EF.RRN):
        one = certificate(card, ef)
        assert isinstance(one.signature_hash_algorithm, hashes.SHA384)
        assert (
            one.signature_algorithm_oid == x509.SignatureAlgorithmOID.ECDSA_WITH_SHA384
        )
        key = one.public_key()
        if ef in (EF.CA, EF.RRN):
            assert isinstance(key, ec.EllipticCurvePublicKey)
        else:
            assert isinstance(key, rsa.RSAPublicKey)
            assert key.key_size == 2048


def test_data_are_signed_with_ecdsa(card: Profile) -> None:
    """DER, zero-padded to 256 bytes; the address over the padded 4032 (SAFETY 6)."""
    key = certificate(card, EF.RRN).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    identity, address = (
        card.files[ef] for ef in (EF.IDENTITY_SIGNATURE, EF.ADDRESS_SIGNATURE)
    )
    bare = card.files[EF.ADDRESS].rstrip(b"\0")
    for signature in (identity, address):
        assert len(signature) == 256
        assert signature[0] == 0x30
        assert not any(signature[signature[1] + 2 :])
    der = [signature[: signature[1] + 2] for signature in (identity, address)]
    algorithm = ec.ECDSA(hashes.SHA384())
    key.verify(der[0], card.files[EF.IDENTITY], algorithm)
    key.verify(der[1], bare + identity, algorithm)
    with pytest.raises(InvalidSignature):
        key.verify(der[1], bare + der[0], algorithm)


def test_the_identity_file_is_as_it_was_issued(card: Profile) -> None:
    """Its photo hash is that of 1.7, and there is no key hash."""
    fields = parse(card.files[EF.IDENTITY])
    assert fields[0x11] == hashlib.sha256(card.files[EF.PHOTO]).digest()
    assert 0x1A not in fields


@pytest.mark.parametrize("case", RSA, ids=lambda case: f"{case.reference:02X}")
@pytest.mark.parametrize(
    ("key", "ef"), [(0x82, EF.AUTHENTICATION), (0x83, EF.SIGNATURE)]
)
def test_it_signs_as_1_7_does(card: Profile, case: Rsa, key: int, ef: EF) -> None:
    """With the holder's RSA keys and all algorithms of the applet."""
    public = certificate(card, ef).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert isinstance(case.padding, padding.PKCS1v15 | padding.PSS)
    signature = sign(Wire.of(card), case.reference, key, case.data)
    public.verify(signature, MESSAGE, case.padding, case.hash)
