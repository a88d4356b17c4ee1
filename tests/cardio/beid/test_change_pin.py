"""Changing the PIN: sent once, to the card that was shown; no right stays behind."""

from __future__ import annotations

import logging

import pytest

from cardio.apdu import INS
from cardio.beid.algorithms import login_algorithm
from cardio.beid.card import BeidCard
from cardio.card import Expected
from cardio.channel import Apdu, Channel, Trace
from cardio.errors import (
    CardChanged,
    CardError,
    CardMute,
    CardRemoved,
    CardReset,
    CardUnreadable,
    MalformedData,
    NewPinRefused,
    PinBlocked,
    PinIncorrect,
    UnsupportedCard,
)
from cardio.files import Key
from cardio.pin import Pin
from cardio.virtual.profile import Profile, load_profile
from tests.cardio.channels import (
    Answer,
    Fault,
    Recorder,
    ScriptedChannel,
    is_ins,
    virtual_channel,
)

CHANGE = "0024000110241234FFFFFFFFFF2512345FFFFFFFFF"
FIRST = {"1.8": ["80E400011F"], "1.7": ["80E400001C", "0020000100"]}
APPLETS = pytest.mark.parametrize("applet", ["1.7", "1.8"])
STRICT = pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])


def _profile(applet: str) -> Profile:
    return load_profile("expired", applet=applet)


class KeepingPin(Pin):
    """A PIN that keeps the blocks it gave out, to look at them afterwards."""

    kept: list[bytearray]

    def block(self) -> bytearray:
        """Give out a block and keep it."""
        block = super().block()
        self.kept = [*getattr(self, "kept", []), block]
        return block


def _change(
    channel: Channel,
    *,
    old: bytes = b"1234",
    new: bytes = b"12345",
    expected: Expected | None = None,
) -> None:
    """Recognise, ask the tries as the command line does, and change; then look."""
    card = BeidCard(channel)
    card.recognise()
    if expected is None:
        expected = Expected(card.card_data.chip_serial, card.pin_status().tries_left)
    if isinstance(channel, Recorder):
        channel.sent.clear()
        channel.objects.clear()
    with KeepingPin(bytearray(old)) as first, KeepingPin(bytearray(new)) as second:
        try:
            card.change_pin(first, second, expected)
        finally:
            for pin in (first, second):
                assert not any(any(block) for block in getattr(pin, "kept", []))
    if isinstance(channel, Recorder):
        _assert_wiped(channel.objects)


def _assert_wiped(sent: list[Apdu]) -> None:
    held = [item for item in sent if isinstance(item, bytearray)]
    assert not any(any(item) for item in held)


def _signs(channel: Channel, applet: str, pin: bytes) -> None:
    card = BeidCard(channel)
    expected = Expected(card.recognise().chip_serial, card.pin_status().tries_left)
    row = login_algorithm(applet)
    with Pin(bytearray(pin)) as typed:
        card.sign(Key.AUTHENTICATION, row, bytes(row.digest_size), typed, expected)


@STRICT
@APPLETS
def test_a_change_is_exactly_these_commands(applet: str, strict: bool) -> None:
    """The state again, the change, LOG OFF; one transaction, without a reset."""
    recorder = Recorder(virtual_channel(_profile(applet), strict=strict))
    _change(recorder)
    assert recorder.sent == [*FIRST[applet], CHANGE, "80E60000"]
    assert [end.reset_at_end for end in recorder.transactions] == [False]


@STRICT
@APPLETS
def test_the_new_pin_counts_and_the_old_one_does_not(applet: str, strict: bool) -> None:
    """For the next signature, and for the next change."""
    channel = virtual_channel(_profile(applet), strict=strict)
    _change(channel)
    _signs(channel, applet, b"12345")
    with pytest.raises(PinIncorrect):
        _signs(channel, applet, b"1234")
    _change(channel, old=b"12345", new=b"123456789012")
    _signs(channel, applet, b"123456789012")


@APPLETS
def test_no_right_stays_behind(applet: str) -> None:
    """A good change grants the PIN right; LOG OFF takes it back (SAFETY 2)."""
    channel = virtual_channel(_profile(applet))
    _change(channel)
    assert channel.transmit(bytes.fromhex("0020000100")).sw == 0x63C3


@STRICT
@APPLETS
def test_a_wrong_old_pin_costs_one_try_each(applet: str, strict: bool) -> None:
    """The PIN stays; at the end it is blocked, and then nothing more is sent."""
    recorder = Recorder(virtual_channel(_profile(applet), strict=strict))
    for left in (2, 1):
        with pytest.raises(PinIncorrect) as caught:
            _change(recorder, old=b"9999")
        assert caught.value.tries_left == left
        assert recorder.instructions()[-1] == INS.LOG_OFF
    _signs(recorder, applet, b"1234")
    for _ in range(2):
        with pytest.raises(PinIncorrect):
            _change(recorder, old=b"9999")
    with pytest.raises(PinBlocked):
        _change(recorder, old=b"9999")
    with pytest.raises(PinBlocked):
        _change(recorder)
    assert INS.CHANGE_REFERENCE_DATA not in recorder.instructions()


