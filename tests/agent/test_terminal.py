"""The terminal's questions, with the real program on pipes and on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.texts import LANGUAGES, catalogue
from agent.words import one_line, quoted
from tests.agent.calls import ask_identity, ask_login
from tests.agent.program import ROOT, Program, started


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
            agent.type("perhaps")
            agent.until(r"\[y/n\] $")
            agent.type(answer)
        assert call.status == status


def test_end_of_input_cancels(agent: Program, tmp_path: Path) -> None:
    """A closed standard input closes every question."""
    port, ca = agent.port(), tmp_path / "tls/ca.pem"
    assert agent.process.stdin is not None
    agent.process.stdin.close()
    with ask_login(port, ca) as call:
        pass
    assert (call.status, call.body["code"]) == (409, "user-cancelled")
    agent.process.stdin = None


def test_a_terminal_does_not_echo_the_pin(tmp_path: Path) -> None:
    """On a real terminal the digits are not shown, and echo is back afterwards."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "agent", "run", "--card", "virtual"]
    command += ["--ui", "terminal", "--lang", "en", "--data-dir", str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL
    )
    try:

        def until(pattern: str) -> str:
            seen = b""
            while not re.search(pattern.encode(), seen):
                seen += os.read(controller, 1)
            return seen.decode()

        port = int(re.findall(r"\d+", until(r"localhost:\d+\r\n"))[-1])
        ca = tmp_path / "tls/ca.pem"
        with ask_login(port, ca) as call:
            until("PIN: $")
            os.write(controller, b"1234\n")
            until("\n")
        assert call.status == 200
        with ask_identity(port, ca) as call:
            shown = until(r"\[y/n\] $")
            assert "1234" not in shown
            os.write(controller, b"y\n")
            assert "y" in until("y")
        assert call.status == 200
    finally:
        process.terminate()
        process.wait(20)
        os.close(controller)
        os.close(terminal)


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
        for key in ("consent", "login-last-try"):
            assert words[key].endswith("[y/n] ")
        assert words["login-pin"].endswith("PIN: ")
        assert words["choose"].endswith("[1-{count}] ")
