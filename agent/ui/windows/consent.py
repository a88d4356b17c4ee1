"""The pages about data: what a site asks for, and the values before they leave."""

from __future__ import annotations

import base64

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QFormLayout, QLabel

from agent.ui import Permission
from agent.ui.frames import Message
from agent.ui.windows.page import Page
from agent.ui.windows.plain import paragraph
from agent.values import shown_values
from agent.words import quoted


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
    page.cancel()
    page.choice("window-refuse", Permission.DENY.value)
    if question["lasting"]:
        page.allow("window-always", Permission.ALWAYS.value)
    page.allow("window-once", Permission.ONCE.value)
    return page


def values(question: Message) -> Page:
    """May these very values leave?"""
    page = Page(question, "window-values")
    page.site()
    page.say("window-values-these")
    form = QFormLayout()
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    for part in ("identity", "address"):
        for key, value in shown_values(question[part] or {}, page.lang):
            label = page.text("window-term", term=page.text(key))
            term, said = paragraph(label, "term"), paragraph(value)
            said.setAccessibleName(f"{label} {value}")
            term.setBuddy(said)
            form.addRow(term, said)
    page.column.addLayout(form)
    if question["photo"] is not None:
        page.column.addWidget(_photo(page, question["photo"]))
    page.cancel()
    page.choice("window-refuse", answer=False)
    page.allow("window-send", answer=True)
    return page


def _photo(page: Page, bitmap: Message) -> QLabel:
    """Return the card's photo, decoded elsewhere; words where it was none."""
    if not bitmap:
        return paragraph(page.text("window-photo-bad"))
    pixels, width = base64.b64decode(bitmap["pixels"]), bitmap["width"]
    image = QImage(
        pixels, width, bitmap["height"], 3 * width, QImage.Format.Format_RGB888
    )
    label = QLabel()
    label.setPixmap(QPixmap.fromImage(image))
    label.setAlignment(Qt.AlignmentFlag.AlignLeft)
    label.setAccessibleName(page.text("window-photo"))
    return label
