"""What a screen reader or a keyboard would miss in a window."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QProgressBar, QWidget

from agent.ui.windows.window import Window

_ROLES = {
    "QLabel": QAccessible.Role.StaticText,
    "SiteName": QAccessible.Role.StaticText,
    "QPushButton": QAccessible.Role.Button,
    "GuardedButton": QAccessible.Role.Button,
    "QCheckBox": QAccessible.Role.CheckBox,
    "QRadioButton": QAccessible.Role.RadioButton,
    "PinField": QAccessible.Role.EditableText,
    "QProgressBar": QAccessible.Role.ProgressBar,
}


def faults(window: Window) -> list[str]:
    """Return a sentence for each fault; none where all is well."""
    page = window.page
    assert page is not None
    widgets = [
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, QLabel | QAbstractButton | QLineEdit | QProgressBar)
        and widget.isVisible()
        and not _is_qts_own(widget)
    ]
    told = [] if window.locale().name()[:2] == page.lang else ["no language is told"]
    return [
        *told,
        *(fault for widget in widgets for fault in _nameless(widget)),
        *_unlabelled(widgets),
        *_out_of_order(window, widgets),
        *_unsaid(window, widgets),
    ]


def _is_qts_own(widget: QWidget) -> bool:
    return type(widget).__module__ == "PySide6.QtWidgets" and (
        widget.objectName().startswith("qt_")
    )


def _nameless(widget: QWidget) -> list[str]:
    """Hold a widget to a name without unseen letters, and to its role."""
    kind = type(widget).__name__
    told = QAccessible.queryAccessibleInterface(widget)
    name = told.text(QAccessible.Text.Name)
    found = []
    picture = isinstance(widget, QLabel) and not widget.pixmap().isNull()
    if told.role() != (QAccessible.Role.Graphic if picture else _ROLES[kind]):
        found.append(f"{kind} has the role {told.role()}")
    if not name.strip() and not (isinstance(widget, QLabel) and not widget.text()):
        found.append(f"{kind} has no name")
    if widget.locale().language() != widget.window().locale().language():
        found.append(f"{kind} {name!r} is in another language")
    if "\u200b" in name:
        found.append(f"{kind} {name!r} is named with places to break")
    if isinstance(widget, QLineEdit) and not told.text(QAccessible.Text.Description):
        found.append(f"{kind} {name!r} has no description")
    return found


def _unlabelled(widgets: list[QWidget]) -> list[str]:
    """Each field is the buddy of a label with its name."""
    buddies = [
        (label.buddy(), label.text()) for label in widgets if isinstance(label, QLabel)
    ]
    return [
        f"{field.accessibleName()} has no label"
        for field in widgets
        if isinstance(field, QLineEdit)
        and (field, field.accessibleName()) not in buddies
    ]


def _out_of_order(window: Window, widgets: list[QWidget]) -> list[str]:
    """Tab goes down the window, and in a row from left to right."""
    stops = [
        widget for widget in widgets if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    if not stops:
        return []
    chain, widget = [], window.nextInFocusChain()
    while widget is not window:
        if widget in stops:
            chain.append(widget)
        widget = widget.nextInFocusChain()

    def place(widget: QWidget) -> tuple[bool, int, int]:
        point = widget.mapTo(window, QPoint(0, 0))
        scrolled = window.page is not None and window.page.isAncestorOf(widget)
        return not scrolled, point.y(), point.x()

    wanted = sorted(stops, key=place)
    # It is a ring: where it begins is told by what has the focus first.
    begin = chain.index(wanted[0])
    if chain[begin:] + chain[:begin] == wanted:
        return []
    return [
        f"Tab goes {[widget.accessibleName() or widget.text() for widget in chain]}"
    ]


def _unsaid(window: Window, widgets: list[QWidget]) -> list[str]:
    """What has the focus when a page appears brings the whole message with it.

    Names of fields, and what is only for the computer, are read when they are come to.
    """
    page = window.page
    assert page is not None
    first = page.first or window
    if first is not window and QWidget.focusWidget(window) is not first:
        return ["the focus is elsewhere"]
    message = first.accessibleDescription()
    # What tells the time is announced by itself, when it appears.
    time = window.findChild(QLabel, "time")
    return [
        f"{label.accessibleName()!r} is not read"
        for label in widgets
        if isinstance(label, QLabel)
        and page.isAncestorOf(label)
        and label is not time
        and label.accessibleName()
        and label.property("role") not in ("term", "small")
        and label.accessibleName() not in message
    ]
