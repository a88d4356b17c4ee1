"""The pages that the tray's menu opens; they ask nothing for a site."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton

from agent.ui.frames import Message
from agent.ui.windows import look
from agent.ui.windows.page import Page, wrapped


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
    page.options(question["options"], question["action"], "window-close")
    return page


def menu(question: Message) -> Page:
    """Show the tray's menu, a button for each command."""
    page = Page(question, "window-menu")
    _lines(page)
    for name in question["commands"]:
        words = page.text(f"tray-menu-{name}")
        button = QPushButton(wrapped(words, look.letters(page) * 2 // 3))
        button.setAccessibleName(words)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _, name=name: page.answered.emit(name))
        page.column.addWidget(button)
    page.cancel("window-close")
    return page


def _lines(page: Page) -> None:
    for line in page.question["lines"]:
        page.say("window-words", words=line)
