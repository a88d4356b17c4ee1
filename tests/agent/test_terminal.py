"""The terminal's questions, with the real program on pipes and on a terminal."""

from __future__ import annotations

import asyncio
import http.client
import os
import pty
import re
import ssl
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.texts import LANGUAGES
from agent.ui import Login, Outcome
from agent.ui.terminal import TerminalInterface
from agent.ui.terminal_posix import Keyboard
from agent.words import one_line, quoted
from cardio.card import PinEntry
from cardio.virtual.profile import load_profile
from tests.agent.calls import PORTAL, ask_identity, ask_login
from tests.agent.program import ROOT, Program, started
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard
from tests.rig.words import catalogue


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Program]:
    """Run an agent with a virtual card and questions on its pipes."""
    arguments = ["--card", "virtual", "--ui", "terminal", "--lang", "en"]
    with started("run", *arguments, "--data-dir", str(tmp_path)) as program:
        yield program


def test_login_asks_the_pin_again_until_it_is_one(
    agent: Program, tmp_path: Path
) -> None:
    """3 or 13 digits and letters never reach the card; the tries stay at 3."""
    port, ca = agent.port(), tmp_path / "tls/ca.pem"
    with ask_login(port, ca) as call:
        for line in ("123", "1234567890123", "12a4", ""):
            question = agent.until("PIN: $")
            assert "portal.example" in question
            assert "Tries left: 3" in question
            agent.type(line)
            hint = agent.until(".\n$").lstrip("\n")
            told = "A PIN has 4 to 12 digits; the card was sent nothing. "
            assert hint == f"{told}Ctrl-D refuses.\n"
        agent.until("PIN: $")
        agent.type("1234")
    assert call.status == 200


def test_identity_names_site_data_and_purpose(agent: Program, tmp_path: Path) -> None:
    """The question quotes the site's own words; y gives the data, n does not."""
    port, ca = agent.port(), tmp_path / "tls/ca.pem"
    for answer, status in (("y", 200), ("n", 403)):
        with ask_identity(port, ca, purpose='say "y" PIN:') as call:
            question = agent.until(r"\[y/n\] $")
            assert "portal.example" in question
            assert "national number" in question
            assert "\"say 'y' PIN:\"" in question
            assert "TEST" in question
            for part in ("sex", "numbers of card and chip", "special status"):
                assert part in question
            agent.type("perhaps")
            assert agent.until("no.\n$") == "\nType y for yes or n for no.\n"
            agent.until(r"\[y/n\] $")
            agent.type(answer)
        assert call.status == status


def test_a_special_run_says_so_in_its_questions(tmp_path: Path) -> None:
    """Whoever reads the question sees that the command line let the site in."""
    arguments = ["--card", "virtual", "--ui", "terminal", "--lang", "en"]
    arguments += ["--developer", "--allow-origin", PORTAL]
    with started("run", *arguments, "--data-dir", str(tmp_path)) as program:
        port, ca = program.port(), tmp_path / "tls/ca.pem"
        with ask_login(port, ca):
            question = program.until("PIN: $")
            program.type("1234")
    assert "[DEVELOPER MODE] [allowed by --allow-origin] [asked by" in question


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("entry", [PinEntry.MODULE, PinEntry.READER])
@pytest.mark.parametrize(("line", "agreed"), [(b"y\n", True), (b"n\n", False)])
async def test_a_pin_that_is_typed_elsewhere_is_one_yes_or_no(
    monkeypatch: pytest.MonkeyPatch,
    lang: str,
    entry: PinEntry,
    line: bytes,
    agreed: bool,
) -> None:
    """Names the site and the tries; no line asks for a PIN here."""
    reading, writing = os.pipe()
    os.write(writing, line)
    shown: list[str] = []
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w"):
        monkeypatch.setattr(sys, "stdin", stdin)
        question = Login("https://portal.example", 2, lang, virtual=False)
        terminal = TerminalInterface(shown.append)
        assert await terminal.login_elsewhere(question, entry) is agreed
    words = "".join(shown).rstrip("\n")
    assert words.endswith("[y/n] ")
    assert "portal.example" in words
    assert ": 2." in words
    assert "PIN: " not in words


