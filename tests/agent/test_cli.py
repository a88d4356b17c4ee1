"""The command line as a person uses it: real program, streams and exit codes."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import locale
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509

from agent import certs, cli, commands, host, texts, tls
from agent.commands import Failure, virtual_card
from agent.instance import Instance
from agent.texts import shown_date
from agent.unblocking import blocked_key
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.personas import CATALOGUE, PERSONAS
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from cardio.virtual.vpcd import DEFAULT_HOST, DEFAULT_PORT
from tests.agent.calls import PORTAL, ask_identity, ask_login
from tests.agent.commands import run_on
from tests.agent.fake_cards import FakeForeignCard
from tests.agent.program import ROOT, run, started
from tests.agent.test_test_cards import FakePcscReaders, genuine, marked
from tests.cardio.expected import expected, expected_address
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

COMMANDS = [
    ["run"],
    ["quit"],
    ["demo"],
    ["card", "list"],
    ["card", "read"],
    ["card", "pin-status"],
    ["card", "verify"],
    ["card", "change-pin"],
    ["trust", "show"],
    ["trust", "install"],
    ["trust", "remove"],
    ["trust", "status"],
    ["virtual-card"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_the_common_options(command: list[str]) -> None:
    """--help works everywhere and names the options that every command has."""
    result = run(*command, "--help")
    assert result.returncode == 0
    for option in ("--data-dir", "--lang", "--log-level"):
        assert option in result.stdout


@pytest.mark.parametrize(
    "command",
    ["card read --card virtual", "journal", "origins list", "quit", "trust status"],
)
def test_a_command_that_serves_nobody_loads_no_server(
    command: str, tmp_path: Path
) -> None:
    """Server and event loop take longer to load than such a command to end."""
    code = (
        "import contextlib, sys; from agent.cli import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\n"
        "print(*sys.modules)"
    )
    words = [*command.split(), "--data-dir", str(tmp_path)]
    loaded = subprocess.check_output(
        [sys.executable, "-c", code, *words], cwd=ROOT, stderr=subprocess.PIPE
    ).splitlines()[-1]
    assert b"agent.cli" in loaded.split()
    assert not {b"aiohttp", b"asyncio", b"agent.service"} & set(loaded.split())


def test_version() -> None:
    """--version prints name and number."""
    assert run("--version").stdout == "eid-agent 0.1.0\n"


WRONG = [
    [],
    ["fly"],
    ["card"],
    ["run", "--port", "0"],
    ["run", "--port", "many"],
    ["run", "--port", "70000"],
    ["run", "--card", "floppy"],
    ["run", "--card", "virtual:nobody"],
    ["run", "--card", "pkcs11:/lib/x.so"],
    ["run", "--allow-origin", "portal.example"],
    ["run", "--allow-origin", "https://portal.example/path"],
    ["run", "--lang", "es"],
    ["demo", "--persona", "nobody"],
    ["demo", "--card", "pkcs11:x"],
    ["demo", "--card", "virtual:kids", "--persona", "adult"],
    ["card", "read", "--card", "virtual", "--reader", ""],
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
    # What a shell makes of a variable that is not set.
    ["run", "--data-dir", ""],
    ["quit", "--data-dir="],
    ["trust", "show", "--data-dir", ""],
    ["card", "read", "--card", "virtual:adult", "--photo", ""],
    ["virtual-card", "--files", ""],
    ["virtual-card", "--vpcd", "localhost:1", "--state", ""],
    ["virtual-card", "--fault", "nothing"],
    ["virtual-card", "--fault", "mute:0"],
    ["virtual-card", "--fault", ""],
    ["virtual-card", "--speed", "fast"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    """Nothing on stdout, a reason on stderr, no traceback."""
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [["run"], ["card", "list"]], ids=" ".join)
def test_a_file_that_is_no_pkcs11_module_is_a_sentence(
    command: list[str], tmp_path: Path
) -> None:
    """Exit code 1, naming the file and what to name instead."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    path = tmp_path / "module.so"
    path.write_text("no library")
    result = run(*command, "--card", f"pkcs11:{path}", "--data-dir", str(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    assert str(path) in result.stderr
    assert "--card pkcs11:/path" in result.stderr
    assert result.stderr.count("\n") == 1


def test_virtual_card_without_a_reader_fails() -> None:
    """No virtual reader listens there: exit code 1 and what to do."""
    result = run("virtual-card", "--vpcd", "localhost:1")
    assert result.returncode == 1
    assert "vsmartcard-vpcd" in result.stderr


def test_personas_can_be_listed() -> None:
    """--list names all personas, for people and for programs."""
    text = run("virtual-card", "--list").stdout
    assert all(name in text for name in CATALOGUE)
    listed = json.loads(run("virtual-card", "--list", "--json").stdout)
    assert [row["name"] for row in listed["personas"]] == list(CATALOGUE)


# --- card ----------------------------------------------------------------------------


def test_card_list_is_the_body_of_readers() -> None:
    """JSON as /v1/readers gives it, and a sentence for people."""
    body = json.loads(run("card", "list", "--card", "virtual", "--json").stdout)
    assert body["readers"][0]["card"]["applet"] == "1.8"
    text = run("card", "list", "--card", "virtual", "--lang", "nl").stdout
    assert "Belgische eID-kaart (applet 1.8) [TESTKAART]" in text


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
    assert result["identity"] == expected(persona, profile.applet, profile)
    assert result["address"] == expected_address(persona)
    assert result["identity"]["surname"] in run(*arguments).stdout


def test_a_card_that_is_not_activated_is_told() -> None:
    """The person hears where to go, and gets no half-read data."""
    result = run("card", "read", "--card", "virtual:not-activated", "--lang", "en")
    assert result.returncode == 1
    assert "not activated yet. Take it to your municipality" in result.stderr
    assert not result.stdout


def test_a_card_that_is_not_activated_is_named_and_explained() -> None:
    """It is in the list as what it is; reading says where to go."""
    body = json.loads(
        run("card", "list", "--card", "virtual:not-activated", "--json").stdout
    )
    card = {"kind": "belgian-eid", "applet": "1.8", "signing": False}
    assert body["readers"][0]["card"] == card
    result = run("card", "read", "--card", "virtual:not-activated", "--lang", "nl")
    assert result.returncode == 1
    assert "gemeente" in result.stderr


@pytest.mark.parametrize(
    ("persona", "tries", "blocked"),
    [("adult", 3, False), ("one-try", 1, False), ("blocked", 0, True)],
)
def test_pin_status(persona: str, tries: int, blocked: bool) -> None:
    """Tries left as a number, and whether the PIN is blocked."""
    result = run("card", "pin-status", "--card", f"virtual:{persona}", "--json")
    assert json.loads(result.stdout) == {"triesLeft": tries, "blocked": blocked}


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_pin_status_says_that_a_card_is_not_activated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], applet: str
) -> None:
    """Beside the tries, which it has already; no try is spent."""
    card = RecordedCard(load_profile("not-activated", applet=applet))
    readers = VirtualReaders()
    readers.insert(card)
    assert run_on(BeidCards(readers), monkeypatch, "pin-status") == 0
    tries, municipality = capsys.readouterr().out.splitlines()
    assert tries == "[TEST CARD] Tries left for the PIN: 3"
    assert "not activated yet" in municipality
    assert card.tries_left == 3


