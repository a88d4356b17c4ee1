"""One page of the window: a heading, what is said, the buttons below."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from agent.texts import text
from agent.ui.frames import Message
from agent.ui.windows.guard import GuardedButton
from agent.ui.windows.plain import paragraph
from agent.ui.windows.site import SiteName


class Page(QWidget):
    """What one question, or the end of a request, looks like.

    `question` is what came over the pipe. A page answers once: with a value, with PINs,
    or by being closed.
    """

    answered = Signal(object)
    pins = Signal(object)
    closed = Signal()

    def __init__(self, question: Message, heading: str, **values: object) -> None:
        """`heading` is a key of the catalogues, `values` fill it."""
        super().__init__()
        self.question = question
        self.lang: str = question["lang"]
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(10)
        self.heading = self.text(heading, **values)
        self.column.addWidget(paragraph(self.heading, "heading"))
        self.guarded: list[GuardedButton] = []
        self.buttons: list[QPushButton] = []
        #: Where the focus goes when the page is shown; a button that allows nothing.
        self.first: QWidget | None = None
        #: What a screen reader reads with the first widget.
        self.spoken = [self.heading]

    def text(self, key: str, **values: object) -> str:
        """Return a sentence in the page's language."""
        return text(key, self.lang, **values)

    def site(self) -> None:
        """Add the name of the site that asks."""
        self.column.addWidget(SiteName(self.question["site"], self.lang))
        self.spoken.append(self.question["site"])

    def say(self, key: str, role: str = "", **values: object) -> None:
        """Add a paragraph."""
        words = self.text(key, **values)
        self.column.addWidget(paragraph(words, role))
        self.spoken.append(words)

    def cancel(self, key: str = "window-cancel") -> None:
        """Add the button that closes the question: the default, with Escape."""
        button = QPushButton(self.text(key))
        button.clicked.connect(self.closed.emit)
        button.setDefault(True)
        self.buttons.append(button)
        self.first = self.first or button

    def choice(self, key: str, answer: object) -> None:
        """Add a button that refuses something."""
        button = QPushButton(self.text(key))
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self.answered.emit(answer))
        self.buttons.append(button)

    def allow(self, key: str, answer: object) -> GuardedButton:
        """Add a button that allows something, guarded (SAFETY 16)."""
        button = GuardedButton(self.text(key))
        button.clicked.connect(lambda: self.answered.emit(answer))
        self.guarded.append(button)
        self.buttons.append(button)
        return button
