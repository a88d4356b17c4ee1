"""The virtual cards' own files and keys, judged as a portal would judge them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import relyingparty as rp
from cardio.files import EF, Key
from cardio.virtual import pki as test_pki
from cardio.virtual.profile import Profile, load_profile
from tests.agent.relyingparty.cards import answer, chip_answer
from tests.agent.relyingparty.login import NONCE, ORIGIN, b64, sign_token

pytestmark = pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards")
_NAMES = {
    "identity": EF.IDENTITY,
    "identitySignature": EF.IDENTITY_SIGNATURE,
    "address": EF.ADDRESS,
    "addressSignature": EF.ADDRESS_SIGNATURE,
    "photo": EF.PHOTO,
    "rrnCertificate": EF.RRN,
    "rootCertificate": EF.ROOT,
}
_LOGGING_IN = ["adult", "adult-1.7", "foreigner", "long-names"]


def _response(profile: Profile) -> dict[str, object]:
    return answer({name: profile.files[ef] for name, ef in _NAMES.items()})


def _unpadded(data: bytes) -> bytes:
    return data[: 4 + int.from_bytes(data[2:4])]


def _token(profile: Profile) -> dict[str, object]:
    key = profile.keys[Key.AUTHENTICATION]
    algorithm = "ES384" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    return {
        "unverifiedCertificate": b64(_unpadded(profile.files[EF.AUTHENTICATION])),
        "issuerCertificate": b64(_unpadded(profile.files[EF.CA])),
        "algorithm": algorithm,
        "signature": b64(sign_token(key, algorithm, ORIGIN, NONCE)),
        "format": "web-eid:1.0",
        "appVersion": "https://example.invalid/0",
    }


def _validator(**options: object) -> rp.TokenValidator:
    options = {"allow_test": True, "revocation": None, **options}
    return rp.TokenValidator(ORIGIN, test_pki.test_roots(), **options)  # type: ignore[arg-type]


def _verify(response: Mapping[str, object], **options: object) -> rp.VerifiedIdentity:
    options = {"allow_test": True, **options}
    return rp.verify_identity(response, test_pki.test_roots(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", _LOGGING_IN)
def test_a_persona_logs_in_and_its_data_are_its_own(name: str) -> None:
    """Token and files name the same person, as a portal has to require."""
    profile = load_profile(name)
    login = _validator().validate(json.dumps(_token(profile)), NONCE)
    data = _verify(_response(profile), expected_national_number=login.national_number)
    assert data.same_person_as_login is True
    assert data.identity is not None
    assert login.surname == data.identity.surname
    assert login.test is data.test is True
    assert data.photo == profile.files[EF.PHOTO]
    assert login.card_kind == ("foreigner" if name == "foreigner" else "citizen")


def test_another_personas_files_after_a_login_are_refused() -> None:
    """Both cards are genuine, and they are two people's."""
    login = _validator().validate(_token(load_profile("adult")), NONCE)
    with pytest.raises(rp.PersonMismatch):
        _verify(
            _response(load_profile("foreigner")),
            expected_national_number=login.national_number,
        )


@pytest.mark.parametrize("name", _LOGGING_IN)
def test_a_persona_is_refused_where_test_cards_are(name: str) -> None:
    """Trusting the test roots alone is not enough."""
    profile = load_profile(name)
    with pytest.raises(rp.ChainMarkedTest):
        _validator(allow_test=False).validate(_token(profile), NONCE)
    with pytest.raises(rp.ChainMarkedTest):
        _verify(_response(profile), allow_test=False)


def test_an_expired_card_does_not_log_in_and_its_data_stay_genuine() -> None:
    """Two different questions."""
    profile = load_profile("expired")
    with pytest.raises(rp.CertificateExpired):
        _validator().validate(_token(profile), NONCE)
    assert _verify(_response(profile)).card_valid_until is not None


def test_a_kids_card_proves_its_data_without_any_certificate() -> None:
    """It cannot log in, and the Register signed its files all the same."""
    data = _verify(_response(load_profile("kids")))
    assert data.identity is not None
    assert data.identity.surname


def test_a_personas_chip_proves_itself() -> None:
    """1.8 has the key; the chip's answer is checked against the signed file."""
    profile = load_profile("adult")
    key = profile.keys[Key.BASIC]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    response = {**_response(profile), "chip": chip_answer(key)}
    challenge = {"origin": ORIGIN, "challenge": NONCE}
    assert _verify(response, **challenge, require_chip="always").chip_present
    with pytest.raises(rp.ChipMissing):
        _verify(_response(profile), **challenge)


def test_a_persona_signing_with_its_own_certificate_proves_nothing() -> None:
    """SAFETY 8 with the virtual card's own keys: the holder is not the Register."""
    profile = load_profile("adult")
    response = _response(profile)
    raw = response["raw"]
    assert isinstance(raw, dict)
    raw["rrnCertificate"] = b64(profile.files[EF.AUTHENTICATION])
    with pytest.raises(rp.NotRrnCertificate):
        _verify(response)
