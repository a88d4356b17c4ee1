"""What is wrong with the geometry of a window: clipped, overlapping, out of reach."""

from __future__ import annotations

from itertools import combinations

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QLabel,
    QLineEdit,
    QProgressBar,
    QScrollArea,
    QWidget,
)

from agent.ui.windows.site import SiteName
from agent.ui.windows.window import MOST_HEIGHT, Window

_LEAVES = (QLabel, QAbstractButton, QLineEdit, QProgressBar)
#: A letter's overhang may differ by a pixel from what it was measured by.
_SLACK = 1


def faults(window: Window) -> list[str]:
    """Return a sentence for each fault; none where all is well."""
    page = window.page
    assert page is not None
    inside = _leaves(page)
    around = [leaf for leaf in _leaves(window) if not page.isAncestorOf(leaf)]
    scroll = window.findChild(QScrollArea)
    assert scroll is not None
    return [
        *(_name(leaf) + " is clipped" for leaf in inside + around if _clipped(leaf)),
        *_overlaps(page, inside),
        *_overlaps(window, [*around, scroll]),
        *_outside(page, inside, page.rect()),
        *_outside(window, [*around, scroll], window.rect()),
        *_room(window, scroll, page),
    ]


def _leaves(root: QWidget) -> list[QWidget]:
    return [
        widget
        for widget in root.findChildren(QWidget)
        if isinstance(widget, _LEAVES) and widget.isVisible()
    ]


def _name(widget: QWidget) -> str:
    words = widget.text() if isinstance(widget, QLabel | QAbstractButton) else ""
    return f"{type(widget).__name__} {words[:40]!r} {widget.geometry().getRect()}"


def _clipped(leaf: QWidget) -> bool:
    """Tell whether a widget has less room than its text needs."""
    if isinstance(leaf, QLabel) and (leaf.wordWrap() or isinstance(leaf, SiteName)):
        if leaf.height() + _SLACK < leaf.heightForWidth(leaf.width()):
            return True
        if isinstance(leaf, SiteName):
            return False
        room = leaf.contentsRect()
        flags = int(Qt.TextFlag.TextWordWrap) | leaf.alignment().value
        needed = leaf.fontMetrics().boundingRect(room, flags, leaf.text())
        return needed.width() > room.width() + _SLACK
    needed_size = leaf.sizeHint()
    if isinstance(leaf, QLineEdit | QProgressBar):
        return leaf.height() + _SLACK < needed_size.height()
    return (
        leaf.width() + _SLACK < needed_size.width()
        or leaf.height() + _SLACK < needed_size.height()
    )


def _place(leaf: QWidget, root: QWidget) -> QRect:
    return QRect(leaf.mapTo(root, QPoint(0, 0)), leaf.size())


def _overlaps(root: QWidget, leaves: list[QWidget]) -> list[str]:
    return [
        f"{_name(one)} lies on {_name(other)}"
        for one, other in combinations(leaves, 2)
        if _place(one, root).intersects(_place(other, root))
    ]


def _outside(root: QWidget, leaves: list[QWidget], room: QRect) -> list[str]:
    return [
        f"{_name(leaf)} leaves {room.getRect()}"
        for leaf in leaves
        if not room.contains(_place(leaf, root))
    ]


def _room(window: Window, scroll: QScrollArea, page: QWidget) -> list[str]:
    """Hold the window to the room that its page needs, within the screen."""
    found = []
    screen = window.screen().availableGeometry()
    seen = scroll.viewport().size()
    needed = page.heightForWidth(seen.width())
    if page.width() > seen.width():
        found.append(f"the page is wider ({page.width()}) than seen ({seen.width()})")
    scrolls = scroll.verticalScrollBar().isVisible()
    if scrolls and window.height() < int(screen.height() * MOST_HEIGHT):
        found.append(f"it scrolls ({needed} in {seen.height()}) though there is room")
    if needed < seen.height() - _SLACK:
        found.append(f"{seen.height() - needed} pixels are left over")
    lower = max(
        child.geometry().bottom()
        for child in window.children()
        if isinstance(child, QWidget) and child.isVisible()
    )
    if (over := window.rect().bottom() - lower) > 2 * window.fontMetrics().height():
        found.append(f"{over} pixels below all")
    if not screen.contains(window.geometry()):
        found.append(f"the window {window.geometry().getRect()} leaves the screen")
    return found
