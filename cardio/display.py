"""Makes foreign text fit to be shown on one line; pure.

Texts from sites and cards are cut, and what could hide or reorder other text (control,
bidi, zero-width, line characters) is shown as a replacement character, as is what this
Python knows no character for.
"""

from __future__ import annotations

import unicodedata

#: Control, format (bidi, zero width), surrogate, line, paragraph.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Without a character: private, not assigned.
_UNKNOWN = frozenset({"Co", "Cn"})
#: Letters and marks without a width: joiner, fillers, variation selectors, tags.
_WIDTHLESS = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF),
)
MAX_CHARACTERS = 200


def is_hidden(character: str) -> bool:
    """Tell whether a character acts on other text, or is there without being seen."""
    return unicodedata.category(character) in _HIDDEN or any(
        first <= ord(character) <= last for first, last in _WIDTHLESS
    )


def _shown(character: str) -> str:
    unknown = unicodedata.category(character) in _UNKNOWN
    return "\N{REPLACEMENT CHARACTER}" if unknown or is_hidden(character) else character


def one_line(text: str) -> str:
    """Return the text in NFC, one line, at most 200 characters, nothing hidden."""
    normal = unicodedata.normalize("NFC", text)
    shown = "".join(_shown(character) for character in normal)
    return shown if len(shown) <= MAX_CHARACTERS else shown[: MAX_CHARACTERS - 1] + "…"