@pytest.mark.parametrize("action", ["list", "read", "pin-status", "verify"])
def test_a_test_card_is_called_one_and_a_genuine_card_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """In any reader, by what the card says of itself."""
    for card, test in ((marked(), True), (genuine(), False)):
        readers = FakePcscReaders("Reader")
        readers.insert(card)
        assert run_on(BeidCards(readers), monkeypatch, action) == 0
        assert ("TEST" in capsys.readouterr().out) is test
        assert run_on(BeidCards(readers), monkeypatch, action, "--json") == 0
        in_json = test and action == "verify"  # the others' form is fixed
        assert ("TEST card" in capsys.readouterr().out) is in_json


def test_a_silent_card_is_said_to_be_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, before it is given up; nothing is said of a card that answers."""
    waiting = "eid-agent: Waiting for the card, which does not answer yet."
    for action in ("list", "read", "pin-status", "verify", "change-pin"):
        readers = VirtualReaders(mute_seconds=0.5)
        readers.insert(FaultyCard(VirtualCard(load_profile()), Fault("mute", 1)))
        monkeypatch.setattr("agent.commands.card._SILENCE_SECONDS", 0.1)
        run_on(BeidCards(readers), monkeypatch, action)
        assert capsys.readouterr().err.splitlines().count(waiting) == 1
    monkeypatch.undo()
    readers = VirtualReaders()
    readers.insert(RecordedCard(load_profile()))
    assert run_on(BeidCards(readers), monkeypatch, "read") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("lang", "day"), [("nl", "11/03/2024"), ("de", "11.03.2024"), ("en", "11/03/2024")]
)
def test_people_read_dates_in_the_usual_form_and_programs_in_iso(
    lang: str, day: str
) -> None:
    """In what was read, and in what was checked."""
    for action in ("read", "verify"):
        command = ("card", action, "--card", "virtual", "--lang", lang)
        shown, written = run(*command).stdout, run(*command, "--json").stdout
        assert (day in shown, "2024-03-11" in shown) == (True, False)
        assert (day in written, "2024-03-11" in written) == (False, True)
    assert shown_date("1960", lang) == "1960"
    assert shown_date("1960-05", lang) in ("05/1960", "05.1960")


def test_an_initial_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The card holds no more of the third given name."""
    assert cli.main(["card", "read", "--card", "virtual", "--lang", "en"]) == 0
    assert re.search(
        r"^Third given name \(initial\) +\w$", capsys.readouterr().out, re.M
    )


