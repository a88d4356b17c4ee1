"""`eid-agent trust` and the start of the agent, as a person meets them.

The real program with a home of its own; certutil is Debian's.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent import certs, cli, host, tls
from agent.instance import Instance
from agent.texts import text
from agent.trust import own, work
from agent.trust.keeper import Keeper
from agent.trust.nss import NssStore
from agent.trust.record import Record
from agent.trust.runner import SystemRunner
from agent.trust.stores import Stores
from tests.agent.program import run, started

pytestmark = pytest.mark.skipif(
    shutil.which("certutil") is None, reason="libnss3-tools is not installed"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, with one Firefox profile."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / ".mozilla/firefox"
    (root / "own").mkdir(parents=True)
    (root / "profiles.ini").write_text("[Profile0]\nName=x\nIsRelative=1\nPath=own\n")
    return tmp_path


def trust(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `eid-agent trust`."""
    return run("trust", *words)


def rows(*words: str) -> dict[str, bool | None]:
    """Return what `--json` says of each store."""
    listed = json.loads(trust(*words, "--json").stdout)["stores"]
    assert all(set(row) == {"name", "path", "trusted", "detail"} for row in listed)
    assert all(row["path"] and row["detail"] for row in listed)
    return {row["name"]: row["trusted"] for row in listed}


def store(home: Path) -> NssStore:
    """The database of the Firefox profile."""
    runner = SystemRunner(attended=False)
    return NssStore("firefox", home / ".mozilla/firefox/own", runner)


def test_status_install_and_remove_say_the_same_to_people_and_programs() -> None:
    """Exit code 0 exactly when all trust; one sentence on stderr otherwise."""
    assert rows("status") == {"chromium": False, "firefox": False}
    before = trust("status")
    assert before.returncode == 1
    assert before.stderr.count("\n") == 1
    assert "eid-agent trust install" in before.stderr
    assert rows("install") == {"chromium": True, "firefox": True}
    again = trust("install")
    assert again.returncode == 0
    assert "open it again" in again.stdout  # the browser that refused already
    after = trust("status", "--lang", "nl")
    assert (after.returncode, after.stderr) == (0, "")
    assert after.stdout.count("vertrouwt de eID-agent.") == 2
    assert rows("remove") == {"chromium": False, "firefox": False}
    assert trust("remove").returncode == 0
    assert rows("status") == {"chromium": False, "firefox": False}


def test_remove_undoes_exactly_what_was_installed(home: Path) -> None:
    """Also when the CA has changed and a store has vanished; no other CA goes."""
    others = certs.issue().ca
    store(home).install(others)
    trust("install")
    old = x509.load_pem_x509_certificate(trust("show").stdout.encode())
    shutil.rmtree(home / ".local/share/eid-agent/tls")
    new = x509.load_pem_x509_certificate(trust("show").stdout.encode())
    assert new != old
    assert store(home).check(old)
    assert trust("install").returncode == 0
    assert not store(home).check(old)  # the new one took its place
    assert store(home).check(new)
    shutil.rmtree(home / ".local/share/eid-agent/tls")
    shutil.rmtree(home / ".local/share/pki")
    assert trust("remove").returncode == 0
    assert not store(home).check(new)
    assert store(home).check(others)


def test_a_ca_imported_by_hand_is_not_taken_out(home: Path) -> None:
    """It was no place of ours."""
    ca = x509.load_pem_x509_certificate(trust("show").stdout.encode())
    store(home).install(ca)
    assert trust("install").returncode == 0
    assert rows("remove") == {"chromium": False}
    assert store(home).check(ca)


def test_the_places_are_private_and_written_down_first(home: Path) -> None:
    """0600; and a damaged list is begun anew."""
    trust("install")
    file = home / ".local/share/eid-agent/trust.json"
    assert file.stat().st_mode & 0o777 == 0o600
    places = json.loads(file.read_text())["places"]
    assert [place["name"] for place in places] == ["chromium", "firefox"]
    host.write_private(file, b"{")
    assert trust("remove").returncode == 0
    assert trust("install").returncode == 0


