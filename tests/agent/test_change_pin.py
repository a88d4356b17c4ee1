"""`card change-pin` as a person uses it: questions on the streams, a card behind."""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import cli, host
from agent.commands import change_pin
from agent.ui.terminal import TerminalInterface
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.card import CardSource
from cardio.errors import CardRemoved
from cardio.part10 import Feature, Keypad
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import Profile, load_profile, write_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.program import ROOT, Program, started
from tests.agent.test_last_moment import pins_sent
from tests.cardio.fake_pinpad import (
    CANCELLED,
    DIFFERENT,
    LENGTH,
    TIMEOUT,
    FakePinPadChannel,
    FakePinPadReaders,
    Typed,
)
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

CHANGE = ["card", "change-pin", "--lang", "en"]


def _type(program: Program, *lines: str) -> list[str]:
    """Answer each question with a line; return the questions."""
    asked = []
    for line in lines:
        asked.append(program.until(r"(PIN: |\[y/n\] )$"))
        program.type(line)
    return asked


def _blocks(card: VirtualCard, pin: str) -> bool:
    """Tell whether a PIN is the card's; costs a try if not."""
    block = f"2{len(pin):X}{pin}".ljust(16, "F")
    return card.transmit(bytes.fromhex("0020000108" + block)) == b"\x90\x00"


# --- the program, with a card in a real service --------------------------------------


@pytest.mark.pcscd
@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
def test_the_pin_of_a_card_is_changed(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, persona: str
) -> None:
    """Old, new, new again; the card has the new one and no right is left on it."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", pcscd.env["PCSCLITE_CSOCK_NAME"])
    with pcscd.card(persona) as card:
        with started(*CHANGE, "--reader", pcscd.reader) as program:
            first, *others = _type(program, "1234", "12345", "12345")
            assert pcscd.reader in first
            assert "Tries left: 3" in first
            assert all(question.endswith("PIN: ") for question in (first, *others))
            assert program.process.wait(20) == 0
            assert "changed" in program.until("changed")
        assert card.count(INS.CHANGE_REFERENCE_DATA) == 1
        assert card.transmit(bytes.fromhex("0020000100")) == b"\x63\xc3"
        assert _blocks(card, "12345")


@pytest.mark.pcscd
def test_what_is_no_new_pin_is_asked_again(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong forms and two that differ never reach the card; a wrong old one once."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", pcscd.env["PCSCLITE_CSOCK_NAME"])
    with pcscd.card("adult") as card:
        with started(*CHANGE, "--json", "--reader", pcscd.reader) as program:
            _type(program, "123", "9999")  # the first is no PIN
            _type(program, "12a4", "4321", "4322")
            assert "not the same" in _type(program, "4321")[0]
            assert card.count(INS.CHANGE_REFERENCE_DATA) == 0
            _type(program, "4321")
            assert program.process.wait(20) == 1
            assert program.errors() == (
                "eid-agent: The PIN that you typed first is wrong, so nothing was "
                "changed. Tries left: 2.\n"
            )
        assert card.count(INS.CHANGE_REFERENCE_DATA) == 1
        assert card.tries_left == 2
        assert _blocks(card, "1234")


@pytest.mark.pcscd
@pytest.mark.parametrize("typed", [0, 1, 2])
def test_the_end_of_input_cancels(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, typed: int
) -> None:
    """At each of the three questions: exit code 1, nothing was sent."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", pcscd.env["PCSCLITE_CSOCK_NAME"])
    with pcscd.card("adult") as card:
        with started(*CHANGE, "--reader", pcscd.reader) as program:
            _type(program, *["1234"] * typed)
            program.until("PIN: $")
            assert program.process.stdin is not None
            program.process.stdin.close()
            program.process.stdin = None
            assert program.process.wait(20) == 1
            assert "closed the question" in program.errors()
        assert card.count(INS.CHANGE_REFERENCE_DATA) == 0
        assert card.tries_left == 3


@pytest.mark.pcscd
def test_a_card_swapped_while_typing_gets_no_pin(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tries of another person's card are not for this one's PIN."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", pcscd.env["PCSCLITE_CSOCK_NAME"])
    with ExitStack() as stack:
        with pcscd.card("adult"):
            program = stack.enter_context(started(*CHANGE, "--reader", pcscd.reader))
            _type(program, "1234", "4321")
            program.until("PIN: $")
        with pcscd.card("long-names") as other:
            assert program.process.wait(20) == 1
            assert "The PIN was not changed" in program.errors()
            assert other.count(INS.CHANGE_REFERENCE_DATA) == 0
            assert other.tries_left == 3


