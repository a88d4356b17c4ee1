"""One page of the window: a heading, what is said, the buttons below."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QRadioButton, QVBoxLayout, QWidget

from agent.origins import mixed_labels
from agent.texts import text
from agent.ui.frames import Message
from agent.ui.marks import marks
from agent.ui.windows import look
from agent.ui.windows.guard import GuardedButton
from agent.ui.windows.plain import paragraph
from agent.ui.windows.site import SiteName
from agent.words import site_name


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
        self.column.setSpacing(self.fontMetrics().height() // 2)
        #: What a screen reader reads when the page appears.
        self.spoken = marks_of(question)
        for words in self.spoken:
            self.column.addWidget(paragraph(words, "mark"))
        self.heading = self.text(heading, **values)
        self.spoken.append(self.heading)
        self.column.addWidget(paragraph(self.heading, "heading"))
        self.guarded: list[GuardedButton] = []
        self.buttons: list[QPushButton] = []
        #: What has to be seen, to the last, before the page allows anything.
        self.values: list[QWidget] = []
        #: Where the focus goes when the page is shown; a button that allows nothing.
        self.first: QWidget | None = None

    def text(self, key: str, **values: object) -> str:
        """Return a sentence in the page's language."""
        return text(key, self.lang, **values)

    def site(self) -> None:
        """Add the name of the site that asks, and a warning where it may deceive."""
        origin = self.question["site"]
        name, mixed = site_name(origin), mixed_labels(origin)
        self.column.addWidget(SiteName(name, mixed))
        self.spoken.append(name)
        if mixed:
            self.say("window-lookalike", "warning", part=", ".join(mixed))

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

    def stop(self, key: str, answer: object) -> None:
        """Add the one button that refuses: the default, in the place of `cancel`."""
        self.choice(key, answer)
        self.buttons[-1].setDefault(True)
        self.first = self.first or self.buttons[-1]

    def choice(self, key: str, answer: object) -> None:
        """Add a button that allows nothing."""
        button = QPushButton(self.text(key))
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self.answered.emit(answer))
        self.buttons.append(button)

    def allow(self, key: str, answer: object) -> GuardedButton:
        """Add a button that allows something, guarded (SAFETY 16)."""
        return self.act(key, lambda: self.answered.emit(answer))

    def act(self, key: str, act: Callable[[], object]) -> GuardedButton:
        """Add one that does something, which allows as much."""
        button = GuardedButton(self.text(key))
        button.clicked.connect(lambda: act())
        self.guarded.append(button)
        self.buttons.append(button)
        return button

    def options(self, each: Sequence[str], key: str, cancel: str) -> None:
        """Add lines of which one is chosen; the button `key` answers with its place."""
        choices = [self._option(words) for words in each]
        self.cancel(cancel)

        def answer() -> None:
            self.answered.emit([one.isChecked() for one in choices].index(True))

        go_on = self.act(key, answer)
        go_on.set_ready(ready=False)
        for choice in choices:
            choice.toggled.connect(lambda _: go_on.set_ready(ready=True))
        self.first = choices[0]

    def _option(self, words: str) -> QRadioButton:
        button = QRadioButton(wrapped(words, look.letters(self) // 2))
        button.setAccessibleName(words)
        self.column.addWidget(button)
        return button


def wrapped(words: str, letters: int) -> str:
    """Return a button's text: it breaks no lines by itself, and takes & for a key."""
    return "\n".join(textwrap.wrap(words, letters) or [words]).replace("&", "&&")


def marks_of(question: Message) -> list[str]:
    """Return what is special about a question; a frame sets it off, not brackets."""
    words = marks(
        question["lang"],
        virtual=question["virtual"],
        run=question["marks"],
        program=question.get("program"),
    )
    bare = [mark.strip().removeprefix("[").removesuffix("]") for mark in words]
    return [mark[:1].upper() + mark[1:] for mark in bare]
