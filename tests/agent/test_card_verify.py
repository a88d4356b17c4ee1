"""`eid-agent card verify` as a person and a program use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from agent import authenticity
from agent.checks import FILES, Check, Result
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.files import EF
from cardio.virtual import pki
from cardio.virtual.profile import load_profile, write_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.commands import run_on
from tests.agent.program import ROOT, run
from tests.agent.test_authenticity import NAMES
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard


def _verify(*arguments: str, card: str = "adult") -> subprocess.CompletedProcess[str]:
    return run("card", "verify", "--card", f"virtual:{card}", *arguments)


def test_json_is_a_list_of_checks_by_stable_names(ca: str) -> None:
    """{"valid", "checks": [{"name", "ok", "detail"}]}; exit 0 for a genuine card."""
    result = _verify("--json", "--ca", ca)
    assert result.returncode == 0, result.stderr
    body = json.loads(result.stdout)
    assert body.keys() == {"valid", "checks"}
    assert body["valid"] is True
    assert [check["name"] for check in body["checks"]] == NAMES
    for check in body["checks"]:
        assert check.keys() == {"name", "ok", "detail"}
        assert check["detail"]
        assert check["ok"] is (None if check["name"] == "revocation" else True)
    assert "TEST" in body["checks"][0]["detail"]


def test_an_unknown_root_is_null_and_no_failure() -> None:
    """Without --ca a test card is not valid, and nothing is wrong with it: exit 0."""
    result = _verify("--json", "--lang", "en")
    body = json.loads(result.stdout)
    checks = {check["name"]: check for check in body["checks"]}
    assert (result.returncode, body["valid"]) == (0, False)
    assert checks["rrn-certificate"]["ok"] is None
    assert "no known root" in checks["rrn-certificate"]["detail"]
    assert checks["identity-signature"]["ok"] is True


@pytest.mark.parametrize("persona", ["adult", "adult-1.7", "kids"])
def test_the_root_on_the_card_can_be_named_by_hand(
    persona: str, tmp_path: Path
) -> None:
    """EF 503B of the card as a DER file, beside another one."""
    write_profile(load_profile(persona), tmp_path / "card")
    root = tmp_path / "root.der"
    root.write_bytes((tmp_path / "card" / "root.der").read_bytes().rstrip(b"\0"))
    other = tmp_path / "other.der"
    other.write_bytes(pki.hierarchy("rsa").root.certificate.public_bytes(Encoding.DER))
    arguments = ("--json", "--ca", str(other), "--ca", str(root))
    body = json.loads(_verify(*arguments, card=persona).stdout)
    assert body["valid"] is True


def test_a_wrong_card_is_exit_code_1_with_all_its_checks(
    ca: str, tmp_path: Path
) -> None:
    """Another card's photo: JSON and text say so, and the exit code is 1."""
    card = tmp_path / "card"
    write_profile(load_profile("adult"), card)
    (card / "photo.jpg").write_bytes(load_profile("kids").files[EF.PHOTO])
    result = _verify("--json", "--ca", ca, card=str(card))
    body = json.loads(result.stdout)
    assert (result.returncode, body["valid"]) == (1, False)
    wrong = [check["name"] for check in body["checks"] if check["ok"] is False]
    assert wrong == ["photo-hash"]
    text = _verify("--lang", "en", "--ca", ca, card=str(card))
    assert text.returncode == 1
    assert re.search(r"WRONG +Photo: does not fit", text.stdout)
    assert "Do not rely on this card" in text.stdout


VERDICTS = {
    "nl": ("Alles klopt, maar dit is een TESTkaart", "Niet alles kon"),
    "fr": ("Tout concorde, mais c'est une carte de TEST", "Tout n'a pas pu"),
    "de": ("Alles passt, aber dies ist eine TESTkarte", "Nicht alles konnte"),
    "en": ("Everything fits, but this is a TEST card", "Not everything could"),
}


@pytest.mark.parametrize("lang", VERDICTS)
def test_a_person_reads_each_check_and_a_verdict(lang: str, ca: str) -> None:
    """One line a check in the language, then what follows from them."""
    trusted, unknown = VERDICTS[lang]
    *checks, verdict = _verify("--lang", lang, "--ca", ca).stdout.splitlines()
    assert len(checks) == len(NAMES)
    assert verdict.startswith(trusted)
    assert _verify("--lang", lang).stdout.splitlines()[-1].startswith(unknown)


@pytest.mark.parametrize(
    ("persona", "lacking"),
    [("adult", 0), ("adult-1.7", 2), ("kids", 4)],
)
def test_what_a_kind_of_card_cannot_have_is_not_called_unknown(
    persona: str, lacking: int, ca: str
) -> None:
    """Not applicable, in the mark and in words; in JSON null, and the card is valid."""
    lines = _verify("--lang", "en", "--ca", ca, card=persona).stdout.splitlines()
    marked = [line for line in lines if line.startswith("n/a ")]
    assert len(marked) == lacking
    assert all("not applicable to this card" in line for line in marked)
    unknown = [line for line in lines if line.startswith("unknown ")]
    assert len(unknown) == 1
    assert "Revocation: not checked" in unknown[0]
    body = json.loads(_verify("--json", "--ca", ca, card=persona).stdout)
    assert body["valid"] is True
    assert sum(check["ok"] is None for check in body["checks"]) == lacking + 1


