"""The one window of this process: marks, a page, the time left, the buttons."""

from __future__ import annotations

import os

from PySide6.QtCore import QEvent, QLocale, QRect, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QKeyEvent,
    QScreen,
)
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from agent.ui.windows import look
from agent.ui.windows.below import Below
from agent.ui.windows.guard import Guard
from agent.ui.windows.page import Page
from agent.ui.windows.plain import announce, paragraph

#: From here on the window says how long it will stay, and offers more time.
_TELLING_SECONDS = 60
#: The share of the screen's height that the window takes at most.
MOST_HEIGHT = 0.85
_UNLIMITED = 16777215  # Qt's own


class Window(QDialog):
    """Shows one page at a time."""

    closed = Signal()
    more_time = Signal()
    active = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint)
        self._column = QVBoxLayout(self)
        self._column.setSpacing(self.fontMetrics().height())
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._column.addWidget(self._scroll, 1)
        self._time = QWidget()
        row = self._row = QHBoxLayout(self._time)
        row.setContentsMargins(0, 0, 0, 0)
        self._left = paragraph("")
        self._left.setObjectName("time")
        self._more = QPushButton()
        self._more.setAutoDefault(False)
        self._more.clicked.connect(self.more_time)
        row.addWidget(self._left, 1)
        row.addWidget(self._more)
        self._time.hide()
        self._foot = QWidget()
        foot = QVBoxLayout(self._foot)
        foot.setContentsMargins(0, 0, 0, 0)
        self._below = Below(self._scroll)
        self._below.changed.connect(self._describe)
        foot.addWidget(self._below)
        self._buttons = QGridLayout()
        foot.addLayout(self._buttons)
        # Below the buttons, so that these stay where they are when it appears.
        foot.addWidget(self._time)
        self._column.addWidget(self._foot)
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

    def show_page(self, page: Page, *, timed: bool) -> None:
        """Show a page; the time of a `timed` one runs, or goes on (`restart`)."""
        for button in self._page.buttons if self._page else []:
            button.hide()  # without a parent it would be a window that takes the focus
            button.deleteLater()
        self._page = page
        self._column.addWidget(self._foot)  # out of the page before
        self._foot.setVisible(bool(page.buttons))
        page.column.addStretch(1)  # what is too much, where a person makes it larger
        page.setMinimumHeight(1)  # else as for the narrowest lines, and it scrolls
        self._below.watch(page)  # before its bar moves, and the page before goes
        self._scroll.setWidget(page)
        self._guard.watch(page.guarded, page.buttons)
        title = page.text("window-title")
        self.setLocale(QLocale(page.lang))  # in which a screen reader speaks
        self.setWindowTitle(title)
        self.setAccessibleName(f"{title}: {page.heading}")
        self._more.setText(page.text("window-more-time"))
        if not timed:
            self._second.stop()
            self._time.hide()
        first = page.first or self
        self._fit()
        self.show()
        self._below.look()  # now that each value has its place
        self._describe()
        self._order(page)
        first.setFocus()
        if not isinstance(first, QPushButton):
            self._scroll.ensureWidgetVisible(first, 0, self.fontMetrics().height() // 2)
        if first is self:  # no control takes the focus, so nothing would be read
            announce(self, page.spoken)
        self.come_forward("")

    def _describe(self) -> None:
        """Let the whole message be read where the focus comes first."""
        assert self._page is not None
        spoken = [*self._page.spoken, self._below.words]
        first = self._page.first or self
        first.setAccessibleDescription("\n".join(filter(None, spoken)))

    def place_on(self, screen: QScreen | None) -> None:
        """Show what follows on a screen; None: where the window is, or where it may."""
        if screen is not None:
            self.setScreen(screen)

    def come_forward(self, activation: str) -> None:
        """Come before other windows; Wayland wants the token of a person's click."""
        if activation:
            os.environ["XDG_ACTIVATION_TOKEN"] = activation
        self.raise_()
        self.activateWindow()

    def restart(self, seconds: float) -> None:
        """Let the time begin, or begin again."""
        self._seconds = int(seconds)
        self._time.hide()
        self._more.setEnabled(True)
        self._second.start()

    def _tick(self) -> None:
        self._seconds -= 1
        if self._page is None or self._seconds > _TELLING_SECONDS:
            return
        words = self._page.text("window-time", seconds=max(0, self._seconds))
        self._left.setText(words)
        self._left.setAccessibleName(words)
        if self._time.isHidden():
            self._time.show()
            self._fit()
            announce(self, [words])

    def more_time_is(self, seconds: float | None) -> None:
        """Let the time begin again; None: it cannot be made longer any more."""
        if seconds is None:
            self._more.setEnabled(False)
        else:
            self.restart(seconds)

    def _place_buttons(self, buttons: list[QPushButton], room: int) -> None:
        """Put the buttons in a row; in two or more where they are too wide."""
        while self._buttons.takeAt(0) is not None:
            pass
        for button in buttons:
            button.setParent(self._foot)  # which gives it its font, and so its width
        spacing = self._buttons.spacing()
        widest = max((button.sizeHint().width() for button in buttons), default=0)
        total = sum(button.sizeHint().width() + spacing for button in buttons)
        columns = len(buttons)
        if total - spacing > room:
            columns = 2 if columns == 4 and 2 * widest + spacing <= room else 1
        for position, button in enumerate(buttons):
            self._buttons.addWidget(button, *divmod(position, columns))
            button.show()  # at once, so that it counts in what room is needed

    def _order(self, page: Page) -> None:
        """Let Tab go through the page, then the buttons, then the time."""
        stops = [
            widget
            for widget in page.findChildren(QWidget)
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            and not self._foot.isAncestorOf(widget)
        ]
        chain = [*stops, self._below.button, *page.buttons, self._more]
        # Each right behind the first, from the last on: Qt moves none to the very end.
        for other in reversed(chain[1:]):
            QWidget.setTabOrder(chain[0], other)

    def _fit(self) -> None:
        """Take the room that the page needs, and scroll where the screen has less."""
        assert self._page is not None
        self._below.hold()
        room = self.screen().availableGeometry()
        most = int(room.height() * MOST_HEIGHT)
        margins = self._column.contentsMargins()
        aside = margins.left() + margins.right()
        width = look.letters(self) * self.fontMetrics().averageCharWidth() + aside
        self._place_buttons(self._page.buttons, width - aside)
        if look.is_narrow(self):
            self._row.setDirection(QHBoxLayout.Direction.TopToBottom)
        for widget in self.findChildren(QWidget):
            widget.ensurePolished()  # fonts of the style sheet
        # No bar yet: once it is there it takes width, and the page needs more height.
        self._scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        wanted = self._measured(width, aside, most)
        if wanted > most and self._below.offer():
            wanted = self._measured(width, aside, most)
        self.resize(width, min(wanted, most))
        self._below.settle()
        self._column.activate()
        self._scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._place(room)

    def _measured(self, width: int, aside: int, most: int) -> int:
        """Return the height that all of it needs; a foot that is too high scrolls."""
        assert self._page is not None
        if _height(self._foot, width - aside) > most // 2:
            self._page.column.addWidget(self._foot)
            self._foot.show()
            bar = self._scroll.verticalScrollBar().sizeHint().width()
            self._place_buttons(self._page.buttons, width - aside - bar)
        needed = self._page.heightForWidth(width - aside)
        self._scroll.setFixedHeight(needed)
        self._column.invalidate()
        wanted = _height(self, width)
        self._scroll.setMinimumHeight(min(needed, self.fontMetrics().height() * 3))
        self._scroll.setMaximumHeight(_UNLIMITED)
        self._column.activate()  # the least size of the page before holds until then
        return wanted

    def _place(self, room: QRect) -> None:
        """Stand in the middle at first, then stay, but within the screen."""
        frame = self.frameGeometry()
        if not self.isVisible():
            frame.moveCenter(room.center())
        else:
            frame.moveRight(min(frame.right(), room.right()))
            frame.moveBottom(min(frame.bottom(), room.bottom()))
        frame.moveLeft(max(frame.left(), room.left()))
        frame.moveTop(max(frame.top(), room.top()))
        self.move(frame.topLeft())

    # --- what the person and the desktop do -------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  (Qt)
        """Escape closes; Return is Cancel's, the default; the page keys scroll."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
            return
        if event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            bar = self._scroll.verticalScrollBar()
            step = (
                bar.pageStep()
                if event.key() == Qt.Key.Key_PageDown
                else -bar.pageStep()
            )
            bar.setValue(bar.value() + step)
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


def _height(widget: QWidget, width: int) -> int:
    """Return the height that a widget needs at this width."""
    tall = widget.heightForWidth(width)
    return widget.sizeHint().height() if tall < 0 else tall