def test_the_photo_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask."""
    file = tmp_path / "photo.jpg"
    before = os.umask(0)
    try:
        arguments = ["card", "read", "--card", "virtual", "--photo", str(file)]
        assert cli.main(arguments) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_wrong_usage_shows_the_usage_of_the_command() -> None:
    """Not that of the whole program."""
    result = run("card", "list", "--reader", "x")
    assert result.returncode == 2
    assert result.stderr.startswith("usage: eid-agent card list ")
    assert result.stderr.endswith(
        "card list: error: unrecognized arguments: --reader x\n"
    )


@pytest.mark.pcscd
def test_a_virtual_card_says_that_its_service_stopped(own_pcscd: Pcscd) -> None:
    """And not that it could not be put in."""
    place = f"127.0.0.1:{own_pcscd.port}"
    with started("virtual-card", "--vpcd", place, "--lang", "en") as program:
        program.until("card inserted\n")
        own_pcscd.stop()
        assert program.process.wait(20) == 1
        assert "the service pcscd has stopped" in program.errors()


def test_reading_does_not_pass_for_checking() -> None:
    """The last line says so, and names the command that checks."""
    last = run("card", "read", "--card", "virtual", "--lang", "en").stdout.splitlines()
    assert "eid-agent card verify" in last[-1]


#: What only the one or the other generation of card needs.
LETTER = {"nl": "brief", "fr": "lettre", "de": "Brief", "en": "letter"}
SINCE = "2021"


@pytest.mark.parametrize("lang", LETTER)
def test_a_blocked_card_says_what_to_do_by_its_generation(
    lang: str, tmp_path: Path
) -> None:
    """1.7 needs the letter with the PUK code; cards since April 2021 have none."""
    status = ["card", "pin-status", "--lang", lang]
    new = run(*status, "--card", "virtual:blocked").stdout
    assert SINCE in new
    (tmp_path / "card.toml").write_text('applet = "1.7"\ntries = 0\n')
    old = run(*status, "--card", f"virtual:{tmp_path}").stdout
    assert LETTER[lang] in old
    assert "PUK" in old
    assert SINCE not in old
    assert blocked_key("1.0") == blocked_key("1.1") == blocked_key("1.7")


@pytest.mark.parametrize(
    ("options", "read"), [([], False), (["--json"], True), (["--photo"], True)]
)
def test_the_photo_is_read_only_for_somebody(
    options: list[str],
    read: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It takes half of the time, and the text does not show it."""
    card = RecordedCard(load_profile("adult"))
    readers = VirtualReaders()
    readers.insert(card)
    if "--photo" in options:
        options = [*options, str(tmp_path / "photo.jpg")]
    assert run_on(BeidCards(readers), monkeypatch, "read", *options) == 0
    assert capsys.readouterr().out
    path = EF.PHOTO.fid.to_bytes(2, "big")
    assert any(each.command.endswith(path) for each in card.exchanges) is read


