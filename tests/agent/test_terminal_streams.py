"""The terminal's questions inside this process: late lines, hidden PINs, odd texts."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import termios
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from agent.texts import LANGUAGES
from agent.ui import Cancelled, Choice, Consent, Login, Permission, Unavailable
from agent.ui.terminal import TerminalInterface
from tests.agent.hostile import HOSTILE

SITE = "https://portal.example"
CONSENT = Consent(SITE, ("identity",), None, "en", True)
LOGIN = Login(SITE, 3, "en", True)


@dataclass
class Keys:
    """Where a person types, what the agent wrote, and the interface between them."""

    typed: int
    read: int
    shown: list[str] = field(default_factory=list)
    wrote: asyncio.Event = field(default_factory=asyncio.Event)

    def interface(self) -> TerminalInterface:
        """Return the interface that reads these keys."""
        loop = asyncio.get_running_loop()

        def write(words: str) -> None:  # in the screen's thread
            self.shown.append(words)
            loop.call_soon_threadsafe(self.wrote.set)

        return TerminalInterface(write)

    async def asked(self) -> None:
        """Wait until something was written."""
        await asyncio.wait_for(self.wrote.wait(), 5)
        self.wrote.clear()

    def type(self, line: bytes) -> None:
        """Type."""
        os.write(self.typed, line)

    def echoes(self) -> bool:
        """Tell whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.read)[3] & termios.ECHO)


