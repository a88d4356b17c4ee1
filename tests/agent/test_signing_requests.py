"""What a page may send to have something signed; everything else is refused by name."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from agent.errors import Problem
from agent.protocol import (
    DIGEST_SIZES,
    CardRequest,
    Named,
    SignPdfRequest,
    SignRequest,
    parse_card_request,
    parse_sign,
    parse_sign_pdf,
)

CERTIFICATE = base64.b64encode(b"certificate").decode()


def _sign(**members: Any) -> bytes:
    body = {
        "certificate": CERTIFICATE,
        "hash": base64.b64encode(bytes(48)).decode(),
        "hashFunction": "SHA-384",
    }
    sent = {name: value for name, value in (body | members).items() if value != ""}
    return json.dumps(sent).encode()


def _pdf(*documents: Any, **members: Any) -> bytes:
    return json.dumps({"documents": list(documents), **members}).encode()


DOCUMENT = {"name": "Verklaring.pdf", "pdf": base64.b64encode(b"%PDF-").decode()}


def test_what_is_described_is_taken() -> None:
    """Each member at its place, bytes as bytes."""
    assert parse_card_request(b"") == CardRequest()
    assert parse_card_request(b'{"lang":"nl"}') == CardRequest(None, "nl")
    assert parse_sign(_sign(documentName="Verklaring")) == SignRequest(
        b"certificate", bytes(48), "SHA-384", "Verklaring"
    )
    asked = parse_sign_pdf(_pdf(DOCUMENT, reason="Actualisatie", level="B-T"))
    named = (Named("Verklaring.pdf", b"%PDF-"),)
    assert asked == SignPdfRequest(named, "Actualisatie", "B-T")


@pytest.mark.parametrize("function", DIGEST_SIZES)
def test_a_digest_has_the_length_of_its_hash(function: str) -> None:
    """Any other length never gets as far as the card."""
    size = DIGEST_SIZES[function]
    for length in (size - 1, size, size + 1):
        body = _sign(
            hashFunction=function, hash=base64.b64encode(bytes(length)).decode()
        )
        if length == size:
            assert len(parse_sign(body).digest) == size
        else:
            with pytest.raises(Problem, match="hash"):
                parse_sign(body)


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (_sign(certificate=""), "certificate"),
        (_sign(certificate="%%%"), "certificate"),
        (_sign(certificate=CERTIFICATE.rstrip("=")), "certificate"),
        (_sign(certificate=7), "certificate"),
        (_sign(hashFunction="SHA-1"), "hashFunction"),
        (_sign(hashFunction=["SHA-384"]), "hashFunction"),
        (_sign(hash=base64.urlsafe_b64encode(b"\xff" * 48).decode()), "hash"),
        (_sign(documentName="a\nb"), "documentName"),
        (_sign(documentName="x" * 201), "documentName"),
        (_sign(more=1), "are known"),
    ],
)
def test_what_is_not_described_is_named(body: bytes, member: str) -> None:
    """By its member, never by its value."""
    with pytest.raises(Problem, match=member) as refused:
        parse_sign(body)
    assert refused.value.code == "invalid-request"


@pytest.mark.parametrize(
    "body",
    [
        _pdf(),
        _pdf("x"),
        _pdf({"name": "x"}),
        _pdf(DOCUMENT | {"more": 1}),
        _pdf(DOCUMENT | {"name": ""}),
        _pdf(DOCUMENT | {"pdf": "%"}),
        _pdf(DOCUMENT, level="B-LTA"),
        _pdf(DOCUMENT, reason="‮"),
        b'{"documents":{}}',
    ],
)
def test_documents_that_are_not_described_are_refused(body: bytes) -> None:
    """Nothing of them is looked at."""
    with pytest.raises(Problem) as refused:
        parse_sign_pdf(body)
    assert refused.value.code == "invalid-request"


def test_more_documents_than_twenty_are_too_many() -> None:
    """`too-large`, as a body would be."""
    assert len(parse_sign_pdf(_pdf(*[DOCUMENT] * 20)).documents) == 20
    with pytest.raises(Problem) as refused:
        parse_sign_pdf(_pdf(*[DOCUMENT] * 21))
    assert refused.value.code == "too-large"
