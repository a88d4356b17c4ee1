"""Plain-text labels: foreign text is never taken for markup (SAFETY 17)."""

from __future__ import annotations

import re
import unicodedata

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

#: A word of more letters is no word of ours, and may be broken after so many each.
_LONGEST = 30
_PIECE = 10


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
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    label.setWordWrap(True)  # after the policy, to which it adds height for width
    return label


def breakable(words: str) -> str:
    """Return words with places to break those that are too long.

    French has a space before some marks, which begin no line.
    """
    words = re.sub(" (?=[:;?!»])", "\N{NO-BREAK SPACE}", words)
    return " ".join(
        "\u200b".join(_pieces(word)) if len(word) > _LONGEST else word
        for word in words.split(" ")
    )


def _pieces(word: str) -> list[str]:
    """Cut a word; marks that stand on a letter stay with it."""
    pieces = [""]
    for letter in word:
        if len(pieces[-1]) >= _PIECE and not unicodedata.combining(letter):
            pieces.append("")
        pieces[-1] += letter
    return pieces


def announce(widget: QWidget, words: list[str]) -> None:
    """Let a screen reader say what has no focus."""
    QAccessible.updateAccessibility(
        QAccessibleAnnouncementEvent(widget, "\n".join(words))
    )
