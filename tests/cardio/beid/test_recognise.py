"""Recognition: which cards are Belgian, with how few commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio.beid.card import BeidCard
from cardio.errors import (
    CardError,
    CardReset,
    MalformedData,
    UnsupportedCard,
)
from cardio.files import ATR_1_7, ATR_1_8
from tests.cardio.channels import ScriptedChannel

GET = "80E400001C"
SELECT = "00A4040C0FA00000003029057000AD13100101FF"
SELECT_P2_00 = "00A404000FA00000003029057000AD13100101FF"
_SERIAL = "534C4790" + "11" * 12
FOREIGN_ATR = bytes.fromhex("3BFE1800008031FE4580318066409093065B0000C1")


def _data(applet: str) -> str:
    return f"{_SERIAL}F336012601{applet}00010000020F9000"


@pytest.mark.parametrize(
    ("version", "applet", "signs"),
    [
        ("17", "1.7", True),
        ("18", "1.8", True),
        ("11", "1.1", False),
        ("10", "1.0", False),
        ("01", "1.0", False),
    ],
)
def test_one_command_recognises_a_card(version: str, applet: str, signs: bool) -> None:
    """GET CARD DATA alone: selecting would drop another program's PIN right."""
    script = ScriptedChannel((GET, _data(version)))
    card = BeidCard(script)
    data = card.recognise()
    assert (data.applet, data.chip_serial.hex().upper()) == (applet, _SERIAL)
    assert (card.signs, data.life_cycle) == (signs, 0x0F)
    assert script.sent == [GET]


@pytest.mark.parametrize("refusal", ["6D00", "6E00", "6A82", "6986", "6985"])
def test_another_applet_is_selected_away(refusal: str) -> None:
    """Where another applet is selected, ours is selected once and asked again."""
    script = ScriptedChannel((GET, refusal), (SELECT, "9000"), (GET, _data("18")))
    assert BeidCard(script).recognise().applet == "1.8"
    assert not script.steps


def test_old_cards_take_the_other_p2() -> None:
    """6A86 to P2=0C: the form that the official software sends."""
    script = ScriptedChannel(
        (GET, "6D00"),
        (SELECT, "6A86"),
        (SELECT_P2_00, "9000"),
        (GET, _data("17")),
        atr=ATR_1_7,
    )
    assert BeidCard(script).recognise().applet == "1.7"


@pytest.mark.parametrize(
    "steps",
    [
        [(GET, "6D00"), (SELECT, "6A82")],
        [(GET, "6E00"), (SELECT, "6A86")],
        [(GET, "9000")],
        [(GET, "00" * 16 + "9000")],
        [(GET, _data("19"))],
        [(GET, "FF" * 200 + "9000")],
        [(GET, "6D00"), (SELECT, "9000"), (GET, "6D00")],
    ],
)
def test_foreign_cards_are_left_alone(steps: list[tuple[str, str]]) -> None:
    """Any other card gets no command beyond these, and its ATR is reported."""
    script = ScriptedChannel(*steps, atr=FOREIGN_ATR)
    with pytest.raises(UnsupportedCard) as caught:
        BeidCard(script).recognise()
    assert caught.value.atr == FOREIGN_ATR
    assert not script.steps


def test_card_data_with_a_byte_too_many_are_not_believed() -> None:
    """28 bytes are card data; 29 with the right byte at offset 21 are an accident.

    Of a card whose ATR is Belgian they are a damaged answer, to be asked for again.
    """
    answer = _data("18")[:-4] + "00" + "9000"
    with pytest.raises(UnsupportedCard):
        BeidCard(ScriptedChannel((GET, answer), atr=FOREIGN_ATR)).recognise()
    with pytest.raises(MalformedData):
        BeidCard(ScriptedChannel((GET, answer))).recognise()


def test_a_reset_during_recognition_is_reported() -> None:
    """The caller begins again; recognition itself repeats nothing."""
    script = ScriptedChannel((GET, CardReset()))
    with pytest.raises(CardReset):
        BeidCard(script).recognise()


@given(st.lists(st.binary(max_size=40), min_size=8, max_size=8))
def test_garbage_ends_as_a_card_error(answers: list[bytes]) -> None:
    """Whatever bytes a card answers, a CardError or card data come out."""
    script = ScriptedChannel(*[("", answer.hex()) for answer in answers], atr=ATR_1_8)
    try:
        BeidCard(script).recognise()
    except CardError:
        assert len(script.sent) <= 8