def test_a_genuine_cards_verdict_leaves_revocation_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under one of Belgium's roots: genuine, and not more than was looked at."""
    judge = authenticity.judge

    def under_belgium(*arguments: Any) -> tuple[Check, ...]:
        checks = judge(*arguments)
        return tuple(
            replace(check, result=Result(True, "root-belgian", {"root": "Root CA6"}))
            if check.result.reason == "root-unknown"
            else check
            for check in checks
        )

    monkeypatch.setattr(authenticity, "judge", under_belgium)
    readers = VirtualReaders()
    readers.insert(RecordedCard(load_profile("adult")))
    assert run_on(BeidCards(readers), monkeypatch, "verify") == 0
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert "Whether it was revoked was not checked." in verdict


def test_the_help_says_what_it_costs_the_chip() -> None:
    """The chip answers 5000 times."""
    assert "5000" in run("card", "verify", "--help").stdout


@pytest.mark.parametrize("content", [b"", b"hello", "leaf", b"-----BEGIN X-----"])
def test_a_ca_file_that_holds_no_ca_is_said_before_the_card_is_asked(
    content: bytes | str,
    ca: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Empty, no certificate, or the certificate of no CA: exit 2, naming that file."""
    file = tmp_path / "ca.pem"
    if isinstance(content, str):
        rrn = pki.hierarchy("ec").rrn.certificate
        content = rrn.public_bytes(Encoding.PEM)
    file.write_bytes(content)
    card = RecordedCard(load_profile("adult"))
    readers = VirtualReaders()
    readers.insert(card)
    options = ("--ca", ca, "--ca", str(file))
    assert run_on(BeidCards(readers), monkeypatch, "verify", *options) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "holds no certificate of a CA" in shown.err
    assert str(file) in shown.err
    assert ca not in shown.err
    assert shown.err.count("\n") == 1
    assert card.exchanges == []


@pytest.mark.parametrize(
    ("name", "lang", "words"),
    [
        ("missing.pem", "en", "does not exist"),
        ("missing.pem", "nl", "bestaat niet"),
        (".", "de", "ist ein Ordner"),
        ("roots.pem/below", "fr", "n'est pas un dossier"),
    ],
)
def test_a_ca_file_that_cannot_be_read_says_why(
    name: str, lang: str, words: str, ca: str, tmp_path: Path
) -> None:
    """In the person's language: exit 2."""
    result = _verify("--ca", str(tmp_path / name), "--ca", ca, "--lang", lang)
    assert result.returncode == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_card_with_hardly_any_file_is_judged(tmp_path: Path) -> None:
    """An identity without anything that proves it, or a damaged one: exit 0."""
    genuine = load_profile("adult").files[EF.IDENTITY]
    for identity in (genuine, b"\x01\x0c123"):
        (tmp_path / "identity.tlv").write_bytes(identity)
        result = _verify("--json", card=str(tmp_path))
        body = json.loads(result.stdout)
        assert (result.returncode, body["valid"]) == (0, False)


def test_each_file_is_read_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The chip's public key, too, which its proof needs."""
    card = RecordedCard(load_profile("adult"))
    readers = VirtualReaders()
    readers.insert(card)
    assert run_on(BeidCards(readers), monkeypatch, "verify") == 0
    del capsys
    selected = [
        exchange.command[-2:]
        for exchange in card.exchanges
        if exchange.ins == INS.SELECT
    ]
    assert EF.BASIC_KEY.fid.to_bytes(2, "big") in selected
    assert len(selected) == len(set(selected)) == len(FILES)


@pytest.mark.pcscd
@pytest.mark.parametrize(("persona", "calls"), [("adult", 1), ("adult-1.7", 0)])
def test_through_a_real_service_the_chip_is_asked_once_or_not_at_all(
    persona: str, calls: int, ca: str, pcscd: Pcscd
) -> None:
    """By the card's own record, over pcscd; no PIN, and no key was chosen."""
    with pcscd.card(persona) as card:
        result = run("card", "verify", "--json", "--ca", ca)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["valid"] is True
        assert card.count(INS.INTERNAL_AUTHENTICATE) == calls
        assert card.count(INS.MSE) == card.count(INS.VERIFY) == 0


def test_without_its_library_the_command_says_what_to_install() -> None:
    """The extra `relyingparty` is not part of a plain installation."""
    code = (
        "import sys\n"
        "sys.modules['pyhanko_certvalidator'] = None\n"
        "from agent.cli import main\n"
        "sys.exit(main(['card', 'verify', '--card', 'virtual', '--lang', 'en']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "bootstrap.py demo" in result.stderr
    assert "eid-agent[relyingparty]" in result.stderr
    assert result.stderr.count("\n") == 1
