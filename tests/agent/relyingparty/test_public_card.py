"""The public Belgian test card (1.1, RSA-1024, SHA-1): genuine, and historic."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from agent import relyingparty as rp
from agent.relyingparty.certificates import issuing_kind, load_padded
from tests.agent.relyingparty.cards import answer

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "test-card-alice"
FILES = {
    "identity": "identity.tlv",
    "identitySignature": "identity-signature.bin",
    "address": "address.tlv",
    "addressSignature": "address-signature.bin",
    "photo": "photo.jpg",
    "rrnCertificate": "rrn.der",
}

pytestmark = [
    pytest.mark.skipif(
        not FOLDER.is_dir(),
        reason="the public test card's files are not beside the checkout",
    ),
    pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards"),
]


def _verify(**options: object) -> rp.VerifiedIdentity:
    files = {name: (FOLDER / file).read_bytes() for name, file in FILES.items()}
    options = {"allow_test": True, **options}
    return rp.verify_identity(answer(files), [_certificate("root")], **options)  # type: ignore[arg-type]


def _certificate(name: str) -> x509.Certificate:
    return load_padded((FOLDER / f"{name}.der").read_bytes())


def test_it_is_refused_as_historic_by_default() -> None:
    """SHA-1 and RSA-1024 prove nothing today."""
    with pytest.raises(rp.HistoricRefused):
        _verify()


def test_it_is_refused_as_a_test_card_by_default() -> None:
    """Its authorities are called `eID test`."""
    with pytest.raises(rp.ChainMarkedTest):
        _verify(allow_test=False, allow_historic=True)


def test_its_signatures_verify_where_history_is_allowed() -> None:
    """Identity, address over the trimmed file and the whole of 4032, and photo."""
    result = _verify(allow_historic=True, expected_national_number="71715100070")
    assert result.historic is True
    assert result.test is True
    assert result.same_person_as_login is True
    assert result.identity is not None
    assert result.identity.surname == "SPECIMEN"
    assert result.address is not None
    assert result.address.municipality
    assert result.photo == (FOLDER / "photo.jpg").read_bytes()


def test_its_issuer_bears_a_name_that_test_cards_may_have() -> None:
    """`eID test Citizen CA` counts as a Citizen CA, of the test kind."""
    assert issuing_kind(_certificate("ca")) == "citizen"
    assert issuing_kind(_certificate("root")) is None