def test_a_file_that_is_there_is_refused_before_the_card_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits for a reading that is then thrown away; the file stays as it was."""
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"mine")
    card = RecordedCard(load_profile("adult"))
    readers = VirtualReaders()
    readers.insert(card)
    options = ("--photo", str(file))
    assert run_on(BeidCards(readers), monkeypatch, "read", *options) == 1
    assert capsys.readouterr().err == (
        f"eid-agent: {file} is there already; choose another file.\n"
    )
    assert (card.exchanges, file.read_bytes()) == ([], b"mine")


def test_an_unknown_reader_is_a_sentence_in_the_language() -> None:
    """--reader that fits none: exit code 1, said in Dutch."""
    result = run("card", "read", "--card", "virtual", "--reader", "zzz", "--lang", "nl")
    assert result.returncode == 1
    assert "kaartlezer" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("action", ["read", "pin-status", "change-pin", "verify"])
def test_a_card_of_another_kind_is_named_by_its_atr(
    action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, exit code 1; recognition is all that is sent to it."""
    card = FakeForeignCard()
    readers = VirtualReaders()
    readers.insert(card)
    assert run_on(BeidCards(readers), monkeypatch, action) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (
        "",
        "eid-agent: This card cannot be used here (ATR 3B6500002063CB6800)."
        " Use a valid Belgian identity card.\n",
    )
    sent = [exchange.ins for exchange in card.exchanges]
    assert sent == [INS.GET_CARD_DATA, INS.SELECT]


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
        assert second.stderr == (
            "eid-agent: The eID agent that runs already keeps the options of its start"
            " and ignores --card, --ui. To start it differently, end it first with"
            " eid-agent quit.\n"
        )
        plain = run("run", *folder)
        assert (plain.stdout, plain.stderr) == (second.stdout, "")
        assert run("quit", *folder).returncode == 0
        assert agent.process.wait(20) == 0
    gone = run("quit", *folder)
    assert gone.returncode == 1
    assert "No eID agent runs" in gone.stderr


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


