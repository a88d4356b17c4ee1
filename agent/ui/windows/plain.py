"""Plain-text labels: foreign text is never taken for markup (SAFETY 17)."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSizePolicy


def plain(words: str, role: str = "") -> QLabel:
    """Return a label of one line; `role` is for the style sheet."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(words)
    label.setProperty("role", role)
    return label


def paragraph(words: str, role: str = "") -> QLabel:
    """Return a label that breaks its lines, also inside a word that is too long."""
    label = plain(breakable(words), role)
    label.setAccessibleName(words)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    return label


def breakable(words: str, longest: int = 30) -> str:
    """Return words in which no run of letters is too long to be broken into lines."""
    return " ".join(
        "\u200b".join(
            word[begin : begin + longest] for begin in range(0, len(word), longest)
        )
        for word in words.split(" ")
    )
