"""The pages about data: what a site asks for, and the values before they leave."""

from __future__ import annotations

import base64
import zlib

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QGridLayout, QLabel

from agent.ui import Permission
from agent.ui.frames import Message
from agent.ui.windows import look
from agent.ui.windows.page import Page
from agent.ui.windows.plain import paragraph
from agent.values import TECHNICAL, shown_values
from agent.words import quoted

#: A value stands beside its name, in whatever direction it is read.
_BESIDE = (
    Qt.AlignmentFlag.AlignTop
    | Qt.AlignmentFlag.AlignLeft
    | Qt.AlignmentFlag.AlignAbsolute
)


def consent(question: Message) -> Page:
    """May this site have these data?"""
    page = Page(question, "window-consent")
    page.site()
    if question["purpose"]:
        page.say("window-purpose", purpose=quoted(question["purpose"]))
    page.say("window-consent-data")
    for part in question["data"]:
        page.say("window-item", item=page.text(f"data-{part}"))
    page.say("window-consent-next")
    page.stop("window-refuse", Permission.DENY.value)
    if question["lasting"]:
        page.allow("window-always", Permission.ALWAYS.value)
    page.allow("window-once", Permission.ONCE.value)
    return page


def values(question: Message) -> Page:
    """May these very values leave?"""
    page = Page(question, "window-values")
    page.site()
    page.say("window-values-these")
    shown = [
        pair
        for part in ("identity", "address")
        for pair in shown_values(question[part] or {}, page.lang)
    ]
    _table(page, [pair for pair in shown if pair[0] not in TECHNICAL])
    if question["photo"] is not None:
        page.values.append(_photo(page, question["photo"]))
        page.column.addWidget(page.values[-1])
    if technical := [pair for pair in shown if pair[0] in TECHNICAL]:
        page.say("window-technical", "small")
        _table(page, technical, "small")
    page.stop("window-refuse", answer=False)
    page.allow("window-send", answer=True)
    return page


def _table(page: Page, shown: list[tuple[str, str]], role: str = "") -> None:
    """Add names of members and values, side by side where there is room."""
    grid = QGridLayout()
    narrow = look.is_narrow(page)
    if not narrow:
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 3)
    for row, (name, value) in enumerate(shown):
        label = page.text("window-term", term=page.text(f"label-{name}"))
        term, said = paragraph(label, role or "term"), paragraph(value, role)
        said.setAccessibleName(f"{label} {value}")
        page.spoken.append(f"{label} {value}")
        page.values.append(said)
        term.setBuddy(said)
        for column, widget in enumerate((term, said)):
            widget.setAlignment(_BESIDE)
            place = (2 * row + column, 0) if narrow else (row, column)
            grid.addWidget(widget, *place)
    page.column.addLayout(grid)


def _photo(page: Page, bitmap: Message) -> QLabel:
    """Return the card's photo, decoded elsewhere; words where it was none."""
    if not bitmap:
        page.spoken.append(page.text("window-photo-bad"))
        return paragraph(page.spoken[-1])
    pixels, width = zlib.decompress(base64.b64decode(bitmap["pixels"])), bitmap["width"]
    image = QImage(
        pixels, width, bitmap["height"], 3 * width, QImage.Format.Format_RGB888
    )
    label = QLabel()
    label.setPixmap(QPixmap.fromImage(image))
    label.setAlignment(Qt.AlignmentFlag.AlignLeft)
    page.spoken.append(page.text("window-photo"))
    label.setAccessibleName(page.spoken[-1])
    return label
