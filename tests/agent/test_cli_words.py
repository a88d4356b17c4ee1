"""What the command line says: in the person's language, and what to do next."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agent.commands import Usage, virtual_profile
from agent.commands.card import choose
from agent.commands.reasons import Located, Words, in_words
from agent.texts import LANGUAGES, text
from agent.values import document_type
from cardio.beid.identity import DOCUMENT_TYPES
from cardio.beid.source import BeidCards
from cardio.errors import SeveralReaders
from cardio.virtual.card import VirtualCard
from cardio.virtual.pki import dump_key
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.program import run, started
from tests.rig.words import catalogue


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--persona", "nobody"], "'nobody' is geen persona"),
        (["virtual-card", "--pin", "12"], "4 tot 12 cijfers"),
        (
            ["virtual-card", "--persona", "adult-1.7", "--applet", "1.8"],
            "adult-1.7 bestaat niet met applet 1.8",
        ),
        (["virtual-card", "--vpcd", "127.0.0.1:1"], "daar luistert niets"),
        (["trust", "show", "--data-dir", "/dev/null/x"], "is geen map"),
        (
            ["card", "read", "--card", "virtual", "--photo", "/nowhere/x.jpg"],
            "/nowhere/x.jpg kan niet geschreven worden (bestaat niet)",
        ),
        (
            ["run", "--card", "pkcs11:/nowhere/x.so"],
            "De PKCS#11-module /nowhere/x.so is onbruikbaar (bestaat niet). Kies",
        ),
        (["card", "list", "--card", "pkcs11:/"], "/ is onbruikbaar (is een map)"),
        (
            ["demo", "--card", "virtual:kids", "--persona", "adult"],
            "Kies de persona één keer",
        ),
    ],
)
def test_a_failure_is_said_in_dutch(arguments: list[str], words: str) -> None:
    """The usual ones, the system's own among them."""
    said = run(*arguments, "--lang", "nl").stderr
    assert words in said
    for english in ("No such file", "refused", "neither", "digits", "cannot"):
        assert english not in said


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    "number",
    [errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.ECONNREFUSED, errno.EROFS],
)
def test_the_systems_words_are_replaced(number: int, lang: str) -> None:
    """Alone, after a path, and inside the message of another error."""
    error = OSError(number, os.strerror(number))
    outer = ValueError(f"there: {error.strerror}")
    outer.__cause__ = error
    own = set(catalogue(lang).values())
    assert in_words(error, lang) in own
    for value in (Located(Path("there"), error), outer):
        place, _, said = str(in_words(value, lang)).partition(": ")
        assert place == "there"
        assert said in own


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EEXIST, "is geen map"),
        (errno.ETIMEDOUT, "geen antwoord"),
        (errno.EHOSTUNREACH, "die computer is niet bereikbaar"),
        (errno.ENAMETOOLONG, "de naam is te lang"),
    ],
)
def test_rarer_words_of_the_system_too(number: int, words: str) -> None:
    """A socket's time-out, which has no number, is one of them."""
    assert in_words(OSError(number, os.strerror(number)), "nl") == words
    assert in_words(TimeoutError("timed out"), "nl") == "geen antwoord"


def test_a_state_that_is_a_file_is_said_in_dutch(tmp_path: Path) -> None:
    """A folder cannot be made in its place."""
    (tmp_path / "file").touch()
    state = ("--state", str(tmp_path / "file"))
    said = run("virtual-card", *state, "--lang", "nl").stderr
    assert "(is geen map)" in said


