"""Targets: answers, the masked log, card data, the PIN, and the virtual card."""

from __future__ import annotations

from cardio import channel
from cardio.apdu import INS, Response
from cardio.card import CardData
from cardio.errors import MalformedData, PinFormat, UnsupportedCard
from cardio.pin import Pin
from cardio.virtual.card import VirtualCard
from tests.cardio.virtual.wire import APPLETS, profile
from tests.fuzz.conversation import split_commands

_COMPARING = (INS.VERIFY, INS.CHANGE_REFERENCE_DATA)


def response(data: bytes) -> None:
    """A response that is written as it came, or MalformedData."""
    try:
        answer = Response.from_bytes(data)
    except MalformedData:
        return
    assert bytes(answer) == data
    assert 0x6000 <= answer.sw < 0xA000
    assert len(repr(answer)) < 30


def masked(data: bytes) -> None:
    """Header and length alone: the data behind them change nothing in the text."""
    hidden = data[:5] + bytes(len(data[5:]))
    assert channel.masked(data) == channel.masked(hidden)
    assert channel.masked(bytearray(data)) == channel.masked(data)


def card_data(data: bytes) -> None:
    """Card data, UnsupportedCard or MalformedData; never more tries than three."""
    try:
        found = CardData.from_bytes(data, b"\x3b")
    except (UnsupportedCard, MalformedData):
        return
    assert found.applet in ("1.0", "1.1", "1.7", "1.8")
    assert found.chip_serial == data[:16]
    assert found.tries_left is None or 0 <= found.tries_left <= 3


def pin(data: bytes) -> None:
    """The block of the manuals (2.8), or PinFormat and a buffer without a digit."""
    typed = bytearray(data)
    told = ""
    good = 4 <= len(data) <= 12 and not set(data) - set(b"0123456789")
    try:
        with Pin(typed) as entered:
            block: bytearray | None = entered.block()
    except PinFormat as error:
        block = None
        told = str(error)
    if block is None:
        assert not good
        assert told == "a PIN has 4 to 12 digits"
    else:
        assert good
        assert block.hex() == f"2{len(data):x}{data.decode()}".ljust(16, "f")
    assert not any(typed)


def _grants(instruction: int | None, answer: Response) -> bool:
    """Tell whether a comparison was won; a status query that is answered 9000, too."""
    return instruction in _COMPARING and answer.sw == 0x9000


def _drops(apdu: bytes, instruction: int | None, answer: Response) -> bool:
    """Tell whether every PIN right is gone: logged off, or a comparison was lost."""
    if instruction == INS.LOG_OFF:
        return answer.sw == 0x9000
    lost = answer.sw & 0xFFF0 == 0x63C0
    return instruction in _COMPARING and len(apdu) >= 13 and lost


def virtual_card(data: bytes) -> None:
    """Any commands: answers of 2 to 258 bytes, no signature that no PIN allowed."""
    choice, *_ = data or b"\0"
    card = VirtualCard(profile(APPLETS[choice & 1]), strict=bool(choice & 2))
    verified = False
    for apdu in split_commands(data[1:]):
        tries, instruction = card.tries_left, apdu[1] if len(apdu) > 1 else None
        answer = Response.from_bytes(card.transmit(apdu))
        assert card.tries_left == tries or instruction in _COMPARING
        verified = (verified or _grants(instruction, answer)) and not _drops(
            apdu, instruction, answer
        )
        signed = instruction == INS.PSO and answer.sw >> 8 in (0x61, 0x90)
        assert verified or not signed
    card.reset()
    assert card.transmit(bytes.fromhex("80E400001C"))[-2:] == b"\x90\x00"