def test_without_certutil_the_package_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install and what to do then; nothing can be told of the stores."""
    store(home).install(certs.issue().ca)
    monkeypatch.setenv("PATH", str(home))
    result = trust("install")
    assert result.returncode == 1
    assert "libnss3-tools" in result.stdout
    assert result.stderr.count("\n") == 1
    assert rows("status") == {"chromium": False, "firefox": None}


def test_a_hostile_profile_name_is_one_harmless_line(home: Path) -> None:
    """Names of folders are foreign text; programs get them as they are."""
    profile = home / ".mozilla/firefox" / "a\nb\u202e\x1b[2J"
    profile.mkdir()
    (profile / "cert9.db").touch()
    shown = trust("status").stdout
    assert shown.count("\n") == 3
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    listed = json.loads(trust("status", "--json").stdout)["stores"]
    assert str(profile) in [row["path"] for row in listed]


def test_sudo_is_refused_for_another_users_sake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Root has a certificate of its own, which serves nobody's browser."""
    monkeypatch.setenv("SUDO_USER", "ann")
    result = trust("install", "--system")
    assert (result.returncode, result.stdout) == (1, "")
    assert "sudo" in result.stderr


def test_show_prints_the_certificate_for_programs() -> None:
    """With the fingerprint by which a person can compare it."""
    shown = json.loads(trust("show", "--json").stdout)
    ca = x509.load_pem_x509_certificate(shown["certificate"].encode())
    assert shown["sha256"] == ca.fingerprint(hashes.SHA256()).hex()
    assert shown["validUntil"] == ca.not_valid_after_utc.date().isoformat()


# --- the start of the agent ----------------------------------------------------------

RUN = ("run", "--card", "virtual", "--ui", "terminal")


@pytest.mark.parametrize("lang", ["nl", "fr", "de", "en"])
def test_an_untrusted_agent_offers_the_repair(lang: str) -> None:
    """One line on stderr in the person's language; stdout has its line alone."""
    with started(*RUN, "--lang", lang) as program:
        line = program.until(r"listening on https://localhost:\d+\n")
        assert program.process.stderr is not None
        said = program.process.stderr.readline().decode()
        assert said == f"eid-agent: {text('trust-offer', lang)}\n"
        assert "eid-agent trust install" in said
        assert line.count("\n") == 1


def test_a_trusted_agent_offers_nothing(home: Path) -> None:
    """It is silent; the look was taken, as its log says."""
    trust("install")
    with started(*RUN, "--log-level", "debug") as program:
        program.port()
        assert program.process.stderr is not None
        said = ""
        while "trust: looked" not in said:
            said += program.process.stderr.readline().decode()
        assert "eid-agent:" not in said
        assert rows("status")["localhost"] is True


def test_a_running_agent_renews_its_certificate(home: Path) -> None:
    """From its start on it shows the new one, which is trusted."""
    data = home / ".local/share/eid-agent"
    host.make_data_dir(data)
    host.make_private_dir(data / "tls")
    now = datetime.datetime.now(datetime.UTC)
    issued = certs.issue(now=lambda: now - datetime.timedelta(days=750))
    tls.store(issued, data / "tls")
    assert trust("install").returncode == 0
    with started(*RUN, "--log-level", "debug") as program:
        port = program.port()
        assert program.process.stderr is not None
        while "trust: looked" not in program.process.stderr.readline().decode():
            pass
        leaf = own.shown(port)
        assert leaf not in [item.certificate for item in issued.leaves]
        ca = x509.load_pem_x509_certificate(trust("show").stdout.encode())
        leaf.verify_directly_issued_by(ca)
        assert store(home).check(ca)
        assert not store(home).check(issued.ca)
        assert rows("status") == {"chromium": True, "firefox": True, "localhost": True}


# --- somebody in between -------------------------------------------------------------


