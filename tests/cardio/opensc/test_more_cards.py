"""OpenSC and openssl judging old, re-keyed and foreigners' cards, and a changed PIN."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cardio.virtual.profile import load_profile
from tests.cardio.opensc.conftest import Finished, Run
from tests.cardio.opensc.test_opensc import pkcs11
from tests.cardio.opensc.test_raw_apdus import Wire
from tests.cardio.virtual.old import old_card
from tests.rig.pcscd import Pcscd

pytestmark = [
    pytest.mark.pcscd,
    pytest.mark.skipif(
        shutil.which("opensc-tool") is None, reason="opensc is not installed"
    ),
]

CHOSEN = "567890"


def read_certificate(run: Run, ident: str, file: Path) -> Path:
    """Have OpenSC read a certificate from the card into a PEM file."""
    answer = run("pkcs15-tool", "--read-certificate", ident)
    assert answer.returncode == 0, answer.stderr
    file.write_bytes(answer.stdout)
    return file


def verified(run: Run, certificate: Path, signature: Path, message: Path) -> bool:
    """Ask openssl whether a signature fits the certificate that came from the card."""
    key = certificate.with_suffix(".key")
    key.write_bytes(
        run("openssl", "x509", "-pubkey", "-noout", "-in", certificate).stdout
    )
    check = run(
        *("openssl", "dgst", "-sha256", "-verify", key),
        *("-signature", signature, message),
    )
    return check.stdout.strip() == b"Verified OK"


def sign(run: Run, folder: Path) -> tuple[Path, Path]:
    """Have OpenSC sign with the authentication key; returns message and signature."""
    message, signature = folder / "message", folder / "signature"
    message.write_bytes(b"something to be signed")
    files = ("--input-file", message, "--output-file", signature)
    signing = ("--sign", "--id", "02", "-m", "SHA256-RSA-PKCS")
    answer = pkcs11(run, "1234", *signing, *files)
    assert answer.returncode == 0, answer.stderr
    return message, signature


@pytest.mark.parametrize("applet", ["1.0", "1.1"])
def test_opensc_signs_with_an_old_card(
    pcscd: Pcscd, run: Run, tmp_path: Path, applet: str
) -> None:
    """A card folder with RSA-1024 keys: known, listed, signing, and no try lost."""
    with pcscd.card(old_card(applet, tmp_path / "card")) as card:
        assert run("opensc-tool", "-n").stdout.strip() == b"Belpic cards"
        listed = run("pkcs15-tool", "-D")
        assert listed.stdout.count(b"ModLength      : 1024") == 2, listed.stderr
        certificate = read_certificate(run, "02", tmp_path / "02.pem")
        message, signature = sign(run, tmp_path)
        assert card.tries_left == 3
    assert len(signature.read_bytes()) == 128
    assert verified(run, certificate, signature, message)
    message.write_bytes(b"something else")
    assert not verified(run, certificate, signature, message)


def test_opensc_signs_with_a_rekeyed_card(
    pcscd: Pcscd, run: Run, tmp_path: Path
) -> None:
    """An RSA signature; openssl believes its certificate under the EC authorities."""
    with pcscd.card("rekeyed-1.7"):
        names = {ident: tmp_path / f"{ident}.pem" for ident in ("02", "03", "04", "06")}
        for ident, file in names.items():
            read_certificate(run, ident, file)
        message, signature = sign(run, tmp_path)
    assert len(signature.read_bytes()) == 256
    assert verified(run, names["02"], signature, message)
    for holder in ("02", "03"):
        chain = ("-CAfile", names["06"], "-untrusted", names["04"], names[holder])
        assert run("openssl", "verify", "-x509_strict", *chain).returncode == 0
        text = run("openssl", "x509", "-noout", "-text", "-in", names[holder]).stdout
        assert b"ecdsa-with-SHA384" in text
        assert b"Public-Key: (2048 bit)" in text


def test_openssl_believes_a_rekeyed_cards_data(
    pcscd: Pcscd, run: Run, tmp_path: Path
) -> None:
    """Identity and address over the wire, judged with the RRN certificate beside them.

    The address is followed by the whole file with the identity's signature (SAFETY 6).
    """
    with pcscd.card("rekeyed-1.7"):
        wire = Wire(pcscd.reader)
        identity, signed, address, signed_too = (
            read(wire, f"DF01{fid}") for fid in ("4031", "4032", "4033", "4034")
        )
        rrn, root = read(wire, "DF00503C"), read(wire, "DF00503B")
        wire.close()
    for name, der in (("rrn", rrn), ("root", root)):
        (tmp_path / f"{name}.der").write_bytes(der)
        form = ("-inform", "DER", "-in", tmp_path / f"{name}.der")
        run("openssl", "x509", *form, "-out", tmp_path / f"{name}.pem")
    root_pem, rrn_pem = tmp_path / "root.pem", tmp_path / "rrn.pem"
    assert run("openssl", "verify", "-CAfile", root_pem, rrn_pem).returncode == 0
    key = tmp_path / "rrn.key"
    key.write_bytes(run("openssl", "x509", "-pubkey", "-noout", "-in", rrn_pem).stdout)
    assert len(signed) == len(signed_too) == 256
    for data, file in (
        (identity, signed),
        (address.rstrip(b"\0") + signed, signed_too),
    ):
        (tmp_path / "data").write_bytes(data)
        (tmp_path / "signature").write_bytes(file[: 2 + file[1]])
        check = ("openssl", "dgst", "-sha384", "-verify", key)
        what = ("-signature", tmp_path / "signature", tmp_path / "data")
        assert run(*check, *what).stdout.strip() == b"Verified OK"


def read(wire: Wire, path: str) -> bytes:
    """Read a file in blocks of 128 bytes until 6B00, as some programs do."""
    assert wire(f"00 A4 08 0C {len(path) // 2:02X} {path}") == (b"", "9000")
    data = b""
    while True:
        block, status = wire(f"00 B0 {len(data):04X} 80")
        if status[:2] == "6C":
            block, status = wire(f"00 B0 {len(data):04X} {status[2:]}")
        if status == "6B00":
            return data
        assert status == "9000"
        data += block


@pytest.mark.parametrize("persona", ["document-eu-plus", "document-f-plus"])
def test_opensc_lists_a_document(
    pcscd: Pcscd, run: Run, tmp_path: Path, persona: str
) -> None:
    """Foreigners' cards, too, have four certificates; one is the Foreigner CA's."""
    with pcscd.card(persona):
        listed = run("pkcs15-tool", "-D")
        authority = read_certificate(run, "04", tmp_path / "04.pem")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count(b"X.509 Certificate [") == 4
    subject = run("openssl", "x509", "-noout", "-subject", "-in", authority)
    assert b"TEST Foreigner CA" in subject.stdout


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
def test_opensc_gets_random_bytes(
    pcscd: Pcscd, run: Run, tmp_path: Path, persona: str
) -> None:
    """GET CHALLENGE, by C_GenerateRandom: 16 bytes, others each time."""
    drawn = [tmp_path / "first", tmp_path / "second"]
    with pcscd.card(persona) as card:
        for file in drawn:
            asked = ("--generate-random", "16", "--output-file", file)
            assert run("pkcs11-tool", *asked).returncode == 0
        assert card.count(0x84) >= 2
    first, second = (file.read_bytes() for file in drawn)
    assert len(first) == len(second) == 16
    assert first != second


def change_pin(run: Run, old: str, new: str) -> Finished:
    """Change the PIN by C_SetPIN."""
    return pkcs11(run, old, "--change-pin", "--new-pin", new)


def logs_in(run: Run, pin: str) -> bool:
    """Tell whether OpenSC's login takes the PIN."""
    answer = pkcs11(run, pin, "--list-objects", "--type", "privkey")
    refused = b"CKR_PIN_INCORRECT" in answer.stdout + answer.stderr
    assert refused is (answer.returncode != 0), answer.stderr
    return not refused


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
def test_opensc_changes_the_pin(pcscd: Pcscd, run: Run, persona: str) -> None:
    """CHANGE REFERENCE DATA: the new PIN opens the card, the old one costs a try."""
    with pcscd.card(persona) as card:
        changed = change_pin(run, "1234", CHOSEN)
        assert changed.returncode == 0, changed.stderr
        assert card.count(0x24) == 1
        assert not logs_in(run, "1234")
        assert card.tries_left == 2
        assert logs_in(run, CHOSEN)
        assert card.tries_left == 3


