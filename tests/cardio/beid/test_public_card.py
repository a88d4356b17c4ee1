"""The public test card (applet 1.1): parses to the published values and verifies."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cardio.beid.card import BeidCard
from cardio.beid.identity import parse_address, parse_identity
from cardio.files import EF
from cardio.virtual.profile import load_profile
from tests.cardio.channels import Recorder, virtual_channel

FOLDER = Path(__file__).parents[4] / "shared/data/test-card-alice"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the public test card does not lie beside the checkout"
)


@pytest.fixture
def recorder() -> Recorder:
    """Return the test card in a virtual reader."""
    return Recorder(virtual_channel(load_profile(FOLDER)))


@pytest.fixture
def card(recorder: Recorder) -> BeidCard:
    """Return the recognised test card."""
    card = BeidCard(recorder)
    card.recognise()
    return card


def test_the_published_values(card: BeidCard) -> None:
    """Surname to validity, as the card's publisher states them."""
    members = parse_identity(card.read(EF.IDENTITY)).to_json()
    published = {
        "surname": "SPECIMEN",
        "givenNames": "Alice Geldigekaart",
        "thirdGivenNameInitial": "A",
        "nationalNumber": "71715100070",
        "dateOfBirth": "1971-01-01",
        "placeOfBirth": "Hamont-Achel",
        "nationality": "BELG",
        "sex": "F",
        "cardNumber": "000000122157",
        "validFrom": "2009-07-23",
        "validUntil": "2014-07-23",
        "issuingMunicipality": "Antwerpen",
    }
    assert members.items() >= published.items()
    assert members["chipNumber"] == card.card_data.chip_serial.hex()
    assert members["photoHash"] == hashlib.sha1(card.read(EF.PHOTO)).hexdigest()  # noqa: S324


def test_the_registers_signatures(card: BeidCard) -> None:
    """Identity as read; the trimmed address followed by the whole signature file."""
    key = x509.load_der_x509_certificate(card.read_certificate(EF.RRN)).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    identity_signature = card.read(EF.IDENTITY_SIGNATURE)
    address = card.read(EF.ADDRESS)
    assert parse_address(address).postal_code
    for data, signature in (
        (card.read(EF.IDENTITY), identity_signature),
        (address.rstrip(b"\0") + identity_signature, card.read(EF.ADDRESS_SIGNATURE)),
    ):
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA1())


def test_it_is_never_asked_for_its_tries(card: BeidCard, recorder: Recorder) -> None:
    """The question would cost this generation of cards a try."""
    assert card.applet == "1.1"
    assert card.pin_status().tries_left is None
    assert not [command for command in recorder.sent if command.startswith("0020")]
