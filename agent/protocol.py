"""The requests of the HTTP API as values: JSON in, frozen dataclasses out; pure.

Everything that is not exactly as described ends as the problem `invalid-request`, whose
detail names the member and never its value.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from agent.errors import Problem
from agent.pdf.document import LEVELS
from agent.texts import LANGUAGES
from agent.words import is_hidden
from cardio.signature import Padding

MAX_BODY = 64 * 1024
#: Of POST /v1/sign-pdf, whose documents are base64 in it.
MAX_DOCUMENTS_BODY = 32 * 1024 * 1024
MAX_DOCUMENTS = 20
#: Base64 has no commas; a body with more of them would become more objects than these.
_MAX_COMMAS = 20_000
MAX_TEXT = 200
PARTS = ("identity", "address", "photo")

#: Bytes of a digest by the hash's Web eID name.
DIGEST_SIZES = {
    "SHA-224": 28,
    "SHA-256": 32,
    "SHA-384": 48,
    "SHA-512": 64,
    "SHA3-224": 28,
    "SHA3-256": 32,
    "SHA3-384": 48,
    "SHA3-512": 64,
}
#: How a digest becomes a signature's number, by its Web eID name.
PADDING_SCHEMES = tuple(padding.value for padding in Padding)

_NONCE = re.compile(r"[\x21-\x7e]{44,128}")
_LANG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")


@dataclass(frozen=True)
class IdentityRequest:
    """Body of POST /v1/identity; `include` in the order of the API."""

    include: tuple[str, ...]
    purpose: str | None = None
    challenge: str | None = None
    reader: str | None = None
    lang: str | None = None


@dataclass(frozen=True)
class AuthenticateRequest:
    """Body of POST /v1/authenticate."""

    challenge_nonce: str
    reader: str | None = None
    lang: str | None = None


@dataclass(frozen=True)
class CardRequest:
    """Body of POST /v1/signing-certificate and POST /v1/change-pin."""

    reader: str | None = None
    lang: str | None = None


@dataclass(frozen=True)
class SignRequest:
    """Body of POST /v1/sign; `certificate` in DER, `digest` of `hash_function`.

    `padding_scheme` is one of PADDING_SCHEMES; None: the card's usual one.
    """

    certificate: bytes
    digest: bytes
    hash_function: str
    document_name: str | None = None
    padding_scheme: str | None = None
    reader: str | None = None
    lang: str | None = None


@dataclass(frozen=True)
class Named:
    """A document of POST /v1/sign-pdf, by the site's name for it."""

    name: str
    pdf: bytes


@dataclass(frozen=True)
class SignPdfRequest:
    """Body of POST /v1/sign-pdf; `level` is one of `agent.pdf.document.LEVELS`."""

    documents: tuple[Named, ...]
    reason: str | None = None
    level: str = "B-B"
    reader: str | None = None
    lang: str | None = None


def parse_nothing(body: bytes) -> None:
    """Want the empty object, or no body at all."""
    if body:
        _members(body, set())


def parse_identity(body: bytes) -> IdentityRequest:
    """Parse the body of POST /v1/identity."""
    members = _members(body, {"include", "purpose", "challenge", "reader", "lang"})
    include = members.get("include")
    if not isinstance(include, list) or not include:
        raise _invalid("include")
    if any(part not in PARTS for part in include) or len(set(include)) != len(include):
        raise _invalid("include")
    return IdentityRequest(
        tuple(part for part in PARTS if part in include),
        _text(members, "purpose"),
        _nonce(members, "challenge"),
        _text(members, "reader"),
        _lang(members),
    )


def parse_authenticate(body: bytes) -> AuthenticateRequest:
    """Parse the body of POST /v1/authenticate."""
    members = _members(body, {"challengeNonce", "reader", "lang"})
    nonce = _nonce(members, "challengeNonce")
    if nonce is None:
        raise _invalid("challengeNonce")
    return AuthenticateRequest(nonce, _text(members, "reader"), _lang(members))


def parse_card_request(body: bytes) -> CardRequest:
    """Parse a body of POST /v1/signing-certificate or change-pin; it may be none."""
    members = _members(body or b"{}", {"reader", "lang"})
    return CardRequest(_text(members, "reader"), _lang(members))


