"""Colours and lines: text can be read on every ground, and breaks where it may."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6")
from PySide6.QtGui import QColor, QFont, QPalette

from agent.ui.windows import look
from agent.ui.windows.plain import breakable
from tests.agent.ui.palettes import PALETTES, palette

_Role = QPalette.ColorRole
#: A theme on whose ground neither of our colours for warnings can be read.
GREY = QPalette(QColor("#757575"))


def test_contrast_is_measured_as_the_guidelines_say() -> None:
    """Black on white 21, a colour on itself 1, and #767676 just enough for text."""
    white = QColor("white")
    assert look.contrast(QColor("black"), white) == pytest.approx(21)
    assert look.contrast(white, white) == 1
    assert look.contrast(QColor("#767676"), white) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", PALETTES)
def test_every_text_stands_out_from_its_ground(name: str) -> None:
    """Warnings and marks, what is disabled, and what the palette gives."""
    colours = palette(name)
    ground = colours.color(_Role.Window)
    assert look.contrast(look.warning(colours), ground) >= look.TEXT_CONTRAST
    for least in (look.TEXT_CONTRAST, look.SHAPE_CONTRAST):
        assert look.contrast(look.faint(colours, least), ground) >= least
    for text, below in (
        (_Role.WindowText, _Role.Window),
        (_Role.ButtonText, _Role.Button),
        (_Role.Text, _Role.Base),
    ):
        seen = look.contrast(colours.color(text), colours.color(below))
        assert seen >= look.TEXT_CONTRAST


@pytest.mark.parametrize("name", PALETTES)
def test_no_text_has_another_colour_than_these(name: str) -> None:
    """The style sheet names those that the test before measured, and roles."""
    colours = palette(name)
    allowed = {
        colours.color(_Role.Window).name(),
        colours.color(_Role.WindowText).name(),
        look.warning(colours).name(),
        look.faint(colours, look.TEXT_CONTRAST).name(),
        look.faint(colours, look.SHAPE_CONTRAST).name(),
    }
    sheet = look.style(colours, QFont())
    named = {word.strip(";") for word in sheet.split() if word.startswith("#")}
    assert named <= allowed


@pytest.mark.parametrize("name", ["black", "white"])
def test_a_theme_of_high_contrast_keeps_its_colours(name: str) -> None:
    """Warnings are told by their weight and their words there."""
    colours = palette(name)
    assert look.warning(colours) == colours.color(_Role.WindowText)


def test_a_ground_that_suits_no_colour_of_ours_gets_the_texts() -> None:
    """A warning that could not be read would be none."""
    assert look.warning(GREY) == GREY.color(_Role.WindowText)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("pas ici : le code", "pas ici\u00a0: le code"),
        ("sûr ? Non", "sûr\u00a0? Non"),
        ("Dienstleistungsgesellschaften", "Dienstleistungsgesellschaften"),
        ("x" * 31, "\u200b".join(["x" * 10, "x" * 10, "x" * 10, "x"])),
        ("e" + "\u0323" * 40, "e" + "\u0323" * 40),
    ],
)
def test_a_line_breaks_where_nothing_is_torn_apart(words: str, shown: str) -> None:
    """Not before a mark, not in a word of ours, not between a letter and its marks."""
    assert breakable(words) == shown
