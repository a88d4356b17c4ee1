"""The release file: who may say what is newest, and what is refused.

Its keys here are the test's own; the pinned ones have no private halves.
"""

from __future__ import annotations

import base64
import datetime
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import agent
from agent import releasecheck, releases
from agent.doctor import look
from agent.policy import Policy
from agent.releases import BadRelease, Release
from agent.texts import text
from cardio.beid.source import BeidCards
from cardio.virtual.reader import VirtualReaders
from tests.agent.ui.test_menu import staged

FIRST, SECOND, STRANGER = (
    Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(3)
)
KEYS = tuple(key.public_key().public_bytes_raw().hex() for key in (FIRST, SECOND))
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)


def payload(version: str = "9.1", **members: Any) -> bytes:
    """Return the content of a release file."""
    content: dict[str, Any] = {
        "format": releases.FORMAT,
        "version": version,
        "issued": "2026-11-20T00:00:00+00:00",
        "expires": "2026-12-20T00:00:00Z",
    }
    return json.dumps(content | members).encode()


def signed(content: bytes, *keys: Ed25519PrivateKey, **members: Any) -> bytes:
    """Return a release file."""
    message = releases.signed_bytes(content)
    signatures = [
        {"keyid": "x", "sig": base64.b64encode(key.sign(message)).decode()}
        for key in keys
    ]
    envelope = {
        "payloadType": releases.TYPE,
        "payload": base64.b64encode(content).decode(),
        "signatures": signatures,
    }
    return json.dumps(envelope | members).encode()


def judged(data: bytes, seen: Release | None = None) -> Release:
    """Judge at a moment of the test's own."""
    return releases.judge(data, NOW, seen, KEYS)


@pytest.mark.parametrize("key", [FIRST, SECOND])
def test_either_pinned_key_may_say_what_is_newest(key: Ed25519PrivateKey) -> None:
    """One is enough, beside signatures of others."""
    assert judged(signed(payload(), STRANGER, key)).version == "9.1"


def test_dsse_is_encoded_as_its_specification_says() -> None:
    """Length and text of the type, length and bytes of the content."""
    expected = b"DSSEv1 38 application/vnd.eid-agent.release+json 2 {}"
    assert releases.signed_bytes(b"{}") == expected


