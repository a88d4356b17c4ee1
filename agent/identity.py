"""The body of POST /v1/identity: parsed for display, raw for proof; pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from agent.errors import as_problem
from agent.protocol import IdentityRequest
from agent.token import base64_text
from cardio.beid.identity import parse_address, parse_identity
from cardio.files import EF

_RAW_NAMES = {
    EF.IDENTITY: "identity",
    EF.IDENTITY_SIGNATURE: "identitySignature",
    EF.ADDRESS: "address",
    EF.ADDRESS_SIGNATURE: "addressSignature",
    EF.PHOTO: "photo",
    EF.RRN: "rrnCertificate",
    EF.ROOT: "rootCertificate",
}


def identity_body(request: IdentityRequest, data: dict[EF, bytes]) -> dict[str, object]:
    """Return the body of POST /v1/identity: parsed for display, raw for proof."""
    raw = {name: base64_text(data[ef]) for ef, name in _RAW_NAMES.items() if ef in data}
    body: dict[str, object] = {"format": "eid-agent-identity:1"}
    for part in request.include:
        body[part] = as_problem(partial(_PARSED[part], data))
    body["raw"] = raw
    return body


_PARSED: dict[str, Callable[[dict[EF, bytes]], object]] = {
    "identity": lambda data: (
        parse_identity(data[EF.IDENTITY]).to_json() if EF.IDENTITY in data else None
    ),
    "address": lambda data: (
        parse_address(data[EF.ADDRESS]).to_json() if EF.ADDRESS in data else None
    ),
    "photo": lambda data: base64_text(data[EF.PHOTO]) if EF.PHOTO in data else None,
}