@pytest.mark.pcscd
@pytest.mark.parametrize("typed", [0, 1, 2])
def test_a_card_pulled_during_a_question_ends_it(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, typed: int
) -> None:
    """Nobody answers the rest for nothing; the card is named and the PIN stays."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", pcscd.env["PCSCLITE_CSOCK_NAME"])
    card = RecordedCard(load_profile("adult"))
    with (
        pcscd.insert(card) as pull,
        started(*CHANGE, "--reader", pcscd.reader) as program,
    ):
        _type(program, *["1234", "4321"][:typed])
        program.until("PIN: $")
        pull()
        assert program.process.wait(20) == 1
        assert program.errors() == (
            "eid-agent: The card was taken out of the card reader. Put it back and try "
            "again. The PIN was not changed.\n"
        )
    assert pins_sent(card) == 0


@pytest.mark.pcscd
def test_a_service_that_stops_during_a_question_ends_it(own_pcscd: Pcscd) -> None:
    """The service is named, not the card."""
    with (
        own_pcscd.card() as card,
        started(*CHANGE, "--reader", own_pcscd.reader) as program,
    ):
        _type(program, "1234")
        program.until("PIN: $")
        own_pcscd.stop()
        assert program.process.wait(20) == 1
        said = program.errors()
        assert "card reader service" in said
        assert "The PIN was not changed" in said
    assert pins_sent(card) == 0


@pytest.mark.parametrize("typed", [[], ["1234"], ["1234", "4321"]])
def test_ctrl_c_ends_every_question_alike(typed: list[str]) -> None:
    """The question is over, one sentence says why, exit code 130."""
    with started(*CHANGE, "--card", "virtual") as program:
        _type(program, *typed)
        program.until("PIN: $")
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(20) == 130
        assert program.rest() == "\n(this question is over)\n"
        assert program.errors() == "eid-agent: Ended with Ctrl-C.\n"


def test_ctrl_c_at_the_last_try_ends_alike(tmp_path: Path) -> None:
    """A yes or no ends as a PIN does."""
    write_profile(replace(load_profile(), tries=1), tmp_path / "card")
    with started(*CHANGE, "--card", f"virtual:{tmp_path / 'card'}") as program:
        program.until(r"\[y/n\] $")
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(20) == 130
        assert program.rest() == "\n(this question is over)\n"
        assert program.errors() == "eid-agent: Ended with Ctrl-C.\n"


def test_a_reason_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """Two new PINs that differ, then one of a wrong form: only that is said then."""
    _put(monkeypatch, VirtualCard(load_profile("adult")))
    os.write(keyboard, b"1234\n4321\n4322\n12\n4321\n4321\n")
    assert cli.main(CHANGE) == 0
    assert capsys.readouterr().out.count("not the same") == 1


def test_a_card_swapped_in_one_go_ends_the_questions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """Said as another card; of its PIN nothing is asked or sent."""
    readers = VirtualReaders("Reader")
    readers.insert(VirtualCard(load_profile("adult")))
    other = RecordedCard(load_profile("long-names"))
    monkeypatch.setattr(change_pin, "card_source", lambda _: BeidCards(readers))
    ask = TerminalInterface._line

    async def swapped(self: TerminalInterface, words: str, *, secret: bool) -> Any:
        if "once more" in words:
            readers.remove()
            readers.insert(other)
        return await ask(self, words, secret=secret)

    monkeypatch.setattr(TerminalInterface, "_line", swapped)
    os.write(keyboard, b"1234\n4321\n")
    assert cli.main(CHANGE) == 1
    said = capsys.readouterr().err
    assert "another card than a moment ago" in said
    assert "The PIN was not changed." in said
    assert pins_sent(other) == 0
    os.write(keyboard, b"\n")  # the reading that is left behind


def test_a_wrong_old_pin_that_leaves_one_try_warns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """In plain words, not by a number alone."""
    card = VirtualCard(replace(load_profile("adult"), tries=2))
    _put(monkeypatch, card)
    os.write(keyboard, b"9999\n4321\n4321\n")
    assert cli.main(CHANGE) == 1
    assert "One more wrong PIN blocks your PIN." in capsys.readouterr().err


def test_a_terminal_shows_none_of_the_pins() -> None:
    """On a real terminal no digit is echoed, at none of the three questions."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", *CHANGE, "--card", "virtual"],
        cwd=ROOT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    shown = b""
    try:
        for line in (b"1234", b"86427", b"86427"):
            while not shown.endswith(b"PIN: "):
                shown += os.read(controller, 1)
            os.write(controller, line + b"\n")
            shown += os.read(controller, 1)
        while b"changed" not in shown:
            shown += os.read(controller, 1)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(controller)
        os.close(terminal)
    assert not re.search(rb"1234|8642", shown)


# --- the command inside this process -------------------------------------------------


