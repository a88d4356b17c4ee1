"""The vectors of fixtures/wire, judged as their files say; signatures by openssl."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.relyingparty import RelyingPartyError, TokenValidator, verify_identity

WIRE = Path(__file__).parents[3] / "fixtures" / "wire"
ROOTS = x509.load_pem_x509_certificates((WIRE / "roots.pem").read_bytes())
ISSUERS = x509.load_pem_x509_certificates((WIRE / "issuers.pem").read_bytes())
TOKENS = sorted((WIRE / "tokens").glob("*.json"))
ANSWERS = sorted((WIRE / "identity").glob("*.json"))
SIGNATURES = json.loads((WIRE / "signatures.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.filterwarnings(
    "ignore::agent.relyingparty.tokens.AcceptingTestCards"
)


def _vector(path: Path) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return vector


def _clock(vector: dict[str, Any]) -> Callable[[], datetime.datetime]:
    moment = datetime.datetime.fromisoformat(vector["now"])
    return lambda: moment


def _judged(judge: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return judge()
    except RelyingPartyError as refusal:
        return {"refused": refusal.code}


@pytest.mark.parametrize("path", TOKENS, ids=lambda path: path.stem)
def test_a_token_is_judged_as_its_file_says(path: Path) -> None:
    """Accepted with this number, or refused for this reason."""
    vector = _vector(path)

    def judge() -> dict[str, Any]:
        validator = TokenValidator(
            vector["origin"],
            ROOTS,
            intermediates=ISSUERS if vector.get("intermediates") else (),
            allow_test=vector["allowTest"],
            revocation=None,
            now=_clock(vector),
        )
        person = validator.validate(vector["token"], vector["nonce"])
        return {"nationalNumber": person.national_number}

    assert _judged(judge) == vector["expected"]


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_an_answer_is_judged_as_its_file_says(path: Path) -> None:
    """Proven so far, or refused for this reason."""
    vector = _vector(path)
    challenge = vector.get("challenge")

    def judge() -> dict[str, Any]:
        proven = verify_identity(
            vector["answer"],
            ROOTS,
            expected_national_number=vector.get("expectedNationalNumber"),
            origin=vector["origin"] if challenge else None,
            challenge=challenge,
            allow_test=vector["allowTest"],
            now=_clock(vector),
        )
        parts = {
            "identity": proven.identity,
            "address": proven.address,
            "photo": proven.photo,
        }
        return {
            "nationalNumber": proven.identity and proven.identity.national_number,
            "parts": [name for name, value in parts.items() if value is not None],
            "chipPresent": proven.chip_present,
            "samePersonAsLogin": proven.same_person_as_login,
        }

    assert _judged(judge) == vector["expected"]


@pytest.mark.parametrize("paths", [TOKENS, ANSWERS], ids=["tokens", "identity"])
def test_there_are_fifteen_ways_to_be_invalid_and_more(paths: list[Path]) -> None:
    """Each vector says what it is, and names what it is expected to be."""
    refused = [path for path in paths if "refused" in _vector(path)["expected"]]
    assert len(refused) >= 15
    assert all(path.stem.startswith("invalid-") for path in refused)
    assert len(refused) < len(paths)
    assert len({_vector(path)["about"] for path in paths}) == len(paths)


def _openssl(certificate: bytes, how: dict[str, str], made: bytes, data: bytes,
             folder: Path) -> bool:  # fmt: skip
    """Have openssl judge a signature over data."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    (folder / "key.pem").write_bytes(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    hash_ = how["hashFunction"].replace("SHA-", "sha").replace("SHA3", "sha3")
    options = []
    if how["cryptoAlgorithm"] == "ECC":
        made = encode_dss_signature(
            int.from_bytes(made[:48]), int.from_bytes(made[48:])
        )
    if how["paddingScheme"] == "PSS":
        options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"]
    (folder / "signature").write_bytes(made)
    (folder / "data").write_bytes(data)
    command = ["openssl", "dgst", f"-{hash_}", "-verify", "key.pem", *options]
    done = subprocess.run(
        [*command, "-signature", "signature", "data"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _algorithm(jwa: str) -> dict[str, str]:
    kinds = {"ES": ("ECC", "NONE"), "RS": ("RSA", "PKCS1.5"), "PS": ("RSA", "PSS")}
    crypto, padding = kinds[jwa[:2]]
    hash_ = f"SHA-{jwa[2:]}"
    return {
        "cryptoAlgorithm": crypto,
        "hashFunction": hash_,
        "paddingScheme": padding,
    }


@pytest.mark.parametrize("name", ["valid-es384", "valid-rs256", "valid-web-eid"])
def test_openssl_accepts_a_good_tokens_signature(name: str, tmp_path: Path) -> None:
    """Over H(origin) and H(nonce), by the certificate in the token."""
    vector = _vector(WIRE / "tokens" / f"{name}.json")
    token = vector["token"]
    hash_ = f"sha{token['algorithm'][2:]}"
    data = b"".join(
        hashlib.new(hash_, vector[part].encode()).digest()
        for part in ("origin", "nonce")
    )
    certificate = base64.b64decode(token["unverifiedCertificate"])
    made = base64.b64decode(token["signature"])
    how = _algorithm(token["algorithm"])
    assert _openssl(certificate, how, made, data, tmp_path)
    assert not _openssl(certificate, how, made, data + b"x", tmp_path)


def _named(vector: dict[str, Any]) -> str:
    how = vector["answer"]["signatureAlgorithm"]
    return f"{vector['applet']}-{how['hashFunction']}-{how['paddingScheme']}"


@pytest.mark.parametrize("vector", SIGNATURES["signatures"], ids=_named)
def test_openssl_accepts_every_algorithm_of_a_signature(
    vector: dict[str, Any], tmp_path: Path
) -> None:
    """Over the text, and its hash is the one that was sent."""
    how = vector["answer"]["signatureAlgorithm"]
    data = SIGNATURES["text"].encode()
    name = how["hashFunction"].lower().replace("sha3-", "sha3_").replace("sha-", "sha")
    assert base64.b64decode(vector["hash"]) == hashlib.new(name, data).digest()
    certificate = base64.b64decode(vector["certificate"])
    made = base64.b64decode(vector["answer"]["signature"])
    assert _openssl(certificate, how, made, data, tmp_path)
    assert not _openssl(certificate, how, made, data + b"x", tmp_path)