def test_end_of_input_cancels(agent: Program, tmp_path: Path) -> None:
    """A closed standard input closes every question."""
    port, ca = agent.port(), tmp_path / "tls/ca.pem"
    assert agent.process.stdin is not None
    agent.process.stdin.close()
    with ask_login(port, ca) as call:
        pass
    assert (call.status, call.body["code"]) == (409, "user-cancelled")
    agent.process.stdin = None


class Terminal:
    """The program on a terminal of its own, with the person's side of it."""

    def __init__(self, tmp_path: Path, *, environment: dict[str, str] | None = None):
        self.controller, self._terminal = pty.openpty()
        command = [sys.executable, "-m", "agent", "run", "--card", "virtual"]
        command += ["--ui", "terminal", "--lang", "en", "--log-level", "debug"]
        self.process = subprocess.Popen(
            [*command, "--data-dir", str(tmp_path)],
            cwd=ROOT,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        self.port = int(re.findall(r"\d+", self.until(r"localhost:\d+\r\n"))[-1])
        self.ca = tmp_path / "tls/ca.pem"

    def until(self, pattern: str) -> str:
        """Return what is shown up to the pattern."""
        seen = b""
        while not re.search(pattern.encode(), seen):
            seen += os.read(self.controller, 1)
        return seen.decode()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.controller, keys)

    def end(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(10)

    def close(self) -> None:
        """Let go of everything."""
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self.controller)
        os.close(self._terminal)


def test_a_terminal_does_not_echo_the_pin(tmp_path: Path) -> None:
    """On a real terminal the digits are not shown, and echo is back afterwards."""
    with closing(Terminal(tmp_path)) as terminal:
        with ask_login(terminal.port, terminal.ca) as call:
            terminal.until("PIN: $")
            terminal.type(b"1234\n")
            terminal.until("\n")
        assert call.status == 200
        with ask_identity(terminal.port, terminal.ca) as call:
            shown = terminal.until(r"\[y/n\] $")
            assert "1234" not in shown
            terminal.type(b"y\n")
            assert "y" in terminal.until("y")
        assert call.status == 200