def _put(
    monkeypatch: pytest.MonkeyPatch,
    card: VirtualCard,
    *typed: Typed,
    pad: bool = False,
    name: str = "Reader",
) -> FakePinPadReaders:
    """Have the command find this card, in a reader with or without keys."""
    readers = VirtualReaders(name)
    readers.insert(card)
    pads = FakePinPadReaders(readers, typed)
    source: CardSource = BeidCards(pads if pad else readers)
    monkeypatch.setattr(change_pin, "card_source", lambda _: source)
    return pads


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_the_last_try_needs_a_step_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    applet: str,
) -> None:
    """A `[y/n] ` first; n ends it without a PIN asked, y goes on to the questions."""
    card = VirtualCard(load_profile("one-try", applet=applet))
    _put(monkeypatch, card)
    os.write(keyboard, b"n\n")
    assert cli.main(CHANGE) == 1
    shown = capsys.readouterr()
    assert "LAST" in shown.out
    assert "PIN: " not in shown.out
    os.write(keyboard, b"y\n1234\n4321\n4321\n")
    assert cli.main([*CHANGE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"changed": True}
    assert card.tries_left == 3


def test_what_may_be_the_last_try_needs_a_step_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """Through a reader that swallows the status query nobody knows the tries."""
    card = RecordedCard(load_profile("one-try", applet="1.7"))
    gempc = "Gemalto GemPC Pinpad 00 00"
    _put(monkeypatch, card, ("1234", "4321", "4321"), pad=True, name=gempc)
    os.write(keyboard, b"n\n")
    assert cli.main(CHANGE) == 1
    shown = capsys.readouterr().out
    assert "how many tries are left cannot be seen" in shown
    assert shown.count("[y/n] ") == 1
    assert card.count(INS.CHANGE_REFERENCE_DATA) == 0
    os.write(keyboard, b"y\ny\n")
    assert cli.main(CHANGE) == 0
    assert capsys.readouterr().out.count("[y/n] ") == 2
    assert _blocks(card, "4321")


def test_a_blocked_card_asks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """No PIN can be right there; what to do depends on the generation."""
    del keyboard
    for applet, words in (("1.7", "letter"), ("1.8", "no PUK code")):
        _put(monkeypatch, VirtualCard(load_profile("blocked", applet=applet)))
        assert cli.main(CHANGE) == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert words in shown.err


def test_the_old_pin_is_no_new_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """Said at once, and another one is asked for; nothing was sent for it."""
    card = RecordedCard(load_profile("adult"))
    _put(monkeypatch, card)
    os.write(keyboard, b"1234\n1234\n4321\n4321\n")
    assert cli.main(CHANGE) == 0
    shown = capsys.readouterr().out
    assert "That is the present PIN" in shown
    assert shown.count("PIN: ") == 4  # it is not asked for a second time
    assert card.count(INS.CHANGE_REFERENCE_DATA) == 1
    assert _blocks(card, "4321")


@pytest.mark.parametrize("pad", [False, True], ids=["typed", "on-reader"])
@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_a_card_that_is_not_activated_asks_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    applet: str,
    pad: bool,
) -> None:
    """Said at once, with the way to the municipality; no PIN is asked for."""
    card = RecordedCard(load_profile("not-activated", applet=applet))
    _put(monkeypatch, card, pad=pad)
    assert cli.main(CHANGE) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "not activated yet" in shown.err
    assert card.count(INS.CHANGE_REFERENCE_DATA) == 0


def test_the_third_wrong_pin_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """The try that blocks the card ends with the way to the municipality."""
    _put(monkeypatch, VirtualCard(load_profile("one-try")))
    os.write(keyboard, b"y\n9999\n4321\n4321\n")
    assert cli.main(CHANGE) == 1
    assert "municipality" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lang", "number"),
    [("nl", 0x0813), ("fr", 0x080C), ("de", 0x0407), ("en", 0x0409)],
)
def test_with_keys_on_the_reader_no_pin_is_asked_here(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    lang: str,
    number: int,
) -> None:
    """One `[y/n] ` that sends the person to the reader, which prompts in `--lang`."""
    card = VirtualCard(load_profile("adult"))
    pads = _put(monkeypatch, card, ("1234", "4321", "4321"), pad=True)
    os.write(keyboard, b"y\n")
    assert cli.main(["card", "change-pin", "--lang", lang]) == 0
    shown = capsys.readouterr().out
    assert shown.count("[y/n] ") == 1
    assert "PIN: " not in shown
    assert _blocks(card, "4321")
    assert pads.languages() == [number]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (TIMEOUT, "too long"),
        (CANCELLED, "Try again"),
        (DIFFERENT, "not the same; the old one stays"),
        (LENGTH, "4 to 12 digits"),
        (("9999", "4321", "4321"), "Tries left: 2"),
    ],
)
def test_what_happens_on_the_reader_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    typed: Typed,
    words: str,
) -> None:
    """Each way to end has its sentence; the PIN stays."""
    card = VirtualCard(load_profile("adult"))
    _put(monkeypatch, card, typed, pad=True)
    os.write(keyboard, b"y\n")
    assert cli.main(CHANGE) == 1
    assert words in capsys.readouterr().err
    assert _blocks(card, "1234")


