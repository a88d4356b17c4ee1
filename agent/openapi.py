"""The description of the HTTP API (OpenAPI 3.1), built from the same tables; pure."""

from __future__ import annotations

from typing import Any

from agent import chipproof
from agent.errors import STATUS
from agent.pdf.document import LEVELS
from agent.protocol import (
    DIGEST_SIZES,
    MAX_DOCUMENTS,
    MAX_DOCUMENTS_BODY,
    MAX_TEXT,
    PADDING_SCHEMES,
    PARTS,
)

_NONCE = {"type": "string", "pattern": "^[\\x21-\\x7e]{44,128}$"}
_LANG = {"type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$"}
_TEXT = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT,
    "description": "One line without control, bidi or invisible characters; its length"
    " is that of the text as sent, and in the form NFC.",
}
_BASE64 = {"type": "string", "contentEncoding": "base64"}

#: Codes that any call can give, documents included.
_ANY = (
    "host-refused",
    "origin-refused",
    "invalid-request",
    "method-not-allowed",
    "internal-error",
)
#: Codes that any call behind the gate can give.
_COMMON = (*_ANY, "other-user", "too-many-requests")
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
_CERTIFICATE = ("no-certificate", "certificate-expired", "pin-blocked")
_LOGIN = (*_CERTIFICATE, "pin-incorrect")


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
                    links=_READER_LINKS,
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
                ),
                "get": _SOCKET,
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
            "/v1/signing-certificate": {
                "post": _call(
                    "signing-certificate",
                    "Ask consent and read the certificate for signing.",
                    _SIGNING_CERTIFICATE,
                    _CARD + _CERTIFICATE,
                    _CARD_REQUEST,
                )
            },
            "/v1/sign": {
                "post": _call(
                    "sign",
                    "Ask the PIN and sign a hash with the key of this certificate,"
                    " which must be the card's own for signing.",
                    _SIGNATURE,
                    (*_CARD, *_LOGIN, "certificate-mismatch"),
                    _SIGN_REQUEST,
                )
            },
            "/v1/sign-pdf": {
                "post": _call(
                    "sign-pdf",
                    "Have the person review documents, and sign those left in. A body"
                    f" of at most {MAX_DOCUMENTS_BODY} bytes; not-found where the agent"
                    " has no part for documents.",
                    _SIGNED_DOCUMENTS,
                    (
                        *_CARD,
                        *_LOGIN,
                        "document-refused",
                        "timestamp-unavailable",
                        "not-found",
                    ),
                    _SIGN_PDF_REQUEST,
                )
            },
            "/v1/change-pin": {
                "post": _call(
                    "change-pin",
                    "Have the person change the PIN, once in ten minutes at most.",
                    _CHANGED,
                    (*_CARD, "pin-incorrect", "pin-blocked"),
                    _CARD_REQUEST,
                )
            },
            "/v1/openapi.json": {
                "get": _document("openapi", "This document.", "application/json")
            },
            "/v1/client.js": {
                "get": _document("client", "The JavaScript client.", "text/javascript")
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
    links: dict[str, Any] | None = None,
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
                "schema": {"type": "string"},
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
        # Where no member has to be there, the body has not either.
        call["requestBody"] = {"required": "required" in body, "content": content}
    if links is not None:
        call["responses"]["200"]["links"] = links
    return call


def _document(name: str, summary: str, kind: str) -> dict[str, Any]:
    """Return an operation that is there under --developer and in the demo alone."""
    schema = {"type": "object" if kind == "application/json" else "string"}
    done = {"description": "Done.", "content": {kind: {"schema": schema}}}
    return {
        "operationId": name,
        "summary": f"{summary} Only under --developer and in the demo.",
        "responses": {"200": done, **_problems(_ANY)},
    }


def _problems(codes: tuple[str, ...]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(STATUS[code]), []).append(code)
    return {
        status: {
            "description": ", ".join(names),
            "content": {"application/problem+json": {"schema": _problem(names)}},
        }
        for status, names in sorted(by_status.items())
    }


def _problem(codes: list[str]) -> dict[str, Any]:
    """Return the schema of a problem with one of these codes."""
    return {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"code": {"enum": codes}},
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
            "enum": [
                "authenticate",
                "change-pin",
                "events",
                "identity",
                "readers",
                "sign",
                "sign-pdf",
                "signing-certificate",
                "status",
            ],
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
                },
                # At a counter alone.
                {"whose": {"enum": ["citizen", "clerk"]}},
            ),
        }
    }
)