#: What a folder holds that no card has, by the key of what is said of it.
WRONG_FOLDERS: dict[str, dict[str, bytes]] = {
    "no-files": {},
    "no-toml": {"card.toml": b"applet ="},
    "applet": {"card.toml": b'applet = "2"'},
    "atr": {"card.toml": b'atr = "00"'},
    "pin": {"card.toml": b"pin = 1234"},
    "tries": {"card.toml": b"tries = 4"},
    "too-long": {"photo.jpg": bytes(0x8001)},
    "no-key": {"card.toml": b"", "basic.key": b"none"},
    "key-kind": {"card.toml": b'applet = "1.7"', "basic.key": b"EC 384"},
    "key-size": {"card.toml": b"", "basic.key": b"EC 224"},
    "key-long": {"card.toml": b'applet = "1.7"', "basic.key": b"RSA 3072"},
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("problem", WRONG_FOLDERS)
def test_what_is_wrong_with_a_card_folder_is_said_in_the_language(
    problem: str, lang: str, tmp_path: Path
) -> None:
    """With the file's name in front; nothing is left to fill in."""
    place = tmp_path
    for name, content in WRONG_FOLDERS[problem].items():
        place = tmp_path / name
        kind, _, bits = content.decode("latin-1").partition(" ")
        key = _key(kind, bits) if kind in {"EC", "RSA"} else content
        place.write_bytes(key)
    with pytest.raises(Usage) as caught:
        virtual_profile(tmp_path)
    said = caught.value.sentence(lang)
    own = catalogue(lang)[f"folder-{problem}"]
    assert f"{place}: {own.partition('{')[0]}" in said
    assert "{" not in said


def _key(kind: str, bits: str) -> bytes:
    if kind == "RSA":
        return dump_key(rsa.generate_private_key(65537, int(bits)))
    curves = {"384": ec.SECP384R1(), "224": ec.SECP224R1()}
    return dump_key(ec.generate_private_key(curves[bits]))


def test_what_has_no_words_of_ours_is_said_as_it_is() -> None:
    """Rare errors of the system, and values that are no errors."""
    assert in_words(OSError(errno.ELOOP, "a loop"), "nl") == "a loop"
    assert str(in_words(ValueError("odd"), "nl")) == "odd"
    assert in_words(7, "nl") == 7
    assert in_words(socket.gaierror(-2, "?"), "en") == "that computer is not known"
    assert in_words(Words("reason-hung-up"), "en") == "the other side hung up"


def test_what_a_site_may_ask_is_said_in_right_german(tmp_path: Path) -> None:
    """The capabilities stand in the accusative everywhere."""
    words = ["--data-dir", str(tmp_path / "data"), "--lang", "de"]
    said = run("origins", "allow", "https://portal.example", *words).stdout
    assert "https://portal.example: darf um eine Anmeldung bitten, bis " in said


def test_with_nothing_installed_a_removal_says_so_and_no_more(tmp_path: Path) -> None:
    """Nobody asked it to show anything."""
    words = ["--data-dir", str(tmp_path / "data"), "--lang", "en"]
    said = run("trust", "remove", *words).stdout
    assert said == "The eID agent has installed nothing here.\n"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_kind_of_card_has_a_name(lang: str) -> None:
    """None of those that the manuals list is unknown; English is the wire's."""
    names = {
        code: document_type(code, name, lang) for code, name in DOCUMENT_TYPES.items()
    }
    unknown = document_type("99", "unknown", lang)
    assert "99" in unknown or lang == "en"
    assert unknown not in names.values()
    if lang != "en":
        assert not set(names.values()) & set(DOCUMENT_TYPES.values())
    assert names["36"].endswith("F+" if lang != "en" else ")")


def test_the_kind_of_card_is_read_in_dutch() -> None:
    """In the text; JSON keeps the English name."""
    card = ["card", "read", "--card", "virtual:foreigner"]
    assert "vreemdelingenkaart F+" in run(*card, "--lang", "nl").stdout
    assert "foreigner card F+" in run(*card, "--lang", "nl", "--json").stdout


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_colon_stands_as_the_language_has_it(command: str, lang: str) -> None:
    """French has a space before it, the others have none."""
    lines = run("card", command, "--card", "virtual", "--lang", lang).stdout.split("\n")
    wanted = r"\w : \w" if lang == "fr" else r"\w: \w"
    assert re.search(wanted, lines[0])


def test_a_port_is_explained() -> None:
    """Not the name of a function."""
    for port in ("abc", "0", "65536", "-1"):
        said = run("run", f"--port={port}").stderr
        assert "a port is 1 to 65535" in said


def test_a_part_of_a_readers_name_in_any_case() -> None:
    """The exact name wins over a part."""
    readers = VirtualReaders("ACR38 One", "acr38 one", "Gemalto")
    for name in ("ACR38 One", "acr38 one", "Gemalto"):
        readers.insert(VirtualCard(load_profile("adult")), name)
    source = BeidCards(readers)
    assert choose(source, "gemALTO").name == "Gemalto"
    assert choose(source, "acr38 one").name == "acr38 one"
    with pytest.raises(SeveralReaders):
        choose(source, "Acr38")


def test_a_closed_output_is_said() -> None:
    """A reading that nobody can get has failed."""
    for command in ("read", "list", "pin-status"):
        shell = f'"$0" -m agent card {command} --card virtual --lang en >&-'
        result = _shell(shell)
        assert result[0] == 1
        assert "it is closed" in result[1]


def _shell(line: str) -> tuple[int, str]:
    result = subprocess.run(
        ["bash", "-c", line, sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stderr


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_lines_of_a_demo_are_explained(lang: str) -> None:
    """In one line of the person's language."""
    with started("demo", "--no-browser", "--lang", lang) as demo:
        demo.until("test PIN: 1234\n")
        assert demo.end() == 0
        assert text("demo-lines", lang) in demo.errors()


def test_a_demo_without_a_browser_says_how_it_ends() -> None:
    """Ctrl-C; the portal's address stands above it."""
    with started("demo", "--no-browser", "--lang", "en") as demo:
        demo.until("test PIN: 1234\n")
        assert demo.end() == 0
        assert "Ctrl-C ends the demo" in demo.errors()
