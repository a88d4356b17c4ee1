"""Makes foreign text fit to be shown on one line; pure.

Texts from sites and cards are cut, and what could hide or reorder other text (control,
bidi, zero-width, line characters) is shown as a replacement character.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MAX = 200


def one_line(text: str) -> str:
    """Return the text in NFC, one line, at most 200 characters, nothing hidden."""
    normal = unicodedata.normalize("NFC", text)
    shown = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _HIDDEN else c
        for c in normal
    )
    return shown if len(shown) <= _MAX else shown[: _MAX - 1] + "…"


def quoted(text: str) -> str:
    """Return a site's own words between quotation marks that they cannot close."""
    return one_line(text).replace('"', "'")


def site_name(origin: str) -> str:
    """Return an origin as it is shown: without the scheme where that is https."""
    return one_line(origin.removeprefix("https://"))
