"""`eid-agent doctor` finds each fault that is made here, and names what mends it.

Nothing of this machine counts but its kernel: home, stores, policies, readers and ports
are the test's own.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import json
import logging
import os
import shutil
import socket
import sqlite3
import ssl
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent
from agent import certs, cli, host, tls
from agent.commands import doctor as command
from agent.doctor import browsers, endpoint, findings, look, readers
from agent.doctor.findings import LINES, STATES, Finding, State, found
from agent.host import machine
from agent.instance import Instance
from agent.texts import LANGUAGES
from agent.trust.runner import SystemRunner
from agent.trust.stores import Stores
from agent.ui.probe import NO_DISPLAY, NoWindows
from cardio.beid.identity import parse_address, parse_identity
from cardio.beid.source import BeidCards
from cardio.card import CardSource
from cardio.errors import ServiceRefused, ServiceStopped, ServiceUnavailable
from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.playable import PlayableCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.fake_cards import FakeForeignCard
from tests.agent.program import ROOT, run, started
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard
from tests.rig.words import catalogue

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="written for Linux")

needs_certutil = pytest.mark.skipif(
    shutil.which("certutil") is None, reason="libnss3-tools is not installed"
)
PROFILE = ".mozilla/firefox/own"


@contextmanager
def shown(leaf: certs.Leaf) -> Iterator[int]:
    """Show a certificate on a port of its own while the block runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tls.temporary()))
        (folder / "leaf").write_bytes(leaf.pem() + leaf.key_pem(b"x"))
        context.load_cert_chain(folder / "leaf", password=b"x")
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class World:
    """A computer on which all is well, to be spoilt; `place` is what is looked at."""

    def __init__(self, home: Path, stack: ExitStack, patch: pytest.MonkeyPatch) -> None:
        self.home, self.stack, self.patch = home, stack, patch
        self.folder = home / "data"
        self.readers = VirtualReaders("Reader 00 00")
        self.source: Callable[[], CardSource] = lambda: BeidCards(self.readers)
        self.now = datetime.datetime.now(datetime.UTC)
        self.seconds = readers.SECONDS
        self.issued = certs.issue()

    def insert(self, card: PlayableCard) -> None:
        """Put a card in."""
        self.readers.insert(card)

    def keep(self, issued: certs.Issued) -> None:
        """Let this be the agent's certificate."""
        self.issued = issued
        host.make_data_dir(self.folder)
        host.make_private_dir(self.folder / "tls")
        tls.store(issued, self.folder / "tls")

    def listen(self, leaf: certs.Leaf | None = None) -> int:
        """Let an agent run that shows its certificate, or another one; its port."""
        port = self.stack.enter_context(shown(leaf or self.issued.leaves[0]))
        instance = Instance(self.folder)
        self.stack.callback(instance.close)
        instance.publish(port, {})
        return port

    def stores(self) -> Stores:
        """The stores of this home."""
        return Stores(SystemRunner(attended=False), self.home, {}, "linux")

    def trust(self) -> None:
        """Let the browsers trust the agent."""
        for store in self.stores().of_user():
            store.install(self.issued.ca)

    def examine(self) -> list[Finding]:
        """Return the page."""
        stores = self.stores().of_user()
        return look.examine(
            look.Place(
                self.folder, self.home, stores, self.source, self.now, self.seconds
            )
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A home with one Firefox profile, an empty reader, and none of the machine's."""
    profile = tmp_path / PROFILE
    profile.mkdir(parents=True)
    ini = "[Profile0]\nName=x\nIsRelative=1\nPath=own\n"
    (profile.parent / "profiles.ini").write_text(ini)
    for name in ("_CHROMIUM_POLICIES", "_FIREFOX_POLICIES", "_NATIVE_HOSTS"):
        monkeypatch.setattr(f"agent.host._machine_linux.{name}", ())
    monkeypatch.setattr(host, "policy_path", lambda: tmp_path / "etc" / "policy.json")
    monkeypatch.setattr(look, "why_no_windows", lambda: None)
    monkeypatch.setattr(endpoint, "PORTS", ())
    monkeypatch.delenv("NO_PROXY", raising=False)
    with ExitStack() as stack:
        yield World(tmp_path, stack, monkeypatch)


# --- the faults: what spoils a healthy computer ---------------------------------------


def _nothing(_: World) -> None:
    """Leave it as it is."""


def _silent(world: World) -> None:
    host.make_data_dir(world.folder)
    world.stack.callback(Instance(world.folder).close)
    world.patch.setattr("agent.instance._WAIT_SECONDS", 0.0)


def _open_folder(world: World) -> None:
    world.keep(certs.issue())
    (world.folder / "tls" / "leaf.pem").chmod(0o644)


def _port_taken(world: World) -> None:
    taken = world.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    world.patch.setattr(endpoint, "PORTS", (taken.getsockname()[1],))
    world.patch.setattr(endpoint, "_SECONDS", 0.1)


def _other_agent(world: World) -> None:
    port = world.stack.enter_context(shown(certs.issue().leaves[0]))
    world.patch.setattr(endpoint, "PORTS", (port,))


def _of(days: int) -> certs.Issued:
    """A certificate that was made so many days ago."""
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    return certs.issue(now=lambda: then)


def _damaged(world: World) -> None:
    world.keep(certs.issue())
    (world.folder / "tls" / "leaf.pem").write_bytes(b"nothing")


def _intercepted(world: World) -> None:
    world.keep(certs.issue())
    world.listen(certs.issue().leaves[0])


def _deaf(world: World) -> None:
    """The agent is there, and its port is not."""
    world.keep(certs.issue())
    instance = Instance(world.folder)
    world.stack.callback(instance.close)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    instance.publish(port, {})


def _earlier(world: World) -> None:
    world.keep(certs.issue())
    world.now -= datetime.timedelta(days=3)


def _policy(world: World, content: str = '{\n "aks": true\n}') -> None:
    path = world.home / "etc" / "policy.json"
    path.parent.mkdir()
    path.write_text(content)
    ours = frozenset({0, os.getuid()})
    world.patch.setattr("agent.host._posix._ADMINISTRATORS", ours)
    world.patch.setattr("agent.host._posix._ADMIN_GROUPS", frozenset({0, os.getgid()}))


def _kept(name: str) -> Callable[[World], None]:
    def damage(world: World) -> None:
        host.make_data_dir(world.folder)
        host.write_private(world.folder / name, b"\xff{\n")

    return damage


def _wrong_certificate(world: World) -> None:
    """A card whose certificate begins as one and is none."""
    profile = load_profile("adult")
    files = {**profile.files, EF.AUTHENTICATION: b"\x30\x03\x02\x01\x05"}
    world.insert(VirtualCard(dataclasses.replace(profile, files=files)))


def _forbidden(world: World) -> None:
    """The person said no to a site in Chromium."""
    exceptions = {"loopback_network": {"https://portal.example:443,*": {"setting": 2}}}
    file = world.home / ".config/chromium/Default/Preferences"
    file.parent.mkdir(parents=True)
    settings = {"content_settings": {"exceptions": exceptions}}
    file.write_text(json.dumps({"profile": settings}))


def _forbidden_in_firefox(world: World) -> None:
    with sqlite3.connect(world.home / PROFILE / "permissions.sqlite") as database:
        database.execute("create table moz_perms (origin, type, permission)")
        row = ("https://portal.example", "loopback-network", 2)
        database.execute("insert into moz_perms values (?, ?, ?)", row)
    database.close()


def _browser_policy(world: World, content: str) -> None:
    folder = world.home / "managed"
    folder.mkdir()
    (folder / "company.json").write_text(content)
    place = "agent.host._machine_linux._CHROMIUM_POLICIES"
    world.patch.setattr(place, (str(folder),))


def _firefox_policy(world: World, **policies: object) -> None:
    file = world.home / "policies.json"
    file.write_text(json.dumps({"policies": policies}))
    place = "agent.host._machine_linux._FIREFOX_POLICIES"
    world.patch.setattr(place, (str(file),))


def _snap(world: World) -> None:
    (world.home / "snap" / "chromium" / "current").mkdir(parents=True)
    world.keep(certs.issue())


def _proxy(world: World) -> None:
    world.patch.setenv("HTTPS_PROXY", "http://proxy.example:3128")


def _hijacked(world: World) -> None:
    said = 'user_pref("network.proxy.allow_hijacking_localhost", true);\n'
    (world.home / PROFILE / "prefs.js").write_text(said)


class _Fails:
    """A service that answers as a fake one is told to."""

    virtual = False

    def __init__(self, fails: Callable[[], Exception | None]) -> None:
        self._fails = fails

    def readers(self) -> tuple[()]:
        """Raise, where that is what it does."""
        if (error := self._fails()) is not None:
            raise error
        return ()


def _service(world: World, error: Exception | None, **here: object) -> None:
    world.source = lambda: _Fails(lambda: error)  # type: ignore[return-value]
    facts = {"service_installed": True, "driver_installed": True, "usb_readers": 0}
    for name, value in (facts | here).items():
        world.patch.setattr(machine, name, lambda value=value: value)
    world.patch.setattr(machine, "vpcd_ports", list)


def _silent_service(world: World) -> None:
    over = threading.Event()
    world.stack.callback(over.set)
    _service(world, None)
    world.source = lambda: _Fails(lambda: over.wait() and None)  # type: ignore[return-value]
    world.seconds = 0.1


def _no_library(world: World) -> None:
    def missing() -> CardSource:
        raise ImportError

    world.source = missing


def _no_driver(world: World) -> None:
    """As the kernel shows a reader, and a folder of drivers that is empty."""
    interface = world.home / "usb" / "1-2:1.0"
    interface.mkdir(parents=True)
    (interface / "bInterfaceClass").write_text("0b\n")
    usb_readers, driver_installed = machine.usb_readers, machine.driver_installed
    _service(world, None)
    world.patch.setattr(machine, "usb_readers", usb_readers)
    world.patch.setattr(machine, "driver_installed", driver_installed)
    world.patch.setattr("agent.host._machine_linux._USB", world.home / "usb")
    world.patch.setattr("agent.host._machine_linux._DRIVERS", world.home / "none")


def _vpcd(world: World) -> None:
    _service(world, None)
    opened = world.stack.enter_context(socket.create_server(("", 0)))
    port = opened.getsockname()[1]
    world.patch.setattr(machine, "vpcd_ports", lambda: [port])


def _card(persona: str) -> Callable[[World], None]:
    return lambda world: world.insert(VirtualCard(load_profile(persona)))


def _old_card(world: World) -> None:
    folder = world.home / "card"
    folder.mkdir()
    (folder / "card.toml").write_text('applet = "1.1"\n')
    world.insert(VirtualCard(load_profile(folder)))


def _mute_card(world: World) -> None:
    world.readers = VirtualReaders("Reader 00 00", mute_seconds=0.1)
    world.insert(FaultyCard(VirtualCard(load_profile()), Fault("mute", 1)))


def _named(reader: str) -> Callable[[World], None]:
    def rename(world: World) -> None:
        world.readers = VirtualReaders(reader)

    return rename


def _without(sentence: str) -> Callable[[World], None]:
    """No window can open, for this reason."""
    reason = NoWindows(sentence)
    return lambda world: world.patch.setattr(look, "why_no_windows", lambda: reason)


#: What is done, by the code that tells of it and a word of what mends it.
FAULTS: list[tuple[str, Callable[[World], None], str]] = [
    ("agent-absent", _nothing, "eid-agent run"),
    ("agent-silent", _silent, "End eid-agent"),
    ("agent-folder", _open_folder, "--data-dir"),
    ("port-taken", _port_taken, "End one of these programs"),
    ("port-other-agent", _other_agent, "eid-agent quit --data-dir"),
    ("certificate-none", _nothing, "eid-agent run"),
    ("certificate-ended", lambda w: w.keep(_of(900)), "eid-agent trust install"),
    ("certificate-ends", lambda w: w.keep(_of(790)), "Let the agent run"),
    ("certificate-damaged", _damaged, "start it again"),
    ("certificate-early", _earlier, "Set date and time"),
    ("clock-behind", _earlier, "Set date and time"),
    ("connection-intercepted", _intercepted, "antivirus"),
    ("connection-failed", _deaf, "firewall"),
    ("permission-blocked", _forbidden, "left of its address"),
    ("permission-blocked", _forbidden_in_firefox, "left of its address"),
    ("browser-policy-malformed", lambda w: _browser_policy(w, "{"), "mend the file"),
    (
        "browser-policy-blocks",
        lambda w: _browser_policy(w, '{"LoopbackNetworkBlockedForUrls": ["*"]}'),
        "exception",
    ),
    (
        "browser-policy-blocks",
        lambda w: _firefox_policy(w, WebsiteFilter={"Block": ["*://localhost/*"]}),
        "exception",
    ),
    ("confined-found", _snap, "browser from the system's packages"),
    ("proxy-used", _proxy, "exceptions"),
    ("windows-screen", _without(NO_DISPLAY), "on a desktop"),
    ("windows-none", _without("ui-not-installed"), "Install eid-agent[desktop]"),
    ("proxy-localhost", _hijacked, "about:config"),
    ("data-origins", _kept("origins.json"), "allow sites again"),
    ("data-journal", _kept("journal.jsonl"), "journal erase"),
    ("card-illegible", _wrong_certificate, "another card reader"),
    ("policy-malformed", _policy, "(/aks)"),
    ("service-library", _no_library, "eid-agent[card]"),
    (
        "service-absent",
        lambda w: _service(w, ServiceStopped(), service_installed=False),
        "apt install pcscd",
    ),
    (
        "service-stopped",
        lambda w: _service(w, ServiceStopped()),
        "systemctl enable --now pcscd.socket",
    ),
    ("service-refused", lambda w: _service(w, ServiceRefused()), "polkit"),
    ("service-mute", lambda w: _service(w, ServiceUnavailable()), "restart pcscd"),
    ("service-mute", _silent_service, "restart pcscd"),
    ("driver-missing", _no_driver, "apt install libccid"),
    (
        "driver-unseen",
        lambda w: _service(w, None, usb_readers=1),
        "manufacturer's driver",
    ),
    ("vpcd-open", _vpcd, "vsmartcard-vpcd"),
    ("reader-none", lambda w: _service(w, None), "Connect a card reader"),
    ("reader-gempc", _named("Gemalto GemPC Pinpad 00 00"), "another card reader"),
    ("reader-spr", _named("SCM SPR 532 [Vendor Interface] 00 00"), "firmware"),
    ("card-none", _nothing, "chip first"),
    ("card-mute", _mute_card, "facing up"),
    ("card-unknown", lambda w: w.insert(FakeForeignCard()), "your Belgian"),
    ("card-old", _old_card, "new card"),
    ("card-certificate-ended", _card("expired"), "new card"),
    ("card-certificate-none", _card("kids"), "Kids-ID"),
    ("pin-few", _card("one-try"), "with care"),
    ("pin-blocked", _card("blocked"), "municipality"),
]


@pytest.mark.parametrize(
    ("code", "spoil", "remedy"),
    FAULTS,
    ids=[f"{code}-{number}" for number, (code, _, _) in enumerate(FAULTS)],
)
def test_each_fault_has_its_line_and_its_remedy(
    world: World, code: str, spoil: Callable[[World], None], remedy: str
) -> None:
    """In the person's words, and as a code; a problem makes the whole not work."""
    spoil(world)
    page = world.examine()
    told = next(one for one in page if one.code == code)
    assert remedy in (told.remedy("en") or "")
    assert findings.works(page) is not any(one.state is State.PROBLEM for one in page)
    if STATES[code] is State.PROBLEM:
        assert not findings.works(page)
    assert not [one for one in page if one.code == "failed"]
    said = "\n".join(findings.lines(page, "en"))
    assert told.detail("en") in said
    assert f"-> {told.remedy('en')}" in said


@needs_certutil
def test_a_browser_that_does_not_trust_the_agent_is_named(world: World) -> None:
    """With its profile; once it trusts, it is well."""
    world.keep(certs.issue())
    before = [one for one in world.examine() if one.line == "trust"]
    assert {one.code for one in before} == {"trust-no"}
    assert any(PROFILE in one.detail("en") for one in before)
    assert all("eid-agent trust install" in (one.remedy("en") or "") for one in before)
    world.trust()
    after = [one.code for one in world.examine() if one.line == "trust"]
    assert set(after) == {"trust-yes"}


@needs_certutil
def test_where_nothing_is_wrong_all_is_well(world: World) -> None:
    """An agent, browsers that trust it, a reader and a card: no line doubts."""
    world.keep(certs.issue())
    port = world.listen()
    world.patch.setattr(endpoint, "PORTS", (port,))
    world.trust()
    world.insert(VirtualCard(load_profile("adult")))
    page = world.examine()
    assert [one.code for one in page if one.state is not State.OK] == []
    assert findings.lines(page, "en")[-1] == "All is well."
    assert findings.lines(page, "nl")[-1] == "Alles is in orde."


def test_a_frozen_program_knows_its_clock(world: World) -> None:
    """Its modules are in one file, and none where `__file__` says."""
    world.patch.setattr(agent, "__file__", str(world.folder / "__init__.pyc"))
    world.folder.mkdir(exist_ok=True)
    assert "clock-good" in [one.code for one in world.examine()]


def test_what_cannot_be_looked_at_costs_one_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """And the rest of the page is there; a log says where it broke, and no value."""
    caplog.set_level(logging.DEBUG)

    def broken() -> str:
        raise RuntimeError("unforeseen")

    world.patch.setattr(machine, "other_software", broken)
    page = world.examine()
    (told,) = (one for one in page if one.code == "failed")
    assert (told.line, told.state) == ("software", State.UNKNOWN)
    assert "unforeseen" not in told.detail("en") + caplog.text
    assert "software: RuntimeError at " in caplog.text
    assert [one.line for one in page].count("agent") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "URLBlocklist",
                    "ProxySettings",
                    "LocalNetworkAccess",
                    "WebsiteFilter",
                    "Block",
                    "policies",
                    "profile",
                    "content_settings",
                    "exceptions",
                    "loopback_network",
                    "setting",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_file_of_a_browser_breaks_the_page(content: object) -> None:
    """Whatever stands where something else is expected."""
    assert isinstance(browsers.refused_sites(content), list)
    if isinstance(content, dict):
        assert set(browsers.chromium_policy(content)) <= set(content)
        assert isinstance(browsers.firefox_policy(content), list)


@pytest.mark.parametrize(
    ("policy", "blocking"),
    [
        ({"URLBlocklist": ["*"]}, ["URLBlocklist"]),
        ({"URLBlocklist": ["*"], "URLAllowlist": ["https://localhost:*"]}, []),
        ({"URLBlocklist": ["127.0.0.1"]}, ["URLBlocklist"]),
        ({"URLBlocklist": ["gambling.example"]}, []),
        ({"ProxyBypassList": "<-loopback>"}, ["ProxyBypassList"]),
        ({"ProxySettings": {"ProxyBypassList": "<-loopback>"}}, ["ProxySettings"]),
        ({"LoopbackNetworkAllowedForUrls": ["https://portal.example"]}, []),
    ],
)
def test_what_in_chromiums_policy_stands_in_the_way(
    policy: dict[str, object], blocking: list[str]
) -> None:
    """And what does not."""
    assert browsers.chromium_policy(policy) == blocking


def test_the_policies_that_we_offer_stand_in_nobodys_way() -> None:
    """Those of `installer/policies`."""
    folder = ROOT / "installer" / "policies"
    for name in ("chrome.json", "edge.json"):
        assert browsers.chromium_policy(json.loads((folder / name).read_bytes())) == []
    firefox = json.loads((folder / "firefox.json").read_bytes())
    assert browsers.firefox_policy(firefox) == []


# --- the sentences -------------------------------------------------------------------

#: A value for each that a sentence may have.
_NAMES = """
version python system port path programs program free date issuer store place reason why
sites count member lineno where reader applet tries software error newest
"""
VALUES = dict.fromkeys(_NAMES.split(), "7")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", STATES)
def test_every_code_is_said_in_every_language(code: str, lang: str) -> None:
    """What it means, and what to do exactly where it is not well."""
    one = Finding("version" if code == "failed" else found(code).line, code, VALUES)
    assert one.detail(lang)
    assert (one.remedy(lang) is None) is (one.state is State.OK)
    assert one.line in LINES
    assert (f"doctor-do-{code}" in catalogue(lang)) is (one.state is not State.OK)


# --- the command ---------------------------------------------------------------------


def test_a_card_costs_no_try_and_its_chip_is_not_asked(world: World) -> None:
    """SAFETY 3 and 4: neither VERIFY with a PIN nor INTERNAL AUTHENTICATE."""
    card = RecordedCard(load_profile("adult"))
    world.insert(card)
    world.examine()
    sent = [one.ins for one in card.exchanges]
    assert sent
    assert not {0x20, 0x24, 0x2A, 0x88} & set(sent)


def test_the_exit_code_says_whether_it_works(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 with a problem; JSON says the same; 2 for a card that does not exist."""
    words = ["--data-dir", str(world.folder), "--lang", "en"]
    assert cli.main(["doctor", *words, "--card", "virtual", "--json"]) == 1
    page = json.loads(capsys.readouterr().out)
    assert page["works"] is False
    assert {"line", "code", "state", "detail", "remedy"} == set(page["findings"][0])
    codes = {each["code"]: each["state"] for each in page["findings"]}
    assert codes["agent-absent"] == "problem"
    assert codes["card-good"] == "ok"
    assert cli.main(["doctor", *words, "--card", "nothing"]) == 2


def _private_world(world: World) -> None:
    """A computer full of what nobody else should read."""
    world.keep(certs.issue())
    world.listen(certs.issue().leaves[0])
    _forbidden(world)
    _forbidden_in_firefox(world)
    _hijacked(world)
    _policy(world, '{"portal.example": 1}')
    _browser_policy(world, "{")
    world.readers = VirtualReaders("ACS ACR38U-CCID (SN-4711-0815) 00 00")
    world.insert(VirtualCard(load_profile("adult")))
    world.patch.setenv("HTTPS_PROXY", "http://alice:secret@proxy.example:3128")


def test_the_bundle_holds_nothing_personal(
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SAFETY 24: no site, host, user or home, no serial, nothing from the card.

    It is shown before it is written, and only a yes writes it.
    """
    _private_world(world)
    monkeypatch.setattr(
        command,
        "place",
        lambda folder, _, **__: look.Place(
            folder,
            world.home,
            world.stores().of_user(),
            world.source,
            world.now,
        ),
    )
    file = world.home / "doctor.zip"
    words = ["doctor", "--data-dir", str(world.folder), "--lang", "en"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert cli.main([*words, "--bundle", str(file)]) == 1
    assert not file.exists()
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert cli.main([*words, "--bundle", str(file)]) == 1
    output = capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["doctor.txt", "doctor.json"]
        content = "".join(archive.read(name).decode() for name in archive.namelist())
        page = archive.read("doctor.txt").decode()
    assert page in output
    assert output.index(page) < output.index("[y/n] ")
    assert "ACS ACR38U-CCID" in content
    for secret in _secrets(world):
        assert secret.lower() not in content.lower()
    capsys.readouterr()
    for place in (file, world.home / "nowhere" / "doctor.zip"):  # before all is shown
        assert cli.main([*words, "--bundle", str(place)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert str(place) in said.err


def _secrets(world: World) -> set[str]:
    """Everything that the computer and the card know of a person, and of the site."""
    files = load_profile("adult").files
    fields = {
        **parse_identity(files[EF.IDENTITY]).to_json(),
        **parse_address(files[EF.ADDRESS]).to_json(),
    }
    persona = {str(value) for value in fields.values() if len(str(value)) > 4}
    assert len(persona) > 8
    return persona | {
        "portal.example",
        "4711",
        "secret",
        "alice",
        str(world.home),
        world.home.name,
        socket.gethostname(),
        Path.home().name if len(Path.home().name) > 4 else str(Path.home()),
    }


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("ACS ACR38U-CCID (SN-4711) 00 00", "ACS ACR38U-CCID"),
        ("Alcor Micro AU9560 [CCID Interface] 00 00", "Alcor Micro AU9560"),
        ("Reader 123456789 00 00", "Reader 00 00"),
        ("(4711) 00 00", "…"),
        ("Lézer X 00 00", "X 00 00"),
    ],
)
def test_a_readers_model_is_told_without_its_number(name: str, model: str) -> None:
    """What stands in brackets, and any longer number, is left out."""
    assert findings.model(name) == model


# --- with the real service -----------------------------------------------------------


def _codes(*words: str) -> dict[str, str | None]:
    """Return what the real program says: each code and its remedy."""
    done = run("doctor", "--json", "--lang", "en", *words)
    page = json.loads(done.stdout)
    assert done.returncode == (0 if page["works"] else 1)
    return {each["code"]: each["remedy"] for each in page["findings"]}


@pytest.mark.pcscd
@needs_certutil
def test_the_real_program_finds_all_well_and_then_a_stopped_service(
    own_pcscd: Pcscd, world: World
) -> None:
    """A card in a real pcscd, an agent, trust; then the service is stopped."""
    world.patch.setenv("HOME", str(world.home))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        world.patch.delenv(name, raising=False)
    with own_pcscd.card("adult"), started("run", "--ui", "terminal") as agent:
        agent.port()
        assert run("trust", "install").returncode == 0
        done = run("doctor", "--lang", "en")
        assert done.returncode == 0, done.stdout
        assert "PROBLEM" not in done.stdout
        codes = _codes()
        assert {"agent-running", "trust-yes", "card-good", "pin-good"} <= set(codes)
    assert "card-none" in _codes()
    own_pcscd.stop()
    codes = _codes()
    assert "systemctl" in (codes["service-stopped"] or "")
    assert not [code for code in codes if code.startswith("card-")]
