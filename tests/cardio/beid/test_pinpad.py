"""Readers with keys: structures field by field, and whole signatures on a fake one.

No real reader with keys was at hand; a scripted one follows the structures.
"""

from __future__ import annotations

import hashlib
import logging
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio import apdu
from cardio.apdu import INS
from cardio.beid.algorithms import ES384, RS256
from cardio.beid.card import BeidCard
from cardio.beid.pinpad import (
    STANDARD,
    Quirks,
    modify_structure,
    quirks,
    verify_structure,
)
from cardio.card import Expected, PinEntry
from cardio.channel import Trace
from cardio.errors import (
    CardChanged,
    CardError,
    CardUnreadable,
    NewPinsDiffer,
    PinBlocked,
    PinEntryCancelled,
    PinEntryTimeout,
    PinFormat,
    PinIncorrect,
    UnsupportedCard,
)
from cardio.files import Key
from cardio.part10 import Feature, Keypad, keypad, parse_features
from cardio.pin import Pin
from cardio.virtual.profile import load_profile
from tests.cardio.channels import Recorder, virtual_channel
from tests.cardio.fake_pinpad import (
    BOTH,
    CANCELLED,
    DIFFERENT,
    LENGTH,
    PARAMETER,
    TIMEOUT,
    FakePinPadChannel,
    Typed,
    fill,
    read_order,
)

ROWS = {"1.7": RS256, "1.8": ES384}
APPLETS = pytest.mark.parametrize("applet", ROWS)
STRICT = pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])


# --- the table of features -----------------------------------------------------------


def test_a_feature_table_is_read_entry_by_entry() -> None:
    """Tag, 04, control code with the most significant byte first."""
    table = bytes.fromhex("06 04 42330006 07 04 42330007 0A 04 4233000A")
    assert parse_features(table) == {6: 0x42330006, 7: 0x42330007, 10: 0x4233000A}
    pad = keypad(parse_features(table), (5, 6))
    assert pad == Keypad(frozenset(Feature), (5, 6))


def test_an_entry_of_another_length_does_not_shift_the_rest() -> None:
    """A table read by strides of six would see a keypad where there is none."""
    assert parse_features(bytes.fromhex("80 01 06 06 04 00000001")) == {6: 1}
    hidden = bytes.fromhex("01 0A 06040000000106040000")
    assert keypad(parse_features(hidden), None) is None


@pytest.mark.parametrize(
    "table", ["", "06", "06 04", "06 04 423300", "06 00", "07 04 42330007", "06 FF 00"]
)
def test_what_is_cut_off_is_no_keypad(table: str) -> None:
    """Modify alone is none either: a signature needs verify."""
    assert keypad(parse_features(bytes.fromhex(table)), None) is None


@given(st.binary(max_size=64))
def test_any_table_is_read(table: bytes) -> None:
    """Whatever a driver answers, reading it ends without an error."""
    assert all(0 <= code < 1 << 32 for code in parse_features(table).values())


# --- the structures ------------------------------------------------------------------

VERIFY_FIELDS = {
    "bTimerOut": "1E",
    "bTimerOut2": "1E",
    "bmFormatString": "89",
    "bmPINBlockString": "47",
    "bmPINLengthFormat": "04",
    "wPINMaxExtraDigit": "0C04",
    "bEntryValidationCondition": "02",
    "bNumberMessage": "01",
    "wLangId": "0904",
    "bMsgIndex": "00",
    "bTeoPrologue": "000000",
    "ulDataLength": "0D000000",
    "abData": "0020000108 20FFFFFFFFFFFFFF",
}

MODIFY_FIELDS = {
    "bTimerOut": "1E",
    "bTimerOut2": "1E",
    "bmFormatString": "89",
    "bmPINBlockString": "47",
    "bmPINLengthFormat": "04",
    "bInsertionOffsetOld": "00",
    "bInsertionOffsetNew": "08",
    "wPINMaxExtraDigit": "0C04",
    "bConfirmPIN": "03",
    "bEntryValidationCondition": "02",
    "bNumberMessage": "03",
    "wLangId": "0904",
    "bMsgIndex1": "00",
    "bMsgIndex2": "01",
    "bMsgIndex3": "02",
    "bTeoPrologue": "000000",
    "ulDataLength": "15000000",
    "abData": "0024000110 20FFFFFFFFFFFFFF 20FFFFFFFFFFFFFF",
}


