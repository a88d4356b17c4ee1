"""Attacks on the real program over TLS: none reaches the person, the card or a file.

docs/attacks.md lists these and those that stand beside what they attack.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent import relyingparty as rp
from agent.journal import Journal
from cardio.virtual import pki
from tests.agent.calls import PORTAL, ask_login
from tests.agent.hostile import HOSTILE
from tests.agent.people import NONCE, running
from tests.agent.program import Program, run, started

SECONDS = 10
BODY = b'{"include":["identity"]}'


class Target:
    """The running program, and a way to send it bytes."""

    def __init__(self, program: Program, data: Path) -> None:
        self.program = program
        self.data = data
        self.port = program.port()
        self.ca = data / "tls" / "ca.pem"

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Shake hands as a client that trusts the agent."""
        context = context or ssl.create_default_context(cafile=str(self.ca))
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        return context.wrap_socket(plain, server_hostname="localhost")

    def send(self, request: bytes, *, once: bool = False) -> bytes:
        """Send bytes, and nothing more; return all that comes back up to the end.

        `once`: what comes first, from an agent that keeps the connection.
        """
        with self.connect() as connection:
            connection.settimeout(SECONDS)
            received = b""
            try:
                connection.sendall(request.replace(b"{port}", str(self.port).encode()))
                while piece := connection.recv(65536):
                    received += piece
                    if once:
                        break
            except (TimeoutError, ConnectionError, ssl.SSLEOFError):
                pass  # sent away, perhaps before all was heard
            return received

    def ask(self, **changes: str | None) -> tuple[int, dict[str, Any], bytes]:
        """Ask for the identity with these headers changed; status, body and head."""
        headers = {
            "Host": "localhost:{port}",
            "Origin": PORTAL,
            "X-EID-Agent": "1",
            "Content-Type": "application/json",
            "Content-Length": str(len(BODY)),
            "Connection": "close",
        }
        wanted = {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [
            f"{name}: {value}"
            for name, value in (headers | wanted).items()
            if value is not None
        ]
        head = "\r\n".join(["POST /v1/identity HTTP/1.1", *lines]).encode("latin-1")
        answer = self.send(head + b"\r\n\r\n" + BODY)
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body), head

    def untouched(self) -> bool:
        """End the program; tell whether it asked nobody and noted nothing."""
        code = self.program.end()
        asked = self.program.rest()
        return code == 0 and asked == "" and not Journal(self.data).read().entries


