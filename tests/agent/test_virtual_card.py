"""`virtual-card` as a program: faults, a real card's speed; the reader is scripted."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.texts import LANGUAGES
from cardio.files import ATR_1_7
from cardio.virtual.faults import FAULTS
from cardio.virtual.timing import seconds
from tests.agent.program import Program, run, started
from tests.agent.scripted_reader import ScriptedReader, ask
from tests.rig.words import catalogue

CARD_DATA = "80E400001C"
VERIFY_WRONG = "0020000108249999FFFFFFFFFF"


@contextlib.contextmanager
def card(*arguments: str) -> Iterator[tuple[Program, ScriptedReader, socket.socket]]:
    """Run the program with its card in a reader."""
    reader = ScriptedReader()
    with (
        contextlib.closing(reader),
        started(
            "virtual-card", "--vpcd", f"127.0.0.1:{reader.port}", *arguments
        ) as program,
        reader.accept() as link,
    ):
        program.until("card inserted\n")
        yield program, reader, link


def test_the_faults_are_named() -> None:
    """In the help, in both forms of the list, and to who misspells one."""
    usage = run("virtual-card", "--help").stdout
    assert all(name in usage for name in FAULTS)
    for lang in LANGUAGES:
        summaries = {name: catalogue(lang)[f"fault-{name}"] for name in FAULTS}
        shown = run("virtual-card", "--list", "--lang", lang).stdout
        assert all(name in shown and said in shown for name, said in summaries.items())
        listing = run("virtual-card", "--list", "--json", "--lang", lang).stdout
        faults = json.loads(listing)["faults"]
        assert {row["name"]: row["summary"] for row in faults} == summaries
    refused = run("virtual-card", "--fault", "remove")
    assert refused.returncode == 2
    assert ", ".join(FAULTS) in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--list", "--persona", "nobody"], "--list"),
        (["--list", "--panel"], "--list"),
        (["--json"], "--json"),
        (["--persona", ""], "a name is needed"),
    ],
)
def test_an_option_without_effect_is_refused(arguments: list[str], words: str) -> None:
    """Not passed over as if it had had one: exit code 2 and what to do."""
    refused = run("virtual-card", *arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert words in refused.stderr


def test_a_persona_that_nobody_is() -> None:
    """All are named by one command, which the sentence gives; it names none itself."""
    refused = run("virtual-card", "--persona", "nobody")
    assert refused.returncode == 2
    assert "eid-agent virtual-card --list" in refused.stderr
    assert "adult" not in refused.stderr


def test_a_card_that_leaves_ends_the_program() -> None:
    """It says so, and that is no failure."""
    with card("--fault", "removed:2") as (program, _reader, link):
        assert ask(link, CARD_DATA)[-2:] == b"\x90\x00"
        assert ask(link, CARD_DATA) == b""
        program.until("card removed\n")
        assert program.process.wait(10) == 0


def test_a_card_that_is_swapped() -> None:
    """The next one is said to be in; SIGTERM takes it out."""
    with card("--fault", "swapped") as (program, reader, link):
        assert ask(link, CARD_DATA) == b""
        link.close()
        with reader.accept() as second:
            program.until("card inserted\n")
            assert ask(second, CARD_DATA)[-2:] == b"\x90\x00"
            assert program.end() == 0
            assert second.recv(1) == b""


@pytest.mark.parametrize("fault", ["mute", "slow"])
def test_sigterm_while_a_card_does_not_answer(fault: str) -> None:
    """The program ends at once."""
    with card("--fault", fault) as (program, _reader, link):
        command = bytes.fromhex(CARD_DATA)
        link.sendall(len(command).to_bytes(2, "big") + command)
        assert program.end() == 0


def test_real_speed() -> None:
    """A block takes as long as on a real 1.7 card, and not much longer."""
    with card("--speed", "real", "--persona", "adult-1.7") as (_program, _reader, link):
        ask(link, "00A4080C04DF014035")
        began = time.monotonic()
        answer = ask(link, "00B0000000")
        took = time.monotonic() - began
        expected = seconds(ATR_1_7, bytes.fromhex("00B0000000"), answer)
        assert expected > 0.08
        assert expected <= took < expected + 1


def test_counters_are_kept_around_faults(tmp_path: Path) -> None:
    """--state holds for the card inside."""
    state = ("--state", str(tmp_path))
    with card(*state, "--fault", "wrong-sw:2") as (program, _reader, link):
        assert ask(link, VERIFY_WRONG) == b"\x63\xc2"
        assert ask(link, VERIFY_WRONG) == b"\x6f\x00"
        assert program.end() == 0
    with card(*state) as (_program, _reader, link):
        assert ask(link, "0020000100") == b"\x63\xc2"
