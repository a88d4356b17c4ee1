"""What is fetched after 61xx and 6Cxx, and what a trace shows."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio import apdu
from cardio.apdu import PIN_INSTRUCTIONS
from cardio.channel import FollowUp, Trace, masked
from cardio.errors import CardUnreadable
from tests.cardio.channels import ScriptedChannel


def test_announced_data_are_fetched() -> None:
    """61xx is followed by GET RESPONSE until 9000, a wrong length in between too."""
    script = ScriptedChannel(
        ("002A", "6102"),
        ("00C0000002", "6C01"),
        ("00C0000001", "AA6101"),
        ("00C0000001", "BB9000"),
    )
    assert FollowUp(script).transmit(apdu.pso_cds(b"x")).data == b"\xaa\xbb"
    assert not script.steps


def test_the_right_length_is_asked_once() -> None:
    """6Cxx repeats the command with xx; a second 6Cxx is an answer like any other."""
    script = ScriptedChannel(("00B0000000", "6C05"), ("00B0000005", "6C04"))
    assert FollowUp(script).transmit(apdu.read_binary(0, 256)).sw == 0x6C04


def test_data_without_end_are_given_up() -> None:
    """A card that announces for ever does not hold the program for ever."""
    steps = [("00C0", "AA6101")] * 40
    with pytest.raises(CardUnreadable):
        FollowUp(ScriptedChannel(("002A", "6101"), *steps)).transmit(apdu.pso_cds(b"x"))


@pytest.mark.parametrize("answer", ["6C08", "6C00", "6108"])
@pytest.mark.parametrize("ins", sorted(PIN_INSTRUCTIONS))
@pytest.mark.parametrize("data", ["00", "08241234FFFFFFFFFF"])
def test_nothing_follows_a_command_with_a_pin(ins: int, answer: str, data: str) -> None:
    """A PIN given once is sent once, whatever the card answers."""
    script = ScriptedChannel((f"00{ins:02X}", answer))
    command = bytes.fromhex(f"00{ins:02X}0001{data}")
    assert bytes(FollowUp(script).transmit(command)).hex().upper() == answer


@pytest.mark.parametrize("answer", ["6108", "6100"])
def test_log_off_is_done_when_it_says_so_itself(answer: str) -> None:
    """What the card answers to another command does not stand for it."""
    script = ScriptedChannel(("80E60000", answer), ("00C0", "9000"))
    assert FollowUp(script).transmit(apdu.log_off()).sw == int(answer, 16)


@given(st.binary(min_size=1, max_size=40), st.sampled_from(sorted(PIN_INSTRUCTIONS)))
def test_masking_never_shows_the_data_of_a_pin_command(data: bytes, ins: int) -> None:
    """However long the data field is, `**` stands for it."""
    command = bytes([0x00, ins, 0x00, 0x01, len(data)]) + data
    assert masked(command) == f"{command[:5].hex(' ').upper()} **"


def test_a_trace_shows_headers_and_lengths(caplog: pytest.LogCaptureFixture) -> None:
    """Card data and digests appear as lengths, transactions by their ends."""
    log = logging.getLogger("test.trace")
    channel = Trace(ScriptedChannel(("002A", "CAFECAFE9000")), log)
    with caplog.at_level(logging.DEBUG), channel.transaction():
        channel.transmit(apdu.pso_cds(bytes.fromhex("BEEFBEEF")))
    assert caplog.messages == [
        "transaction begins",
        "> 00 2A 9E 9A 04 +4 bytes",
        "< Response(4 bytes, 9000)",
        "transaction ended",
    ]