def _taken_apart(structure: bytes, fields: dict[str, str]) -> dict[str, str]:
    """Cut a structure into fields of the lengths that the expected ones have."""
    parts, rest = {}, structure
    for name, wanted in fields.items():
        size = len(bytes.fromhex(wanted))
        parts[name], rest = rest[:size].hex().upper(), rest[size:]
    assert not rest
    return parts


def _plain(fields: dict[str, str], **changed: str) -> dict[str, str]:
    return {name: value.replace(" ", "") for name, value in (fields | changed).items()}


def test_pin_verify_structure_field_by_field() -> None:
    """PC/SC part 10, 2.5.2, with the block of the applet manuals 2.8."""
    built = verify_structure(BOTH, order="little")
    assert _taken_apart(built, VERIFY_FIELDS) == _plain(VERIFY_FIELDS)
    assert len(built) == 19 + 13


def test_pin_modify_structure_field_by_field() -> None:
    """PC/SC part 10, 2.5.3: the old PIN at 0, the new one at 8, typed twice."""
    built = modify_structure(BOTH, order="little")
    assert _taken_apart(built, MODIFY_FIELDS) == _plain(MODIFY_FIELDS)
    assert len(built) == 24 + 21


def test_numbers_follow_the_machine() -> None:
    """pcsc-lite takes the structures in the machine's own order."""
    changed = {"wPINMaxExtraDigit": "040C", "wLangId": "0409"}
    verify = _taken_apart(verify_structure(BOTH, order="big"), VERIFY_FIELDS)
    assert verify == _plain(VERIFY_FIELDS, **changed, ulDataLength="0000000D")
    modify = _taken_apart(modify_structure(BOTH, order="big"), MODIFY_FIELDS)
    assert modify == _plain(MODIFY_FIELDS, **changed, ulDataLength="00000015")


@pytest.mark.parametrize(
    ("lang", "code"), [("nl", "1308"), ("fr", "0C08"), ("de", "0704"), ("xx", "0904")]
)
def test_prompts_have_a_language(lang: str, code: str) -> None:
    """Windows' numbers for Belgian Dutch and French, German, English."""
    built = verify_structure(BOTH, lang=lang, order="little")
    fields = _taken_apart(built, VERIFY_FIELDS)
    assert fields == _plain(VERIFY_FIELDS, wLangId=code)


@pytest.mark.parametrize(
    ("reader", "row"),
    [
        ("Gemalto GemPC Pinpad (serial) 00 00", Quirks(8, None, True)),
        ("SCM Microsystems Inc. SPRx32 USB Smart Card Reader 0", Quirks(12, (5, 6))),
        ("SCM SPR 532 [Vendor Interface] 00 00", Quirks(12, (5, 6))),
        ("VASCO DIGIPASS 870 0", STANDARD),
        ("ACS ACR38U 00 00", STANDARD),
    ],
)
def test_known_readers_have_their_quirks(reader: str, row: Quirks) -> None:
    """The table is found by the name that PC/SC gives."""
    assert quirks(reader) == row


def test_quirks_change_one_field_each() -> None:
    """Eight digits on GemPC Pinpad; the old format string on old SPR532 firmware."""
    gempc = verify_structure(BOTH, quirks("GemPC Pinpad"), order="little")
    fields = _taken_apart(gempc, VERIFY_FIELDS)
    assert fields == _plain(VERIFY_FIELDS, wPINMaxExtraDigit="0804")
    row = quirks("SPRx32")
    for firmware, form in [
        ((5, 5), "01"),
        ((5, 6), "89"),
        ((6, 1), "89"),
        (None, "89"),
    ]:
        pad = Keypad(frozenset(Feature), firmware)
        fields = _taken_apart(verify_structure(pad, row, order="little"), VERIFY_FIELDS)
        assert fields == _plain(VERIFY_FIELDS, bmFormatString=form)


