"""Sends bytes to the running agent, as they are, and looks at what comes back.

`python -m tests.fuzz.live [--seconds N] [--seed N]`, or `KIND FILE...` for inputs that
failed. Three kinds: `http` within TLS, `websocket` after a genuine upgrade, `tcp`
without TLS. No coverage can guide a fuzzer into another process, so that mutators of
the form take its place. What holds of each input stands in `Wire.play`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import STATUS
from tests.bench.program import ORIGIN, Agent
from tests.fuzz.live_mutators import MUTATORS
from tests.fuzz.targets import SEEDS

ROOT = Path(__file__).resolve().parents[2]
CRASHES = ROOT / "build" / "fuzz"
KINDS = tuple(MUTATORS)
OPTIONS = (
    *("--card", "virtual", "--developer", "--log-level", "debug"),
    *("--allow-origin", ORIGIN),
)
#: Nothing comes within this: the agent waits for more. What is found depends on it, not
#: whether a test passes. The second one holds between answers.
_QUIET_SECONDS, _PAUSE_SECONDS = 0.05, 0.015
#: Whatever was sent, so soon after our end the agent's has come.
END_SECONDS = 10.0
#: Within this the agent answers an honest request. The machine may be busy.
_HONEST_SECONDS = 10.0
#: What the seeds' origin and port become; each input is a site of its own.
_SEED_PORT, _SEED_SITE = b"27410", b"portal.example"
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_UPGRADE = (
    "GET /v1/events HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Protocol: eid-agent.v1, ticket.{ticket}\r\n\r\n"
)


def seeds(kind: str) -> list[Path]:
    """Return a kind's part of the corpus."""
    return sorted((SEEDS / kind).iterdir())


@dataclass
class Heard:
    """What came back: the answers' status and code, and whether each was complete."""

    statuses: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    rest: bytes = b""


class Wire:
    """Connections to a running agent, and an honest page beside them."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._tls = ssl.create_default_context(cafile=str(agent.ca))
        self._asked: dict[str, list[int]] = {}
        self._turn = 0
        self._quiet = _QUIET_SECONDS

    def play(self, kind: str, data: bytes, *, patient: bool = False) -> Heard:
        """Send one input; AssertionError for an answer that there should not be.

        The agent answers in the API's form or not at all, is done when we are, and
        answers an honest page right after. Who is patient waits for the first answer.
        """
        self._turn += 1
        self._quiet = END_SECONDS if patient else _QUIET_SECONDS
        site = f"n{self._turn}.example"
        port = str(self._agent.port).encode()
        data = data.replace(_SEED_PORT, port).replace(_SEED_SITE, site.encode())
        came = {"http": self._http, "websocket": self._websocket, "tcp": self._tcp}
        heard = parse(came[kind](data), b"HEAD" in data.upper())
        _check(heard)
        self._asked[site] = heard.statuses
        self.honest()
        return heard

    def honest(self) -> None:
        """Ask as a page does; it is answered as ever."""
        connection = http.client.HTTPSConnection(
            "localhost", self._agent.port, context=self._tls, timeout=_HONEST_SECONDS
        )
        with closing(connection):
            origin = f"https://honest{self._turn % 100}.example"
            headers = {"Origin": origin, "X-EID-Agent": "1"}
            connection.request("GET", "/v1/status", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200
            assert json.loads(answer.read()) == {"api": ["v1"], "origin": "ask"}

    def check_questions(self) -> None:
        """The person was asked for no input that was refused."""
        for question in self._agent.asked:
            found = re.search(r"\bn[0-9]+\.example", question)
            statuses = self._asked.get(found[0], []) if found else []
            assert not statuses or 200 in statuses, (question, statuses)

    def _connect(self) -> socket.socket:
        address = ("127.0.0.1", self._agent.port)
        connection = socket.create_connection(address, END_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _within_tls(self) -> ssl.SSLSocket:
        return self._tls.wrap_socket(self._connect(), server_hostname="localhost")

    def _http(self, data: bytes) -> bytes:
        with self._within_tls() as connection:
            return self._exchange(connection, data)

    def _tcp(self, data: bytes) -> bytes:
        with self._connect() as connection:
            self._exchange(connection, data)
        return b""  # an alert of TLS at most

    def _websocket(self, data: bytes) -> bytes:
        with closing(self._agent.connection()) as page:
            ticket = self._agent.call(page, "/v1/events", {})["ticket"]
        upgrade = _UPGRADE.format(port=self._agent.port, origin=ORIGIN, ticket=ticket)
        with self._within_tls() as connection:
            connection.sendall(upgrade.encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = connection.recv(1)
                assert byte, head
                head += byte
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._exchange(connection, data)
        return b""  # frames

    def _exchange(self, connection: socket.socket, data: bytes) -> bytes:
        """Send all, take what comes, end our side and wait for the agent's end."""
        came = b""
        try:
            connection.sendall(data)
            came = self._take(connection)
            # Below TLS, as a program does that dies.
            socket.socket.shutdown(connection, socket.SHUT_WR)
        except OSError:
            pass  # sent away meanwhile
        deadline = time.monotonic() + END_SECONDS
        while (piece := _receive(connection, deadline - time.monotonic())) is not None:
            if not piece:
                return came
            came += piece
        raise AssertionError(f"still open after {END_SECONDS} s")

    def _take(self, connection: socket.socket) -> bytes:
        """Take what comes until it is quiet; while somebody is asked it is not."""
        came, asked = b"", len(self._agent.asked)
        while True:
            answered = came.removesuffix(_GO_ON)
            piece = _receive(connection, _PAUSE_SECONDS if answered else self._quiet)
            if piece is None and not answered and len(self._agent.asked) > asked:
                piece = _receive(connection, END_SECONDS)
            if not piece:
                return came
            came += piece


def _receive(connection: socket.socket, seconds: float) -> bytes | None:
    """Return what comes within a time, b"" at the end, None for nothing."""
    connection.settimeout(max(seconds, 0.001))
    try:
        return connection.recv(65536)
    except TimeoutError:
        return None
    except OSError:
        return b""


def parse(data: bytes, without_bodies: bool = False) -> Heard:
    """Take answers apart; what is not one stays in `rest`."""
    heard = Heard()
    while (end := data.find(b"\r\n\r\n")) >= 0:
        head, data = data[:end].decode("latin-1"), data[end + 4 :]
        line, *lines = head.split("\r\n")
        found = re.fullmatch(r"HTTP/[0-9]\.[0-9] ([1-5][0-9][0-9]) .*", line)
        assert found, head
        status = int(found[1])
        if status == 100:
            continue
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        size = int(fields.get("content-length", 0))
        if without_bodies and not data.startswith(b"{"):
            size = 0
        body, data = data[:size], data[size:]
        # Of a long one that nobody takes the rest may be lost.
        assert len(body) == size or status == 200, "half an answer"
        assert fields["cache-control"] == "no-store", head
        heard.statuses.append(status)
        heard.codes.append(_code(status, fields, body) if body else "")
    heard.rest = data
    return heard


def _code(status: int, fields: dict[str, str], body: bytes) -> str:
    """Return the code of a problem, "" for what is none."""
    if status < 400:
        return ""
    answer = json.loads(body)
    assert fields["content-type"] == "application/problem+json; charset=utf-8"
    code: str = answer["code"]
    assert STATUS[code] == answer["status"] == status
    if code in ("host-refused", "origin-refused"):
        assert "access-control-allow-origin" not in fields
    return code


def _check(heard: Heard) -> None:
    assert not heard.rest, heard
    assert not {408, 425, 500}.intersection(heard.statuses), heard


def complaints(agent: Agent) -> list[str]:
    """Return the lines of the log that tell of a mistake of the agent's."""
    words = ("Traceback", " ERROR ", " CRITICAL ", "never retrieved", "unexpected ")
    return [line for line in agent.log if any(word in line for word in words)]


def inputs(seed: int) -> Iterator[tuple[str, bytes]]:
    """Make inputs without end: kind and bytes; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311
    corpus = {kind: [path.read_bytes() for path in seeds(kind)] for kind in KINDS}
    weights = (8, 2, 1)
    while True:
        (kind,) = rng.choices(KINDS, weights)
        yield kind, MUTATORS[kind](rng, corpus[kind])


def fuzz(
    wire: Wire, seconds: float, seed: int, crashes: Path, say: Callable[[str], None]
) -> int:
    """Play inputs for so long; return how many, or leave the one that failed."""
    until, played = time.monotonic() + seconds, 0
    for kind, data in inputs(seed):
        if time.monotonic() > until:
            break
        try:
            wire.play(kind, data)
        except Exception:
            crashes.mkdir(parents=True, exist_ok=True)
            file = crashes / f"{kind}-{seed}-{played}"
            file.write_bytes(data)
            say(f"failed: {file}: {data!r}")
            raise
        played += 1
    return played


def main(arguments: Sequence[str]) -> int:
    """Fuzz an agent started for this, or play files that are named."""
    parser = argparse.ArgumentParser("python -m tests.fuzz.live", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=KINDS)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0, help="default: 60")
    parser.add_argument("--seed", type=int, default=0, help="0, the default: a new one")
    parser.add_argument("--crashes", type=Path, default=CRASHES, metavar="DIR")
    options = parser.parse_args(arguments)
    seed = options.seed or random.SystemRandom().randrange(1, 2**31)
    with (
        tempfile.TemporaryDirectory() as folder,
        Agent(os.environ, Path(folder), OPTIONS) as agent,
    ):
        wire = Wire(agent)
        for file in options.files:
            print(file, wire.play(options.kind, file.read_bytes()), flush=True)  # noqa: T201
        if not options.files:
            played = fuzz(wire, options.seconds, seed, options.crashes, print)
            print(f"{played} inputs, seed {seed}")  # noqa: T201
        wire.check_questions()
    print(*complaints(agent), sep="")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