@contextmanager
def target(folder: Path, *options: str) -> Iterator[Target]:
    """Run the program with a virtual card."""
    words = ("run", "--card", "virtual", "--ui", "terminal", "--lang", "en", *options)
    with started(*words, "--data-dir", str(folder)) as program:
        yield Target(program, folder)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The running program, which must have asked nobody when all tests have ended."""
    with target(tmp_path_factory.mktemp("agent") / "data") as one:
        yield one
        assert one.untouched()


def _refused(answer: tuple[int, dict[str, Any], bytes], code: str) -> bool:
    """Tell whether the gate refused it, so that no page can read why."""
    status, body, head = answer
    wanted = {"host-refused": 421, "origin-refused": 403, "invalid-request": 400}
    if (status, body["code"]) != (wanted[code], code):
        return False
    return b"access-control" not in head.lower()


# --- a web page ----------------------------------------------------------------------


def test_ways_of_writing_an_address_are_no_host_of_ours(agent: Target) -> None:
    """What leads here by number, name or trick, and what stands before an @."""
    for host in (
        "127.0.0.2:{port}",
        "0.0.0.0:{port}",
        "0:{port}",
        "2130706433:{port}",
        "0x7f000001:{port}",
        "0177.0.0.1:{port}",
        "127.0.0.1.nip.io:{port}",
        "[::]:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "[0:0:0:0:0:0:0:1]:{port}",
        "localhost.:{port}",
        "localhost:{port}@evil.example",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "localhost:0{port}",
        "l\xf6calhost:{port}",
        "",
    ):
        assert _refused(agent.ask(Host=host), "host-refused"), host


def test_what_a_proxy_would_say_is_not_believed(agent: Target) -> None:
    """Nor another header that names host, origin, client or method."""
    good = "localhost:{port}"
    forged = {"X_Forwarded_Host": good, "Forwarded": f"host={good}", "X_Host": good}
    assert _refused(agent.ask(Host="evil.example", **forged), "host-refused")
    origins = {
        "Referer": f"{PORTAL}/",
        "X_Forwarded_Proto": "https",
        "X_Origin": PORTAL,
    }
    assert _refused(agent.ask(Origin=None, **origins), "origin-refused")
    assert _refused(agent.ask(Origin="null", **origins), "origin-refused")


def test_pages_that_no_site_stands_behind_are_refused(agent: Target) -> None:
    """Extensions, files, blobs, sandboxed frames, look-alikes in letters of others."""
    for origin in (
        "null",
        "file://",
        "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai",
        "moz-extension://01234567-89ab-cdef-0123-456789abcdef",
        "safari-web-extension://01234567-89ab-cdef-0123-456789abcdef",
        "blob:https://portal.example",
        "data:text/html",
        "about:blank",
        "app://portal.example",
        "http://localhost:{port}",
        "https://portal.ex\xe4mple",
        "https://portal.example.",
        "https://portal.example#",
        "https://portal.example@evil.example",
        "https://evil.example\\@portal.example",
        "https://[::1%lo]",
        "wss://portal.example",
        "*",
    ):
        assert _refused(agent.ask(Origin=origin), "origin-refused"), origin


def test_a_form_of_another_page_is_refused(agent: Target) -> None:
    """In each of the three types that a form can have, as a browser sends it."""
    navigation = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    for kind in (
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
    ):
        sent = agent.ask(X_EID_Agent=None, Content_Type=kind)
        assert _refused(sent, "invalid-request"), kind
        assert _refused(agent.ask(Content_Type=kind), "invalid-request"), kind
        sent = agent.ask(X_EID_Agent=None, Content_Type=kind, **navigation)
        assert _refused(sent, "origin-refused"), kind


@pytest.mark.parametrize("mode", ["no-cors", "navigate", "nested-navigate", "x"])
def test_a_request_whose_answer_no_page_can_read_is_refused(
    agent: Target, mode: str
) -> None:
    """Fetch Metadata tell of it, whatever else it has."""
    assert _refused(agent.ask(Sec_Fetch_Mode=mode), "origin-refused")


def test_a_socket_without_ticket_is_refused(agent: Target) -> None:
    """The upgrade needs no own header, so the ticket is looked at."""
    upgrade = (
        b"GET /v1/events HTTP/1.1\r\nHost: localhost:{port}\r\n"
        b"Origin: https://evil.example\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    for protocol in (b"", b"eid-agent.v1", b"eid-agent.v1, ticket.", b"ticket.AAAA"):
        offered = b"Sec-WebSocket-Protocol: " + protocol + b"\r\n" if protocol else b""
        answer = agent.send(upgrade + offered + b"\r\n", once=True)
        assert answer.split()[1] in (b"400", b"403"), protocol


@pytest.mark.parametrize(("text", "allowed"), HOSTILE)
async def test_hostile_words_in_any_field_of_a_request(
    text: str, allowed: bool
) -> None:
    """What acts on other text is refused; the rest reaches the question as it is."""
    async with running("adult") as agent:
        answer = await agent.identity("photo", purpose=text)
        assert answer.status == (200 if allowed else 400)
        shown = [
            getattr(question, "purpose", "") for question in agent.person.questions
        ]
        assert shown == ([unicodedata.normalize("NFC", text)] if allowed else [])
        for members in ({"challenge": text}, {"lang": text}, {text: "x"}):
            assert (await agent.identity("photo", **members)).status == 400
        assert (await agent.identity(text)).status == 400
        assert (await agent.identity("photo", reader=text)).status in (400, 424)
        assert (await agent.login(challengeNonce=text)).status == 400
        assert len(agent.person.questions) == len(shown)


@pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards")
@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_a_relayed_login_names_the_relays_origin(persona: str) -> None:
    """A portal's nonce through a page of another: the person reads which, and the
    portal refuses what was signed there."""
    relay = "https://relay.example"
    async with running(persona) as agent:
        body = {"challengeNonce": NONCE}
        headers = {"Origin": relay}
        answer = await agent.call("POST", "/v1/authenticate", body, headers=headers)
        (question,) = agent.person.questions
    assert answer.status == 200
    assert question.site == relay
    for origin in (relay, PORTAL):
        validator = rp.TokenValidator(
            origin, pki.test_roots(), allow_test=True, revocation=None
        )
        if origin == relay:
            assert validator.validate(answer.body, NONCE).test
            continue
        with pytest.raises(rp.SignatureInvalid):
            validator.validate(answer.body, NONCE)


# --- a program that speaks no proper HTTP --------------------------------------------

_OWN = (
    b"Host: localhost:{port}\r\nOrigin: https://portal.example\r\n"
    b"X-EID-Agent: 1\r\nContent-Type: application/json\r\n"
)
_HIDDEN = (
    b"GET /v1/status HTTP/1.1\r\nHost: localhost:{port}\r\n"
    b"Origin: https://smuggled.example\r\nX-EID-Agent: 1\r\n\r\n"
)
_POST = b"POST /v1/identity HTTP/1.1\r\n" + _OWN

SMUGGLED = {
    "both lengths": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 200\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 200\r\n\r\n",
    "a signed length": b"Content-Length: +0\r\n\r\n",
    "a length in hex": b"Content-Length: 0x0\r\n\r\n",
    "a length in other digits": "Content-Length: \u0660\r\n\r\n".encode(),
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "a folded header": b"X: y\r\n Content-Length: 200\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a bad chunk": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a signed chunk": b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "a zero byte": b"X: a\x00b\r\n\r\n",
}


@pytest.mark.parametrize("way", SMUGGLED)
def test_a_request_hidden_in_another_is_not_answered(agent: Target, way: str) -> None:
    """Whatever two readers of the first could differ about, it ends the connection."""
    answer = agent.send(_POST + SMUGGLED[way] + _HIDDEN)
    assert answer.split()[1] == b"400"
    assert answer.count(b"HTTP/1.") == 1
    assert b"smuggled" not in answer


@pytest.mark.parametrize(
    "lines",
    [
        b"A: " + b"b" * 100_000,
        b"B" * 100_000 + b": b",
        b"\r\n".join(b"C%d: c" % number for number in range(20_000)),
    ],
    ids=["a long value", "a long name", "many"],
)
def test_headers_without_end_are_refused(agent: Target, lines: bytes) -> None:
    """One answer, or a connection that ends; never more than a little memory."""
    answer = agent.send(b"GET /v1/status HTTP/1.1\r\n" + _OWN + lines + b"\r\n\r\n")
    assert answer == b"" or answer.split()[1] == b"400"


def test_no_path_leads_to_a_file(tmp_path: Path) -> None:
    """Where documents are served, too; nor do other methods, or a proxy's request."""
    with target(tmp_path / "data", "--developer") as agent:
        own = _OWN + b"Connection: close\r\n\r\n"
        for path in (
            "/v1/../../etc/passwd",
            "/v1/%2e%2e/%2e%2e/etc/passwd",
            "/v1/client.js/../../../../etc/passwd",
            "/v1/client.js%00.pem",
            "/v1/..%5c..%5cwindows%5cwin.ini",
            "//etc/passwd",
            "/v1//status",
            "/V1/STATUS",
            "/v1/status/",
            "/v1/status;x",
            "file:///etc/passwd",
            "/v1/tls/leaf.key",
        ):
            answer = agent.send(b"GET " + path.encode() + b" HTTP/1.1\r\n" + own)
            assert answer.split()[1] in (b"400", b"403", b"404"), path
            assert b"root:" not in answer
            assert b"PRIVATE" not in answer
        for method in (b"TRACE", b"CONNECT", b"PROPFIND", b"get"):
            answer = agent.send(method + b" /v1/status HTTP/1.1\r\n" + own)
            assert answer.split()[1] in (b"400", b"404", b"405"), method
        answer = agent.send(b"CONNECT evil.example:443 HTTP/1.1\r\n" + own)
        assert answer.split()[1] in (b"400", b"404", b"405")
        assert agent.untouched()


