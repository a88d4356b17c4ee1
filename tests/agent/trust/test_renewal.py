"""A CA that ends is replaced without a moment in which nothing is trusted (SAFETY 14).

The databases are real ones of NSS, the crashes are cuts at each change of the disk.
"""

from __future__ import annotations

import datetime
import shutil
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from agent import certs, host, tls
from agent.trust import renewal, work
from agent.trust.nss import NssStore
from agent.trust.record import Record
from agent.trust.runner import Result, SystemRunner
from agent.trust.store import Store, common_name, pem
from agent.trust.stores import Stores
from tests.agent.trust.cut import cut_after

needs_certutil = pytest.mark.skipif(
    shutil.which("certutil") is None, reason="libnss3-tools is not installed"
)

#: More changes than a renewal of two stores has.
MANY = 200


def made(data: Path, days_ago: int) -> tls.Files:
    """Put a certificate into the data folder that was made so long ago."""
    for folder in (data, data / "tls"):
        host.make_private_dir(folder)
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
    return tls.store(certs.issue(now=lambda: then), data / "tls")[0]


@dataclass
class World:
    """One home with a Chromium and a Firefox, and the agent's data folder."""

    home: Path
    served: list[x509.Certificate] = field(default_factory=list)

    def __post_init__(self) -> None:
        profile = self.home / ".mozilla/firefox/own"
        profile.mkdir(parents=True)
        (self.home / ".mozilla/firefox/profiles.ini").write_text(
            "[Profile0]\nName=own\nIsRelative=1\nPath=own\n"
        )
        self.stores = Stores(SystemRunner(attended=False), self.home, {}, "linux")
        self.data = self.home / "data"

    @property
    def record(self) -> Record:
        """What is written down, as a new process reads it."""
        return Record(self.data)

    def serve(self, files: tls.Files) -> None:
        """Be the endpoint."""
        self.served.append(files.ca_certificate())

    def renew(self) -> list[work.Row]:
        """Do what the agent does at its start and once a day."""
        found = self.stores.of_user()
        return renewal.renew(
            self.data, found, self.stores.named, self.record, self.serve
        )

    def trusted(self, ca: x509.Certificate) -> list[bool]:
        """Tell what each of the two stores thinks of a CA."""
        return [store.check(ca) for store in self.stores.of_user()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A home in which the agent was installed 750 of its 800 days ago."""
    world = World(tmp_path)
    old = made(world.data, 750).ca_certificate()
    work.install(world.stores.of_user(), old, world.record)
    world.serve(tls.load_or_create(world.data))
    return world


@needs_certutil
def test_a_certificate_near_its_end_is_replaced_everywhere(world: World) -> None:
    """Sixty days before the end: new CA in, new leaf served, old CA out; once."""
    [old] = world.served
    assert world.trusted(old) == [True, True]
    assert world.renew() == []
    new = world.served[-1]
    assert new != old
    assert world.trusted(new) == [True, True]
    assert world.trusted(old) == [False, False]
    assert {place.ca for place in world.record.places()} == {new}
    assert not (world.data / "tls/next").exists()
    assert world.renew() == []
    assert world.served[-1] == new


@needs_certutil
def test_a_certificate_with_time_left_stays(tmp_path: Path) -> None:
    """Sixty-one days before the end nothing happens."""
    world = World(tmp_path)
    old = made(world.data, 738).ca_certificate()
    work.install(world.stores.of_user(), old, world.record)
    world.renew()
    assert world.served == [old]
    assert world.trusted(old) == [True, True]


@dataclass(frozen=True)
class FakeStore:
    """A store that is a folder of certificates: quick enough to be cut everywhere."""

    path: str
    name: str = "fake"
    system: bool = False

    def there(self) -> bool:
        return True

    def check(self, ca: x509.Certificate) -> bool:
        return self._file(ca).exists()

    def install(self, ca: x509.Certificate) -> None:
        self._file(ca).write_bytes(pem(ca))

    def remove(self, ca: x509.Certificate) -> None:
        self._file(ca).unlink(missing_ok=True)

    def _file(self, ca: x509.Certificate) -> Path:
        return Path(self.path) / common_name(ca)


class FakeStores(Stores):
    """Two of them."""

    def of_user(self) -> list[Store]:
        folders = [self.home / "one", self.home / "two"]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        return [FakeStore(str(folder)) for folder in folders]

    def named(self, name: str, path: str) -> Store:
        return FakeStore(path)


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=needs_certutil)])
def test_a_crash_at_any_step_of_a_renewal_leaves_something_trusted(
    tmp_path: Path, real: bool
) -> None:
    """What runs on, and what starts next, is trusted; and the next start ends it.

    With real databases the cuts are before each change of one of them.
    """
    for number in range(MANY):
        world = World(tmp_path / str(number))
        if not real:
            world.stores = FakeStores(world.stores.runner, world.home, {}, "linux")
        old = made(world.data, 750).ca_certificate()
        work.install(world.stores.of_user(), old, world.record)
        world.serve(tls.load_or_create(world.data))
        with cut_after(number, of="subprocess" if real else "") as was_cut:
            world.renew()
        assert world.trusted(world.served[-1]) == [True, True], number
        world.serve(tls.load_or_create(world.data))
        assert world.trusted(world.served[-1]) == [True, True], number
        assert world.renew() == []
        new = world.served[-1]
        assert new != old
        assert world.trusted(new) == [True, True]
        assert world.trusted(old) == [False, False]
        assert {place.ca for place in world.record.places()} == {new}
        assert [path.name for path in (world.data / "tls").glob("*/")] == []
        if not was_cut():
            break
    assert number == (4 if real else number)
    assert number < MANY - 1


class Refusing(SystemRunner):
    """Refuses to change one database."""

    def __init__(self, part: str) -> None:
        super().__init__(attended=False)
        self.part: str | None = part

    def run(
        self, command: Sequence[str], given: bytes = b"", *, as_root: bool = False
    ) -> Result:
        """Fail where it is that one's addition."""
        if "-A" in command and self.part and self.part in " ".join(command):
            return Result(255, errors="no")
        return super().run(command, given, as_root=as_root)


@needs_certutil
def test_a_store_that_refuses_puts_the_change_off(world: World) -> None:
    """The old one is served on, and is trusted everywhere; the next try can succeed."""
    [old] = world.served
    runner = Refusing("firefox")
    world.stores = Stores(runner, world.home, {}, "linux")
    assert [row.name for row in world.renew()] == ["firefox"]
    assert world.served == [old]
    assert world.trusted(old) == [True, True]
    runner.part = None
    assert world.renew() == []
    assert world.trusted(world.served[-1]) == [True, True]
    assert world.trusted(old) == [False, False]


@needs_certutil
def test_a_certificate_that_has_ended_is_replaced_all_the_same(tmp_path: Path) -> None:
    """It is worth nothing in the store that refuses; that one keeps what it has."""
    world = World(tmp_path)
    old = made(world.data, 801).ca_certificate()
    work.install(world.stores.of_user(), old, world.record)
    world.stores = Stores(Refusing("firefox"), tmp_path, {}, "linux")
    world.serve(tls.load_or_create(world.data))
    assert [row.name for row in world.renew()] == ["firefox"]
    assert world.served[-1] != old
    assert world.trusted(world.served[-1]) == [True, False]


@needs_certutil
def test_a_ca_that_a_person_imported_by_hand_is_renewed_too(tmp_path: Path) -> None:
    """Wherever the old one is, written down or not."""
    world = World(tmp_path)
    old = made(world.data, 750).ca_certificate()
    for store in world.stores.of_user():
        store.install(old)
    assert world.renew() == []
    assert world.trusted(world.served[-1]) == [True, True]
    assert world.trusted(old) == [False, False]


@needs_certutil
def test_a_ca_that_the_person_took_out_does_not_come_back(world: World) -> None:
    """Neither at a renewal nor at a later start."""
    [old] = world.served
    firefox = world.stores.of_user()[1]
    firefox.remove(old)
    world.renew()
    new = world.served[-1]
    assert world.trusted(new) == [True, False]
    adopted = renewal.adopt(
        world.stores.of_user(), new, world.stores.named, world.record
    )
    assert adopted == []
    assert world.trusted(new) == [True, False]


@needs_certutil
def test_a_vanished_profile_is_in_nobodys_way(world: World) -> None:
    """The renewal does without it and forgets it."""
    shutil.rmtree(world.home / ".mozilla")
    assert world.renew() == []
    assert {place.name for place in world.record.places()} == {"chromium"}


@needs_certutil
def test_a_profile_made_later_gets_the_ca_that_was_installed(world: World) -> None:
    """Where the person had it installed, and nowhere else."""
    [old] = world.served
    later = world.home / ".mozilla/firefox/later"
    NssStore("firefox", later, SystemRunner(attended=False), True).install(
        certs.issue().ca
    )
    [row] = renewal.adopt(world.stores.of_user(), old, world.stores.named, world.record)
    assert row.path == str(later)
    assert world.trusted(old) == [True, True, True]
    work.remove(world.record.places(), world.stores.named, world.record)
    assert world.trusted(old) == [False, False, False]
    found = world.stores.of_user()
    assert renewal.adopt(found, old, world.stores.named, world.record) == []


# --- the running endpoint ------------------------------------------------------------


def _connect(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bytes, ssl.SSLSession | None, bool]:
    """Shake hands; return the certificate shown, the session, whether resumed."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as tunnel:
            tunnel.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(
        ours, server_hostname="localhost", session=session
    ) as tunnel:
        tunnel.recv(1)  # tickets come with the first data
        shown = tunnel.getpeercert(True) or b""
        result = shown, tunnel.session, tunnel.session_reused is True
    thread.join()
    return result


def test_new_connections_are_shown_the_new_certificate(tmp_path: Path) -> None:
    """A context that is in use changes; no earlier session is taken up again."""
    old, new = made(tmp_path / "old", 1), made(tmp_path / "new", 0)
    server = old.context()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    shown, session, _ = _connect(server, client, None)
    assert shown == der(old)
    new.load_into(server)
    shown, _, resumed = _connect(server, client, session)
    assert (shown, resumed) == (der(new), False)


def der(files: tls.Files) -> bytes:
    """Return the leaf as it is sent."""
    return ssl.PEM_cert_to_DER_cert(files.leaf.read_text())


def test_the_next_pair_is_made_once_and_used_whole(tmp_path: Path) -> None:
    """Asking twice gives the same pair; a half-made or damaged one is made anew."""
    made(tmp_path, 750)
    first = tls.prepare(tmp_path)
    assert first is not None
    ca = first.ca_certificate()
    again = tls.prepare(tmp_path)
    assert again is not None
    assert again.ca_certificate() == ca
    found = tls.following(tmp_path)
    assert found is not None
    assert found.ca_certificate() == ca
    (tmp_path / "tls/next/leaf.key").unlink()
    assert tls.following(tmp_path) is None
    anew = tls.prepare(tmp_path)
    assert anew is not None
    assert anew.ca_certificate() != ca
    ca = anew.ca_certificate()
    assert tls.switch(tmp_path).ca_certificate() == ca
    assert tls.prepare(tmp_path) is None