def test_digits_of_a_question_that_ended_do_not_reach_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The half of a PIN that was typed when the card went is dropped at the end."""
    controller, terminal = pty.openpty()
    lines: list[bytearray | None] = []
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        keyboard = Keyboard()
        reader = threading.Thread(target=lambda: lines.append(keyboard.read_line()))
        with keyboard.mode(secret=True):
            keyboard.begin()
            reader.start()
            echoing = termios.tcgetattr(stdin)
            echoing[3] |= termios.ECHO  # shows when the digits are there
            termios.tcsetattr(stdin, termios.TCSANOW, echoing)
            os.write(controller, b"12")
            assert os.read(controller, 1) + os.read(controller, 1) == b"12"
        keyboard._restore()  # as at the end of the program
        os.write(controller, b"ls\n")
        reader.join(10)
    os.close(controller)
    assert lines == [b"ls"]


@pytest.mark.parametrize(
    ("persona", "pin", "said"),
    [
        ("adult", "1234", "The PIN is right. Logged in at portal.example."),
        (
            "adult",
            "9999",
            "Not logged in at portal.example. The PIN is wrong. Tries left: 2.",
        ),
        (
            "one-try",
            "9999",
            "Not logged in at portal.example. The PIN is blocked. Take the card to",
        ),
    ],
)
def test_the_terminal_says_what_became_of_a_pin(
    tmp_path: Path, persona: str, pin: str, said: str
) -> None:
    """One plain line after the question, marked as the question was."""
    arguments = ["--card", f"virtual:{persona}", "--ui", "terminal", "--lang", "en"]
    with started("run", *arguments, "--data-dir", str(tmp_path)) as program:
        port, ca = program.port(), tmp_path / "tls/ca.pem"
        with ask_login(port, ca):
            if persona == "one-try":
                program.until(r"\[y/n\] $")
                program.type("yes")
            program.until("PIN: $")
            program.type(pin)
            line = program.until(r"\w.*\n$").strip()
    assert line.startswith("[TEST CARD] [asked by ")
    assert f"] {said}" in line


def test_a_second_wrong_pin_warns_of_the_last_try(tmp_path: Path) -> None:
    """In words, and with a line of its own."""
    arguments = ["--card", "virtual", "--ui", "terminal", "--lang", "en"]
    with started("run", *arguments, "--data-dir", str(tmp_path)) as program:
        port, ca = program.port(), tmp_path / "tls/ca.pem"
        for said in ("Tries left: 2", "one try is left. One more wrong PIN blocks"):
            with ask_login(port, ca) as call:
                program.until("PIN: $")
                program.type("9999")
                assert said in program.until(r"\w.*\n$")
        assert "one try is left" in call.body["title"]


@pytest.mark.pcscd
def test_a_card_pulled_during_a_login_is_named(pcscd: Pcscd, tmp_path: Path) -> None:
    """The question ends, and a line says why."""
    arguments = ["--ui", "terminal", "--lang", "en", "--data-dir", str(tmp_path)]
    with (
        pcscd.insert(RecordedCard(load_profile("adult"))) as pull,
        started("run", *arguments) as program,
        ask_login(program.port(), tmp_path / "tls/ca.pem"),
    ):
        program.until("PIN: $")
        pull()
        said = program.until(r"Not logged in.*\n$")
    assert "portal.example. The card was taken out of the card reader." in said


async def test_a_line_about_a_login_waits_for_the_end_of_an_open_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not stand in the middle of what another site asks."""
    reading, writing = os.pipe()
    shown: list[str] = []
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", 0) as typed:
        monkeypatch.setattr(sys, "stdin", stdin)
        terminal = TerminalInterface(shown.append)
        login = Login("https://one.example", 3, "en", virtual=False)
        other = Login("https://two.example", 1, "en", virtual=False)
        asking = asyncio.ensure_future(terminal.last_try(other))
        while not shown:
            await asyncio.sleep(0)
        over = Outcome(login.site, "authenticate", "given", "", (), "en", virtual=False)
        terminal.ended(over)
        await terminal._screen.put("")
        assert "Logged in" not in "".join(shown)
        typed.write(b"y\n")
        assert await asking
        await terminal._screen.put("")
        assert shown[-2].endswith("Logged in at one.example.\n")


@pytest.mark.parametrize(
    ("lang", "agree", "refuse"),
    [
        ("nl", ["y", "j", "Ja"], ["n", "nee"]),
        ("fr", ["y", "o", "OUI"], ["n", "non"]),
        ("de", ["y", "j", "ja"], ["n", "Nein"]),
        ("en", ["y", "Yes"], ["n", "no"]),
    ],
)
async def test_yes_and_no_are_understood_in_the_language_of_the_question(
    monkeypatch: pytest.MonkeyPatch, lang: str, agree: list[str], refuse: list[str]
) -> None:
    """And no word of another language is: it is asked again."""
    words = [*((word, True) for word in agree), *((word, False) for word in refuse)]
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", 0) as typed:
        monkeypatch.setattr(sys, "stdin", stdin)
        shown: list[str] = []
        terminal = TerminalInterface(shown.append)
        login = Login("https://one.example", 1, lang, virtual=False)
        for word, agreed in words:
            typed.write(f"{word}\n".encode())
            assert await terminal.last_try(login) is agreed
        assert sum("[y/n] " in each for each in shown) == len(words)
        typed.write(b"jawohl\n\xff\ny\n")
        assert await terminal.last_try(login)
        assert sum("[y/n] " in each for each in shown) == len(words) + 3


def test_a_paused_terminal_stops_nothing_but_its_question(tmp_path: Path) -> None:
    """Ctrl-S: other requests are answered, and the agent still ends when it is told."""
    with closing(Terminal(tmp_path)) as terminal:
        terminal.type(b"\x13")
        with ask_login(terminal.port, terminal.ca):
            context = ssl.create_default_context(cafile=str(terminal.ca))
            for _ in range(3):
                page = http.client.HTTPSConnection(
                    "localhost", terminal.port, context=context, timeout=5
                )
                headers = {"Origin": PORTAL, "X-EID-Agent": "1"}
                page.request("GET", "/v1/status", headers=headers)
                assert page.getresponse().status == 200
                page.close()
            assert terminal.end() == 0


