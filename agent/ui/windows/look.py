"""Colours and sizes from the system's palette and font; nothing by colour alone."""

from __future__ import annotations

from PySide6.QtGui import QFont, QPalette
from PySide6.QtWidgets import QApplication

#: Contrast of at least 4.5 to 1 on the usual light and dark backgrounds.
_WARNING = {False: "#9a3412", True: "#fdba74"}
_MARK = {False: "#7c2d12", True: "#fed7aa"}


def dress(app: QApplication) -> None:
    """Give the program its look; the system decides on font, light and dark."""
    app.setStyle("Fusion")
    font = app.font()
    if font.pointSizeF() < 11:
        font.setPointSizeF(11)
    app.setFont(font)
    app.setStyleSheet(_style(app.palette(), font))


def _style(palette: QPalette, font: QFont) -> str:
    dark = palette.color(QPalette.ColorRole.Window).lightness() < 128
    size = font.pointSizeF()
    return f"""
        QPushButton {{ padding: 0.5em 1em; min-height: 1.6em; }}
        QLabel[role="heading"] {{ font-size: {size * 1.35}pt; font-weight: 600; }}
        QLabel[role="site"] {{ font-size: {size * 1.2}pt; font-weight: 600; }}
        QLabel[role="lookalike"] {{
            font-size: {size * 1.2}pt; font-weight: 800; text-decoration: underline;
            color: {_WARNING[dark]};
        }}
        QLabel[role="warning"] {{ font-weight: 600; color: {_WARNING[dark]}; }}
        QLabel[role="mark"] {{
            font-weight: 700; color: {_MARK[dark]}; padding: 0.3em 0.6em;
            border: 2px dashed {_MARK[dark]};
        }}
        QLabel[role="term"] {{ font-weight: 600; }}
        QLineEdit {{ padding: 0.4em; min-height: 1.6em; }}
        QScrollArea {{ border: none; }}
    """
