"""Targets: what a page can send (bodies, headers), and texts before they are shown."""

from __future__ import annotations

import unicodedata

from agent import gate as gates
from agent import protocol, words
from agent.errors import Problem
from agent.relyingparty import wire
from agent.texts import LANGUAGES

_PORT = 27410
_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_NAMED = "http://localhost:8000"


def _text(data: bytes) -> str:
    """Every bytes is a text: what is no UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def _is_clean(text: str) -> bool:
    """Say by Unicode's categories that nothing in a text acts on its surroundings."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return not hidden.intersection(map(unicodedata.category, text))


def _check_texts(*texts: str | None) -> None:
    for text in texts:
        if text is not None:
            assert 1 <= len(text) <= 200
            assert _is_clean(text)
            assert unicodedata.is_normalized("NFC", text)


def _refused(
    problem: Problem, code: str = "invalid-request", status: int = 400
) -> None:
    """A refusal is the one that is described, and can be sent."""
    assert problem.code == code
    assert problem.to_json("nl")["status"] == status


def identity_request(data: bytes) -> None:
    """A request with known parts and clean texts, or `invalid-request`."""
    try:
        request = protocol.parse_identity(data)
    except Problem as problem:
        return _refused(problem)
    assert request.include
    assert set(request.include) <= {"identity", "address", "photo"}
    assert request.challenge is None or 44 <= len(request.challenge) <= 128
    return _check_texts(request.purpose, request.reader, request.lang)


def authenticate_request(data: bytes) -> None:
    """A request with a nonce of printable ASCII, or `invalid-request`."""
    try:
        request = protocol.parse_authenticate(data)
    except Problem as problem:
        return _refused(problem)
    assert 44 <= len(request.challenge_nonce) <= 128
    assert all("!" <= character <= "~" for character in request.challenge_nonce)
    return _check_texts(request.reader, request.lang)


def gate(data: bytes) -> None:
    """Headers, a line each: one exact Host, one bare origin, or the right refusal."""
    lines = _text(data[1:]).split("\n") if len(data) > 1 else []
    loopback = bool(data[:1] and data[0] & 1)
    rules = gates.Gate(_PORT, lambda origin: loopback or origin == _NAMED)
    try:
        rules.check_host(lines)
        assert lines in [[f"{host}:{_PORT}"] for host in _HOSTS]
    except Problem as problem:
        _refused(problem, "host-refused", 421)
    try:
        _check_origin(rules.check_origin(lines), lines, loopback=loopback)
    except Problem as problem:
        _refused(problem, "origin-refused", 403)
    for line in lines:
        _check_line(line)


def _check_origin(origin: str, lines: list[str], *, loopback: bool) -> None:
    assert [origin] == lines
    scheme, _, rest = origin.partition("://")
    assert rest
    assert not set(rest) - set("abcdefghijklmnopqrstuvwxyz0123456789-._:[]")
    assert scheme in ("https", "http")
    if scheme == "http":
        assert loopback or origin == _NAMED
        assert {rest, rest.rpartition(":")[0]} & set(_HOSTS)


def _check_line(line: str) -> None:
    for check, argument in (
        (gates.check_own_header, [line]),
        (gates.check_json, line),
    ):
        try:
            check(argument)  # type: ignore[operator]
        except Problem as problem:
            _refused(problem)
    try:
        assert wire.checked_origin(line) == line
    except ValueError:
        return


def language(data: bytes) -> None:
    """Whatever body and Accept-Language say, the answer is one of our languages."""
    asked, _, accept = _text(data).partition("\n")
    assert protocol.choose_language(asked or None, accept, "fr") in LANGUAGES


def one_line(data: bytes) -> None:
    """At most 200 characters, nothing hidden, NFC, and the same when done again."""
    text = _text(data)
    shown = words.one_line(text)
    assert len(shown) <= 200
    assert _is_clean(shown)
    assert not {"Co", "Cn"}.intersection(map(unicodedata.category, shown))
    assert unicodedata.is_normalized("NFC", shown)
    assert words.one_line(shown) == shown
    assert '"' not in words.quoted(text)
    assert _is_clean(words.site_name(text))