def test_a_port_where_no_page_looks_is_said_to_be_one(tmp_path: Path) -> None:
    """Only where it is none of the ten, and the agent runs all the same."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--card", "virtual", "--ui", "terminal", "--lang", "en")
    words = ("run", *options, "--data-dir", str(tmp_path))
    with started(*words, "--port", str(port)) as agent:
        assert agent.port() == port
        assert agent.end() == 0
        assert agent.complaints() == [
            "eid-agent: Web pages look for the eID agent on ports 27410 to 27419 only."
            f" On port {port} only pages that name this port find it."
        ]
    with started(*words) as agent:
        assert agent.port() in range(27410, 27420)
        assert agent.end() == 0
        assert agent.complaints() == []


def test_a_data_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """A file in the way of the data folder: exit code 1, naming it."""
    (tmp_path / "file").write_text("")
    # Not even root can make a folder there.
    for folder in (str(tmp_path / "file" / "data"), "/proc/data"):
        for command in (["run", "--card", "virtual"], ["trust", "show"]):
            result = run(*command, "--data-dir", folder)
            assert result.returncode == 1
            assert folder in result.stderr
            assert result.stderr.count("\n") == 1


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


def test_of_several_first_starts_one_makes_the_certificate(tmp_path: Path) -> None:
    """Processes that start together print the same CA."""
    command = [sys.executable, "-m", "agent", "trust", "show"]
    command += ["--data-dir", str(tmp_path)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(4)
    ]
    shown = {process.communicate(timeout=60)[0] for process in processes}
    assert len(shown) == 1
    assert b"BEGIN CERTIFICATE" in shown.pop()


def _stored(data_dir: Path, age_days: int) -> dict[str, bytes]:
    """Store a certificate of this age; return the files."""
    host.make_private_dir(data_dir / "tls")
    now = datetime.datetime.now(datetime.UTC)
    issued = certs.issue(now=lambda: now - datetime.timedelta(days=age_days))
    tls.store(issued, data_dir / "tls")
    return _files(data_dir / "tls")


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(("age_days", "code"), [(750, 0), (801, 1)])
def test_trust_show_renews_nothing_while_an_agent_runs(
    age_days: int, code: int, tmp_path: Path
) -> None:
    """What is shown is what the agent uses; one that has expired is a sentence."""
    before = _stored(tmp_path, age_days)
    agent = Instance(tmp_path)
    try:
        agent.publish(27410, {})
        result = run("trust", "show", "--data-dir", str(tmp_path), "--lang", "en")
    finally:
        agent.close()
    assert result.returncode == code
    assert _files(tmp_path / "tls") == before
    assert result.stdout.strip() == ("" if code else before["ca.pem"].decode().strip())
    assert ("eid-agent quit" in result.stderr) is bool(code)
    assert run("trust", "show", "--data-dir", str(tmp_path)).returncode == 0
    # Nobody runs any more: what has ended is made anew, what only ends soon is not.
    assert (_files(tmp_path / "tls") != before) is bool(code)


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
    result = run("trust", "show", "--data-dir", str(tmp_path))
    assert result.returncode == 1
    assert "is a link" in result.stderr
    assert key.is_symlink()


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


def test_the_log_of_a_whole_run_holds_no_pin_and_no_person(tmp_path: Path) -> None:
    """Login and reading at debug level: every command is there, and nothing of anybody.

    Data could stand there as text, as hex or as base64.
    """
    folder = ("--data-dir", str(tmp_path))
    arguments = ("--card", "virtual", "--ui", "terminal", "--log-level", "debug")
    with started("run", *arguments, *folder) as agent:
        port, ca = agent.port(), tmp_path / "tls" / "ca.pem"
        for pin in ("87654321", "1234"):
            with ask_login(port, ca) as login:
                agent.until("PIN: $")
                agent.type(pin)
        parts = ["identity", "address", "photo"]
        with ask_identity(port, ca, include=parts, purpose="a purpose") as reading:
            agent.until(r"\[y/n\] $")
            agent.type("y")
        assert (login.status, reading.status) == (200, 200)
        assert agent.end() == 0
        log = agent.errors()
    assert log.count("00 20 00 01 08 **") == 2
    profile = load_profile("adult")
    secrets = [*reading.body["identity"].values(), *reading.body["address"].values()]
    texts = [text for text in secrets if isinstance(text, str) and len(text) > 4]
    assert len(texts) > 10
    texts += [bytes(text, "utf-8").hex() for text in texts]
    pieces = [profile.chip_serial, *(data[:12] for data in profile.files.values())]
    texts += [form for data in pieces for form in (data.hex(), data.hex(" "))]
    texts += [base64.b64encode(data)[:16].decode() for data in pieces]
    texts += ["87654321", "2887654321", "241234", "24 12 34", "n" * 44, "a purpose"]
    found = [text for text in texts if text.lower() in log.lower()]
    assert found == []


# --- what stands twice, so that --help loads little ----------------------------------


def test_the_command_lines_own_tables_are_those_of_the_program() -> None:
    """Languages, personas and the virtual reader's place."""
    assert cli.LANGUAGES == texts.LANGUAGES
    assert cli.PERSONAS.split(", and ")[0] == ", ".join(PERSONAS)
    options = cli.parser().parse_args(["virtual-card"])
    assert options.vpcd == (DEFAULT_HOST, DEFAULT_PORT)


