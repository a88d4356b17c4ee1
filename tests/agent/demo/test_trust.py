"""Whom the demo's portal trusts, by the card that is in a reader."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.demo.trust import ForeignRoot, trust_for
from cardio.beid.source import BeidCards
from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders


def source(root: bytes | None = None) -> BeidCards:
    """Return a reader with a persona's card, with another root certificate."""
    profile = load_profile("adult")
    if root is not None:
        profile = replace(profile, files={**profile.files, EF.ROOT: root})
    readers = VirtualReaders("Reader")
    readers.insert(VirtualCard(profile), "Reader")
    return BeidCards(readers)


def test_a_test_card_is_trusted_as_such() -> None:
    """TEST, never Belgium beside it."""
    trust = trust_for(source())
    assert trust is not None
    assert trust.test


def test_another_root_is_foreign() -> None:
    """The test PIN must not be typed for such a card."""
    with pytest.raises(ForeignRoot):
        trust_for(source(load_profile("adult").files[EF.CA]))


def test_a_root_that_cannot_be_read_is_no_card_to_trust() -> None:
    """X.509 has no version 4: such a certificate raises a type of its own."""
    root = load_profile("adult").files[EF.ROOT]
    version = bytes.fromhex("a003020102")
    assert version in root
    spoiled = root.replace(version, version[:-1] + b"\x03", 1)
    assert trust_for(source(spoiled)) is None
