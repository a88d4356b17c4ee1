"""Bytes of every kind, as properties: always an answer, never a lost try."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cardio.apdu import Response
from cardio.virtual.card import VirtualCard
from tests.cardio.virtual.wire import APPLETS, profile

INSTRUCTIONS = (
    0x20,
    0x22,
    0x24,
    0x2A,
    0x2C,
    0x84,
    0x88,
    0xA4,
    0xB0,
    0xB2,
    0xC0,
    0xE4,
    0xE6,
)
BYTES = st.integers(0, 255)


@st.composite
def commands(draw: st.DrawFn) -> bytes:
    """Near misses: a known instruction, parameters of some command, any length."""
    head = bytes(
        [
            draw(st.sampled_from((0x00, 0x80))),
            draw(st.sampled_from(INSTRUCTIONS)),
            draw(st.sampled_from((0x00, 0x02, 0x04, 0x08, 0x41, 0x9E)) | BYTES),
            draw(st.sampled_from((0x00, 0x01, 0x0C, 0x81, 0x9A, 0xB6)) | BYTES),
        ]
    )
    data = draw(st.binary(max_size=64))
    length = bytes([len(data)]) if draw(st.booleans()) else draw(st.binary(max_size=1))
    return head + length + data


def _spends(apdu: bytes) -> bool:
    """Tell whether a command compares a PIN."""
    return len(apdu) >= 13 and apdu[1] in (0x20, 0x24) and apdu[4] in (8, 16)


@given(
    st.sampled_from(APPLETS),
    st.booleans(),
    st.lists(st.binary(max_size=300) | commands(), min_size=1, max_size=20),
)
def test_every_command_is_answered(
    applet: str, strict: bool, apdus: list[bytes]
) -> None:
    """2 to 258 bytes with a status word, and tries lost by comparisons only."""
    card = VirtualCard(profile(applet), strict=strict)
    for apdu in apdus:
        before = card.tries_left
        Response.from_bytes(card.transmit(apdu))
        assert card.tries_left == before or _spends(apdu)


@given(st.sampled_from(APPLETS), st.lists(commands(), max_size=20))
def test_no_signature_without_the_pin(applet: str, apdus: list[bytes]) -> None:
    """However a card is talked to, without the right PIN it signs nothing."""
    card = VirtualCard(profile(applet))
    for apdu in apdus:
        if not _spends(apdu):
            card.transmit(apdu)
    for key in (0x82, 0x83):
        algorithm, length = (0x02, 48) if applet == "1.8" else (0x08, 32)
        mse = bytes([0x00, 0x22, 0x41, 0xB6, 5, 0x04, 0x80, algorithm, 0x84, key])
        assert card.transmit(mse) in (b"\x90\x00", b"\x6d\x00")
        pso = bytes([0x00, 0x2A, 0x9E, 0x9A, length, *bytes(length)])
        assert card.transmit(pso) in (b"\x69\x82", b"\x6d\x00")