# --- languages, streams, signals -----------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("nl", "Er draait geen eID-agent"),
        ("fr", "Aucun agent eID ne tourne"),
        ("de", "läuft kein eID-Agent"),
        ("en", "No eID agent runs"),
    ],
)
@pytest.mark.parametrize("source", ["option", "locale"])
def test_a_failure_is_one_sentence_in_the_language(
    lang: str, words: str, source: str, tmp_path: Path
) -> None:
    """By --lang or by the locale."""
    command = [sys.executable, "-m", "agent", "quit", "--data-dir", str(tmp_path)]
    locale = f"{lang}_BE.UTF-8" if source == "locale" else "C.UTF-8"
    if source == "option":
        command += ["--lang", lang]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": locale, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "lang"),
    [
        ("Dutch_Belgium", "nl"),
        ("French_Belgium", "fr"),
        ("German_Germany", "de"),
        ("English_United Kingdom", "en"),
        ("nl_BE", "nl"),
        ("Danish_Denmark", "en"),
        (None, "en"),
    ],
)
def test_a_system_without_these_variables_has_a_locale_all_the_same(
    name: str | None, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows and macOS set none; Windows calls its locales by English names.

    What Python would say there is made up: these tests run on Linux.
    """
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(locale, "getlocale", lambda: (name, "1252"))
    assert cli.language(None) == lang
    monkeypatch.setenv("LANG", "fr_BE.UTF-8")
    assert cli.language(None) == "fr"
    assert cli.language("de") == "de"


def _shell(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in which $AGENT is the program."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=ROOT,
        env={**os.environ, "AGENT": f"{sys.executable} -m agent", **env},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$AGENT card read --card virtual --json | true", 1),
        ("$AGENT card read --card virtual --json > /dev/full", 1),
        ("$AGENT card read --card virtual >&-", 1),
        ("$AGENT card read --card virtual <&-", 0),
        ("$AGENT card read --card virtual 2>&-", 0),
        ("$AGENT quit --data-dir /nonexistent 2>&-", 1),
        ("$AGENT run --card virtual --data-dir $DIR > /dev/full", 1),
    ],
)
def test_streams_that_are_closed_or_full(line: str, code: int, tmp_path: Path) -> None:
    """Whatever the streams are, the exit code is right and no traceback is shown."""
    result = _shell(line, DIR=str(tmp_path))
    assert result.returncode == code
    assert b"Traceback" not in result.stderr
    assert b"Exception" not in result.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_results_are_utf8_for_programs(encoding: str) -> None:
    """A locale without the letters of a name does not stop the reading."""
    result = _shell(
        "$AGENT card read --card virtual:long-names --json", PYTHONIOENCODING=encoding
    )
    assert result.returncode == 0, result.stderr
    assert "Ë" in json.loads(result.stdout.decode())["identity"]["placeOfBirth"]


def test_what_a_card_carries_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters of a hostile card are shown as replaced."""
    name = b"A\x1b[2JB"
    (tmp_path / "identity.tlv").write_bytes(b"\x07" + bytes([len(name)]) + name)
    result = run("card", "read", "--card", f"virtual:{tmp_path}")
    assert result.returncode == 0
    assert "A\N{REPLACEMENT CHARACTER}[2JB" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["quit", "--help"]])