def parse_sign(body: bytes) -> SignRequest:
    """Parse the body of POST /v1/sign."""
    known = {"certificate", "hash", "hashFunction", "paddingScheme", "documentName"}
    members = _members(body, known | {"reader", "lang"})
    function = members.get("hashFunction")
    if not isinstance(function, str) or function not in DIGEST_SIZES:
        raise _invalid("hashFunction")
    digest = _base64(members, "hash")
    if len(digest) != DIGEST_SIZES[function]:
        raise _invalid("hash")
    padding = members.get("paddingScheme")
    if "paddingScheme" in members and padding not in PADDING_SCHEMES:
        raise _invalid("paddingScheme")
    return SignRequest(
        _base64(members, "certificate"),
        digest,
        function,
        _text(members, "documentName"),
        padding,
        _text(members, "reader"),
        _lang(members),
    )


def parse_sign_pdf(body: bytes) -> SignPdfRequest:
    """Parse the body of POST /v1/sign-pdf."""
    if body.count(b",") > _MAX_COMMAS:
        raise Problem("invalid-request", "the body has too many parts")
    members = _members(body, {"documents", "reason", "level", "reader", "lang"})
    listed = members.get("documents")
    if not isinstance(listed, list) or not listed:
        raise _invalid("documents")
    if len(listed) > MAX_DOCUMENTS:
        raise Problem("too-large", f"at most {MAX_DOCUMENTS} documents")
    level = members.get("level", LEVELS[0])
    if level not in LEVELS:
        raise _invalid("level")
    return SignPdfRequest(
        tuple(map(_document, listed)),
        _text(members, "reason"),
        level,
        _text(members, "reader"),
        _lang(members),
    )


def _document(listed: object) -> Named:
    if not isinstance(listed, dict) or listed.keys() != {"pdf", "name"}:
        raise _invalid("documents")
    name = _text(listed, "name")
    if name is None:
        raise _invalid("documents")
    return Named(name, _base64(listed, "pdf"))


def _base64(members: dict[str, Any], name: str) -> bytes:
    """Return bytes that stand there in standard base64, padding included."""
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(name)
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:  # binascii's, and what is not ASCII
        raise _invalid(name) from None


def _members(body: bytes, known: set[str]) -> dict[str, Any]:
    """Parse a JSON object that has only known members, each once."""
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise Problem("invalid-request", "the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise Problem("invalid-request", "the body has to be a JSON object")
    if value.keys() - known:
        names = ", ".join(sorted(known)) or "no members"
        raise Problem("invalid-request", f"only {names} are known")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _no_constant(_name: str) -> None:
    raise ValueError("no number of JSON")


def _invalid(name: str) -> Problem:
    return Problem("invalid-request", f"{name} is missing or not as described")


def _text(members: dict[str, Any], name: str) -> str | None:
    """Return a text of a site's own: one line, at most 200 characters, NFC."""
    if name not in members:
        return None
    value = members[name]
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT:
        raise _invalid(name)
    if any(is_hidden(character) for character in value):
        raise _invalid(name)
    normal = unicodedata.normalize("NFC", value)
    if len(normal) > MAX_TEXT:  # a few characters become two or three
        raise _invalid(name)
    return normal


def _nonce(members: dict[str, Any], name: str) -> str | None:
    if name not in members:
        return None
    value = members[name]
    if not isinstance(value, str) or not _NONCE.fullmatch(value):
        raise _invalid(name)
    return value


def _lang(members: dict[str, Any]) -> str | None:
    if "lang" not in members:
        return None
    value = members["lang"]
    if not isinstance(value, str) or not _LANG.fullmatch(value):
        raise _invalid("lang")
    return value


def choose_language(asked: str | None, accept: str, default: str) -> str:
    """Return the first of ours: the body's, Accept-Language's, then the default."""
    if asked and (ours := _ours(asked)):
        return ours
    ranked: list[tuple[float, str]] = []
    for item in accept[:1000].split(","):
        name, _, parameters = item.partition(";")
        weight = parameters.strip().removeprefix("q=")
        try:
            ranked.append((float(weight) if parameters else 1.0, name.strip()))
        except ValueError:
            continue
    ranked.sort(key=lambda item: -item[0])
    for quality, name in ranked:
        if 0 < quality <= 1 and (ours := _ours(name)):
            return ours
    return default


def _ours(tag: str) -> str | None:
    """Return the language of a tag such as `nl-BE`, if it is one of ours."""
    primary = tag.partition("-")[0].lower()
    return primary if primary in LANGUAGES else None
