"""The pages that the tray's menu opens; they ask nothing for a site."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton, QRadioButton

from agent.ui.frames import Message
from agent.ui.windows.page import Page


def info(question: Message) -> Page:
    """Say something, and offer what can be done about it."""
    page = Page(question, question["heading"])
    _lines(page)
    page.cancel("window-close")
    for key in question["actions"]:
        page.allow(key, key)
    return page


def pick(question: Message) -> Page:
    """Let the person choose one of several lines, and do something with it."""
    page = Page(question, question["heading"])
    _lines(page)
    buttons = [QRadioButton(_plain(option)) for option in question["options"]]
    for button in buttons:
        page.column.addWidget(button)
    page.cancel("window-close")
    take = QPushButton(page.text(question["action"]))
    take.setAutoDefault(False)
    take.setEnabled(False)
    page.buttons.append(take)
    for button in buttons:
        button.toggled.connect(lambda _: take.setEnabled(True))
    take.clicked.connect(
        lambda: page.answered.emit([one.isChecked() for one in buttons].index(True))
    )
    page.first = buttons[0]
    return page


def menu(question: Message) -> Page:
    """Show the tray's menu, a button for each command."""
    page = Page(question, "window-menu")
    _lines(page)
    for name in question["commands"]:
        button = QPushButton(_plain(page.text(f"tray-menu-{name}")))
        button.setAutoDefault(False)
        button.clicked.connect(lambda _, name=name: page.answered.emit(name))
        page.column.addWidget(button)
    page.cancel("window-close")
    return page


def _lines(page: Page) -> None:
    for line in page.question["lines"]:
        page.say("window-words", words=line)


def _plain(words: str) -> str:
    """Return words for a button, whose ampersands would be keys."""
    return words.replace("&", "&&")