def _stdin(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    """Make a descriptor this process's standard input."""
    stream = io.FileIO(descriptor, closefd=False)
    monkeypatch.setattr("sys.stdin", stream)


def _readers() -> list[threading.Thread]:
    """Return the threads that wait for a line."""
    return [thread for thread in threading.enumerate() if thread.name == "terminal"]


def _close(typed: int, read: int) -> None:
    """Close both ends; a reading that was left behind ends with the input."""
    os.close(typed)
    for thread in _readers():
        thread.join(5)
    os.close(read)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    """Standard input as a pipe."""
    read, typed = os.pipe()
    _stdin(monkeypatch, read)
    yield Keys(typed, read)
    _close(typed, read)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    """Standard input as a terminal."""
    typed, read = pty.openpty()
    _stdin(monkeypatch, read)
    yield Keys(typed, read)
    _close(typed, read)


async def _until(condition: object) -> None:
    """Wait for another thread's work, which tells nobody."""
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_every_question_is_one_line(pipe: Keys) -> None:
    """A question that is asked again, and the next one, begin a line of their own."""
    interface = pipe.interface()
    pipe.type(b"perhaps\ny\n12\n1234\n")
    assert await interface.consent(CONSENT) is Permission.ONCE
    (await interface.login_pin(LOGIN)).wipe()
    lines = "".join(pipe.shown).split("\n")
    questions = [line[-6:].strip() for line in lines if line.endswith(" ")]
    assert questions == ["[y/n]", "[y/n]", "PIN:", "PIN:"]
    hints = [line for line in lines if line and not line.endswith(" ")]
    assert hints == [lines[1], lines[4]]  # each before its question's second time
    assert lines[6:] == [""]


async def test_a_late_line_answers_nothing_else(pipe: Keys) -> None:
    """A yes to a question that is over is no yes to the next one."""
    interface = pipe.interface()
    question = asyncio.create_task(interface.consent(CONSENT))
    await pipe.asked()
    await _until(_readers)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    pipe.type(b"y\n")
    await _until(lambda: not _readers())
    pipe.wrote.clear()
    other = asyncio.create_task(interface.consent(CONSENT))
    await pipe.asked()
    pipe.type(b"n\n")
    assert await asyncio.wait_for(other, 5) is Permission.DENY


async def test_a_pin_typed_too_late_stays_hidden_and_is_no_answer(
    terminal: Keys,
) -> None:
    """Who goes on typing after the question ended shows nothing and allows nothing."""
    interface = terminal.interface()
    question = asyncio.create_task(interface.login_pin(LOGIN))
    await terminal.asked()
    await _until(_readers)  # the reading begins after the question is shown
    assert not terminal.echoes()
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    assert not terminal.echoes()
    terminal.type(b"1234\n")
    await _until(terminal.echoes)
    os.set_blocking(terminal.typed, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal.typed, 100)
    terminal.wrote.clear()
    other = asyncio.create_task(interface.consent(CONSENT))
    await terminal.asked()
    assert terminal.echoes()
    terminal.type(b"y\n")
    assert await asyncio.wait_for(other, 5) is Permission.ONCE


async def test_a_pin_typed_too_late_is_wiped(
    pipe: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buffer is zeroed as soon as it arrives, although no question follows."""
    lines: list[bytearray] = []
    interface = pipe.interface()
    read = interface._keyboard.read_line

    def kept() -> bytearray | None:
        line = read()
        lines.append(line or bytearray())
        return line

    monkeypatch.setattr(interface._keyboard, "read_line", kept)
    question = asyncio.create_task(interface.login_pin(LOGIN))
    await pipe.asked()
    await _until(_readers)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    pipe.type(b"1234\n")
    await _until(lambda: lines and not any(lines[0]))
    assert lines == [bytearray(4)]


async def test_what_was_typed_before_a_question_is_no_answer(terminal: Keys) -> None:
    """Type-ahead on a terminal is forgotten."""
    interface = terminal.interface()
    terminal.type(b"y\n")
    question = asyncio.create_task(interface.consent(CONSENT))
    await terminal.asked()
    terminal.type(b"n\n")
    assert await asyncio.wait_for(question, 5) is Permission.DENY


async def test_nonsense_ends_the_question_at_last(pipe: Keys) -> None:
    """Ten answers that are none close the question."""
    pipe.type(b"maybe\n" * 10)
    with pytest.raises(Cancelled):
        await pipe.interface().consent(CONSENT)


@pytest.mark.parametrize("line", [b"0", b"3", b"-1", b"one", b"", b"1" * 60])
async def test_a_choice_is_one_of_the_numbers(pipe: Keys, line: bytes) -> None:
    """Anything but 1 to N is asked again."""
    pipe.type(line + b"\n 2 \n")
    question = Choice(SITE, ("Reader A", "Reader B"), "en", False)
    assert await pipe.interface().choose(question) == 1
    assert len([words for words in pipe.shown if words.endswith("[1-2] ")]) == 2


async def test_a_choice_names_the_test_cards(pipe: Keys) -> None:
    """Where others are among them, each by itself; else the whole question."""
    pipe.type(b"1\n1\n")
    names = ("Reader A", "Reader B")
    for tests in ((False, True), (True, True)):
        question = Choice(SITE, names, "en", all(tests), test_cards=tests)
        await pipe.interface().choose(question)
    one, both = (words for words in pipe.shown if words.endswith("[1-2] "))
    assert '1 "Reader A", 2 [TEST CARD] "Reader B"' in one
    assert not one.startswith("[TEST CARD]")
    assert both.startswith("[TEST CARD] ")
    assert both.count("TEST CARD") == 1


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("text", [text for text, _ in HOSTILE])
async def test_hostile_words_stay_one_quoted_line(
    pipe: Keys, text: str, lang: str
) -> None:
    """In a purpose and in a reader's name, in every language."""
    interface = pipe.interface()
    pipe.type(b"y\n1\n")
    await interface.consent(Consent(SITE, ("photo",), text, lang, True))
    await interface.choose(Choice(SITE, (text, text), lang, True))
    consent, _, choice, _ = pipe.shown
    for words, end in ((consent, "[y/n] "), (choice, "[1-2] ")):
        assert words.endswith(end)
        assert words.count('"') == (2 if words is consent else 4)
        assert not [c for c in words if unicodedata.category(c) in ("Cc", "Cf", "Zl")]


async def test_without_an_output_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, pipe: Keys
) -> None:
    """A closed standard output is said, not taken for an answer."""
    monkeypatch.setattr("sys.stdout", None)
    pipe.type(b"y\n")
    with pytest.raises(Unavailable):
        await TerminalInterface().consent(CONSENT)


async def test_an_output_without_accents_still_asks(
    monkeypatch: pytest.MonkeyPatch, pipe: Keys
) -> None:
    """A console that knows few characters gets replacements, not an error."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", output)
    pipe.type(b"y\n")
    question = Consent(SITE, ("identity",), "café", "fr", True)
    assert await TerminalInterface().consent(question) is Permission.ONCE