# --- the network's side --------------------------------------------------------------


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"]
)
def test_old_tls_is_refused(agent: Target, version: ssl.TLSVersion) -> None:
    """By the agent: this client would do it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(agent.ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)) as refused:
        agent.connect(context)
    assert "NO_PROTOCOLS" not in str(refused.value)


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "ECDHE+SHA1", "aNULL", "AES256-GCM"])
def test_old_ciphers_are_refused(agent: Target, ciphers: str) -> None:
    """Without forward secrecy, without authenticated encryption, without a name."""
    context = ssl.create_default_context(cafile=str(agent.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(f"{ciphers}:!AESGCM:@SECLEVEL=0")
    except ssl.SSLError:
        context.set_ciphers("kRSA:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        agent.connect(context)


def test_what_is_not_encrypted_gets_nothing(agent: Target) -> None:
    """Plain HTTP on the same port is not answered."""
    with socket.create_connection(("127.0.0.1", agent.port), timeout=SECONDS) as plain:
        plain.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        try:
            while piece := plain.recv(4096):
                received += piece
        except ConnectionResetError:
            pass
    assert b"HTTP" not in received


def test_the_port_is_open_on_loopback_alone(agent: Target) -> None:
    """Nobody on the network finds it, whatever this computer's own addresses are."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing, and tells our address
        address = probe.getsockname()[0]
    for other in {address, "127.0.0.2"} - {"127.0.0.1"}:
        with pytest.raises(OSError, match=r"refused|unreachable"):
            socket.create_connection((other, agent.port), timeout=SECONDS)


