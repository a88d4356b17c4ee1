"""What the trace of a virtual card tells, and that it never tells a PIN."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio.apdu import INS, get_card_data
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.playable import Pulled, Silence
from cardio.virtual.trace import Exchange, TracedCard, shown_answer, shown_command
from tests.cardio.virtual.wire import V_GOOD, profile


def traced(fault: str | None = None) -> tuple[TracedCard, list[Exchange]]:
    """Return a card and the list that fills as it is used."""
    told: list[Exchange] = []
    faulty = FaultyCard(
        VirtualCard(profile("1.8")), None if fault is None else Fault.parse(fault)
    )
    return TracedCard(faulty, told.append), told


def test_commands_and_answers() -> None:
    """In order and in hex; the session's beginnings, too."""
    card, told = traced()
    card.power_on()
    card.transmit(bytes.fromhex("00A4080C04DF014031"))
    card.transmit(bytes.fromhex("00B0000004"))
    card.reset()
    atr = profile("1.8").atr.hex(" ").upper()
    assert [(line.command, line.answer) for line in told] == [
        ("power on", atr),
        ("00 A4 08 0C 04 DF 01 40 31", "90 00"),
        ("00 B0 00 00 04", "01 0C 35 39 90 00"),
        ("reset or power off", atr),
    ]


PIN_COMMANDS = [
    (V_GOOD, "00 20 00 01 08 **", "90 00"),
    ("0020000108249999FFFFFFFFFF", "00 20 00 01 08 **", "63 C2"),
    (
        "0024000110241234FFFFFFFFFF245678FFFFFFFFFF",
        "00 24 00 01 10 **",
        "90 00",
    ),
    ("002C000108241234FFFFFFFFFF", "00 2C 00 01 08 **", "69 82"),
]


@pytest.mark.parametrize(("command", "shown", "answer"), PIN_COMMANDS)
def test_a_pin_is_masked(command: str, shown: str, answer: str) -> None:
    """VERIFY, change and reset of the counter: header and status word alone."""
    card, told = traced()
    card.transmit(bytearray.fromhex(command))
    assert [(line.command, line.answer) for line in told] == [(shown, answer)]


_KNOWN = frozenset(INS)
#: A class that no card of ours has, and instructions that we do not know.
UNKNOWN = st.tuples(
    st.integers(0, 255).filter(lambda cla: cla not in (0x00, 0x80)), st.integers(0, 255)
) | st.tuples(
    st.sampled_from((0x00, 0x80)),
    st.integers(0, 255).filter(lambda ins: ins not in _KNOWN),
)


@given(UNKNOWN, st.binary(min_size=1, max_size=12))
def test_unknown_commands_show_no_data(start: tuple[int, int], data: bytes) -> None:
    """They may hold anything: of the answer, too, the status word is all."""
    command = bytes([*start, 0x00, 0x00, len(data)]) + data
    head = command[:5].hex(" ").upper()
    assert shown_command(command) in (f"{head} **", f"{head} +{len(data)} bytes")
    assert shown_answer(command, b"\x12\x34\x90\x00") == "90 00"


def test_what_happens_is_told() -> None:
    """Silence, removal and what comes after are lines of the trace as well."""
    card, told = traced("mute")
    with pytest.raises(Silence):
        card.transmit(get_card_data())
    assert told[-1].answer == "(Silence)"
    card, told = traced("swapped")
    with pytest.raises(Pulled) as caught:
        card.transmit(get_card_data())
    successor = caught.value.successor
    assert successor is not None
    successor.transmit(get_card_data())
    assert [line.answer[-6:] for line in told] == ["ulled)", " 90 00"]
