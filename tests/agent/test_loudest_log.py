"""Everything with the loudest log, searched for everybody's data.

The real program over a real PC/SC service: its standard error, its questions, the
output of commands that were not asked for data, and each file that it leaves.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cardio.virtual.personas import CATALOGUE, PERSONAS
from cardio.virtual.profile import Profile, load_profile
from tests.agent.calls import PORTAL
from tests.agent.program import ROOT, Program
from tests.agent.scripted_reader import ScriptedReader, ask
from tests.cardio.opensc.module import opensc_module, without_cache
from tests.rig.pcscd import Pcscd

pytestmark = pytest.mark.pcscd

#: Digits that stand nowhere by chance: right, wrong, and the next one.
PIN, WRONG, NEW = "860394175", "971405286", "752813960"
NONCE, CHALLENGE = "Nonce-of-a-login-" * 3, "Challenge-of-a-chip-" * 3
#: What a page sends where it must not: a name, a number, in no member of ours.
STRAY = "Geheim-van-de-pagina"
#: What a page says to the person: stands in the question alone.
PURPOSE = "Waarom-de-pagina-het-vraagt"
HEADERS = {"Origin": PORTAL, "X-EID-Agent": "1"}


# --- what may stand nowhere ----------------------------------------------------------


class Secrets:
    """Forms in which data could stand in a log: text, hex, base64, Python's."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._pieces: dict[bytes, str] = {}

    def add_text(self, name: str, text: str) -> None:
        """Add a text; a short one counts as a word of its own."""
        if len(text) < (5 if text.isdigit() else 4):  # such as the status word 9000
            return
        self._words[text] = name
        if len(text) > 5:
            self._forms(name, text.encode())

    def add_pin(self, name: str, pin: str) -> None:
        """Add a PIN, as typed and as a card gets it."""
        self.add_text(name, pin)
        self._forms(name, bytes.fromhex(pin.ljust(14, "F")))

    def add_file(self, name: str, data: bytes, others: bytes) -> None:
        """Add pieces from all over a file, but for what stands in others', too."""
        for start in range(0, len(data), 48):
            piece = data[start : start + 18]
            if len(set(piece)) > 8 and piece not in others:
                self._forms(name, piece)

    def _forms(self, name: str, data: bytes) -> None:
        self._pieces[data] = name
        for form in (data.hex(), data.hex(" "), str(list(data))[1:-1]):
            self._pieces[form.encode()] = name
            self._pieces[form.upper().encode()] = name
        self._pieces[repr(data)[2:-1].encode()] = name
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            if len(form := encode(data)[:-4]) >= 8:
                self._pieces[form] = name

    def found(self, where: bytes) -> set[str]:
        """Return what of it stands there."""
        text = where.decode("utf-8", "replace")
        return {
            name
            for word, name in self._words.items()
            if word in text and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)
        } | {name for piece, name in self._pieces.items() if piece in where}


def _profile(persona: str) -> Profile:
    return replace(load_profile(persona), pin=PIN)


def _secrets(persona: str) -> Secrets:
    """Return all that a card says of its holder."""
    secrets = Secrets()
    profile = _profile(persona)
    others = b"".join(
        data
        for other in ("adult", "adult-1.7", "long-names")
        if other != persona
        for data in load_profile(other).files.values()
    )
    for tag, text in CATALOGUE[persona].identity.items():
        secrets.add_text(f"identity {tag:02X}", text)
    secrets.add_text("birth", CATALOGUE[persona].birth.isoformat())
    for tag, text in CATALOGUE[persona].address.items():
        secrets.add_text(f"address {tag:02X}", text)
    for file, data in profile.files.items():
        secrets.add_file(file.name, data, others)
    secrets.add_file("chip number", profile.chip_serial, others)
    for name, pin in (("PIN", PIN), ("wrong PIN", WRONG), ("new PIN", NEW)):
        secrets.add_pin(name, pin)
    for name, text in (("nonce", NONCE), ("challenge", CHALLENGE)):
        secrets.add_text(name, text)
    for name, text in (("stray", STRAY), ("purpose", PURPOSE)):
        secrets.add_text(name, text)
    return secrets


# --- the program, loud ---------------------------------------------------------------


class Loud(Program):
    """The program with every log on; its questions are answered in the background."""

    launcher = ("-m", "tests.agent.loudest")

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        with log.open("ab") as errors:
            super().__init__(*arguments, "--log-level", "debug", stderr=errors)
        self.pins: list[str] = []
        self.output = b""
        self._answering = threading.Thread(target=self._answer, daemon=True)

    def answer(self) -> None:
        """Begin to answer: yes, and the next of `pins`."""
        self._answering.start()

    def _answer(self) -> None:
        assert self.process.stdout is not None
        seen = b""
        while piece := os.read(self.process.stdout.fileno(), 4096):
            self.output += piece
            seen += piece
            if seen.endswith(b"[y/n] "):
                seen = b""
                self.type("y")
            elif seen.endswith(b"PIN: "):
                seen = b""
                self.type(self.pins.pop(0))

    def join(self) -> int:
        """Wait for the end, return the exit code; `output` is whole then."""
        code = self.process.wait(30)
        self._answering.join(30)
        return code


