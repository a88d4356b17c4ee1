"""Challenges that several servers share, in a real redis-server."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from agent.relyingparty import (
    ChallengeExpired,
    ChallengeNotFound,
    ChallengeStore,
    ChallengeStoreUnavailable,
)
from agent.relyingparty.redisstore import RedisStorage
from tests.agent.relyingparty.login import Attempt

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None,
    reason="needs Debian's redis-server (installer/bootstrap.py test installs it)",
)


class Server:
    """A redis-server on a socket of its own, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self._folder = folder

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """Run it until the block ends; it is ready when the block begins."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if "eady to accept connections" in line:
                        break
                else:
                    pytest.fail("redis-server did not start")
                yield process
            finally:
                process.kill()

    def client(self) -> redis.Redis:
        """Return a connection as one of the portal's servers has it."""
        return redis.Redis(
            unix_socket_path=str(self.socket),
            socket_timeout=1,
            retry=Retry(NoBackoff(), 1),
        )

    def store(self) -> ChallengeStore:
        """Return the store of one of the portal's servers."""
        return ChallengeStore(RedisStorage(self.client()))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that runs."""
    made = Server(tmp_path_factory.mktemp("redis"))
    with made.running():
        yield made


def test_one_server_issues_and_another_takes(server: Server) -> None:
    """The nonce is good once, for its session, whichever server is asked."""
    first, second = server.store(), server.store()
    nonce = first.issue("session")
    with pytest.raises(ChallengeNotFound):
        second.take("another session")
    assert second.take("session") == nonce
    for store in (first, second):
        with pytest.raises(ChallengeNotFound):
            store.take("session")


def test_a_login_with_a_nonce_from_redis(server: Server) -> None:
    """And a refused token uses it up all the same."""
    store = server.store()
    nonce = store.issue("session")
    attempt = Attempt(signed_nonce=nonce, nonce=store.take("session"))
    assert attempt.run()
    with pytest.raises(ChallengeNotFound):
        store.take("session")


def test_a_new_nonce_in_redis_voids_the_earlier_one(server: Server) -> None:
    """Also one that another server issued."""
    server.store().issue("session")
    second = server.store().issue("session")
    assert server.store().take("session") == second


def test_of_two_servers_at_once_one_gets_the_nonce(server: Server) -> None:
    """Many times, with both at the same moment."""
    stores = [server.store(), server.store()]
    rounds = 50
    barrier = threading.Barrier(len(stores))

    def take(store: ChallengeStore) -> list[bool]:
        won = []
        for number in range(rounds):
            barrier.wait(10)
            try:
                won.append(bool(store.take(f"race {number}")))
            except ChallengeNotFound:
                won.append(False)
        return won

    for number in range(rounds):
        stores[0].issue(f"race {number}")
    with ThreadPoolExecutor(len(stores)) as pool:
        first, second = pool.map(take, stores)
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * rounds


def test_it_is_removed_by_the_command_that_reads_it(server: Server) -> None:
    """GETDEL, and nothing before or after it."""
    store = server.store()
    store.issue("session")
    server.client().config_resetstat()
    store.take("session")
    used = set(server.client().info("commandstats"))
    assert "cmdstat_getdel" in used
    assert not used & {"cmdstat_get", "cmdstat_del", "cmdstat_set", "cmdstat_unlink"}


def test_redis_forgets_a_nonce_at_its_end(server: Server) -> None:
    """Its time to live stands in Redis; who is asked too late finds nothing."""
    client = server.client()
    store = ChallengeStore(RedisStorage(client, prefix="end:"))
    store.issue("session")
    (key,) = client.keys("end:*")
    assert 299_000 < client.pttl(key) <= 300_000
    client.pexpire(key, 0)
    with pytest.raises(ChallengeNotFound):
        store.take("session")


def test_a_nonce_that_redis_still_has_is_refused_at_its_end(server: Server) -> None:
    """The server's own clock counts as well."""
    late = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=6)
    nonce_store = server.store()
    nonce_store.issue("session")
    store = ChallengeStore(RedisStorage(server.client()), now=lambda: late)
    with pytest.raises(ChallengeExpired):
        store.take("session")
    with pytest.raises(ChallengeNotFound):
        nonce_store.take("session")


def test_no_session_can_be_read_in_redis(server: Server) -> None:
    """A key holds a hash of its owner's name."""
    client = server.client()
    ChallengeStore(RedisStorage(client, prefix="hidden:")).issue("s3cret-session")
    (key,) = client.keys("hidden:*")
    assert b"s3cret" not in key + client.get(key)


def test_what_somebody_else_wrote_in_its_place_is_no_nonce(server: Server) -> None:
    """It is gone with the first login that meets it."""
    client = server.client()
    store = ChallengeStore(RedisStorage(client, prefix="odd:"))
    store.issue("session")
    (key,) = client.keys("odd:*")
    client.set(key, b"\xffnonsense")
    with pytest.raises(ChallengeNotFound):
        store.take("session")


def test_a_redis_that_decodes_its_answers_serves_too(server: Server) -> None:
    """Portals set `decode_responses` for other uses."""
    client = redis.Redis(unix_socket_path=str(server.socket), decode_responses=True)
    store = ChallengeStore(RedisStorage(client))
    assert store.issue("session") == store.take("session")


def test_a_redis_that_is_down_refuses(tmp_path: Path) -> None:
    """Nobody logs in without a challenge; with Redis, logins come back."""
    server = Server(tmp_path)
    store = server.store()
    with server.running():
        store.issue("session")
    for call in (store.issue, store.take):
        with pytest.raises(ChallengeStoreUnavailable):
            call("session")
    with server.running():
        with pytest.raises(ChallengeNotFound):
            store.take("session")
        assert store.issue("session") == store.take("session")


def test_a_redis_that_hangs_refuses(tmp_path: Path) -> None:
    """After the client's own time limit."""
    server = Server(tmp_path)
    with server.running() as process:
        store = server.store()
        store.issue("session")
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(ChallengeStoreUnavailable):
            store.take("session")
        os.kill(process.pid, signal.SIGCONT)