def test_help_and_version_load_nothing_heavy(command: list[str]) -> None:
    """They answer at once: no TLS, HTTP or reader library is imported for them."""
    code = (
        "import sys, contextlib\n"
        "from agent.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({command})\n"
        "heavy = {'aiohttp', 'asyncio', 'cryptography', 'smartcard', 'ssl'}\n"
        "sys.exit(repr(sorted(heavy & sys.modules.keys())).strip('[]') or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_agent_in_order(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Exit code 0, nothing complained of, and only locks and certificates stay."""
    with started(
        "run", "--card", "virtual", "--ui", "terminal", "--data-dir", str(tmp_path)
    ) as agent:
        agent.port()
        agent.process.send_signal(number)
        assert agent.process.wait(20) == 0
        assert agent.complaints() == []
    left = {path.name for path in tmp_path.iterdir()}
    assert left - {"trust.lock"} == {"agent.lock", "tls"}


def test_the_agent_runs_on_without_an_input(tmp_path: Path) -> None:
    """With stdin at its end it listens; a question is then a cancel."""
    with started(
        "run",
        "--card",
        "virtual",
        "--data-dir",
        str(tmp_path),
        stdin=subprocess.DEVNULL,
    ) as agent:
        port = agent.port()
        with ask_login(port, tmp_path / "tls" / "ca.pem") as call:
            pass
        assert (call.status, call.body["code"]) == (409, "user-cancelled")
        assert agent.end() == 0
        assert len(agent.complaints()) == 1  # that windows come later


@pytest.mark.pcscd
def test_a_stuck_pcsc_service_stops_neither_answers_nor_the_end(
    own_pcscd: Pcscd, tmp_path: Path
) -> None:
    """pcscd hangs: status and login are answered in time, SIGTERM ends the agent."""
    arguments = ("--ui", "terminal", "--allow-origin", PORTAL)
    with (
        own_pcscd.card(),
        started("run", *arguments, "--data-dir", str(tmp_path)) as agent,
    ):
        port, ca = agent.port(), tmp_path / "tls" / "ca.pem"
        with own_pcscd.frozen():
            with ask_login(port, ca) as call:
                pass
            assert (call.status, call.body["code"]) == (424, "pcsc-unavailable")
            assert agent.end() == 0


@pytest.mark.parametrize("command", ["run", "demo"])
def test_asked_for_windows_it_says_why_it_asks_in_the_terminal(
    command: str, tmp_path: Path
) -> None:
    """`--ui desktop` (also the default) falls back, and the question comes."""
    more = {
        "run": ["--card", "virtual", "--data-dir", str(tmp_path)],
        "demo": ["--no-browser"],
    }[command]
    with started(command, "--ui", "desktop", "--lang", "en", *more) as agent:
        port, ca = agent.port(), tmp_path / "tls" / "ca.pem"
        if command == "demo":
            ca = Path(re.search("ca: (.*)\n", agent.until("test PIN: 1234\n"))[1])
        with ask_login(port, ca) as login:
            agent.until("PIN: $")
            agent.type("1234")
        assert login.status == 200
        assert agent.end() == 0
        assert agent.errors().count("There is no screen for windows") == 1


def test_a_virtual_card_wakes_the_service_before_it_looks_for_its_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """systemd starts pcscd, and with it the virtual reader, at the first call.

    The service is a stand-in: its first call makes the reader's port listen.
    """
    with socket.socket() as port, contextlib.ExitStack() as stack:
        port.bind(("127.0.0.1", 0))

        class Sleeping:
            def readers(self) -> tuple[()]:
                port.listen()
                hang_up = threading.Thread(target=lambda: port.accept()[0].close())
                hang_up.start()
                stack.callback(hang_up.join)
                return ()

        monkeypatch.setattr(commands, "card_source", lambda _: Sleeping())
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.getsignal(number))
        place = f"127.0.0.1:{port.getsockname()[1]}"
        options = cli.parser().parse_args(["virtual-card", "--vpcd", place])
        with pytest.raises(Failure) as caught:
            virtual_card.main(options)
    assert "hung up" in caught.value.sentence("en")  # so it had been there


def test_a_stopped_agent_makes_quit_fail(tmp_path: Path) -> None:
    """`quit` does not wait for ever; it says what to do."""
    with started(
        "run", "--card", "virtual", "--ui", "terminal", "--data-dir", str(tmp_path)
    ) as agent:
        agent.port()
        agent.process.send_signal(signal.SIGSTOP)
        result = run("quit", "--data-dir", str(tmp_path))
        assert result.returncode == 1
        assert "end its process" in result.stderr


def test_an_unknown_reader_names_what_was_wanted() -> None:
    """A name that fits none is quoted as one line."""
    result = run("card", "read", "--card", "virtual", "--reader", "a\x1bb")
    assert result.returncode == 1
    assert '"a\N{REPLACEMENT CHARACTER}b"' in result.stderr


def test_a_reader_can_be_named_by_a_part() -> None:
    """The whole name or a part that fits one reader."""
    for name in ("eID-Agent Virtual Reader", "Virtual"):
        result = run("card", "read", "--card", "virtual", "--reader", name, "--json")
        assert json.loads(result.stdout)["reader"] == "eID-Agent Virtual Reader"


def test_no_pcsc_service_is_a_sentence() -> None:
    """Without pcscd every card command says what to start."""
    for action in ("list", "read", "pin-status", "verify"):
        result = _shell(
            f"$AGENT card {action} --lang en", PCSCLITE_CSOCK_NAME="/nonexistent"
        )
        assert result.returncode == 1
        assert b"pcscd" in result.stderr
        assert result.stderr.count(b"\n") == 1