@contextlib.contextmanager
def loud(log: Path, *arguments: str) -> Iterator[Loud]:
    """Run a command, its standard error in a file."""
    program = Loud(log, *arguments)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()
        for stream in (program.process.stdin, program.process.stdout):
            if stream is not None:
                stream.close()


def _run(log: Path, *arguments: str) -> bytes:
    """Run a command to its end; return its output."""
    with log.open("ab") as errors:
        done = subprocess.run(
            [sys.executable, *Loud.launcher, *arguments, "--log-level", "debug"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            timeout=60,
            check=False,
        )
    return done.stdout


@asynccontextmanager
async def _agent(log: Path, data: Path, *options: str) -> AsyncIterator[Page]:
    """Run the agent; yields a page that may be answered."""
    words = ("run", "--ui", "terminal", "--lang", "en", "--developer", *options)
    with loud(log, *words, "--data-dir", str(data)) as program:
        port = await asyncio.to_thread(program.port)
        program.answer()
        context = ssl.create_default_context(cafile=str(data / "tls" / "ca.pem"))
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(
            f"https://localhost:{port}", connector=connector, headers=HEADERS
        ) as session:
            yield Page(session, program)
        assert await asyncio.to_thread(program.end) == 0
        await asyncio.to_thread(program.join)


class Page:
    """What a page asks; `given` are answers that no log may show."""

    def __init__(self, session: aiohttp.ClientSession, program: Loud) -> None:
        self.session = session
        self.program = program
        self.given: dict[str, str] = {}

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Call; returns status and JSON."""
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json(content_type=None)

    async def login(self, *pins: str) -> str:
        """Log in with these lines typed; returns "ok" or the problem's code."""
        self.program.pins = list(pins)
        body = {"challengeNonce": NONCE}
        status, token = await self.ask("POST", "/v1/authenticate", json=body)
        if status != 200:
            return str(token["code"])
        self.given |= {name: token[name] for name in ("signature",)}
        return "ok"

    async def identity(self) -> int:
        """Ask for all data, with a proof of the chip."""
        body = {
            "include": ["identity", "address", "photo"],
            "challenge": CHALLENGE,
            "purpose": PURPOSE,
        }
        return (await self.ask("POST", "/v1/identity", json=body))[0]

    async def listen(self) -> None:
        """Take a ticket and hear of one operation."""
        status, body = await self.ask("POST", "/v1/events", json={})
        if status == 200:
            self.given["ticket"] = body["ticket"]
            protocols = ("eid-agent.v1", f"ticket.{body['ticket']}")
            async with self.session.ws_connect(
                "/v1/events", protocols=protocols
            ) as socket:
                await self.ask("GET", "/v1/status")
                await self.identity()
                await socket.receive()
            async with self.session.get(
                "/v1/events", headers={"Sec-WebSocket-Protocol": ", ".join(protocols)}
            ) as again:
                assert again.status != 200

    async def mistakes(self) -> None:
        """Send what is refused, with something private in it."""
        for body in (
            {"challengeNonce": NONCE, STRAY: NONCE},
            {"challengeNonce": STRAY},
            {"include": [STRAY], "purpose": STRAY},
            [NONCE],
        ):
            for path in ("/v1/authenticate", "/v1/identity", "/v1/events"):
                assert (await self.ask("POST", path, json=body))[0] == 400
        for data in (f'{{"challengeNonce": "{NONCE}"', NONCE * 2000):
            headers = {"Content-Type": "application/json"}
            status, _ = await self.ask(
                "POST", "/v1/authenticate", data=data, headers=headers
            )
            assert status in (400, 413)
        for headers in ({"Origin": "null"}, {"Host": STRAY}, {"Content-Type": STRAY}):
            status, _ = await self.ask(
                "POST", "/v1/authenticate", data=NONCE, headers=headers
            )
            assert status in (400, 403, 421)
        for path in ("/v1/openapi.json", "/v1/client.js"):
            async with self.session.get(path) as response:
                assert response.status == 200
        assert (await self.ask("DELETE", "/v1/status"))[0] == 405


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Return every file below a folder, but the private key and sockets."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.name.encode() + path.read_bytes()


def _clean(secrets: Secrets, log: Path, data: Path, *said: bytes) -> None:
    """Fail with the names of what stands in log, files or output."""
    places = [("log", log.read_bytes()), *_files(data)]
    places += [(f"output {number}", output) for number, output in enumerate(said)]
    found = {name: secrets.found(there) for name, there in places}
    assert not {name: what for name, what in found.items() if what}


# --- everything ----------------------------------------------------------------------

#: Selects and reads identity and photo.
READING = (
    "00A4080C063F00DF014031",
    "00B0000080",
    "00A4080C063F00DF014035",
    "00B0000080",
)
#: How a login with a wrong PIN ends, and one with the right one after it.
LOGINS = {
    "kids": ("no-certificate", "no-certificate"),
    "expired": ("certificate-expired", "certificate-expired"),
    "one-try": ("pin-blocked", "pin-blocked"),
    "blocked": ("pin-blocked", "pin-blocked"),
}


@pytest.mark.parametrize("persona", list(PERSONAS))
async def test_the_loudest_log_of_every_persona_names_nobody(
    persona: str, pcscd: Pcscd, tmp_path: Path
) -> None:
    """Each call, logins that go wrong and right, events, mistakes, and the commands."""
    secrets, log, data = _secrets(persona), tmp_path / "log", tmp_path / "data"
    with pcscd.card(_profile(persona)):
        async with _agent(log, data) as page:
            assert await page.identity() == 200
            wrong, right = LOGINS.get(persona, ("pin-incorrect", "ok"))
            assert await page.login("12", WRONG) == wrong
            assert await page.login(PIN) == right
            await page.listen()
            await page.mistakes()
            await page.ask("GET", "/v1/readers")
        for name, given in page.given.items():
            secrets.add_text(name, given)
        photo = ("--photo", str(tmp_path / "photo.jpg"))
        for words in (("read", *photo), ("verify",)):
            await asyncio.to_thread(_run, log, "card", *words)
        said = [await asyncio.to_thread(_run, log, "card", "list")]
        said += [await asyncio.to_thread(_run, log, "card", "pin-status")]
    journal = ("journal", "--json", "--data-dir", str(data))
    said += [await asyncio.to_thread(_run, log, *journal)]
    asked = page.program.output
    assert PURPOSE.encode() in asked
    _clean(secrets, log, data, asked.replace(PURPOSE.encode(), b""), *said)
    text = log.read_text(errors="replace")
    assert "Executing <Handle" in text  # asyncio was loud
    assert "aiohttp.access" in text
    assert "> 80 E4" in text.upper()


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
def test_the_loudest_log_of_a_pin_change_holds_no_pin(
    persona: str, pcscd: Pcscd, tmp_path: Path
) -> None:
    """A wrong old one, one that is none, and the change; on both generations."""
    log, said = tmp_path / "log", b""
    with pcscd.card(_profile(persona)) as card:
        for pins, code in (([WRONG, NEW, NEW], 1), (["12", PIN, NEW, NEW], 0)):
            with loud(log, "card", "change-pin", "--lang", "en") as program:
                program.pins = pins
                program.answer()
                assert program.join() == code
                said += program.output
        assert card.tries_left == 3
    _clean(_secrets(persona), log, tmp_path / "none", said)
    assert "00 24 00 01 10 **" in log.read_text()


async def test_the_loudest_log_over_pkcs11_names_nobody(
    pcscd: Pcscd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through OpenSC's module, whose own log is its own."""
    without_cache(tmp_path, monkeypatch)
    secrets, log, data = _secrets("adult-1.7"), tmp_path / "log", tmp_path / "data"
    module = f"pkcs11:{opensc_module()}"
    with pcscd.card(_profile("adult-1.7")):
        async with _agent(log, data, "--card", module) as page:
            assert await page.login(WRONG) == "pin-incorrect"
            assert await page.login(PIN) == "ok"
            assert await page.identity() == 424
        secrets.add_text("signature", page.given["signature"])
        for words in ("list", "pin-status"):
            await asyncio.to_thread(_run, log, "card", words, "--card", module)
    _clean(secrets, log, data, page.program.output)


def test_the_loudest_log_of_a_virtual_card_with_its_panel_names_nobody(
    tmp_path: Path,
) -> None:
    """It knows all of its person, PIN and token: none of it is logged."""
    secrets, log = _secrets("adult"), tmp_path / "log"
    reader = ScriptedReader()
    words = ["virtual-card", "--persona", "adult", "--pin", PIN, "--panel"]
    words += ["--vpcd", f"127.0.0.1:{reader.port}"]
    with contextlib.closing(reader), loud(log, *words) as program:
        with contextlib.closing(reader.accept()) as link:
            place = program.until(r"panel: \S+\n").split()[-1]
            for command in READING:
                ask(link, command)
            ask(link, f"002000010829{WRONG}".ljust(26, "F"))
            ask(link, f"002000010829{PIN}".ljust(26, "F"))
            with urllib.request.urlopen(place) as page:  # noqa: S310  (ours)
                assert page.status == 200
            secrets.add_text("token", place.split("/")[-2])
        assert program.end() == 0
    _clean(secrets, log, tmp_path / "none")


async def test_the_loudest_log_of_trust_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Install, look, show, remove, in a home of its own; no key stands anywhere."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    log, data = tmp_path / "log", tmp_path / "data"
    said = [
        await asyncio.to_thread(_run, log, "trust", word, "--data-dir", str(data))
        for word in ("install", "status", "show", "remove")
    ]
    assert b"BEGIN CERTIFICATE" in said[2]
    for text in (log.read_bytes(), *said):
        assert b"PRIVATE KEY" not in text