@contextmanager
def played(pcscd: Pcscd, state: Path, *more: str) -> Iterator[None]:
    """Run `eid-agent virtual-card --state` in the private service's reader."""
    program = [sys.executable, "-m", "agent", "virtual-card", "--state", str(state)]
    words = [*program, "--vpcd", f"127.0.0.1:{pcscd.port}", *more]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "card inserted"
            pcscd.wait_for_card(present=True)
            yield
        finally:
            process.terminate()
            process.wait(10)
            pcscd.wait_for_card(present=False)


def test_a_chosen_pin_outlives_the_program(
    pcscd: Pcscd, run: Run, tmp_path: Path
) -> None:
    """Changed by OpenSC, kept in the folder, there after a restart; tries, too."""
    words = ("--persona", "adult-1.7")
    with played(pcscd, tmp_path / "state", *words):
        assert change_pin(run, "1234", CHOSEN).returncode == 0
    with played(pcscd, tmp_path / "state", *words):
        assert not logs_in(run, "1234")
    with played(pcscd, tmp_path / "state", *words):
        wire = Wire(pcscd.reader)
        assert wire("00 20 00 01 00") == (b"", "63C2")
        wire.close()
        assert logs_in(run, CHOSEN)
    with played(pcscd, tmp_path / "elsewhere", *words):
        assert logs_in(run, "1234")


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_opensc_finds_nothing_on_a_card_that_is_not_activated(
    pcscd: Pcscd, run: Run, applet: str
) -> None:
    """It knows the card by its ATR, and can select none of its files."""
    with pcscd.card(load_profile("not-activated", applet=applet)):
        assert run("opensc-tool", "-n").stdout.strip() == b"Belpic cards"
        answer = run("pkcs15-tool", "-D")
    assert answer.returncode != 0
    assert b"X.509 Certificate [" not in answer.stdout
