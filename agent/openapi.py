"""The description of the HTTP API (OpenAPI 3.1), built from the same tables; pure."""

from __future__ import annotations

from typing import Any

from agent import chipproof
from agent.errors import STATUS
from agent.protocol import MAX_TEXT, PARTS

_NONCE = {"type": "string", "pattern": "^[\\x21-\\x7e]{44,128}$"}
_LANG = {"type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_BASE64 = {"type": "string", "contentEncoding": "base64"}

#: Codes that any call behind the gate can give.
_COMMON = (
    "host-refused",
    "origin-refused",
    "invalid-request",
    "method-not-allowed",
    "too-many-requests",
    "internal-error",
)
_CARD = (
    "policy-denied",
    "busy",
    "pcsc-unavailable",
    "no-reader",
    "no-card",
    "unsupported-card",
    "card-removed",
    "card-unreadable",
    "card-not-activated",
    "user-denied",
    "user-cancelled",
    "no-user-interface",
    "card-changed",
    "timeout",
    "too-large",
)
_LOGIN = (
    "no-certificate",
    "certificate-expired",
    "pin-incorrect",
    "pin-blocked",
)


def description(version: str) -> dict[str, Any]:
    """Return the OpenAPI document of this version."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eid-agent",
            "version": version,
            "description": "The Belgian identity card for web pages, on localhost.",
        },
        "paths": {
            "/v1/status": {"get": _call("status", "Is the agent there?", _STATUS)},
            "/v1/readers": {
                "get": _call(
                    "readers",
                    "Readers and cards; user-denied without a grant.",
                    _READERS,
                    (
                        "policy-denied",
                        "user-denied",
                        "busy",
                        "pcsc-unavailable",
                        "card-unreadable",
                    ),
                )
            },
            "/v1/events": {
                "post": _call(
                    "events",
                    "Get a ticket, good once and for 30 s, for the WebSocket at this"
                    " path: GET with the subprotocols eid-agent.v1 and ticket.TICKET.",
                    _TICKET,
                    ("policy-denied", "user-denied", "too-large"),
                    {"type": "object", "additionalProperties": False},
                )
            },
            "/v1/identity": {
                "post": _call(
                    "identity",
                    "Ask consent to exactly these data and read them.",
                    _IDENTITY,
                    _CARD,
                    _IDENTITY_REQUEST,
                )
            },
            "/v1/authenticate": {
                "post": _call(
                    "authenticate",
                    "Ask the PIN and sign a login challenge for the page's origin.",
                    _TOKEN,
                    _CARD + _LOGIN,
                    _AUTHENTICATE_REQUEST,
                )
            },
        },
        "components": {"schemas": {"Problem": _PROBLEM}},
    }


def _call(
    name: str,
    summary: str,
    answer: dict[str, Any],
    codes: tuple[str, ...] = (),
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one operation with all its answers, the problems grouped by status."""
    call: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": [
            {
                "name": "X-EID-Agent",
                "in": "header",
                "required": True,
                "schema": {"const": "1"},
            },
            {
                "name": "Accept-Language",
                "in": "header",
                "schema": {"type": "string", "maxLength": 100},
            },
        ],
        "responses": {
            "200": {
                "description": "Done.",
                "content": {"application/json": {"schema": answer}},
            },
            **_problems(_COMMON + codes),
        },
    }
    if body is not None:
        content = {"application/json": {"schema": body}}
        call["requestBody"] = {"required": True, "content": content}
    return call


def _problems(codes: tuple[str, ...]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(STATUS[code]), []).append(code)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": ", ".join(names),
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status, names in sorted(by_status.items())
    }


def _object(
    required: dict[str, Any], optional: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
    }


_PROBLEM = _object(
    {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"enum": sorted(STATUS)},
    },
    {
        "detail": {"type": "string"},
        "triesLeft": {"type": "integer", "minimum": 0, "maximum": 3},
        "operation": {
            "enum": ["authenticate", "events", "identity", "readers", "status"],
            "description": "The call that failed; absent where none was reached.",
        },
        "retryAfter": {
            "type": "integer",
            "minimum": 1,
            "description": "Seconds to wait, given only where the wait is known.",
        },
    },
)

_STATUS = _object(
    {
        "api": {"type": "array", "items": {"type": "string"}},
        "origin": {"enum": ["ask", "denied", "allowed"]},
    },
    {
        "agent": _object({"version": {"type": "string"}}),
        "features": {"type": "array", "items": {"type": "string"}},
        "card": {"enum": ["none", "present", "unsupported"]},
        "virtual": {"type": "boolean"},
    },
)

_READERS = _object(
    {
        "readers": {
            "type": "array",
            "items": _object(
                {
                    "id": {"type": "string"},
                    "name": {"type": "string"},
                    "pinPad": {"type": "boolean"},
                    "card": {
                        "oneOf": [
                            {"type": "null"},
                            _object(
                                {
                                    "kind": {"const": "belgian-eid"},
                                    "applet": {"type": "string"},
                                    "signing": {"type": "boolean"},
                                }
                            ),
                        ]
                    },
                }
            ),
        }
    }
)

_TICKET = _object({"ticket": {"type": "string"}})

_IDENTITY_REQUEST = _object(
    {
        "include": {
            "type": "array",
            "items": {"enum": list(PARTS)},
            "minItems": 1,
            "uniqueItems": True,
        }
    },
    {"purpose": _TEXT, "challenge": _NONCE, "reader": _TEXT, "lang": _LANG},
) | {"additionalProperties": False}

_IDENTITY = _object(
    {
        "format": {"const": "eid-agent-identity:1"},
        "raw": {
            "type": "object",
            "description": "The card's files as stored, padding included; certificates"
            " in DER by their own length, without the zeros behind it.",
            "additionalProperties": _BASE64,
        },
    },
    {
        "identity": {"type": ["object", "null"]},
        "address": {"type": ["object", "null"]},
        "photo": {"type": ["string", "null"]},
        "chip": _object(
            {
                "format": {"const": chipproof.FORMAT},
                "publicKey": _BASE64,
                "signature": _BASE64,
            }
        ),
        "chipUnavailable": {"enum": ["unsupported", "blocked"]},
    },
)

_AUTHENTICATE_REQUEST = _object(
    {"challengeNonce": _NONCE}, {"reader": _TEXT, "lang": _LANG}
) | {"additionalProperties": False}

_TOKEN = _object(
    {
        "unverifiedCertificate": _BASE64,
        "algorithm": {"enum": ["ES384", "RS256"]},
        "signature": _BASE64,
        "format": {"const": "web-eid:1.0"},
        "appVersion": {"type": "string"},
        "issuerCertificate": _BASE64,
    }
)
