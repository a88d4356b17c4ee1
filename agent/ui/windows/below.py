"""Says how much of a page is below what is seen, and goes there.

What a person must have had before their eyes is counted; until the end of the page was
on the screen, nothing of it can be allowed.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QScrollArea, QScrollBar, QWidget

from agent.ui.windows import look
from agent.ui.windows.page import Page
from agent.ui.windows.plain import announce, paragraph


class Below(QWidget):
    """A line about what is further down, and a button that scrolls."""

    #: It says something else.
    changed = Signal()

    def __init__(self, scroll: QScrollArea) -> None:
        super().__init__()
        self._scroll = scroll
        self._page: Page | None = None
        self._held = True
        self._seen = False
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._said = paragraph("")
        self._said.setObjectName("below")
        self.button = QPushButton()
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._go)
        self._row.addWidget(self._said, 1)
        self._row.addWidget(self.button)
        bar = scroll.verticalScrollBar()
        bar.valueChanged.connect(self.look)
        bar.rangeChanged.connect(self.look)

    @property
    def _bar(self) -> QScrollBar:
        return self._scroll.verticalScrollBar()  # Qt may have made another one

    @property
    def words(self) -> str:
        """What it says; empty where there is nothing to say."""
        return "" if self.isHidden() else self._said.accessibleName()

    def watch(self, page: Page) -> None:
        """Begin with another page, of which nothing was seen."""
        self._page, self._seen = page, not page.values
        self._allow(ready=self._seen)
        self.hide()

    def hold(self) -> None:
        """Look at nothing until the page has its place."""
        self._held = True

    def offer(self) -> bool:
        """Take room for a page that does not fit; True where that is new."""
        assert self._page is not None
        if not self._page.values or not self.isHidden():
            return False
        if look.is_narrow(self):
            self._row.setDirection(QHBoxLayout.Direction.TopToBottom)
        # As long as it will be, so that its room is known.
        self._tell(len(self._page.values), "down")
        self.show()
        return True

    def settle(self) -> None:
        """Go on, now that it has; a page that fits is seen at once."""
        self._held = False
        if self.isHidden():
            self._end()

    def look(self) -> None:
        """Find out what is seen now."""
        if self._held or self._page is None or not self.isVisible():
            return
        if self._at_end():
            self._end()
        further = sum(self._is_further(value) for value in self._page.values)
        self._tell(further, "up" if self._at_end() else "down")
        self.changed.emit()

    def _tell(self, further: int, way: str) -> None:
        assert self._page is not None
        key = "window-below-seen" if self._seen else "window-below"
        words = self._page.text(key, count=further)
        self._said.setText(words)
        self._said.setAccessibleName(words)
        self.button.setText(self._page.text(f"window-below-{way}"))

    def _at_end(self) -> bool:
        assert self._page is not None
        room = self._scroll.viewport().size()
        if self._bar.maximum() == 0:  # or not known yet
            return room.height() >= self._page.heightForWidth(room.width())
        return self._bar.value() == self._bar.maximum()

    def _is_further(self, value: QWidget) -> bool:
        port = self._scroll.viewport()
        return value.mapTo(port, QPoint(0, value.height())).y() > port.height()

    def _end(self) -> None:
        assert self._page is not None
        if not self._seen and not self.isHidden():
            announce(self, [self._page.text("window-below-seen")])
        self._seen = True
        self._allow(ready=True)

    def _allow(self, *, ready: bool) -> None:
        assert self._page is not None
        if self._page.values:
            for button in self._page.guarded:
                button.set_ready(ready=ready)

    def _go(self) -> None:
        line = self.fontMetrics().lineSpacing()
        step = self._bar.pageStep() - line  # one line more than once
        self._bar.setValue(0 if self._at_end() else self._bar.value() + step)