digits = st.text("0123456789", min_size=4, max_size=12)


@given(digits, digits, st.sampled_from([(5, 5), (5, 6)]))
def test_a_reader_makes_the_command_that_we_would(
    old: str, new: str, firmware: tuple[int, int]
) -> None:
    """Following the fields, number and digits end where the manuals have them."""
    pad, row = Keypad(frozenset(Feature), firmware), quirks("SPRx32")
    first, second = (Pin(bytearray(typed.encode())).block() for typed in (old, new))
    order = read_order(Feature.VERIFY_PIN_DIRECT, verify_structure(pad, row))
    fill(order, 0, old)
    assert order.command == apdu.verify(first)
    order = read_order(Feature.MODIFY_PIN_DIRECT, modify_structure(pad, row))
    for offset, typed in zip(order.offsets, (old, new), strict=True):
        fill(order, offset, typed)
    assert order.command == apdu.change_reference_data(first, second)


# --- signatures and changes on a fake reader -----------------------------------------


def _card(
    applet: str, *typed: Typed, strict: bool = False, pad: Keypad | None = BOTH
) -> tuple[BeidCard, FakePinPadChannel, Recorder]:
    """Return a card behind keys; the recorder sits between keys and card."""
    recorder = Recorder(
        virtual_channel(load_profile("expired", applet=applet), strict=strict)
    )
    channel = FakePinPadChannel(recorder, *typed, pad=pad)
    card = BeidCard(channel)
    card.recognise()
    return card, channel, recorder


def _expected(card: BeidCard) -> Expected:
    return Expected(card.card_data.chip_serial, card.pin_status().tries_left)


def _sign(card: BeidCard, applet: str, key: Key = Key.AUTHENTICATION) -> bytes:
    row = ROWS[applet]
    digest = hashlib.new(row.hash_name, b"x").digest()
    return card.sign(key, row, digest, None, _expected(card))


@STRICT
@APPLETS
@pytest.mark.parametrize("key", [Key.AUTHENTICATION, Key.NON_REPUDIATION])
def test_a_pin_typed_on_the_reader_signs(applet: str, key: Key, strict: bool) -> None:
    """The reader's own VERIFY stands just before PSO; LOG OFF follows."""
    card, channel, recorder = _card(applet, ("1234",), strict=strict)
    assert card.pin_entry is PinEntry.READER
    assert len(_sign(card, applet, key)) == ROWS[applet].signature_size
    assert recorder.sent[-4:-3] == ["0020000108241234FFFFFFFFFF"]
    assert recorder.instructions()[-3:] == [INS.PSO, INS.GET_RESPONSE, INS.LOG_OFF]
    feature, _, seconds = channel.asked[0]
    assert feature is Feature.VERIFY_PIN_DIRECT
    assert seconds > 60  # more than the reader itself waits


@STRICT
@APPLETS
@pytest.mark.parametrize("new", ["4321", "12345", "123456789012"])
def test_a_pin_is_changed_on_the_reader(applet: str, new: str, strict: bool) -> None:
    """Old, new and new again; then the new one signs and the old one does not."""
    typed: list[Typed] = [("1234", new, new), (new,), ("1234",)]
    card, channel, recorder = _card(applet, *typed, strict=strict)
    card.change_pin(None, None, _expected(card))
    assert recorder.instructions()[-2:] == [INS.CHANGE_REFERENCE_DATA, INS.LOG_OFF]
    assert channel.asked[0][0] is Feature.MODIFY_PIN_DIRECT
    _sign(card, applet)
    with pytest.raises(PinIncorrect):
        _sign(card, applet)


ANSWERS: list[tuple[int, type[CardError]]] = [
    (TIMEOUT, PinEntryTimeout),
    (CANCELLED, PinEntryCancelled),
    (DIFFERENT, NewPinsDiffer),
    (LENGTH, PinFormat),
    (PARAMETER, CardUnreadable),
    (0x6983, PinBlocked),
    (0x63C0, PinBlocked),
    (0x63C2, PinIncorrect),
    (0x6F00, CardUnreadable),
    (0x6108, CardUnreadable),
    (0x6C08, CardUnreadable),
]