@APPLETS
@pytest.mark.parametrize("tries", [2, 1, 0, None])
def test_other_tries_than_shown_change_nothing(applet: str, tries: int | None) -> None:
    """The card has three tries, the person read another number."""
    recorder = Recorder(virtual_channel(_profile(applet)))
    with pytest.raises(CardChanged):
        _change(recorder, expected=Expected(_profile(applet).chip_serial, tries))
    assert recorder.sent == FIRST[applet]


@APPLETS
def test_another_card_than_shown_is_left_alone(applet: str) -> None:
    """One person's PIN never goes to another person's card, nor a LOG OFF."""
    recorder = Recorder(virtual_channel(_profile(applet)))
    with pytest.raises(CardChanged):
        _change(recorder, expected=Expected(bytes(16), 3))
    assert recorder.sent == []


def test_the_state_is_asked_again_just_before() -> None:
    """What recognition saw is not enough: the card's fresh answer decides."""
    inner = virtual_channel(_profile("1.8"))
    other = inner.transmit(bytes.fromhex("80E400011F"))
    changed = bytes(16) + other.data[16:] + b"\x90\x00"
    fault = Fault(inner, lambda command: command[3] == 1, changed.hex())
    recorder = Recorder(fault)
    with pytest.raises(CardChanged):
        _change(recorder, expected=Expected(_profile("1.8").chip_serial, 3))
    assert recorder.sent == FIRST["1.8"]


BAD_ENDS: list[tuple[Answer, type[BaseException]]] = [
    ("63C2", PinIncorrect),
    ("63C0", PinBlocked),
    ("6983", PinBlocked),
    ("6A80", NewPinRefused),
    ("6C15", CardUnreadable),
    ("6108", CardUnreadable),
    ("6700", CardUnreadable),
    ("6F00", CardUnreadable),
    (CardReset(), CardReset),
    (CardMute(), CardMute),
    (CardRemoved(), CardRemoved),
    (MalformedData("x"), MalformedData),
    (RuntimeError("a bug"), RuntimeError),
    (KeyboardInterrupt(), KeyboardInterrupt),
]


@pytest.mark.parametrize(("answer", "error"), BAD_ENDS, ids=repr)
@pytest.mark.parametrize("after", [False, True], ids=["lost-way-in", "lost-way-out"])
@APPLETS
def test_a_change_is_never_repeated(
    applet: str, after: bool, answer: Answer, error: type[BaseException]
) -> None:
    """Whatever comes back: once, LOG OFF after it, every buffer wiped, its own type."""
    inner = virtual_channel(_profile(applet))
    fault = Fault(inner, is_ins(INS.CHANGE_REFERENCE_DATA), answer, after=after)
    recorder = Recorder(fault)
    with pytest.raises(error):
        _change(recorder)
    assert recorder.sent == [*FIRST[applet], CHANGE, "80E60000"]
    _assert_wiped(recorder.objects)


@pytest.mark.parametrize("answer", ["6400", "6D00", CardMute(), CardReset()], ids=repr)
def test_a_refused_log_off_resets_the_card(answer: Answer) -> None:
    """The PIN is changed all the same, and the reset takes the right back."""
    inner = virtual_channel(_profile("1.8"))
    recorder = Recorder(Fault(inner, is_ins(INS.LOG_OFF), answer))
    _change(recorder)
    assert [end.reset_at_end for end in recorder.transactions] == [True]
    _signs(inner, "1.8", b"12345")


@pytest.mark.parametrize("version", ["10", "11"])
def test_old_cards_are_read_only(version: str) -> None:
    """Their tries cannot be asked without a cost, so nothing is risked there."""
    data = "00" * 16 + f"A503010101{version}0002000101" + "0F9000"
    script = ScriptedChannel(("80E400001C", data))
    card = BeidCard(script)
    card.recognise()
    expected = Expected(bytes(16), None)
    with (
        Pin(bytearray(b"1234")) as old,
        Pin(bytearray(b"4321")) as new,
        pytest.raises(UnsupportedCard, match="read only"),
    ):
        card.change_pin(old, new, expected)
    assert script.sent == ["80E400001C"]


def test_a_wiped_pin_is_not_sent() -> None:
    """A buffer that somebody wiped too early must not reach the card as a wrong PIN."""
    recorder = Recorder(virtual_channel(_profile("1.8")))
    card = BeidCard(recorder)
    expected = Expected(card.recognise().chip_serial, 3)
    old, new = Pin(bytearray(b"1234")), Pin(bytearray(b"4321"))
    new.wipe()
    with old, pytest.raises(CardError):
        card.change_pin(old, new, expected)
    assert INS.CHANGE_REFERENCE_DATA not in recorder.instructions()


def test_the_pins_leave_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Neither log nor error holds digits or blocks of the old or the new PIN."""
    channel = Trace(virtual_channel(_profile("1.8")), logging.getLogger("test"))
    with caplog.at_level(logging.DEBUG), pytest.raises(PinIncorrect) as caught:
        _change(channel, old=b"864297", new=b"735186")
    shown = (caplog.text + repr(caught.value)).replace(" ", "")
    assert "> 00 24 00 01 10 **" in caplog.text
    assert "864297" not in shown
    assert "735186" not in shown
