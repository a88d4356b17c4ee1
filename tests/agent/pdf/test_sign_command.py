"""`eid-agent sign` as a person uses it: a file, questions, a card, a signed file."""

from __future__ import annotations

import io
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from agent import cli
from agent.commands import sign
from agent.ui.terminal import TerminalInterface
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.files import EF
from cardio.part10 import Feature
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.pdf.documents import document, encrypted
from tests.agent.program import started
from tests.agent.test_last_moment import pins_sent
from tests.cardio.fake_pinpad import FakePinPadReaders
from tests.rig.transcript import RecordedCard


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A document, and where the signed one goes."""
    (tmp_path / "contract.pdf").write_bytes(document())
    return tmp_path / "contract.pdf", tmp_path / "signed.pdf"


Files = tuple[Path, Path]


def _words(files: Files, *options: str) -> list[str]:
    return ["sign", str(files[0]), "-o", str(files[1]), "--lang", "en", *options]


def _put(
    monkeypatch: pytest.MonkeyPatch, card: VirtualCard, *typed: tuple[str, ...]
) -> FakePinPadReaders:
    """Have the command find this card; with `typed` in a reader with keys."""
    readers = VirtualReaders("Reader")
    readers.insert(card)
    pads = FakePinPadReaders(readers, typed)
    source = BeidCards(pads if typed else readers)
    monkeypatch.setattr(sign, "card_source", lambda _: source)
    return pads


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_a_file_is_signed_by_the_person(persona: str, files: Files) -> None:
    """What it is stands before the question, its signer in the signature."""
    with started(
        *_words(files, "--card", f"virtual:{persona}", "--reason", "I agree")
    ) as program:
        shown = program.until("PIN: $")
        for words in ("Title: Verklaring", "Pages: 2", "SHA-256: ", "[TEST CARD]"):
            assert words in shown
        assert '"contract.pdf"' in shown
        assert "Tries left: 3" in shown
        program.type("1234")
        assert program.process.wait(20) == 0
        assert str(files[1]) in program.rest()
        assert program.errors() == ""
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o600
    signed = files[1].read_bytes()
    assert signed.startswith(files[0].read_bytes())
    (one,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    assert one.sig_object["/Reason"] == "I agree"
    profile = load_profile(persona)
    holder = x509.Certificate.load(profile.files[EF.SIGNATURE])
    assert one.signer_cert.dump() == holder.dump()
    roots = [x509.Certificate.load(profile.files[EF.ROOT])]
    context = ValidationContext(trust_roots=roots, allow_fetching=False)
    status = await async_validate_pdf_signature(one, context)
    assert status.bottom_line


def test_a_wrong_pin_costs_one_try_and_signs_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    files: Files,
) -> None:
    """It is not sent again, and no file is left."""
    card = RecordedCard(load_profile("adult"))
    _put(monkeypatch, card)
    os.write(keyboard, b"9999\n")
    assert cli.main(_words(files)) == 1
    assert capsys.readouterr().err == (
        "eid-agent: The PIN is wrong. Tries left: 2. Nothing was signed.\n"
    )
    assert pins_sent(card) == 1
    assert not files[1].exists()


@pytest.mark.parametrize("persona", ["one-try", "maybe"])
def test_the_last_try_needs_a_step_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    files: Files,
    persona: str,
) -> None:
    """Also what may be the last one; n ends it without a PIN asked."""
    card = RecordedCard(load_profile("one-try", applet="1.7"))
    _put(monkeypatch, card)
    if persona == "maybe":
        readers = VirtualReaders("Gemalto GemPC Pinpad 00 00")
        readers.insert(card)
        monkeypatch.setattr(sign, "card_source", lambda _: BeidCards(readers))
    os.write(keyboard, b"n\n")
    assert cli.main(_words(files)) == 1
    shown = capsys.readouterr()
    assert "LAST" in shown.out
    assert "PIN: " not in shown.out
    assert "no try was used" in shown.err
    assert pins_sent(card) == 0
    os.write(keyboard, b"y\n1234\n")
    assert cli.main(_words(files)) == 0
    assert pins_sent(card) == 1


def test_a_pin_typed_on_the_reader_never_comes_here(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    files: Files,
) -> None:
    """The person agrees here and types there; no to it sends nothing."""
    card = RecordedCard(load_profile("adult"))
    pads = _put(monkeypatch, card, ("1234",))
    pads.pad = {Feature.VERIFY_PIN_DIRECT}
    os.write(keyboard, b"n\n")
    assert cli.main(_words(files)) == 1
    assert len(pads.typed) == 1
    os.write(keyboard, b"y\n")
    assert cli.main(_words(files)) == 0
    assert "keys of the card reader" in capsys.readouterr().out
    assert pads.typed == []


def test_a_card_swapped_while_typing_gets_no_pin(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    files: Files,
) -> None:
    """The tries of another person's card are not for this one's PIN."""
    readers = VirtualReaders("Reader")
    readers.insert(VirtualCard(load_profile("adult")))
    other = RecordedCard(load_profile("long-names"))
    monkeypatch.setattr(sign, "card_source", lambda _: BeidCards(readers))
    ask = TerminalInterface.sign_pin

    async def swapped(self: TerminalInterface, question: sign.FileSigning) -> sign.Pin:
        pin = await ask(self, question)
        readers.remove()
        readers.insert(other)
        return pin

    monkeypatch.setattr(TerminalInterface, "sign_pin", swapped)
    os.write(keyboard, b"1234\n")
    assert cli.main(_words(files)) == 1
    assert "Nothing was signed." in capsys.readouterr().err
    assert pins_sent(other) == 0


def test_ctrl_c_waits_for_the_card(
    monkeypatch: pytest.MonkeyPatch, keyboard: int, files: Files
) -> None:
    """Pressed while it signs: the card ends in order, and no file is left."""

    class Interrupting(RecordedCard):
        def transmit(self, apdu: bytes | bytearray) -> bytes:
            if apdu[1] == INS.VERIFY:
                signal.raise_signal(signal.SIGINT)
            return super().transmit(apdu)

    card = Interrupting(load_profile("adult"))
    _put(monkeypatch, card)
    os.write(keyboard, b"1234\n")
    assert cli.main(_words(files)) == 130
    assert card.exchanges[-1].ins == INS.LOG_OFF
    assert not files[1].exists()


@pytest.mark.parametrize(
    ("persona", "words"),
    [
        ("kids", "no certificate to sign with"),
        ("expired", "has expired"),
        ("blocked", "PIN is blocked"),
    ],
)
def test_a_card_that_cannot_sign_is_said_before_any_question(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: Files,
    persona: str,
    words: str,
) -> None:
    """And what would be asked for nothing is not asked."""
    _put(monkeypatch, VirtualCard(load_profile(persona)))
    assert cli.main(_words(files)) == 1
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""


def test_a_file_that_cannot_be_signed_is_said(
    capsys: pytest.CaptureFixture[str], files: Files, tmp_path: Path
) -> None:
    """Refused by its content, absent, or the place for the result is taken."""
    source, target = files
    source.write_bytes(encrypted())
    assert cli.main(_words(files, "--card", "virtual")) == 1
    assert "encrypted" in capsys.readouterr().err
    assert cli.main(_words((tmp_path / "none.pdf", target))) == 2
    assert "none.pdf cannot be read" in capsys.readouterr().err
    target.write_bytes(b"mine")
    assert cli.main(_words(files)) == 1
    assert "is there already" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"


def test_a_place_that_takes_no_file_is_said_before_the_pin(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    files: Files,
    tmp_path: Path,
) -> None:
    """A PIN and a signature would be spent for nothing."""
    card = RecordedCard(load_profile("adult"))
    _put(monkeypatch, card)
    os.write(keyboard, b"1234\n")
    assert cli.main(_words((files[0], tmp_path / "none" / "signed.pdf"))) == 1
    shown = capsys.readouterr()
    assert "signed.pdf cannot be written (does not exist)" in shown.err
    assert "PIN" not in shown.out
    assert pins_sent(card) == 0


def test_a_time_stamp_service_for_a_level_without_one_is_said(
    capsys: pytest.CaptureFixture[str], files: Files
) -> None:
    """Who names a service expects a time stamp."""
    assert cli.main(_words(files, "--timestamp-url", "http://x/tsa")) == 2
    assert "add --level B-T or --level B-LT" in capsys.readouterr().err
    assert not files[1].exists()


def test_a_reason_is_one_line(files: Files) -> None:
    """Neither hidden signs nor more than the API takes."""
    for reason in ("a\u202eb", "a\nb", "x" * 201, " "):
        with pytest.raises(SystemExit) as ended:
            cli.main(_words(files, "--reason", reason))
        assert ended.value.code == 2


def test_who_cannot_be_asked_signs_nothing(files: Files) -> None:
    """End of input is a cancel."""
    with started(*_words(files, "--card", "virtual")) as program:
        program.until("PIN: $")
        assert program.process.stdin is not None
        program.process.stdin.close()
        program.process.stdin = None
        assert program.process.wait(20) == 1
        assert "closed the question" in program.errors()
    assert not files[1].exists()


def test_a_card_s_tries_are_asked_anew(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    files: Files,
) -> None:
    """With one left after a wrong PIN the warning is in words."""
    _put(monkeypatch, VirtualCard(replace(load_profile("adult"), tries=2)))
    os.write(keyboard, b"9999\n")
    assert cli.main(_words(files)) == 1
    assert "One more wrong PIN blocks your PIN." in capsys.readouterr().err
