"""Keeps an answer from being given by accident (SAFETY 16).

What allows something is disabled for the first second after the window becomes active,
and whenever the window is not: what a person types or clicks who was busy elsewhere
allows nothing. In that second Return and the space bar press no button at all, so that
nothing is closed unseen, either. Who goes on pressing or clicking there has not looked:
the second begins again. Return never allows; the space bar and the mouse do.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QWidget

GUARD_MILLISECONDS = 1000
_PRESSING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_CLICKING = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick)


class Guard(QObject):
    """Disables the buttons that allow something until the person can have seen them."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._closed = True
        self._buttons: list[GuardedButton] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(GUARD_MILLISECONDS)
        self._timer.timeout.connect(self._open)
        window.installEventFilter(self)

    def watch(
        self, allowing: list[GuardedButton], buttons: Sequence[QPushButton]
    ) -> None:
        """Guard these, in place of those before, from now on for a second."""
        self._buttons = allowing
        for button in buttons:
            button.installEventFilter(self)
        self._close()
        if self._window.isActiveWindow():
            self._timer.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  (Qt)
        """Follow the window's becoming active and not; keep keys from its buttons."""
        if isinstance(event, QKeyEvent):
            pressing = event.type() == QEvent.Type.KeyPress and event.key() in _PRESSING
            if pressing:
                self._begin_again()
            return self._closed and pressing
        if event.type() in _CLICKING and watched in self._buttons:
            self._begin_again()
        if watched is not self._window:
            return False
        if event.type() == QEvent.Type.WindowActivate:
            self._close()
            self._timer.start()
        elif event.type() == QEvent.Type.WindowDeactivate:
            self._timer.stop()
            self._close()
        return False

    def _begin_again(self) -> None:
        if self._timer.isActive():
            self._timer.start()

    def _close(self) -> None:
        self._closed = True
        for button in self._buttons:
            button.set_guarded(guarded=True)

    def _open(self) -> None:
        self._closed = False
        for button in self._buttons:
            button.set_guarded(guarded=False)


class GuardedButton(QPushButton):
    """A button that allows something; also disabled while `ready` is false."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.setAutoDefault(False)
        self._guarded = True
        self._ready = True
        self._had_focus = False
        self.setEnabled(False)

    def set_guarded(self, *, guarded: bool) -> None:
        """Let the guard disable the button, which keeps the focus that it had."""
        self._had_focus = self._had_focus or (guarded and self.hasFocus())
        self._guarded = guarded
        self._settle()
        if not guarded and self._had_focus:
            self._had_focus = False
            if self.isEnabled():
                self.setFocus()

    def set_ready(self, *, ready: bool) -> None:
        """Disable the button until what it would send is there."""
        self._ready = ready
        self._settle()

    def _settle(self) -> None:
        self.setEnabled(self._ready and not self._guarded)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  (Qt)
        """Let Return do nothing here, neither allow nor fall to Cancel."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
            return
        super().keyPressEvent(event)
