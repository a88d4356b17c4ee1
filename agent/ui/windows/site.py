"""A site's name as a widget: broken at its dots, the look-alike parts marked."""

from __future__ import annotations

import re

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QLabel, QSizePolicy

from agent.ui.windows import look


class SiteName(QLabel):
    """Shows a name in lines; `marked` are the parts that may deceive.

    Drawn by itself: a plain label can mark no part of its text, and breaks no name.
    """

    def __init__(self, name: str, marked: tuple[str, ...]) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(name)
        self.setAccessibleName(name)
        self.setProperty("role", "site")
        self._marked = marked
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setWordWrap(True)  # after the policy, to which it adds height for width

    def heightForWidth(self, width: int) -> int:  # noqa: N802  (Qt)
        """Return the room for all lines."""
        return len(self._lines(width)) * self._metrics().lineSpacing()

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt)
        """Return the size in one line."""
        metrics = self._metrics()
        return QSize(metrics.horizontalAdvance(self.text()), metrics.lineSpacing())

    def minimumSizeHint(self) -> QSize:  # noqa: N802  (Qt)
        """Return room for a few letters: the name breaks anywhere if it must."""
        metrics = self._metrics()
        return QSize(8 * metrics.averageCharWidth(), metrics.lineSpacing())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802  (Qt)
        """Draw the lines, piece by piece."""
        painter, metrics = QPainter(self), self._metrics()
        colours = {
            False: self.palette().color(QPalette.ColorRole.WindowText),
            True: look.warning(self.palette()),
        }
        for number, line in enumerate(self._lines(self.width())):
            across = 0
            for piece, marked in line:
                painter.setFont(self._font(marked=marked))
                painter.setPen(colours[marked])
                down = number * metrics.lineSpacing() + metrics.ascent()
                painter.drawText(across, down, piece)
                across += metrics.horizontalAdvance(piece)

    def _font(self, *, marked: bool) -> QFont:
        self.ensurePolished()
        font = QFont(self.font())
        font.setUnderline(marked)
        return font

    def _metrics(self) -> QFontMetrics:
        return QFontMetrics(self._font(marked=False))

    def _lines(self, width: int) -> list[list[tuple[str, bool]]]:
        """Return the name in lines of at most this width.

        A line is a list of pieces, each with whether it is marked. It breaks behind a
        dot, or anywhere in a part that is too long by itself.
        """
        metrics = self._metrics()
        lines: list[list[tuple[str, bool]]] = [[]]
        left = width
        for part in re.findall(r"[^.]+\.?|\.", self.text()):
            marked = part.rstrip(".").partition(":")[0] in self._marked
            for piece in _pieces(part, metrics, width):
                needed = metrics.horizontalAdvance(piece)
                if needed > left and lines[-1]:
                    lines.append([])
                    left = width
                lines[-1].append((piece, marked))
                left -= needed
        return lines


def _pieces(part: str, metrics: QFontMetrics, width: int) -> list[str]:
    """Cut a part of a name that is wider than this."""
    pieces = [""]
    for letter in part:
        if pieces[-1] and metrics.horizontalAdvance(pieces[-1] + letter) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces
