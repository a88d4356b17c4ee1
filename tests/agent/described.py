"""What schemathesis is told of this API: who asks, and what it cannot know itself.

`schemathesis run` loads it (SCHEMATHESIS_HOOKS), and `described.toml` beside it.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping
from typing import Any

import schemathesis

from agent.errors import STATUS
from agent.words import is_hidden
from tests.bench.program import ORIGIN, UNWELCOME

#: One that may ask, one that the person lets in each time, one that is refused, and a
#: developer's page.
ORIGINS = (ORIGIN, "https://other.example", UNWELCOME, "http://localhost:8000")
#: What does not pass the gate, whatever else is right.
_OUTSIDE = (
    {"Origin": "null"},
    {"Origin": f"{ORIGIN}, {ORIGIN}"},
    {"Origin": "http://portal.example"},
    {"Origin": "chrome-extension://abcdefghijklmnop"},
    {"Host": "localhost"},
    {"Host": "portal.example:27410"},
)
_DOCUMENTS = ("/v1/openapi.json", "/v1/client.js")

#: Members that hold a site's own words.
_TEXTS = ("purpose", "reader", "documentName", "reason")

_turns = itertools.count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Say who asks: in turn each origin, now and then one that may not."""
    turn = next(_turns)
    fuzzing = case.meta is not None and case.meta.phase.name.value == "fuzzing"
    # A step that follows another is of the same page.
    headers = {"Origin": ORIGINS[turn % len(ORIGINS) if fuzzing else 0]}
    if fuzzing and turn % 8 == 5:
        headers |= _OUTSIDE[turn // 8 % len(_OUTSIDE)]
    if case.path in _DOCUMENTS:  # they need none, but other methods there do
        headers["X-EID-Agent"] = "1"
    if case.method == "POST":  # also where it is the wrong method, and has no body
        headers["Content-Type"] = "application/json"
    case.headers.update(headers)


@schemathesis.check
def problem_is_known(_context: Any, response: Any, case: Any) -> None:
    """Every answer that is no success is a problem with a known code and its status."""
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == [
        "application/problem+json; charset=utf-8"
    ]
    problem = response.json()
    assert problem["status"] == response.status_code == STATUS[problem["code"]]
    assert problem["title"]
    assert response.status_code not in (408, 425, 500)


@schemathesis.check
def the_gate_stands_first(_context: Any, response: Any, case: Any) -> None:
    """421 and `origin-refused` are the gate's, without CORS; all others can be read."""
    method, sent = response.request.method, response.request.headers
    code = response.json()["code"] if response.status_code >= 400 else None
    cors = response.headers.get("access-control-allow-origin")
    if "Host" in case.headers:
        assert (response.status_code, code, cors) == (421, "host-refused", None)
    elif case.path in _DOCUMENTS and method == "GET":
        assert (response.status_code, cors) == (200, ["*"])
    elif sent["Origin"] not in ORIGINS:
        assert (code, cors) == ("origin-refused", None)
    elif _has_own_headers(method, case.path, sent):
        assert code not in ("host-refused", "origin-refused")
        assert cors == [sent["Origin"]]
    else:
        assert (code, cors) == ("invalid-request", None)


def _has_own_headers(method: str, path: str, sent: Mapping[str, str]) -> bool:
    if method == "OPTIONS" or (method, path) == ("GET", "/v1/events"):
        return True
    if method == "POST" and not sent.get("Content-Type", "").startswith(
        "application/json"
    ):
        return False
    return sent.get("X-EID-Agent") == "1"


@schemathesis.check
def what_is_right_is_not_called_wrong(_context: Any, response: Any, case: Any) -> None:
    """A request as described is no `invalid-request`, but for invisible characters."""
    meta = case.meta
    if (
        meta is None
        or not meta.generation.mode.is_positive
        or case.path == "/v1/events"
    ):
        return
    if response.status_code == 400:
        texts = [case.body.get(name, "") for name in _TEXTS]
        texts += [each["name"] for each in case.body.get("documents", ())]
        assert any(map(_is_unseen, texts)), response.json().get("detail")


def _is_unseen(text: str) -> bool:
    return any(map(is_hidden, text)) or len(unicodedata.normalize("NFC", text)) > 200
