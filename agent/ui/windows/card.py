"""The pages about card and reader, and about how a request ended."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QProgressBar

from agent.ui.frames import Message
from agent.ui.windows.page import Page
from agent.ui.windows.plain import plain
from agent.words import quoted

#: What has a heading of its own at the end of a request; else a general one.
_HEADINGS = {
    "given": "window-done",
    "pin-incorrect": "window-ended-wrong",
    "pin-blocked": "window-ended-blocked",
    "card-removed": "window-ended-removed",
    "timeout": "window-ended-timeout",
    "unwanted": "window-ended-unwanted",
}


def awaited(question: Message) -> Page:
    """Ask for a card that can be used."""
    reason = question["reason"]
    named = question["reader"] is not None
    page = Page(question, f"window-awaited-{'reader' if named else reason}")
    page.site()
    if named:
        page.say("window-awaited-reader-do", reader=quoted(question["reader"]))
    else:
        page.say(f"window-awaited-{reason}-do")
    page.say("window-awaited-goes-on")
    page.cancel()
    return page


def choose(question: Message) -> Page:
    """Ask which of several readers."""
    naming = question["naming"]
    page = Page(question, f"window-choose-{naming}" if naming else "window-choose")
    page.site()
    tests = question["test_cards"] or [False] * len(question["options"])
    mark = page.text("test-card")
    readers = [
        (mark if test else "") + quoted(name)
        for name, test in zip(question["options"], tests, strict=True)
    ]
    page.options(readers, "window-continue", "window-cancel")
    return page


class Working(Page):
    """How far a reading is, or that the card signs."""

    def __init__(self, question: Message) -> None:
        super().__init__(question, "window-working")
        self.site()
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)  # no colour of it could be read on both grounds
        self._bar.setAccessibleName(self.heading)
        self._said = plain("")
        row = QHBoxLayout()
        row.addWidget(self._bar, 1)
        row.addWidget(self._said)
        self.column.addLayout(row)
        self.say("window-working-leave")

    def show_progress(self, done: int, total: int) -> None:
        """Show `done` of `total` bytes; (0, 0) where nobody can tell."""
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        percent = 100 * done // total if total else 0
        words = self.text("window-percent", percent=percent) if total else ""
        self._said.setText(words)
        self._bar.setAccessibleName(words or self.heading)


def ended(outcome: Message) -> Page:
    """Say how a request ended."""
    code = outcome["code"]
    page = Page(outcome, _HEADINGS.get(code, "window-ended"))
    page.site()
    if code == "given":
        page.say(f"window-given-{outcome['call']}")
        for part in outcome["data"]:
            page.say("window-item", item=page.text(f"shared-{part}"))
    else:
        page.say("window-words", words=outcome["reason"])
        if code == "pin-blocked":
            page.say("window-blocked-still")
    page.cancel("window-close")
    return page


def notice(used: Message) -> Page:
    """Say that data go to a site because the person once answered "always"."""
    page = Page(used, "window-notice")
    page.site()
    for part in used["data"]:
        page.say("window-item", item=page.text(f"shared-{part}"))
    page.say("window-notice-undo")
    page.cancel("window-close")
    return page
