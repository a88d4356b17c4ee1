"""The pages about signatures: what is to be signed, page by page, and the PIN's."""

from __future__ import annotations

import base64
import zlib

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QWidget

from agent.ui.frames import Message
from agent.ui.windows.look import is_narrow
from agent.ui.windows.page import Page
from agent.ui.windows.plain import paragraph
from agent.words import one_line, quoted

#: Pixels across of a page that is shown.
_WIDTH = 640


class Review(Page):
    """Which of these documents shall be signed? Each page of each can be looked at."""

    #: A document and a page, counted from 0, and how wide.
    draw = Signal(int, int, int)

    def __init__(self, question: Message) -> None:
        super().__init__(question, "window-review")
        self.site()
        if question["reason"]:
            self.say("window-purpose", purpose=quoted(question["reason"]))
        documents = question["documents"]
        self._boxes = [self._document(*each) for each in enumerate(documents)]
        self._pages = [len(each["pages"]) for each in documents]
        self._viewer()
        self.spoken.append(self._place(0, 0))
        self.cancel()
        self._go_on = self.act(
            "window-review-sign",
            lambda: self.answered.emit([box.isChecked() for box in self._boxes]),
        )
        self._at = (0, 0)

    def show_at(self, document: int, number: int) -> None:
        """Have a page drawn, and say which it is."""
        self._at = (document, number)
        words = self._place(document, number)
        self._where.setText(words)
        self._where.setAccessibleName(words)
        self._picture.setAccessibleName(words)
        self._back.setEnabled(number > 0)
        self._on.setEnabled(number + 1 < self._pages[document])
        self.draw.emit(document, number, _WIDTH)

    def _place(self, document: int, number: int) -> str:
        name = one_line(self.question["documents"][document]["name"])
        count = self._pages[document]
        return self.text("window-page", name=name, number=number + 1, count=count)

    def show_drawn(self, document: int, number: int, bitmap: Message) -> None:
        """Show a page that was drawn, unless another one is looked at by now."""
        if (document, number) != self._at:
            return
        if not bitmap:
            self._picture.setText(self.text("window-page-bad"))
            return
        pixels = zlib.decompress(base64.b64decode(bitmap["pixels"]))
        width, form = bitmap["width"], QImage.Format.Format_RGB888
        image = QImage(pixels, width, bitmap["height"], 3 * width, form)
        picture = QPixmap.fromImage(image)
        room = max(200, self.width() - 8)
        if picture.width() > room:
            picture = picture.scaledToWidth(
                room, Qt.TransformationMode.SmoothTransformation
            )
        self._picture.setPixmap(picture)

    def _document(self, number: int, document: Message) -> QCheckBox:
        """Add a document: struck out or not, its facts, and a button to look at it."""
        name = quoted(document["name"])
        self.column.addWidget(paragraph(name, "term"))
        self.spoken.append(name)
        row = QWidget()
        across = QHBoxLayout(row)
        across.setContentsMargins(0, 0, 0, 0)
        if is_narrow(self):
            across.setDirection(QHBoxLayout.Direction.TopToBottom)
        box = QCheckBox(self.text("window-sign-do"))
        box.setAccessibleName(f"{box.text()}: {name}")
        box.setChecked(True)
        box.toggled.connect(self._settle)
        across.addWidget(box)
        look = QPushButton(self.text("window-review-look"))
        look.setAutoDefault(False)
        look.setAccessibleName(f"{look.text()}: {name}")
        look.clicked.connect(lambda: self.show_at(number, 0))
        across.addWidget(look)
        box.setFixedHeight(look.sizeHint().height())
        across.addStretch()
        self.column.addWidget(row)
        self.say(
            "window-review-facts",
            "small",
            title=quoted(document["title"]) or "-",
            pages=len(document["pages"]),
            size=document["size"],
            sha256=document["sha256"],
        )
        for notice in document["notices"]:
            self.say(f"notice-{notice}", "warning")
        return box

    def _settle(self) -> None:
        self._go_on.set_ready(ready=any(box.isChecked() for box in self._boxes))

    def _viewer(self) -> None:
        self._where = paragraph("")
        self.column.addWidget(self._where)
        row = QWidget()
        across = QHBoxLayout(row)
        across.setContentsMargins(0, 0, 0, 0)
        if is_narrow(self):
            across.setDirection(QHBoxLayout.Direction.TopToBottom)
        self._back = QPushButton(self.text("window-page-back"))
        self._on = QPushButton(self.text("window-page-on"))
        for button, step in ((self._back, -1), (self._on, 1)):
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, by=step: self._turn(by))
            across.addWidget(button)
        across.addStretch()
        self.column.addWidget(row)
        self._picture = QLabel()
        self._picture.setTextFormat(Qt.TextFormat.PlainText)
        self.column.addWidget(self._picture)

    def _turn(self, by: int) -> None:
        document, number = self._at
        self.show_at(document, number + by)


def say_what(page: Page, signing: Message) -> None:
    """Say what a PIN signs, and what that means."""
    if signing["count"] > 1:
        page.say("window-sign-number", number=signing["number"], count=signing["count"])
    if signing["name"]:
        page.say("window-sign-name", name=quoted(signing["name"]))
    if signing["document"]:
        page.say("window-words", "small", words=signing["document"])
    else:
        page.say("window-sign-unseen", "warning")
    page.say("window-sign-qualified" if signing["qualified"] else "window-sign-means")