GOOD = signed(payload(), FIRST)
REFUSED: dict[str, tuple[bytes, str]] = {
    "a stranger's": (signed(payload(), STRANGER), "release-signature"),
    "unsigned": (signed(payload()), "release-signature"),
    "tampered": (
        signed(
            payload(),
            FIRST,
            payload=base64.b64encode(payload("99.0")).decode(),
        ),
        "release-signature",
    ),
    "another type": (
        signed(payload(), FIRST, payloadType="text/plain"),
        "release-form",
    ),
    "no JSON": (b"{", "release-form"),
    "no object": (b"[]", "release-form"),
    "deep": (b"[" * 15_000, "release-form"),
    "too long": (GOOD + b" " * releases.MAX_BYTES, "release-form"),
    "odd signatures": (signed(payload(), signatures=[5]), "release-form"),
    "many signatures": (signed(payload(), *[FIRST] * 9), "release-form"),
    "odd base64": (signed(payload(), FIRST, payload="é"), "release-form"),
    "another format": (signed(payload(format="2"), FIRST), "release-form"),
    "no version": (signed(payload("newest"), FIRST), "release-form"),
    "a huge version": (signed(payload("1" * 5000 + ".0"), FIRST), "release-form"),
    "no zone": (
        signed(payload(expires="2026-12-20T00:00:00"), FIRST),
        "release-form",
    ),
    "content no object": (signed(b"5", FIRST), "release-form"),
    "expired": (
        signed(payload(expires="2026-11-25T11:59:59Z"), FIRST),
        "release-expired",
    ),
    "of tomorrow": (
        signed(payload(issued="2026-11-26T12:00:00Z"), FIRST),
        "release-early",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_release_file_that_is_wrong_counts_for_nothing(fault: str) -> None:
    """Each for its reason, which there is a sentence for."""
    data, reason = REFUSED[fault]
    with pytest.raises(BadRelease) as caught:
        judged(data)
    assert caught.value.reason == reason
    assert text(reason, "nl")


def test_what_is_said_goes_upward_only() -> None:
    """Neither an older version nor an older file takes the place of what was said."""
    known = judged(GOOD)
    assert judged(GOOD, known) == known
    older = signed(payload("9.0"), FIRST)
    earlier = signed(payload("9.2", issued="2026-11-19T00:00:00Z"), FIRST)
    for data in (older, earlier):
        with pytest.raises(BadRelease, match="release-back"):
            judged(data, known)


@pytest.mark.parametrize(
    ("version", "than", "after"),
    [
        ("0.10.0", "0.9.0", True),
        ("1.2", "1.2.0", False),
        ("1.2.0.1", "1.2", True),
        ("0.9", "1.0", False),
    ],
)
def test_versions_are_compared_by_number(version: str, than: str, after: bool) -> None:
    """Not by letters."""
    assert releases.newer(version, than) is after


def test_nobody_holds_a_key_for_the_pinned_ones() -> None:
    """Two keys, none of them one of the tests'."""
    assert len(set(releases.KEYS)) == 2
    assert not set(KEYS) & set(releases.KEYS)
    with pytest.raises(BadRelease, match="release-signature"):
        releases.judge(GOOD, NOW, None)


# --- asked by the doctor -------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is answered next; nothing: nobody answers."""
    answers: list[bytes] = []

    def fetched() -> bytes:
        if not answers:
            raise OSError
        return answers.pop(0)

    monkeypatch.setattr(releasecheck, "fetched", fetched)
    judge = releases.judge
    monkeypatch.setattr(
        releases, "judge", lambda data, now, seen: judge(data, now, seen, KEYS)
    )
    return answers


def told(folder: Path, *, online: bool) -> str:
    """Return the code of the doctor's line about releases."""
    source = BeidCards(VirtualReaders())
    place = look.Place(folder, folder, [], lambda: source, NOW, online=online)
    return look.release(place).code


def test_the_doctor_asks_only_when_told_to(tmp_path: Path, asked: list[bytes]) -> None:
    """What it heard is known from then on; a bad answer changes nothing of it."""
    asked.append(GOOD)
    assert told(tmp_path, online=False) == "release-unasked"
    assert asked == [GOOD]
    assert told(tmp_path, online=True) == "release-newer"
    assert told(tmp_path, online=True) == "release-unreachable"
    asked.append(signed(payload("9.2"), STRANGER))
    assert told(tmp_path, online=True) == "release-refused"
    asked.append(signed(payload("9.0"), FIRST))
    assert told(tmp_path, online=True) == "release-refused"
    assert told(tmp_path, online=False) == "release-newer"
    assert (tmp_path / releasecheck.FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [releasecheck.FILE]


def test_this_version_or_an_older_one_is_not_newer(
    tmp_path: Path, asked: list[bytes]
) -> None:
    """Nobody is sent back."""
    asked += [
        signed(payload("0.0.1"), FIRST),
        signed(payload(agent.__version__), FIRST),
    ]
    assert told(tmp_path, online=True) == "release-current"
    assert told(tmp_path, online=True) == "release-current"


def test_a_policy_keeps_it_from_asking(
    tmp_path: Path, asked: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything said that was heard before."""
    asked += [GOOD, GOOD]
    assert told(tmp_path, online=True) == "release-newer"
    monkeypatch.setattr(
        "agent.policyfile.PolicyFile.now", lambda _: Policy(updates=False)
    )
    assert told(tmp_path, online=True) == "release-off"
    assert asked == [GOOD]


async def test_the_tray_tells_of_a_newer_version(
    tmp_path: Path, asked: list[bytes]
) -> None:
    """In its menu; nothing is added to questions."""
    asked.append(GOOD)
    assert told(tmp_path, online=True) == "release-newer"
    async with staged(tmp_path, "adult") as stage:
        lines = stage.menu._state().lines()
        assert text("tray-newer", "en") in lines
        assert "tray-newer" not in stage.menu._marks()


# --- over the network ----------------------------------------------------------------


@contextmanager
def server(status: int, body: bytes) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Answer on a port; what was asked is written down."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append({"path": self.path, **dict(self.headers)})
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}/current.json", heard
        finally:
            httpd.shutdown()
            thread.join()


def test_asking_tells_nothing_of_who_asks() -> None:
    """The same for everybody: no version, no number, no cookie, no language."""
    with server(200, GOOD) as (address, heard):
        assert releasecheck.fetched(address) == GOOD
    (request,) = heard
    assert set(request) == {
        "path",
        "Host",
        "User-Agent",
        "Accept-Encoding",
        "Connection",
    }
    assert (request["path"], request["User-Agent"]) == ("/current.json", "eid-agent")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_none_is_an_error(status: int) -> None:
    """A redirect is not followed."""
    with server(status, b"") as (address, heard):
        with pytest.raises(OSError, match=r"redirects|HTTP Error"):
            releasecheck.fetched(address)
        assert len(heard) == 1


def test_a_long_answer_is_not_read_to_its_end() -> None:
    """It is no release file."""
    with (
        server(200, bytes(releases.MAX_BYTES + 1)) as (address, _),
        pytest.raises(BadRelease),
    ):
        releasecheck.fetched(address)


def test_the_address_is_fixed_and_names_nobody() -> None:
    """HTTPS; until something is published, a name that cannot exist."""
    assert releasecheck.ADDRESS.startswith("https://")
    assert "?" not in releasecheck.ADDRESS
