"""OpenSC as Debian packages it, judging our card through a real pcscd."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from cardio import tlv
from cardio.beid.algorithms import algorithm
from cardio.beid.card import BeidCard
from cardio.card import Expected
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.signature import Padding
from cardio.virtual.profile import load_profile
from tests.cardio.channels import virtual_channel
from tests.cardio.opensc.conftest import Finished, Run
from tests.rig.pcscd import Pcscd

pytestmark = [
    pytest.mark.pcscd,
    pytest.mark.skipif(
        shutil.which("opensc-tool") is None, reason="opensc is not installed"
    ),
]

CERTIFICATES = {
    "02": EF.AUTHENTICATION,
    "03": EF.SIGNATURE,
    "04": EF.CA,
    "06": EF.ROOT,
}
APPLETS = pytest.mark.parametrize("persona", ["adult", "adult-1.7"])


def bare(data: bytes) -> bytes:
    """Cut the zeros behind a certificate off."""
    return data[: tlv.der_length(data[:6])]


@APPLETS
def test_opensc_names_the_card_belgian(pcscd: Pcscd, run: Run, persona: str) -> None:
    """`opensc-tool -n` knows both applets by ATR."""
    with pcscd.card(persona):
        answer = run("opensc-tool", "-n")
    assert answer.stdout.strip() == b"Belpic cards", answer.stderr


@APPLETS
def test_opensc_finds_every_object(pcscd: Pcscd, run: Run, persona: str) -> None:
    """`pkcs15-tool -D` walks ODF, AODF, PrKDF and CDF without complaint."""
    with pcscd.card(persona):
        answer = run("pkcs15-tool", "-D")
    assert answer.returncode == 0, answer.stderr
    lines = [line.strip() for line in answer.stdout.decode().splitlines()]
    kinds = [line.split(" [")[0] for line in lines if " [" in line and line[-1] == "]"]
    assert kinds.count("X.509 Certificate") == 4
    assert kinds.count("PIN") == 1
    keys = [kind for kind in kinds if kind.startswith("Private")]
    assert len(keys) == 2
    for ident in CERTIFICATES:
        assert any(line.split() == ["ID", ":", ident] for line in lines), lines


@APPLETS
@pytest.mark.parametrize(("ident", "ef"), CERTIFICATES.items())
def test_opensc_reads_the_certificates(
    pcscd: Pcscd, run: Run, persona: str, ident: str, ef: EF
) -> None:
    """Each certificate comes out as the generator put it in."""
    profile = load_profile(persona)
    with pcscd.card(profile):
        answer = run("pkcs15-tool", "--read-certificate", ident)
    assert answer.returncode == 0, answer.stderr
    read = x509.load_pem_x509_certificate(answer.stdout)
    assert read == x509.load_der_x509_certificate(bare(profile.files[ef]))


def pkcs11(run: Run, pin: str, *words: str | Path) -> Finished:
    """Log in through OpenSC's PKCS#11 module."""
    return run("pkcs11-tool", "--login", "--pin", pin, *words)


def test_opensc_signs_with_a_1_7_card(pcscd: Pcscd, run: Run, tmp_path: Path) -> None:
    """Login and authentication signature by OpenSC, checked by openssl."""
    profile = load_profile("adult-1.7")
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(b"something to be signed")
    files = ("--input-file", message, "--output-file", signature)
    with pcscd.card(profile):
        answer = pkcs11(
            run, profile.pin, "--sign", "--id", "02", "-m", "SHA256-RSA-PKCS", *files
        )
    assert answer.returncode == 0, answer.stderr
    certificate = x509.load_der_x509_certificate(bare(profile.files[EF.AUTHENTICATION]))
    key = tmp_path / "key.pem"
    key.write_bytes(_public_pem(certificate))
    check = ("openssl", "dgst", "-sha256", "-verify", key, "-signature", signature)
    assert run(*check, message).stdout.strip() == b"Verified OK"
    message.write_bytes(b"something else")
    assert run(*check, message).returncode != 0


@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_our_signature_is_opensc_s(
    pcscd: Pcscd, run: Run, tmp_path: Path, hash_name: str
) -> None:
    """PKCS#1 v1.5 leaves no choice: on 1.7 both programs give the same bytes.

    The authentication key alone, and no PSS: OpenSC has neither for this card.
    """
    profile = load_profile("adult-1.7")
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(b"something to be signed")
    files = ("--input-file", message, "--output-file", signature)
    mechanism = f"{hash_name.upper()}-RSA-PKCS"
    with pcscd.card(profile):
        theirs = pkcs11(
            run, profile.pin, "--sign", "--id", "02", "-m", mechanism, *files
        )
    assert theirs.returncode == 0, theirs.stderr
    card = BeidCard(virtual_channel(profile))
    serial = card.recognise().chip_serial
    digest = hashlib.new(hash_name, message.read_bytes()).digest()
    row = algorithm("1.7", Padding.PKCS1, f"SHA-{hash_name[3:]}")
    with Pin(bytearray(profile.pin.encode())) as pin:
        ours = card.sign(Key.AUTHENTICATION, row, digest, pin, Expected(serial, 3))
    assert ours == signature.read_bytes()


def _public_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_a_wrong_pin_through_opensc_costs_one_try(pcscd: Pcscd, run: Run) -> None:
    """The counter of the card goes from 3 to 2, and back to 3 with the right PIN."""
    profile = load_profile("adult-1.7")
    with pcscd.card(profile) as card:
        wrong = pkcs11(run, "4321", "--list-objects", "--type", "privkey")
        assert b"CKR_PIN_INCORRECT" in wrong.stdout + wrong.stderr
        assert card.transmit(bytes.fromhex("0020000100")) == b"\x63\xc2"
        right = pkcs11(run, profile.pin, "--list-objects", "--type", "privkey")
        assert right.returncode == 0, right.stderr
        card.reset()
        assert card.transmit(bytes.fromhex("0020000100")) == b"\x63\xc3"


def test_opensc_reads_the_identity_file(pcscd: Pcscd, run: Run) -> None:
    """A file of the ID directory, selected by its full path as OpenSC does."""
    profile = load_profile("adult")
    commands = ("-s", "00A4080C063F00DF014031", "-s", "00B0000010")
    with pcscd.card(profile):
        answer = run("opensc-tool", *commands)
    shown = bytes(profile.files[EF.IDENTITY][:16]).hex(" ").upper()
    assert shown in answer.stdout.decode(errors="replace")
