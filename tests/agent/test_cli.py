"""The command line as a person uses it: real program, streams and exit codes."""

from __future__ import annotations

import base64
import json
import socket
import stat
from pathlib import Path

import pytest
from cryptography import x509

from cardio.files import EF
from cardio.virtual.personas import PERSONAS
from cardio.virtual.profile import load_profile
from tests.agent.calls import ask_login
from tests.agent.program import run, started

COMMANDS = [
    ["run"],
    ["quit"],
    ["demo"],
    ["card", "list"],
    ["card", "read"],
    ["card", "pin-status"],
    ["trust", "show"],
    ["virtual-card"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_the_common_options(command: list[str]) -> None:
    """--help works everywhere and names the options that every command has."""
    result = run(*command, "--help")
    assert result.returncode == 0
    for option in ("--data-dir", "--lang", "--log-level"):
        assert option in result.stdout


def test_version() -> None:
    """--version prints name and number."""
    assert run("--version").stdout == "eid-agent 0.1.0\n"


WRONG = [
    [],
    ["fly"],
    ["card"],
    ["run", "--port", "0"],
    ["run", "--port", "many"],
    ["run", "--card", "floppy"],
    ["run", "--card", "virtual:nobody"],
    ["run", "--card", "pkcs11:/lib/x.so"],
    ["run", "--allow-origin", "portal.example"],
    ["run", "--allow-origin", "https://portal.example/path"],
    ["run", "--lang", "es"],
    ["demo", "--persona", "nobody"],
    ["demo", "--card", "pkcs11:x"],
    ["card", "read", "--card", "virtual:nobody"],
    ["virtual-card", "--persona", "nobody"],
    ["virtual-card", "--persona", "adult-1.7", "--applet", "1.8"],
    ["virtual-card", "--pin", "12"],
    ["virtual-card", "--pin", "12345678901234"],
    ["virtual-card", "--pin", "abcd"],
    ["virtual-card", "--applet", "1.1"],
    ["virtual-card", "--vpcd", "nowhere"],
    ["virtual-card", "--files", "/nonexistent"],
    ["virtual-card", "--files", "folder", "--persona", "adult"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    """Nothing on stdout, a reason on stderr, no traceback."""
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr
    assert "Traceback" not in result.stderr


def test_virtual_card_without_a_reader_fails() -> None:
    """No virtual reader listens there: exit code 1 and what to do."""
    result = run("virtual-card", "--vpcd", "localhost:1")
    assert result.returncode == 1
    assert "vsmartcard-vpcd" in result.stderr


def test_personas_can_be_listed() -> None:
    """--list names all personas, for people and for programs."""
    text = run("virtual-card", "--list").stdout
    assert all(name in text for name in PERSONAS)
    listed = json.loads(run("virtual-card", "--list", "--json").stdout)
    assert [row["name"] for row in listed["personas"]] == list(PERSONAS)


# --- card ----------------------------------------------------------------------------


def test_card_list_is_the_body_of_readers() -> None:
    """JSON as /v1/readers gives it, and a sentence for people."""
    body = json.loads(run("card", "list", "--card", "virtual", "--json").stdout)
    assert body["readers"][0]["card"]["applet"] == "1.8"
    text = run("card", "list", "--card", "virtual", "--lang", "nl").stdout
    assert "Belgische identiteitskaart" in text


@pytest.mark.parametrize("persona", list(PERSONAS))
def test_card_read_gives_what_the_card_holds(persona: str, tmp_path: Path) -> None:
    """Identity, address and photo of each persona; the photo as a file, too."""
    file = tmp_path / "photo.jpg"
    arguments = ["card", "read", "--card", f"virtual:{persona}"]
    result = json.loads(run(*arguments, "--json", "--photo", str(file)).stdout)
    profile = load_profile(persona)
    assert result["applet"] == profile.applet
    assert base64.b64decode(result["photo"]) == profile.files[EF.PHOTO]
    assert file.read_bytes() == profile.files[EF.PHOTO]
    assert result["identity"]["chipNumber"] == profile.chip_serial.hex()
    assert result["identity"]["surname"].encode() in profile.files[EF.IDENTITY]
    assert result["identity"]["surname"] in run(*arguments).stdout
    again = run(*arguments, "--photo", str(file))
    assert again.returncode == 1
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("persona", "tries", "blocked"),
    [("adult", 3, False), ("one-try", 1, False), ("blocked", 0, True)],
)
def test_pin_status(persona: str, tries: int, blocked: bool) -> None:
    """Tries left as a number, and whether the PIN is blocked."""
    result = run("card", "pin-status", "--card", f"virtual:{persona}", "--json")
    assert json.loads(result.stdout) == {"triesLeft": tries, "blocked": blocked}


def test_an_unknown_reader_is_a_sentence_in_the_language() -> None:
    """--reader that fits none: exit code 1, said in Dutch."""
    result = run("card", "read", "--card", "virtual", "--reader", "zzz", "--lang", "nl")
    assert result.returncode == 1
    assert "kaartlezer" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_identity_file_is_a_clear_error(tmp_path: Path) -> None:
    """A truncated TLV file ends as one sentence, not as a traceback."""
    (tmp_path / "identity.tlv").write_bytes(b"\x01\x0c123")
    result = run("card", "read", "--card", f"virtual:{tmp_path}", "--lang", "en")
    assert result.returncode == 1
    assert "cannot be read" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_absent_is_null(tmp_path: Path) -> None:
    """A card without address and photo is read all the same."""
    files = load_profile("adult").files
    (tmp_path / "identity.tlv").write_bytes(files[EF.IDENTITY])
    result = run("card", "read", "--card", f"virtual:{tmp_path}", "--json")
    assert result.returncode == 0
    body = json.loads(result.stdout)
    assert body["address"] is None
    assert body["photo"] is None


# --- run, quit, trust ----------------------------------------------------------------


def test_run_second_run_and_quit(tmp_path: Path) -> None:
    """One agent a data folder; a second start finds it, quit ends it."""
    folder = ["--data-dir", str(tmp_path / "data")]
    with started("run", "--card", "virtual", "--ui", "terminal", *folder) as agent:
        port = agent.port()
        second = run("run", "--card", "virtual", "--ui", "terminal", *folder)
        assert second.returncode == 0
        assert second.stdout == f"already running on https://localhost:{port}\n"
        assert run("quit", *folder).returncode == 0
        assert agent.process.wait(20) == 0
    gone = run("quit", *folder)
    assert gone.returncode == 1
    assert "no agent runs" in gone.stderr


def test_a_killed_agent_leaves_no_lock(tmp_path: Path) -> None:
    """After kill -9 the next start works."""
    arguments = ["run", "--card", "virtual", "--ui", "terminal"]
    folder = ["--data-dir", str(tmp_path)]
    with started(*arguments, *folder) as agent:
        agent.port()
    with started(*arguments, *folder) as agent:
        agent.port()
        assert agent.end() == 0


def test_a_deep_data_folder_works(tmp_path: Path) -> None:
    """The private channel works where a socket's path would be too long."""
    folder = tmp_path / ("d" * 60) / ("e" * 60)
    with started(
        "run", "--card", "virtual", "--ui", "terminal", "--data-dir", str(folder)
    ) as agent:
        agent.port()
        assert run("quit", "--data-dir", str(folder)).returncode == 0
        assert agent.process.wait(20) == 0


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    """An explicit port that is taken: exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(
            "run",
            "--card",
            "virtual",
            "--port",
            str(port),
            "--data-dir",
            str(tmp_path),
        )
    assert result.returncode == 1
    assert str(port) in result.stderr
    assert "Traceback" not in result.stderr


def test_a_data_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """A file in the way of the data folder: exit code 1, naming it."""
    (tmp_path / "file").write_text("")
    for command in (["run", "--card", "virtual"], ["trust", "show"]):
        result = run(*command, "--data-dir", str(tmp_path / "file" / "data"))
        assert result.returncode == 1
        assert str(tmp_path / "file") in result.stderr
        assert "Traceback" not in result.stderr


def test_trust_show_prints_the_constrained_ca(tmp_path: Path) -> None:
    """The CA of the agent's own certificate; its key is nowhere on disk."""
    first = run("trust", "show", "--data-dir", str(tmp_path))
    ca = x509.load_pem_x509_certificate(first.stdout.encode())
    assert ca.extensions.get_extension_for_class(x509.NameConstraints).critical
    assert run("trust", "show", "--data-dir", str(tmp_path)).stdout == first.stdout
    folder = tmp_path / "tls"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in (folder / "leaf.key").read_bytes()
    assert not [file for file in folder.iterdir() if file.name.startswith("ca.key")]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A key file of mode 0644, or a link, is not used and not silently replaced."""
    assert run("trust", "show", "--data-dir", str(tmp_path)).returncode == 0
    key = tmp_path / "tls" / "leaf.key"
    key.chmod(0o644)
    result = run("trust", "show", "--data-dir", str(tmp_path))
    assert result.returncode == 1
    assert "leaf.key" in result.stderr
    key.unlink()
    key.symlink_to("/etc/passwd")
    assert run("trust", "show", "--data-dir", str(tmp_path)).returncode == 1 or (
        not key.is_symlink()
    )


def test_sigterm_while_a_question_is_open_ends_the_agent(tmp_path: Path) -> None:
    """No question outlives the agent."""
    with started(
        "run",
        "--card",
        "virtual",
        "--ui",
        "terminal",
        "--data-dir",
        str(tmp_path),
    ) as agent:
        port = agent.port()
        with ask_login(port, tmp_path / "tls" / "ca.pem"):
            agent.until("PIN: $")
            assert agent.end() == 0
