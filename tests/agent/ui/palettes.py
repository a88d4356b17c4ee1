"""Palettes as systems have them: light, dark, and two of high contrast."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette

_Role = QPalette.ColorRole

#: Ground, field, button, text, selection and the text on it.
PALETTES = {
    "light": ("#efefef", "#ffffff", "#efefef", "#000000", "#308cc6", "#ffffff"),
    "dark": ("#323232", "#242424", "#323232", "#ffffff", "#308cc6", "#ffffff"),
    "black": ("#000000", "#000000", "#000000", "#ffffff", "#1aebff", "#000000"),
    "white": ("#ffffff", "#ffffff", "#ffffff", "#000000", "#37006e", "#ffffff"),
}


def palette(name: str) -> QPalette:
    """Return one of them."""
    ground, field, button, text, chosen, on_chosen = map(QColor, PALETTES[name])
    made = QPalette(button, ground)
    for role, colour in {
        _Role.Window: ground,
        _Role.Base: field,
        _Role.Button: button,
        _Role.WindowText: text,
        _Role.Text: text,
        _Role.ButtonText: text,
        _Role.Highlight: chosen,
        _Role.HighlightedText: on_chosen,
    }.items():
        made.setColor(role, colour)
    return made
