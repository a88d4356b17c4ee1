"""The pages on which a PIN is typed, and those before: consent, and the last try."""

from __future__ import annotations

from PySide6.QtCore import QRegularExpression, Qt
from PySide6.QtGui import QKeyEvent, QRegularExpressionValidator
from PySide6.QtWidgets import QLineEdit, QWidget

from agent.texts import shown_date, tries_left
from agent.ui.frames import Message
from agent.ui.windows.page import Page
from agent.ui.windows.plain import announce, paragraph
from agent.ui.windows.sign import say_what
from agent.ui.windows.tries import Tries
from cardio.pin import MAX_DIGITS, MIN_DIGITS


class PinField(QLineEdit):
    """Takes 4 to 12 digits, shows none of them, and gives no copy to the clipboard."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__()
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setMaxLength(MAX_DIGITS)
        self.setValidator(
            QRegularExpressionValidator(QRegularExpression(f"[0-9]{{0,{MAX_DIGITS}}}"))
        )
        self.setInputMethodHints(
            Qt.InputMethodHint.ImhDigitsOnly
            | Qt.InputMethodHint.ImhHiddenText
            | Qt.InputMethodHint.ImhSensitiveData
            | Qt.InputMethodHint.ImhNoPredictiveText
        )
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setAccessibleName(name)
        self.setAccessibleDescription(description)
        #: Where Return goes once the PIN can be one.
        self.forward: QWidget | None = None

    def complete(self) -> bool:
        """Tell whether what was typed can be a PIN."""
        return MIN_DIGITS <= len(self.text()) <= MAX_DIGITS

    def take(self) -> bytearray:
        """Return the digits and empty the field; Qt's copies die with the process."""
        digits = bytearray(self.text(), "ascii")
        self.clear()
        return digits

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  (Qt)
        """Let Return go to the next field or button, and send nothing."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
            if self.complete() and self.forward is not None:
                self.forward.setFocus()
            return
        super().keyPressEvent(event)


def login(question: Message) -> Page:
    """Ask whether to log in; what follows is the PIN."""
    page = Page(question, "window-login")
    page.site()
    page.say("window-login-receives")
    _expiry(page)
    page.cancel()
    page.allow("window-to-pin", answer=True)
    return page


def pin(question: Message) -> Page:
    """Ask the PIN."""
    page = Page(question, "window-wrong" if question["wrong"] else "window-pin")
    page.site()
    _tries(page)
    field = _field(page, "window-pin-label")
    page.say("window-pin-hint")
    if page.question["wrong"]:
        page.say("window-pin-stop")
    page.cancel()
    done = "window-log-in" if question["signing"] is None else "window-sign-do"
    button = page.act(done, lambda: page.pins.emit([field.take()]))
    button.set_ready(ready=False)
    field.textChanged.connect(lambda: button.set_ready(ready=field.complete()))
    field.forward = button
    page.first = field
    return page


def last_try(question: Message) -> Page:
    """Ask whether what is, or may be, the last try shall be used."""
    goal = "login" if question["signing"] is None else "sign"
    return _last_try(question, f"window-last-try-{goal}")


def change_last_try(question: Message) -> Page:
    """Ask the same for the old PIN of a change."""
    return _last_try(question, "window-last-try-change")


def sign(question: Message) -> Page:
    """Ask whether to sign; what follows is the PIN."""
    page = Page(question, "window-sign")
    page.site()
    say_what(page, question["signing"])
    _expiry(page)
    page.cancel()
    page.allow("window-to-pin", answer=True)
    return page


def _last_try(question: Message, goal: str) -> Page:
    known = question["tries_left"] is not None
    page = Page(question, "window-last-try" if known else "window-maybe-last-try")
    if "site" in question:
        page.site()
    page.say(goal)
    _tries(page)
    means = "window-last-try-means" if known else "window-maybe-last-try-means"
    page.say(means, "warning")
    page.say("window-last-try-advice")
    page.stop("window-last-try-no", answer=False)
    page.allow("window-last-try-yes", answer=True)
    return page


def elsewhere(question: Message) -> Page:
    """Say that the PIN is typed on the reader, or in another program's window."""
    signing = question["signing"]
    page = Page(question, "window-login" if signing is None else "window-sign")
    page.site()
    if signing is None:
        page.say("window-login-receives")
    else:
        say_what(page, signing)
    _tries(page)
    page.say(f"window-elsewhere-{question['entry']}")
    _expiry(page)
    page.cancel()
    page.allow("window-continue", answer=True)
    return page


def change_asked(question: Message) -> Page:
    """Ask whether to change the PIN for a site; what follows are the PINs."""
    page = Page(question, "window-change-asked")
    page.site()
    page.say("window-change-reader", reader=question["reader"])
    page.say("window-change-asked-means")
    page.cancel()
    page.allow("window-to-pin", answer=True)
    return page


def change(question: Message) -> Page:
    """Ask the old PIN and the new one twice."""
    page = Page(question, "window-change")
    if "site" in question:
        page.site()
    page.say("window-change-reader", reader=question["reader"])
    _tries(page)
    old = _field(page, "window-change-old")
    new = _field(page, "window-change-new")
    again = _field(page, "window-change-again")
    page.say("window-pin-hint")
    fault = paragraph("", "warning")
    page.column.addWidget(fault)
    page.cancel()

    def send() -> None:
        page.pins.emit([old.take(), new.take()])
        again.clear()

    button = page.act("window-change-do", send)

    def check() -> None:
        complete = old.complete() and new.complete()
        same, differ = old.text() == new.text(), new.text() != again.text()
        words = ""
        if complete and same:
            words = page.text("window-change-same")
        elif complete and again.complete() and differ:
            words = page.text("window-change-differ")
        if words and words != fault.text():
            announce(fault, [words])
        fault.setText(words)
        fault.setAccessibleName(words)
        button.set_ready(ready=complete and not same and not differ)

    onward: list[QWidget] = [new, again, button]
    for field, forward in zip((old, new, again), onward, strict=True):
        field.textChanged.connect(check)
        field.forward = forward
    button.set_ready(ready=False)
    page.first = old
    return page


def change_on_reader(question: Message) -> Page:
    """Say that the three PINs of a change are typed on the reader."""
    asked = "site" in question
    page = Page(question, "window-change-asked" if asked else "window-change")
    if asked:
        page.site()
        page.say("window-change-asked-means")
    page.say("window-change-reader", reader=question["reader"])
    _tries(page)
    page.say("window-change-on-reader")
    page.cancel()
    page.allow("window-continue", answer=True)
    return page


def _field(page: Page, key: str) -> PinField:
    label = page.text(key)
    field = PinField(label, page.text("window-pin-hint"))
    name = paragraph(label, "term")
    name.setBuddy(field)
    page.column.addWidget(name)
    page.column.addWidget(field)
    return field


def _expiry(page: Page) -> None:
    if page.question["expires"]:
        date = shown_date(page.question["expires"], page.lang)
        signs = page.question["signing"] is not None
        key = "window-expires-sign" if signs else "window-expires"
        page.say(key, "warning", date=date)


def _tries(page: Page) -> None:
    """Say how many tries are left, in words and in a picture."""
    left = page.question["tries_left"]
    page.say("window-tries", tries=tries_left(left, page.lang))
    if left is not None:
        page.column.addWidget(Tries(left, page.spoken[-1], page.lang))
