"""The tries that are left, as a picture: keys, and a word below each."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from agent.texts import text
from agent.ui.windows.plain import plain

#: How many tries a fresh card has; the picture shows as many keys.
_TRIES = 3


class Tries(QWidget):
    """Shows `left` keys, and one that is struck out for each try that was used."""

    def __init__(self, left: int, words: str, lang: str) -> None:
        """`words` say the same."""
        super().__init__()
        self.setAccessibleName(words)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(self.fontMetrics().averageCharWidth() * 2)
        for number in range(max(_TRIES, left)):
            there = number < left
            cell = QVBoxLayout()
            cell.setSpacing(2)
            cell.addWidget(_Key(there=there), 0, Qt.AlignmentFlag.AlignHCenter)
            word = text("window-try-left" if there else "window-try-used", lang)
            cell.addWidget(plain(word), 0, Qt.AlignmentFlag.AlignHCenter)
            row.addLayout(cell)
        row.addStretch()
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)


class _Key(QWidget):
    """A key: filled where a try is left, else an outline that is struck out."""

    def __init__(self, *, there: bool) -> None:
        super().__init__()
        self._there = there
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt)
        """Return a size that grows with the font."""
        height = self.fontMetrics().height()
        return QSize(height * 2, height)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802  (Qt)
        """Draw ring, shaft and two teeth; a stroke through a used one."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        unit = self.height() / 20
        thick = unit * (4 if self._there else 1.5)
        pen = QPen(colour, thick)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.drawEllipse(QRectF(3 * unit, 4 * unit, 12 * unit, 12 * unit))
        painter.drawLine(QPointF(15 * unit, 10 * unit), QPointF(36 * unit, 10 * unit))
        for place in (30, 36):
            painter.drawLine(
                QPointF(place * unit, 10 * unit), QPointF(place * unit, 15 * unit)
            )
        if not self._there:
            painter.setPen(QPen(colour, 2.5 * unit))
            painter.drawLine(QPointF(6 * unit, 19 * unit), QPointF(34 * unit, 1 * unit))
