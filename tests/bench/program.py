"""The running agent, driven over its own wire: HTTPS and the terminal's questions."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

ORIGIN = "https://bench.example"
#: The person says no to this one.
UNWELCOME = "https://unwelcome.example"
_COMMAND = (sys.executable, "-m", "agent")
_REAL_CARD = ("--card", "pcsc", "--allow-origin", ORIGIN)


class Agent:
    """`eid-agent run`, from start to end; `start_seconds` until it listens.

    `options` are those of `run`. `asked` are the questions so far, `log` the lines of
    the error stream.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        options: Sequence[str] = _REAL_CARD,
    ) -> None:
        self._options = ("--data-dir", str(folder / "data"), "--lang", "en")
        self._environment = dict(environment)
        self.asked: list[str] = []
        self.log: list[str] = []
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            [*_COMMAND, "run", "--ui", "terminal", *options, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
        )
        self._threads = [
            Thread(target=self._drain, daemon=True),
            Thread(target=self._answer, daemon=True),
        ]
        self._threads[0].start()
        self.port = self._read_port()
        self.start_seconds = time.perf_counter() - self._began
        self._threads[1].start()
        self.ca = folder / "ca.pem"
        self._tls = self._context()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        for thread in self._threads:
            thread.join(10)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _drain(self) -> None:
        """Keep the error stream from filling up; a person sees what it says."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line.decode(errors="replace"))
            sys.stderr.write(self.log[-1])

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.match(rb"listening on https://localhost:(\d+)", line):
                return int(found[1])
        raise RuntimeError("the agent does not listen")

    def _answer(self) -> None:
        """Consent at once to all but one site, and type the test PIN."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        seen = b""
        while piece := self._process.stdout.read(1):
            seen += piece
            answer = b""
            if seen.endswith(b"[y/n] "):
                unwelcome = UNWELCOME.removeprefix("https://").encode() in seen
                answer = b"n\n" if unwelcome else b"y\n"
            elif seen.endswith(b"PIN: "):
                answer = b"1234\n"
            if answer:
                self.asked.append(seen.decode())
                seen = b""
                self._process.stdin.write(answer)
                self._process.stdin.flush()

    def _context(self) -> ssl.SSLContext:
        shown = subprocess.run(
            [*_COMMAND, "trust", "show", *self._options],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        self.ca.write_text(shown.stdout, encoding="ascii")
        return ssl.create_default_context(cadata=shown.stdout)

    def connection(self) -> http.client.HTTPSConnection:
        """Open a connection, as a browser keeps one."""
        return http.client.HTTPSConnection("localhost", self.port, context=self._tls)

    def call(
        self,
        connection: http.client.HTTPSConnection,
        path: str,
        body: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Send one request of the allowed page, return the answer's JSON."""
        status, answer = self.ask(connection, path, body)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {answer}")
        return answer

    def ask(
        self,
        connection: http.client.HTTPSConnection,
        path: str,
        body: Mapping[str, object] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Send one request of the allowed page, return status and JSON."""
        headers = {"Origin": ORIGIN, "X-EID-Agent": "1"}
        method, payload = "GET", None
        if body is not None:
            method, payload = "POST", json.dumps(body)
            headers["Content-Type"] = "application/json"
        connection.request(method, path, payload, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def memory(self) -> dict[str, float]:
        """Resident and proportional memory in MiB."""
        folder = Path(f"/proc/{self._process.pid}/smaps_rollup")
        fields = dict(
            line.split(":")
            for line in folder.read_text(encoding="ascii").splitlines()[1:]
        )
        return {name: int(fields[name].split()[0]) / 1024 for name in ("Rss", "Pss")}

    def threads(self) -> int:
        """How many threads the agent has."""
        return sum(1 for _ in Path(f"/proc/{self._process.pid}/task").iterdir())

    def handles(self) -> int:
        """How many files and sockets the agent has open."""
        return sum(1 for _ in Path(f"/proc/{self._process.pid}/fd").iterdir())

    @contextmanager
    def crowd(self, size: int) -> Iterator[None]:
        """Keep silent connections open, each with its handshake begun and ended."""
        with ExitStack() as opened:
            for _ in range(size):
                plain = socket.create_connection(("127.0.0.1", self.port))
                opened.enter_context(plain)
                with suppress(OSError):  # sent away meanwhile
                    opened.enter_context(
                        self._tls.wrap_socket(plain, server_hostname="localhost")
                    )
            yield