# --- many, and slow ------------------------------------------------------------------


HALVES = {
    "headers": b"GET /v1/status HTTP/1.1\r\nHost: loc",
    "bodies": _POST + b"Expect: 100-continue\r\nContent-Length: 60000\r\n\r\n",
}


@pytest.mark.parametrize("half", HALVES)
def test_a_login_succeeds_beside_requests_that_never_end(
    half: str, tmp_path: Path
) -> None:
    """Hundreds of half headers, or of half bodies, with a byte more now and then."""
    with target(tmp_path / "data") as agent, ExitStack() as opened:
        sent = HALVES[half].replace(b"{port}", str(agent.port).encode())
        crowd = []
        for _ in range(300):
            connection = opened.enter_context(agent.connect())
            connection.sendall(sent)
            if half == "bodies":  # it is being read
                assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
            crowd.append(connection)
        done = threading.Event()

        def drip() -> None:
            while not done.wait(0.2):
                for connection in crowd:
                    with suppress(OSError):  # sent away
                        connection.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            with ask_login(agent.port, agent.ca) as login:
                agent.program.until("PIN: $")
                agent.program.type("1234")
        finally:
            done.set()
            dripping.join()
        assert login.status == 200


# --- a program of the same user ------------------------------------------------------


def test_a_forged_origin_gets_no_more_than_a_question(tmp_path: Path) -> None:
    """A program can send any Origin: the person reads its name, and says no."""
    with target(tmp_path / "data") as agent:
        refusal: list[tuple[int, dict[str, Any], bytes]] = []
        asking = threading.Thread(target=lambda: refusal.append(agent.ask()))
        asking.start()
        question = agent.program.until(r"\[y/n\] $")
        agent.program.type("n")
        asking.join(SECONDS)
        ((status, body, _),) = refusal
        assert (status, body["code"]) == (403, "user-denied")
    assert "[asked by " in question
    (entry,) = Journal(tmp_path / "data").read().entries
    assert entry["outcome"] == "user-denied"
    assert "program" in entry


def test_a_data_folder_behind_a_link_or_open_to_all_starts_no_agent(
    tmp_path: Path,
) -> None:
    """Whoever can write there could exchange key and permissions."""
    data = tmp_path / "open"
    data.mkdir()
    data.chmod(0o777)
    said = run("run", "--card", "virtual", "--ui", "terminal", "--data-dir", str(data))
    assert said.returncode == 1
    assert "listening" not in said.stdout
    assert list(data.iterdir()) == []
    with target(tmp_path / "data") as agent:
        assert agent.untouched()
    (tmp_path / "data" / "tls").rename(tmp_path / "elsewhere")
    (tmp_path / "data" / "tls").symlink_to(tmp_path / "elsewhere")
    arguments = ("--card", "virtual", "--data-dir", str(tmp_path / "data"))
    said = run("run", "--ui", "terminal", *arguments)
    assert said.returncode == 1
    assert "listening" not in said.stdout