@contextmanager
def antivirus(folder: Path, name: str) -> Iterator[int]:
    """Answer on a port with a certificate of somebody else's, as an antivirus does."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    host.make_private_dir(folder)
    leaf = certs.Leaf(certificate, key)
    [files] = tls.store(certs.Issued(certificate, (leaf,)), folder)
    context = files.context()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as tunnel:
                    tunnel.recv(1)
            except (OSError, ssl.SSLError):
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(2)
        listener.close()
        thread.join()


HOSTILE = "Scan & Co\u202e Root\n\x1b[31m"
SHOWN = '"Scan & Co\N{REPLACEMENT CHARACTER} Root'


def test_a_certificate_of_somebody_else_is_named_at_the_start(home: Path) -> None:
    """Who issued it, made harmless, and what to do."""
    data = home / "data"
    tls.load_or_create(data)
    said: list[str] = []
    stores = Stores(SystemRunner(attended=False), home, {}, "linux")
    keeper = Keeper(data, stores, lambda _: None, said.append, "en")
    with antivirus(home / "antivirus", HOSTILE) as port:
        keeper.look_at_port(port)
    [line] = said
    assert SHOWN in line
    assert "\n" not in line
    assert "\x1b" not in line
    assert f"port {port}" in line


def test_the_tray_is_told_at_the_start_where_a_browser_does_not_trust(
    home: Path,
) -> None:
    """Once it is installed, nothing is told."""
    data = home / "data"
    ca = tls.load_or_create(data).ca_certificate()
    told: list[str] = []
    stores = Stores(SystemRunner(attended=False), home, {}, "linux")
    keeper = Keeper(
        data, stores, lambda _: None, lambda _: None, "en", lambda: told.append("no")
    )
    keeper.offer()
    assert told == ["no"]
    work.install(stores.of_user(), ca, Record(data))
    keeper.offer()
    assert told == ["no"]


def test_status_names_a_certificate_of_somebody_else(home: Path) -> None:
    """When an agent runs, its port is looked at with the stores."""
    trust("install")
    data = home / ".local/share/eid-agent"
    instance = Instance(data)
    try:
        with antivirus(home / "antivirus", HOSTILE) as port:
            instance.publish(port, {})
            result = trust("status", "--json")
    finally:
        instance.close()
    assert result.returncode == 1
    assert SHOWN in result.stderr
    *others, connection = json.loads(result.stdout)["stores"]
    assert all(row["trusted"] for row in others)
    assert (connection["name"], connection["trusted"]) == ("localhost", False)
    assert SHOWN in connection["detail"]


def test_an_agent_that_was_killed_is_no_connection(home: Path) -> None:
    """Whoever has its port now is not taken for it."""
    trust("install")
    with started(*RUN) as program:
        program.port()
        program.process.kill()
        program.process.wait()
    file = home / ".local/share/eid-agent/agent.json"
    left = json.loads(file.read_text())
    with antivirus(home / "antivirus", "another") as port:
        host.write_private(file, json.dumps({**left, "port": port}).encode())
        assert "localhost" not in rows("status")


def test_two_commands_at_once_do_not_mix_what_is_written_down(home: Path) -> None:
    """The second waits for the first."""
    record, done = Record(home), threading.Event()

    def change() -> None:
        with Record(home).alone():
            done.set()

    thread = threading.Thread(target=change)
    with record.alone():
        thread.start()
        assert not done.wait(0.2)
    thread.join()
    assert done.is_set()


def keeper_of(home: Path, data: Path) -> Keeper:
    """Return what an agent that the package starts has for its trust."""
    stores = Stores(SystemRunner(attended=False), home, {}, "linux")
    return Keeper(data, stores, lambda _: None, lambda _: None, "en", install=True)


def test_the_packages_start_installs_once_and_its_removal_undoes_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the user; who takes it out is obeyed at the next start (SAFETY 14)."""
    users = home / "users"
    users.mkdir()
    monkeypatch.setattr("agent.host._register_linux.FOLDER", users)
    data = home / ".local/share/eid-agent"
    ca = tls.load_or_create(data).ca_certificate()
    keeper_of(home, data).install_once()
    assert rows("status") == {"chromium": True, "firefox": True}
    assert cli.main(["trust", "remove", "--noted"]) == 0
    assert not store(home).check(ca)
    assert rows("status") == {"chromium": False, "firefox": False}
    keeper_of(home, data).install_once()
    assert rows("status") == {"chromium": False, "firefox": False}


def test_who_cannot_be_noted_for_the_removal_gets_nothing_installed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would stay behind."""
    users = home / "users"
    users.mkdir()
    (users / str(os.getuid())).mkdir()
    monkeypatch.setattr("agent.host._register_linux.FOLDER", users)
    data = home / ".local/share/eid-agent"
    tls.load_or_create(data)
    with pytest.raises(OSError, match="directory"):
        keeper_of(home, data).install_once()
    assert rows("status") == {"chromium": False, "firefox": False}


def test_the_program_installs_its_trust_where_the_package_starts_it() -> None:
    """`run --install-trust`, and no other start."""
    with started(*RUN, "--install-trust", "--log-level", "debug") as program:
        program.port()
        assert program.process.stderr is not None
        while "trust: looked" not in program.process.stderr.readline().decode():
            pass
        assert all(rows("status").values())
