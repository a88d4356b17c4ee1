"""Whose process asks: only the agent's own user's, by the system's own tables."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from agent import host
from agent.host.peers import UNKNOWN, Address, Peer, plain
from agent.journal import Journal
from agent.settings import Settings
from agent.texts import LANGUAGES
from agent.ui import Cancelled, Consent
from agent.ui.terminal import TerminalInterface
from agent.words import quoted
from tests.agent.people import PORTAL, FakeWindows, running
from tests.agent.program import started
from tests.rig.words import catalogue

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the other systems' way needs their tables"
)

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))

#: A program that asks and prints status, CORS header and body of the answer.
ASK = f"""
import http.client, ssl, sys
if sys.argv[4:]:
    context = ssl.create_default_context(cafile=sys.argv[4])
    connection = http.client.HTTPSConnection(*sys.argv[1:3], context=context)
else:
    connection = http.client.HTTPConnection(*sys.argv[1:3], timeout=10)
headers = {{"Origin": "{PORTAL}", "X-EID-Agent": "1"}}
headers["Content-Type"] = "application/json"
body = '{{"include": ["identity"]}}'
path = sys.argv[3]
connection.request("POST" if path != "/v1/status" else "GET", path, body, headers)
answer = connection.getresponse()
print(answer.status, answer.getheader("Access-Control-Allow-Origin"))
print(answer.read().decode())
"""


#: The system's own: a user may not reach the checkout's.
PYTHON = "/usr/bin/python3"


def _other_user() -> int:
    if os.geteuid() != 0:
        pytest.skip("only root can start a program as somebody else")
    if not Path(PYTHON).exists():
        pytest.skip(f"there is no {PYTHON} that another user could run")
    return pwd.getpwnam("nobody").pw_uid


async def _asked_by(user: int, address: str, port: int, path: str) -> tuple[str, str]:
    """Ask as another user; return status with CORS header, and the code."""
    done = await asyncio.to_thread(
        subprocess.run,
        [PYTHON, "-I", "-c", ASK, address, str(port), path],
        user=user,
        group=user,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    first, body = done.stdout.splitlines()
    return first, json.loads(body).get("code", "")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("path", ["/v1/status", "/v1/identity", "/v1/authenticate"])
async def test_another_users_program_gets_nothing(address: str, path: str) -> None:
    """Its page may read why; nobody is asked, and the card hears nothing."""
    user = _other_user()
    async with running("adult", settings=ALLOWED) as agent:
        sent = len(agent.cards[0].exchanges)
        answer = await _asked_by(user, address, agent.port, path)
        assert len(agent.cards[0].exchanges) == sent
        assert agent.person.questions == []
    assert answer == (f"403 {PORTAL}", "other-user")


async def test_a_connection_that_nobody_holds_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not found, or the tables cannot be read: no guess is made."""
    async with running("adult") as agent:
        monkeypatch.setattr(host, "peer", lambda *_: None)
        assert (await agent.call("GET", "/v1/status")).body["code"] == "other-user"

    def unreadable(*_: Address) -> Peer:
        raise PermissionError(13, "closed")

    async with running("adult") as agent:
        monkeypatch.setattr(host, "peer", unreadable)
        assert (await agent.call("GET", "/v1/status")).body["code"] == "other-user"


async def test_a_connection_is_looked_up_once_and_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many requests it carries."""
    threads = []
    look_up = host.peer

    def counted(*ends: Address) -> Peer | None:
        threads.append(threading.current_thread())
        return look_up(*ends)

    monkeypatch.setattr(host, "peer", counted)
    async with running("adult") as agent:
        for _ in range(5):
            assert (await agent.call("GET", "/v1/status")).status == 200
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


# --- which program -------------------------------------------------------------------

#: A copy of the interpreter, whose name is what the person reads.
NAMES = [
    ("chromium", None),
    ("curl2", "curl2"),
    ('x", \x1b[2J\u202e"\nPIN: ', "x', \ufffd[2J\ufffd'\ufffdPIN: "),
    ("n" * 220, "n" * 199 + "…"),
    (b"\xff".decode("utf-8", "surrogateescape"), "\ufffd"),
]


def _named(folder: Path, name: str) -> Path:
    """Return a program of this name that can run ASK."""
    if not Path(PYTHON).exists():
        pytest.skip(f"there is no {PYTHON} to copy")
    return Path(shutil.copy(Path(PYTHON).resolve(), folder / name))


def _asked(program: Path, port: int, ca: Path) -> subprocess.Popen[str]:
    """Start a program that asks the running agent for the identity."""
    return subprocess.Popen(
        [program, "-I", "-c", ASK, "localhost", str(port), "/v1/identity", ca],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "shown"), NAMES, ids=["browser", "other", "hostile", "long", "no UTF-8"]
)
def test_a_program_that_is_no_browser_is_named_in_question_and_journal(
    tmp_path: Path, name: str, shown: str | None
) -> None:
    """By its executable, as harmless text; one called as a browser is not."""
    (tmp_path / "programs").mkdir()
    stranger = _named(tmp_path / "programs", name)
    data = tmp_path / "data"
    arguments = ["--card", "virtual", "--ui", "terminal", "--lang", "en"]
    with started("run", *arguments, "--data-dir", str(data)) as agent:
        port = agent.port()
        with _asked(stranger, port, data / "tls/ca.pem") as asking:
            question = agent.until(r"\[y/n\] $")
            agent.type("y")
            assert "\n200 " in f"\n{asking.communicate(timeout=20)[0]}"
    asks = f'[asked by "{shown}", which is no known browser] ' if shown else ""
    assert question.startswith(f"[TEST CARD] {asks}portal.example asks")
    (entry,) = Journal(data).read().entries
    assert quoted(entry["program"]) == shown if shown else "program" not in entry


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_is_named_in_every_question(tmp_path: Path) -> None:
    """Which card, the last try, the PIN: and the journal says who was refused."""
    settings = Settings(data_dir=tmp_path)
    async with running("one-try", "adult", settings=settings) as agent:
        arguments = ["-s", "-H", f"Origin: {PORTAL}", "-H", "X-EID-Agent: 1"]
        arguments += ["--json", json.dumps({"challengeNonce": "n" * 44})]
        url = f"http://localhost:{agent.port}/v1/authenticate"
        curl = await asyncio.create_subprocess_exec(
            "curl", *arguments, url, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await curl.communicate()
        assert json.loads(said)["format"] == "web-eid:1.0"
        kinds = [type(question).__name__ for question in agent.person.questions]
        assert kinds == ["Choice", "Login", "Login"]
        assert {question.program for question in agent.person.questions} == {"curl"}
    assert [entry["program"] for entry in Journal(tmp_path).read().entries] == ["curl"]


async def test_a_program_that_hides_its_name_is_said_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that lets nobody look into it, or has ended, has no name."""
    monkeypatch.setattr(
        host, "peer", lambda *_: Peer(same_user=True, find_program=lambda: None)
    )
    async with running("adult", settings=Settings(data_dir=tmp_path)) as agent:
        assert (await agent.identity("photo")).status == 200
        (question,) = agent.person.questions
    assert isinstance(question, Consent)
    monkeypatch.setattr(sys, "stdin", None)  # nobody answers
    for lang in LANGUAGES:
        shown: list[str] = []
        terminal = TerminalInterface(shown.append)
        with pytest.raises(Cancelled):
            await terminal.consent(dataclasses.replace(question, lang=lang))
        mark = catalogue(lang)["test-card"] + catalogue(lang)["asks-unknown"]
        assert shown[0].startswith(mark)
    assert Journal(tmp_path).read().entries[0]["program"] == UNKNOWN


