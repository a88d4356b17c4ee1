"""The chip's proof: one INTERNAL AUTHENTICATE, only on 1.8, never again (SAFETY 3)."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cardio.apdu import INS
from cardio.beid.card import BeidCard
from cardio.channel import Channel
from cardio.errors import (
    CardChanged,
    CardError,
    CardMute,
    CardRemoved,
    CardReset,
    CardUnreadable,
    ChipBlocked,
    UnexpectedStatus,
    UnsupportedCard,
)
from cardio.files import EF, Key
from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters
from cardio.virtual.keyring import MAX_AUTHENTICATIONS
from cardio.virtual.profile import Profile, load_profile
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from tests.cardio.channels import (
    Answer,
    Fault,
    Recorder,
    ScriptedChannel,
    is_ins,
    virtual_channel,
)

DIGEST = hashlib.sha384(b"a challenge").digest()
COMMAND = "0088028132" + "9430" + DIGEST.hex().upper()


def _recognised(channel: Channel) -> tuple[BeidCard, Recorder]:
    """Return a recognised card, and what is sent to it from now on."""
    recorder = Recorder(channel)
    card = BeidCard(recorder)
    card.recognise()
    recorder.sent.clear()
    return card, recorder


def _card_data(applet: int, serial: bytes = bytes(16)) -> str:
    return (serial + bytes(5) + bytes([applet]) + bytes(5) + b"\x0f\x90\x00").hex()


def test_the_chip_signs_the_digest_as_it_stands(tmp_path: Path) -> None:
    """Byte for byte the manual's command; OpenSSL's own program verifies the answer."""
    profile = load_profile("adult")
    card, recorder = _recognised(virtual_channel(profile))
    signature = card.authenticate_chip(DIGEST)
    assert recorder.sent == ["80E400001C", COMMAND, "00C0000060"]
    assert len(recorder.transactions) == 1
    r, s = int.from_bytes(signature[:48]), int.from_bytes(signature[48:])
    (tmp_path / "key").write_bytes(profile.files[EF.BASIC_KEY])
    (tmp_path / "digest").write_bytes(DIGEST)
    (tmp_path / "signature").write_bytes(encode_dss_signature(r, s))
    arguments = "-verify -pubin -keyform DER -inkey key -in digest -sigfile signature"
    result = subprocess.run(
        ["openssl", "pkeyutl", *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Verified Successfully" in result.stdout


@pytest.mark.parametrize("applet", [0x01, 0x10, 0x11, 0x17])
def test_older_applets_never_get_it(applet: int) -> None:
    """Below 1.8 the card is asked what it is, and nothing more (SAFETY 3)."""
    data = _card_data(applet)
    channel = ScriptedChannel(("80E4", data), ("80E4", data))
    card = BeidCard(channel)
    card.recognise()
    with pytest.raises(UnsupportedCard):
        card.authenticate_chip(DIGEST)
    assert channel.sent == ["80E400001C"] * 2


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (_card_data(0x17), UnsupportedCard),
        (_card_data(0x19), UnsupportedCard),
        (_card_data(0x18, b"\1" * 16), CardChanged),
        (_card_data(0x17, b"\1" * 16), CardChanged),
        (_card_data(0x18)[:-6] + "9000", CardUnreadable),
        ("6D00", UnexpectedStatus),
        (CardRemoved(), CardRemoved),
        (CardReset(), CardReset),
    ],
)
def test_the_card_is_asked_anew_right_before(
    now: Answer, error: type[CardError]
) -> None:
    """What recognition said does not count: swapped for a 1.7 card, it stays whole."""
    channel = ScriptedChannel(("80E4", _card_data(0x18)), ("80E4", now))
    card = BeidCard(channel)
    card.recognise()
    with pytest.raises(error):
        card.authenticate_chip(DIGEST)
    assert len(channel.sent) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("6985", ChipBlocked),
        ("6A88", UnsupportedCard),
        ("6D00", UnsupportedCard),
        ("6C60", UnexpectedStatus),
        ("6400", UnexpectedStatus),
        ("9000", CardUnreadable),
        (bytes(95).hex() + "9000", CardUnreadable),
        (CardReset(), CardReset),
        (CardRemoved(), CardRemoved),
        (CardMute(), CardMute),
    ],
)
@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_it_is_sent_once_whatever_the_answer(
    answer: Answer, error: type[CardError], lost: bool
) -> None:
    """No status, no reset and no silence makes a second one."""
    fault = Fault(
        virtual_channel(load_profile("adult")),
        is_ins(INS.INTERNAL_AUTHENTICATE),
        answer,
        after=lost,
    )
    card, recorder = _recognised(fault)
    with pytest.raises(error):
        card.authenticate_chip(DIGEST)
    assert recorder.instructions().count(INS.INTERNAL_AUTHENTICATE) == 1


@pytest.mark.parametrize("size", [0, 32, 47, 49, 64])
def test_another_length_never_reaches_the_card(size: int) -> None:
    """Nothing at all is sent."""
    card, recorder = _recognised(virtual_channel(load_profile("adult")))
    with pytest.raises(ValueError, match="48 bytes"):
        card.authenticate_chip(bytes(size))
    assert recorder.sent == []


def _used_up(profile: Profile) -> Channel:
    readers = VirtualReaders()
    counters = Counters(authentications=MAX_AUTHENTICATIONS)
    readers.insert(VirtualCard(profile, counters=counters))
    return readers.connect(DEFAULT_NAME)


def test_a_chip_that_answered_5000_times_is_blocked() -> None:
    """The limit has a type of its own."""
    card, _ = _recognised(_used_up(load_profile("adult")))
    with pytest.raises(ChipBlocked):
        card.authenticate_chip(DIGEST)


def test_a_chip_without_basic_key_cannot_prove_itself() -> None:
    """As a card from a folder without basic.key: unsupported, not unreadable."""
    profile = load_profile("adult")
    keys = {key: one for key, one in profile.keys.items() if key is not Key.BASIC}
    bare = Profile(
        "bare", profile.applet, profile.atr, profile.files, profile.chip_serial, keys
    )
    card, _ = _recognised(virtual_channel(bare))
    with pytest.raises(UnsupportedCard):
        card.authenticate_chip(DIGEST)