@APPLETS
@pytest.mark.parametrize(("answer", "error"), ANSWERS)
def test_what_the_reader_answers_has_a_type(
    applet: str, answer: int, error: type[CardError]
) -> None:
    """Asked once, no PSO after it, LOG OFF, no try used by us."""
    for change in (False, True):
        card, channel, recorder = _card(applet, answer)
        expected = _expected(card)
        ask = partial(card.change_pin, None, None, expected)
        with pytest.raises(error):
            ask() if change else _sign(card, applet)
        assert len(channel.asked) == 1
        assert recorder.instructions()[-1] == INS.LOG_OFF
        assert INS.PSO not in recorder.instructions()
        assert card.pin_status().tries_left == 3
        assert [end.reset_at_end for end in recorder.transactions] == [False]


@APPLETS
def test_a_wrong_pin_on_the_reader_costs_one_try(applet: str) -> None:
    """63Cx comes from the card through the reader."""
    card, _, recorder = _card(applet, ("9999",))
    with pytest.raises(PinIncorrect) as caught:
        _sign(card, applet)
    assert caught.value.tries_left == 2
    assert recorder.instructions()[-1] == INS.LOG_OFF


@APPLETS
def test_a_typed_pin_never_passes_through_a_reader_with_keys(applet: str) -> None:
    """Given one all the same, nothing is sent; without keys the PIN is needed."""
    card, channel, recorder = _card(applet)
    recorder.sent.clear()
    row = ROWS[applet]
    expected = Expected(card.card_data.chip_serial, 3)
    digest = bytes(row.digest_size)
    with Pin(bytearray(b"1234")) as pin, Pin(bytearray(b"4321")) as new:
        with pytest.raises(CardChanged, match="on the reader"):
            card.sign(Key.AUTHENTICATION, row, digest, pin, expected)
        for pair in ((pin, new), (pin, None), (None, new)):
            with pytest.raises(CardChanged, match="on the reader"):
                card.change_pin(*pair, expected)
    assert (recorder.sent, channel.asked) == ([], [])
    card, channel, recorder = _card(applet, pad=None)
    assert card.pin_entry is PinEntry.TYPED
    recorder.sent.clear()
    with pytest.raises(CardChanged, match="on the computer"):
        card.sign(Key.AUTHENTICATION, row, digest, None, expected)
    with pytest.raises(CardChanged, match="on the computer"):
        card.change_pin(None, None, expected)
    assert recorder.sent == []


@APPLETS
def test_another_card_or_tries_ask_nothing_on_the_reader(applet: str) -> None:
    """Nobody is made to type a PIN for a card that was swapped (SAFETY 1)."""
    card, channel, _ = _card(applet)
    row = ROWS[applet]
    for expected in (
        Expected(bytes(16), 3),
        Expected(card.card_data.chip_serial, 2),
    ):
        with pytest.raises(CardChanged):
            card.sign(Key.AUTHENTICATION, row, bytes(row.digest_size), None, expected)
        with pytest.raises(CardChanged):
            card.change_pin(None, None, expected)
    assert channel.asked == []


def test_keys_that_only_verify_change_no_pin() -> None:
    """Said before anything is sent; no way round it over the computer's keyboard."""
    pad = Keypad(frozenset({Feature.VERIFY_PIN_DIRECT}))
    card, channel, recorder = _card("1.8", pad=pad)
    recorder.sent.clear()
    expected = Expected(card.card_data.chip_serial, 3)
    with pytest.raises(UnsupportedCard, match="keypad"):
        card.change_pin(None, None, expected)
    assert (recorder.sent, channel.asked) == ([], [])


def test_the_log_tells_what_was_asked_but_no_digits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line for the reader's entry, none of the command that it made."""
    recorder = Recorder(virtual_channel(load_profile("expired", applet="1.8")))
    channel = Trace(FakePinPadChannel(recorder, ("1234",)), logging.getLogger("test"))
    card = BeidCard(channel)
    card.recognise()
    with caplog.at_level(logging.DEBUG):
        _sign(card, "1.8")
    assert "> VERIFY_PIN_DIRECT on the reader" in caplog.text
    assert "12 34" not in caplog.text
