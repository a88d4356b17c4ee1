"""What the tray shows: the state by readers and work, its words, its pictures."""

from __future__ import annotations

import itertools

import pytest
from PIL import Image, ImageChops

from agent.texts import LANGUAGES, text
from agent.ui.frames import BadFrame, encode, parse_message
from agent.ui.icons import INK, SIZE, TILE, icon
from agent.ui.traystate import State, TrayState, state_of
from cardio.readers import ReaderState
from cardio.virtual.profile import load_profile

BELGIAN = load_profile("adult").atr
OTHER = bytes.fromhex("3B6800000073C84012009000")


def reader(atr: bytes | None) -> ReaderState:
    """Return a reader with a card, or without."""
    return ReaderState("Reader", atr, 1)


@pytest.mark.parametrize(
    ("atrs", "working", "fault", "state"),
    [
        ([], False, False, State.NO_READER),
        ([], False, True, State.PROBLEM),
        ([None], False, False, State.NO_CARD),
        ([None, BELGIAN], False, False, State.READY),
        ([OTHER, BELGIAN], False, False, State.READY),
        ([OTHER, None], False, False, State.PROBLEM),
        ([b""], False, False, State.READY),  # a PKCS#11 module tells no ATR
        ([BELGIAN], True, False, State.BUSY),
        ([], True, True, State.BUSY),
    ],
)
def test_the_state_follows_readers_and_work(
    atrs: list[bytes | None], working: bool, fault: bool, state: State
) -> None:
    """No card is touched for it."""
    states = [reader(atr) for atr in atrs]
    assert state_of(states, working=working, fault=fault) is state


def test_a_state_goes_over_the_pipe_and_back() -> None:
    """What is no state is refused."""
    shown = TrayState(State.BUSY, "nl", True, ("developer-run",), "hello", False)
    frame = encode(shown.to_message())
    assert TrayState.from_message(parse_message(frame[5:])) == shown
    for wrong in ({}, {"state": {}}, {"state": {"state": "x", "marks": []}}):
        with pytest.raises(BadFrame):
            TrayState.from_message(wrong)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_title_and_lines_say_what_is_special(lang: str) -> None:
    """Test card, developer, --allow-origin and counter are told (SAFETY 22)."""
    marks = ("developer-run", "tray-named-origins", "tray-counter")
    shown = TrayState(State.READY, lang, True, marks, "hello")
    wanted = [text(mark, lang).strip() for mark in ("test-card", *marks)]
    assert shown.lines() == [text("tray-ready", lang), *wanted, "hello"]
    assert all(words in shown.title() for words in (*wanted, "hello"))


def test_each_state_has_a_shape_of_its_own() -> None:
    """At the size of a tray, without colours, by at least a tenth of the picture."""
    shapes = [TrayState(state, "en") for state in State]
    shapes.append(TrayState(State.READY, "en", virtual=True))
    small = [icon(shown).convert("L").resize((22, 22)) for shown in shapes]
    for one, other in itertools.combinations(small, 2):
        difference = ImageChops.difference(one, other)
        differing = sum(difference.point(lambda v: 255 * (v > 96)).histogram()[255:])
        assert differing > 22 * 22 / 25


def test_an_icon_stands_out_on_light_and_dark() -> None:
    """Shape on tile, and tile or edge on the panel: 3 to 1 at least (WCAG 1.4.11)."""
    picture = icon(TrayState(State.READY, "en"))
    assert picture.size == (SIZE, SIZE)
    assert picture.getextrema()[3] == (255, 255)  # X11's tray knows no transparency
    assert _contrast(INK, TILE) >= 7
    assert _contrast(TILE, "#ffffff") >= 3
    assert _contrast(INK, "#000000") >= 3


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""
    light, dark = sorted(map(_luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    pixel = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    parts = [value / 255 for value in pixel]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