_TICKET = _object({"ticket": {"type": "string"}})

#: A reader's id is what a request for its card names.
_READER_LINKS = {
    name: {
        "operationId": name,
        "requestBody": {"reader": "$response.body#/readers/0/id"},
    }
    for name in ("identity", "authenticate", "signing-certificate")
}

_SOCKET = {
    "operationId": "listen",
    "summary": "The WebSocket, with a ticket; any other request is refused.",
    "responses": {
        "101": {"description": "It is open; what is told is JSON with a `type`."},
        **_problems((*_COMMON, "user-denied")),
    },
}

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

_CARD_REQUEST = _object({}, {"reader": _TEXT, "lang": _LANG}) | {
    "additionalProperties": False
}

_ALGORITHM = _object(
    {
        "cryptoAlgorithm": {"enum": ["ECC", "RSA"]},
        "hashFunction": {"enum": list(DIGEST_SIZES)},
        "paddingScheme": {"enum": list(PADDING_SCHEMES)},
    }
)

_SIGNING_CERTIFICATE = _object(
    {
        "certificate": _BASE64,
        "supportedSignatureAlgorithms": {"type": "array", "items": _ALGORITHM},
    }
)


def _hash_of(function: str, size: int) -> dict[str, Any]:
    """Return the schema of a hash: base64 of so many bytes."""
    padding = -size % 3
    letters = (size + padding) // 3 * 4 - padding
    pattern = f"^[A-Za-z0-9+/]{{{letters}}}{'=' * padding}$"
    return {
        "properties": {
            "hashFunction": {"const": function},
            "hash": {"type": "string", "pattern": pattern},
        }
    }


_GIVEN_BASE64 = _BASE64 | {"pattern": "^([A-Za-z0-9+/]{4})+$"}

_SIGN_REQUEST = _object(
    {
        "certificate": _GIVEN_BASE64,
        "hash": {"type": "string"},
        "hashFunction": {"enum": list(DIGEST_SIZES)},
    },
    {
        "documentName": _TEXT,
        "paddingScheme": {"enum": list(PADDING_SCHEMES)},
        "reader": _TEXT,
        "lang": _LANG,
    },
) | {
    "additionalProperties": False,
    "oneOf": [_hash_of(*each) for each in DIGEST_SIZES.items()],
}

_SIGNATURE = _object({"signature": _BASE64, "signatureAlgorithm": _ALGORITHM})

_CHANGED = _object({"changed": {"const": True}})

_SIGN_PDF_REQUEST = _object(
    {
        "documents": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_DOCUMENTS,
            "items": _object({"name": _TEXT, "pdf": _GIVEN_BASE64})
            | {"additionalProperties": False},
        }
    },
    {
        "reason": _TEXT,
        "level": {"enum": list(LEVELS)},
        "reader": _TEXT,
        "lang": _LANG,
    },
) | {"additionalProperties": False}

_SIGNED_DOCUMENTS = _object(
    {
        "documents": {
            "type": "array",
            "items": _object(
                {
                    "name": {"type": "string"},
                    "outcome": {"enum": ["signed", "struck-out"]},
                    "sha256": {
                        "type": "string",
                        "pattern": "^[0-9a-f]{64}$",
                        "description": "Of the document that was shown.",
                    },
                },
                {"pdf": _BASE64},
            ),
        }
    }
)
