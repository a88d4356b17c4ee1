"""The one window of this process: marks, a page, the time left, the buttons."""

from __future__ import annotations

import os
from itertools import pairwise

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from agent.ui.marks import marks
from agent.ui.windows.guard import Guard
from agent.ui.windows.page import Page
from agent.ui.windows.plain import paragraph

DIALOG_SECONDS = 120
#: From here on the window says how long it will stay, and offers more time.
_TELLING_SECONDS = 60
_WIDTH = 520


class Window(QWidget):
    """Shows one page at a time."""

    closed = Signal()
    more_time = Signal()
    active = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint)
        self._column = QVBoxLayout(self)
        self._marks = QVBoxLayout()
        self._column.addLayout(self._marks)
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._column.addWidget(self._scroll, 1)
        self._time = QWidget()
        row = QHBoxLayout(self._time)
        row.setContentsMargins(0, 0, 0, 0)
        self._left = paragraph("")
        self._more = QPushButton()
        self._more.setAutoDefault(False)
        self._more.clicked.connect(self.more_time)
        row.addWidget(self._left, 1)
        row.addWidget(self._more)
        self._column.addWidget(self._time)
        self._buttons = QGridLayout()
        self._column.addLayout(self._buttons)
        self._guard = Guard(self)
        self._page: Page | None = None
        self._seconds = 0
        self._second = QTimer(self)
        self._second.setInterval(1000)
        self._second.timeout.connect(self._tick)

    @property
    def page(self) -> Page | None:
        """What is shown now."""
        return self._page

    def show_page(self, page: Page, seconds: int | None) -> None:
        """Show a page; `seconds` is how long it stays, None without an end."""
        self._show_marks(page)
        self._page = page
        self._scroll.setWidget(page)
        self._place_buttons(page.buttons)
        self._guard.watch(page.guarded)
        title = page.text("window-title")
        self.setWindowTitle(title)
        self.setAccessibleName(f"{title}: {page.heading}")
        self._more.setText(page.text("window-more-time"))
        self._more.setEnabled(True)
        if seconds is None:
            self._second.stop()
            self._time.hide()
        else:
            self.restart(seconds)
        first = page.first or self
        if page.spoken and isinstance(first, QPushButton):
            first.setAccessibleDescription("\n".join(page.spoken))
        self._fit()
        self.show()
        first.setFocus()
        self.come_forward("")

    def come_forward(self, activation: str) -> None:
        """Come before other windows; Wayland wants the token of a person's click."""
        if activation:
            os.environ["XDG_ACTIVATION_TOKEN"] = activation
        self.raise_()
        self.activateWindow()

    def restart(self, seconds: int) -> None:
        """Let the time begin again."""
        self._seconds = seconds
        self._time.hide()
        self._second.start()

    def _tick(self) -> None:
        self._seconds -= 1
        if self._page is None or self._seconds > _TELLING_SECONDS:
            return
        words = self._page.text("window-time", seconds=max(0, self._seconds))
        self._left.setText(words)
        self._left.setAccessibleName(words)
        self._time.show()

    def no_more_time(self) -> None:
        """Say that the time cannot be made longer again."""
        self._more.setEnabled(False)

    def _show_marks(self, page: Page) -> None:
        _clear(self._marks)
        question = page.question
        for mark in marks(
            page.lang,
            virtual=question["virtual"],
            run=question["marks"],
            program=question.get("program"),
        ):
            words = mark.strip()
            self._marks.addWidget(paragraph(words, "mark"))
            page.spoken.insert(0, words)

    def _place_buttons(self, buttons: list[QPushButton]) -> None:
        """Put the buttons in a row, or below each other where they are too wide."""
        _clear(self._buttons)
        width = sum(button.sizeHint().width() for button in buttons)
        below = width + 12 * len(buttons) > _WIDTH
        for position, button in enumerate(buttons):
            place = (position, 0) if below else (0, position)
            self._buttons.addWidget(button, *place)
        for one, other in pairwise(buttons):
            QWidget.setTabOrder(one, other)

    def _fit(self) -> None:
        """Take the room that the page needs, within the screen."""
        assert self._page is not None
        room = QGuiApplication.primaryScreen().availableGeometry()
        width = min(_WIDTH, room.width() - 40)
        inner = width - 40
        height = self._page.layout().totalHeightForWidth(inner)  # type: ignore[union-attr]
        self._scroll.setMinimumHeight(min(height + 8, room.height() // 2))
        self.resize(width, self.sizeHint().height())

    # --- what the person and the desktop do -------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  (Qt)
        """Escape closes; Return is Cancel's, which is the default."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
            return
        super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802  (Qt)
        """Tell that the window was closed."""
        self._second.stop()
        self.closed.emit()
        event.accept()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802  (Qt)
        """Tell whether the person has the window before them."""
        if event.type() == QEvent.Type.ActivationChange:
            self.active.emit(self.isActiveWindow())
        super().changeEvent(event)


def _clear(layout: QVBoxLayout | QGridLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if isinstance(widget, QLabel | QPushButton):
            widget.setParent(None)
            widget.deleteLater()