def test_a_refusal_leaves_the_reader_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """n: nothing is asked on the reader."""
    _put(monkeypatch, VirtualCard(load_profile("adult")), pad=True)  # no keys pressed
    os.write(keyboard, b"n\n")
    assert cli.main(CHANGE) == 1
    assert "Permission was not given" in capsys.readouterr().err


def test_keys_that_only_verify_are_said_before_any_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """Nobody types a PIN for nothing; another reader does it."""
    del keyboard
    pad = Keypad(frozenset({Feature.VERIFY_PIN_DIRECT}))
    monkeypatch.setattr(FakePinPadChannel, "keypad", pad)
    _put(monkeypatch, VirtualCard(load_profile("adult")), pad=True)
    assert cli.main(CHANGE) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Use another card reader" in shown.err


@pytest.mark.parametrize("applet", ["1.0", "1.1"])
def test_an_old_card_is_refused_before_any_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], applet: str
) -> None:
    """Read only: said at once."""
    (tmp_path / "card.toml").write_text(f'applet = "{applet}"\n')
    assert cli.main([*CHANGE, "--card", f"virtual:{tmp_path}"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "cannot be changed" in shown.err


class Interrupting(RecordedCard):
    """A card that is changing its PIN when a signal comes."""

    def __init__(
        self, profile: Profile, number: signal.Signals = signal.SIGINT
    ) -> None:
        super().__init__(profile)
        self._number = number

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        if apdu[1] == INS.CHANGE_REFERENCE_DATA:
            signal.raise_signal(self._number)
        return super().transmit(apdu)


def test_ctrl_c_waits_for_the_card(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """Pressed while the card compares: the change is finished, LOG OFF included."""

    card = Interrupting(load_profile("adult"))
    _put(monkeypatch, card)
    os.write(keyboard, b"1234\n4321\n4321\n")
    assert cli.main(CHANGE) == 130
    last = [exchange.ins for exchange in card.exchanges[-2:]]
    assert last == [INS.CHANGE_REFERENCE_DATA, INS.LOG_OFF]
    assert _blocks(card, "4321")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "changed" in capsys.readouterr().out


def test_a_change_that_breaks_off_leaves_it_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """The card has the command and its answer is lost: either PIN may hold."""

    class Lost(VirtualCard):
        def transmit(self, apdu: bytes | bytearray) -> bytes:
            answer = super().transmit(apdu)
            if apdu[1] == INS.CHANGE_REFERENCE_DATA:
                raise CardRemoved("pulled out")
            return answer

    card = Lost(load_profile("adult"))
    _put(monkeypatch, card)
    os.write(keyboard, b"1234\n4321\n4321\n")
    assert cli.main(CHANGE) == 1
    assert "not certain which PIN holds" in capsys.readouterr().err


def test_ctrl_c_does_not_hide_what_a_change_cost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """The old PIN was wrong: the person hears of the try before the program ends."""

    _put(monkeypatch, Interrupting(load_profile("adult")))
    os.write(keyboard, b"9999\n4321\n4321\n")
    assert cli.main(CHANGE) == 130
    assert "2" in capsys.readouterr().err


@pytest.mark.parametrize("number", host.ENDING_SIGNALS)
def test_no_signal_comes_between_the_pins_and_log_off(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    number: signal.Signals,
) -> None:
    """Ctrl-Z, a closed terminal and the like take effect when the right is gone."""

    card = Interrupting(load_profile("adult"), number)
    _put(monkeypatch, card)
    os.write(keyboard, b"1234\n4321\n4321\n")
    options = argparse.Namespace(card="virtual", reader=None, lang="en", json=False)
    last: list[int] = []
    before = signal.signal(number, lambda *_: last.append(card.exchanges[-1].ins))
    try:
        assert change_pin.main(options) == 0
    finally:
        signal.signal(number, before)
    assert last == [INS.LOG_OFF]
    assert "changed" in capsys.readouterr().out


def test_a_reader_s_name_is_foreign_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keyboard: int
) -> None:
    """A name that a driver made up stays one quoted line in the question."""
    readers = VirtualReaders('Evil" [y/n] \n\u202e')
    readers.insert(VirtualCard(load_profile("adult")))
    monkeypatch.setattr(change_pin, "card_source", lambda _: BeidCards(readers))
    os.write(keyboard, b"1234\n4321\n4321\n")
    assert cli.main(CHANGE) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("[TEST CARD]")
    assert '"Evil\' [y/n] \ufffd\ufffd"' in first
    assert first.endswith("PIN: ")
