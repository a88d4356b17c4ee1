"""Values are allowed by who had them all on the screen; on Qt's offscreen platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from shiboken6 import delete

from agent.texts import text
from agent.ui.windows.window import Window
from tests.agent.ui.pages import PAGES

Show = Callable[[str], Window]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Iterator[Show]:
    """What shows a page, and lets the guard's second be over: it has its own tests."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    app = QApplication.instance() or QApplication([])
    windows = list[Window]()

    def shown(name: str) -> Window:
        window = Window()
        windows.append(window)
        window.show_page(PAGES[name]("en"), timed=True)
        assert QTest.qWaitForWindowExposed(window)
        assert window.page is not None
        for button in window.page.guarded:
            button.set_guarded(guarded=False)
        return window

    yield shown
    for window in windows:
        delete(window)
    assert app


def _button(window: Window, key: str) -> QPushButton:
    found = [
        button
        for button in window.findChildren(QPushButton)
        if button.text() == text(key, "en") and button.isVisible()
    ]
    assert len(found) == 1, key
    return found[0]


def _said(window: Window) -> str:
    label = window.findChild(QLabel, "below")
    assert label is not None
    return label.accessibleName() if label.isVisible() else ""


def test_values_further_down_are_counted_and_have_to_be_seen(show: Show) -> None:
    """What may be allowed is told, and a button goes on to it; it is in the reading."""
    window = show("values-all")
    allow = _button(window, "window-send")
    page, counts = window.page, []
    assert page is not None
    assert page.first is not None
    assert _said(window) in page.first.accessibleDescription()
    while not allow.isEnabled():
        counts.append(_said(window))
        _button(window, "window-below-down").click()
        assert len(counts) < 20
    assert len(set(counts)) == len(counts) > 0
    assert _said(window) == text("window-below-seen", "en")


def test_who_goes_back_up_may_still_allow(show: Show) -> None:
    """The button turns round at the end; pressed on and on, it allows nothing."""
    window = show("values-all")
    answers: list[object] = []
    assert window.page is not None
    window.page.answered.connect(answers.append)
    allow = _button(window, "window-send")
    while not allow.isEnabled():
        _button(window, "window-below-down").click()
    _button(window, "window-below-up").click()
    assert allow.isEnabled()
    assert _button(window, "window-below-down")
    assert answers == []


def test_a_page_that_is_seen_whole_asks_for_no_scrolling(show: Show) -> None:
    """Nor one that shows no values."""
    for name, allow in (("values-no-photo", "window-send"), ("consent", "window-once")):
        window = show(name)
        assert _button(window, allow).isEnabled()
        assert _said(window) == ""


def test_values_after_those_of_a_longer_page_have_to_be_seen_too(show: Show) -> None:
    """What was seen of the page before counts for nothing."""
    window = show("values-all")
    while not _button(window, "window-send").isEnabled():
        _button(window, "window-below-down").click()
    window.show_page(PAGES["values-all"]("en"), timed=True)
    assert window.page is not None
    window.page.guarded[0].set_guarded(guarded=False)
    assert not window.page.guarded[0].isEnabled()
    assert _said(window) != text("window-below-seen", "en")
