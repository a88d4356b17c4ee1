"""Certificates of a card: what cannot be read is one failure, wherever it is met."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from cardio.beid.certificates import parse_certificate
from cardio.beid.known import issuer
from cardio.errors import MalformedData
from cardio.virtual.pki import test_roots as roots_of_test

_ROOT = roots_of_test()[0].public_bytes(Encoding.DER)
#: X.509 has no version 4.
_VERSION_4 = _ROOT.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"), 1)


def test_a_certificate_of_a_card_is_parsed() -> None:
    """As it was stored."""
    assert parse_certificate(_ROOT).public_bytes(Encoding.DER) == _ROOT


@pytest.mark.parametrize("data", [b"", b"\x30", bytes(300), _VERSION_4, _ROOT[:-1]])
def test_what_cannot_be_read_is_malformed(data: bytes) -> None:
    """One type for all, by which callers say that the card is unreadable."""
    with pytest.raises(MalformedData):
        parse_certificate(data)


@example(0, b"")
@given(st.integers(0, len(_ROOT) - 1), st.binary(min_size=1, max_size=3))
def test_any_change_is_read_or_malformed(place: int, new: bytes) -> None:
    """No parser's own exception leaves, and what was parsed can be looked at."""
    data = _ROOT[:place] + new + _ROOT[place + len(new) :]
    try:
        certificate = parse_certificate(data)
    except MalformedData:
        return
    assert certificate.not_valid_after_utc.tzinfo is not None


def test_a_known_certificate_that_cannot_be_read_is_passed_over() -> None:
    """The next one is looked at."""
    assert issuer([_VERSION_4, _ROOT], _ROOT) == _ROOT
    assert issuer([_ROOT], _VERSION_4) is None
