"""Targets: what lies in files, and origins as a person types them."""

from __future__ import annotations

import datetime

from agent import gate, journal, origins, policy
from tests.rig.words import catalogue

_TODAY = datetime.date(2026, 5, 17)


def _explained(reason: str) -> None:
    assert reason in catalogue("nl")


def _placed(wrong: policy.BadPolicy, data: bytes) -> None:
    _explained(wrong.reason)
    assert 0 <= wrong.line <= data.count(b"\n") + 1
    assert wrong.pointer is None or wrong.pointer[:1] in ("", "/")


def origin(data: bytes) -> None:
    """An origin that a browser would send, the same the second time, or a reason."""
    try:
        normal = origins.normalised(data.decode("utf-8", "surrogateescape"))
    except origins.BadOrigin as refusal:
        return _explained(refusal.reason)
    assert gate.is_origin(normal)
    assert origins.normalised(normal) == normal
    assert all(label in normal for label in origins.mixed_labels(normal))
    return None


def policy_file(data: bytes) -> None:
    """A policy of good origins, or where and why it is none."""
    try:
        found = policy.parse(data)
    except policy.BadPolicy as wrong:
        return _placed(wrong, data)
    assert all(map(gate.is_origin, found.allow | found.deny))
    assert not found.closed
    return None


def stored_origins(data: bytes) -> None:
    """Grants of good origins that are read as they were, or ValueError."""
    try:
        stored = origins.Stored.from_bytes(data)
    except ValueError:
        return
    assert origins.Stored.from_bytes(stored.to_bytes()) == stored
    for grant in stored.grants:
        assert gate.is_origin(grant.origin)
        assert "photo" not in grant.data
        assert not (grant.card and grant.capability == "sign")
        grant.counts(_TODAY)


def journal_line(data: bytes) -> None:
    """A line that has a day or a count of what is gone, or None."""
    entry = journal._parse(data)
    if entry is not None and "dropped" not in entry:
        assert isinstance(journal._day(entry), datetime.date)