def test_a_pin_is_not_shown_by_the_event_loops_own_log(tmp_path: Path) -> None:
    """asyncio's debug mode writes down callbacks with their arguments."""
    debug = {"PYTHONASYNCIODEBUG": "1", "PYTHONPATH": str(tmp_path)}
    site = "import asyncio, asyncio.base_events as base\n"
    site += "base.BaseEventLoop.slow_callback_duration = 0\n"
    site += "first = base.BaseEventLoop.__init__\n"
    site += "def init(loop):\n first(loop)\n loop.slow_callback_duration = 0\n"
    site += "base.BaseEventLoop.__init__ = init\n"
    (tmp_path / "sitecustomize.py").write_text(site)
    (tmp_path / "data").mkdir(mode=0o700)
    with closing(Terminal(tmp_path / "data", environment=debug)) as terminal:
        with ask_login(terminal.port, terminal.ca) as call:
            terminal.until("PIN: $")
            terminal.type(b"1234\n")
        assert call.status == 200
        assert terminal.end() == 0
        assert terminal.process.stderr is not None
        log = terminal.process.stderr.read().decode()
    assert "Executing <Handle" in log
    assert "1234" not in log


HOSTILE = [
    ("a\nb", "a\ufffdb"),
    ("a\x1b[2Jb", "a\ufffd[2Jb"),
    ("abc\u202edef", "abc\ufffddef"),
    ("zero\u200bwidth", "zero\ufffdwidth"),
    ("line\u2028end", "line\ufffdend"),
    ("e\u0301", "é"),
    ("x" * 300, "x" * 199 + "…"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_foreign_text_is_one_harmless_line(text: str, shown: str) -> None:
    """What could hide or reorder text is shown as replaced."""
    assert one_line(text) == shown
    assert '"' not in quoted(text + '"')


#: Other words for what has one name in each language: reader, try, agent, to log in.
SYNONYMS = {
    "nl": r"\blezers?\b|\bkans(en)?\b|(dit|het) programma\b|inloggen|\bsite\b",
    "fr": r"lecteurs?\b(?! de cartes)|tentative|(ce|le) programme\b|vous identifi",
    "de": r"lesegerät|(dieses|das) programm\b|einloggen|pin-code",
    "en": r"(?<!card )readers?\b|attempt|(this|the) program\b|sign in|pin code",
}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_sentence_is_short_and_its_words_are_the_same_everywhere(lang: str) -> None:
    """At most 22 words up to a mark that ends a thought; a name is one word."""
    for key, said in catalogue(lang).items():
        bare = re.sub(r"--reader|{\w+}|\([^)]*\)|https?://\S+", "x", said)
        assert not re.search(SYNONYMS[lang], bare.lower()), (lang, key)
        for part in re.split(r"[.;:?!] ", bare):
            assert len(part.split()) <= 22, (lang, key, part)


def test_catalogues_are_complete_and_alike() -> None:
    """Four languages, the same keys, the same placeholders."""
    reference = catalogue("en")
    for lang in LANGUAGES:
        words = catalogue(lang)
        assert words.keys() == reference.keys()
        for key, text in words.items():
            wanted = set(re.findall(r"{\w+}", reference[key]))
            assert set(re.findall(r"{\w+}", text)) == wanted, (lang, key)
    for lang in LANGUAGES:
        words = catalogue(lang)
        for key in (
            "consent",
            "login-last-try",
            "login-maybe-last-try",
            "login-module",
            "login-reader",
            "change-last-try",
            "change-maybe-last-try",
            "change-on-reader",
        ):
            assert words[key].endswith("[y/n] ")
        for key in (
            "login-pin",
            "change-old",
            "change-new",
            "change-again",
        ):
            assert words[key].endswith(" PIN: ")
        assert words["choose"].endswith("[1-{count}] ")