async def test_the_program_is_looked_for_once_a_connection_and_not_for_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes longer than whose it is, so only a question has it looked for."""
    looked = []

    def find() -> str:
        looked.append(threading.current_thread())
        return "curl"

    monkeypatch.setattr(host, "peer", lambda *_: Peer(True, find))
    async with running("adult") as agent:
        assert (await agent.call("GET", "/v1/status")).status == 200
        assert looked == []
        for _ in range(2):
            assert (await agent.identity("photo")).status == 200
    assert len(looked) == 1
    assert looked[0] is not threading.main_thread()


async def test_a_notice_of_always_names_the_program_too(tmp_path: Path) -> None:
    """It is all that a person sees of such a use."""
    person = FakeWindows()
    async with running(
        "adult", person=person, settings=Settings(data_dir=tmp_path)
    ) as agent:
        for _ in range(2):
            assert (await agent.identity("address")).status == 200
    assert len(person.questions) == 1
    me = Path("/proc/self/exe").readlink().name
    assert [used.program for used in person.notices] == [me]


# --- the tables ----------------------------------------------------------------------


@contextmanager
def _connected(
    family: int, server: str, client: str
) -> Iterator[tuple[Address, Address]]:
    """Connect to ourselves; give both ends as the server sees them."""
    with ExitStack() as opened:
        listener = opened.enter_context(
            closing(socket.create_server((server, 0), family=family))
        )
        port = listener.getsockname()[1]
        caller = socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET)
        opened.enter_context(closing(caller))
        caller.connect((client, port))
        accepted = opened.enter_context(closing(listener.accept()[0]))
        yield accepted.getpeername()[:2], accepted.getsockname()[:2]


WAYS = [
    (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    (socket.AF_INET6, "::1", "::1"),
    (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
]


@pytest.mark.parametrize(("family", "server", "client"), WAYS)
def test_a_connection_of_ours_is_found(family: int, server: str, client: str) -> None:
    """Over IPv4, IPv6, and an IPv6 socket that speaks IPv4; with its program's name."""
    with _connected(family, server, client) as ends:
        peer = host.peer(*ends)
    assert peer is not None
    assert peer.same_user
    assert peer.find_program() in (None, Path("/proc/self/exe").readlink().name)


def test_only_the_whole_connection_counts() -> None:
    """Another port, the ends exchanged for others, or a connection that ended."""
    with _connected(*WAYS[0]) as (client, server):
        assert host.peer(client, (server[0], server[1] ^ 1)) is None
        assert host.peer((client[0], client[1] ^ 1), server) is None
        assert host.peer(("127.0.0.2", client[1]), server) is None
    assert host.peer(client, server) is None


def test_mapped_addresses_are_what_they_stand_for() -> None:
    """Both spellings of one end are one end."""
    assert plain(("::ffff:127.0.0.1", 5)) == plain(("127.0.0.1", 5))
    assert plain(("::1%lo", 5)) == ("::1", 5)


@pytest.mark.parametrize(
    ("program", "stranger"),
    [
        ("chromium", None),
        ("firefox-esr", None),
        ("Google Chrome Helper", None),
        ("msedge.exe", None),
        ("python3.11", "python3.11"),
        ("chromium2", "chromium2"),
        (None, UNKNOWN),
    ],
)
def test_a_program_that_is_no_browser_is_named(
    program: str | None, stranger: str | None
) -> None:
    """A browser is not; one that hides its name is known as such."""
    assert Peer(same_user=True, find_program=lambda: program).stranger() == stranger
