"""Nothing is allowed by who did not look; on Qt's offscreen platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import shiboken6
from PySide6.QtCore import QEventLoop, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from agent.ui.windows.guard import GUARD_MILLISECONDS
from agent.ui.windows.page import Page
from agent.ui.windows.window import Window
from tests.agent.ui.pages import PAGES

#: Well beyond the guard's second.
_SECONDS = 1.6 * GUARD_MILLISECONDS / 1000


class _Shown:
    """A page in an active window; `heard` is what came of it."""

    def __init__(self, name: str) -> None:
        app = QApplication.instance() or QApplication([])
        assert isinstance(app, QApplication)
        self._app = app
        self.page: Page = PAGES[name]("en")
        self.heard: list[object] = []
        self.page.answered.connect(self.heard.append)
        self.page.closed.connect(lambda: self.heard.append("closed"))
        self.window = Window()
        self.window.show_page(self.page, timed=True)
        while not self.window.isActiveWindow():  # one that went may take it along
            self.window.activateWindow()
            QTest.qWait(10)

    def click(self, button: QPushButton) -> None:
        """Click where a button is, whatever it does."""
        where = button.mapTo(self.window, QPoint(5, 5))
        handle = self.window.windowHandle()
        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mouseClick(handle, left, none, where)
        self._app.processEvents()

    def press(self, key: Qt.Key) -> None:
        """Press a key, whatever has the focus."""
        QTest.keyClick(self.window.windowHandle(), key)
        self._app.processEvents()

    def ready(self) -> None:
        """Wait until something can be allowed."""
        while not self.page.guarded[-1].isEnabled():  # the test has a limit
            self._app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], _Shown]]:
    """What shows a page; the window is gone when the next test opens its own."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    shown: list[_Shown] = []

    def make(name: str) -> _Shown:
        shown.append(_Shown(name))
        return shown[-1]

    yield make
    for each in shown:
        shiboken6.delete(each.window)


def test_who_clicks_on_and_on_allows_nothing(show: Callable[[str], _Shown]) -> None:
    """A page that has its visitors click fast opens a question under the pointer."""
    shown = show("consent")
    allow = shown.page.guarded[-1]
    begun = time.monotonic()
    while time.monotonic() - begun < _SECONDS:
        shown.click(allow)
    assert shown.heard == []
    shown.ready()
    shown.click(allow)
    assert shown.heard == ["once"]


@pytest.mark.parametrize("name", ["consent", "choose"])
@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_who_types_on_and_on_closes_nothing(
    show: Callable[[str], _Shown], name: str, key: Qt.Key
) -> None:
    """Wherever the focus is: what is answered was seen."""
    shown = show(name)
    begun = time.monotonic()
    while time.monotonic() - begun < _SECONDS:
        shown.press(key)
    assert shown.heard == []
