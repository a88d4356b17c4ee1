"""Colours and sizes from the system's palette and font; nothing by colour alone."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QWidget

#: Letters of average width in a line, where the screen has room.
_LETTERS = 66
_NARROW = 50

#: What text needs at least (EN 301 549, 11.1.4.3), and what is no text (11.1.4.11).
TEXT_CONTRAST = 4.5
SHAPE_CONTRAST = 3.0

#: What the system's themes of high contrast have; the usual ones are below.
_HIGH_CONTRAST = 20.0

#: For warnings, on light grounds and on dark ones.
_WARNINGS = ("#9a3412", "#fdba74")


def dress(app: QApplication) -> None:
    """Give the program its look; the system decides on font, light and dark."""
    app.setStyle("Fusion")
    font = app.font()
    if font.pointSizeF() < 11:
        font.setPointSizeF(11)
    app.setFont(font)
    app.setStyleSheet(style(app.palette(), font))
    app.styleHints().colorSchemeChanged.connect(
        lambda _: app.setStyleSheet(style(app.palette(), font))
    )


def letters(widget: QWidget) -> int:
    """Return how many letters of average width a line of the window has."""
    letter = widget.fontMetrics().averageCharWidth()
    return min(
        _LETTERS, int(widget.screen().availableGeometry().width() * 0.9 / letter)
    )


def is_narrow(widget: QWidget) -> bool:
    """Tell whether a line has too few letters for two things side by side."""
    return letters(widget) < _NARROW


def contrast(one: QColor, other: QColor) -> float:
    """Return how two colours stand out from each other, 1 to 21 (WCAG 2.1)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: QColor) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (colour.redF(), colour.greenF(), colour.blueF())
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def warning(palette: QPalette) -> QColor:
    """Return the colour of warnings; text's under a theme of high contrast."""
    text = palette.color(QPalette.ColorRole.WindowText)
    ground = palette.color(QPalette.ColorRole.Window)
    if contrast(text, ground) > _HIGH_CONTRAST:
        return text
    for name in _WARNINGS:
        if contrast(QColor(name), ground) >= TEXT_CONTRAST:
            return QColor(name)
    return text


def faint(palette: QPalette, least: float) -> QColor:
    """Return text's colour, made as faint as its contrast with the ground allows."""
    text = palette.color(QPalette.ColorRole.WindowText)
    ground = palette.color(QPalette.ColorRole.Window)
    for tenths in range(4, 10):
        mixed = _mixed(text, ground, tenths / 10)
        if contrast(mixed, ground) >= least:
            return mixed
    return text


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    def part(a: float, b: float) -> float:
        return a * share + b * (1 - share)

    return QColor.fromRgbF(
        part(one.redF(), other.redF()),
        part(one.greenF(), other.greenF()),
        part(one.blueF(), other.blueF()),
    )


def style(palette: QPalette, font: QFont) -> str:
    """Return the style sheet for a palette and a font."""
    size = font.pointSizeF()
    text = palette.color(QPalette.ColorRole.WindowText).name()
    ground = palette.color(QPalette.ColorRole.Window).name()
    edge, pale = faint(palette, SHAPE_CONTRAST), faint(palette, TEXT_CONTRAST)
    warn = warning(palette).name()
    dot = int(size)
    return f"""
        QPushButton {{
            padding: 0.45em 0.9em; margin: 1px; border: 2px solid {edge.name()};
            border-radius: 5px; background: palette(button);
            color: palette(button-text);
        }}
        QPushButton:disabled {{
            border: 2px dashed {edge.name()}; background: {ground};
            color: {pale.name()};
        }}
        QPushButton:focus {{ margin: 0px; border: 3px solid {text}; }}
        QPushButton:hover:enabled {{ text-decoration: underline; }}
        QPushButton:pressed {{ background: {text}; color: {ground}; }}
        QLineEdit {{
            padding: 0.45em; margin: 1px; border: 2px solid {edge.name()};
            border-radius: 5px; background: palette(base); color: palette(text);
        }}
        QLineEdit:focus {{ margin: 0px; border: 3px solid {text}; }}
        QRadioButton {{
            padding: 0.4em; border: 3px solid {ground}; border-radius: 5px;
        }}
        QRadioButton:focus {{ border-color: {text}; }}
        QRadioButton::indicator {{
            width: {dot}px; height: {dot}px; border: 2px solid {text};
            border-radius: {dot // 2 + 2}px; background: {ground};
        }}
        QRadioButton::indicator:checked {{ background: {text}; }}
        QScrollBar:vertical {{
            width: {dot}px; margin: 0px; background: {ground}; border: none;
        }}
        QScrollBar::handle:vertical {{
            background: {edge.name()}; border-radius: 3px; min-height: {2 * dot}px;
        }}
        QScrollBar::add-line, QScrollBar::sub-line {{ height: 0px; }}
        QLabel[role="heading"] {{ font-size: {size * 1.35}pt; font-weight: 600; }}
        QLabel[role="site"] {{ font-size: {size * 1.2}pt; font-weight: 600; }}
        QLabel[role="warning"] {{ font-weight: 600; color: {warn}; }}
        QLabel[role="mark"] {{
            font-weight: 700; color: {warn}; padding: 0.3em 0.6em;
            border: 2px dashed {warn};
        }}
        QLabel[role="term"] {{ font-weight: 600; }}
        QLabel[role="small"] {{ font-size: {size * 0.85}pt; }}
    """
