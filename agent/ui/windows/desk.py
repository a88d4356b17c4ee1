"""What stands between pipe and window: frames become pages, answers become frames."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QGuiApplication, QScreen
from PySide6.QtWidgets import QApplication

from agent.ui.frames import Message
from agent.ui.windows import card, consent, info, pin, sign
from agent.ui.windows.page import Page
from agent.ui.windows.pipe import Pipe
from agent.ui.windows.window import Window

#: For which the window tells how a request ended, unless it is closed before: from
#: when the person first has it before them.
_ENDED_SECONDS = 30
#: Within which a window is before the person, unless the desktop keeps it behind.
_FRONT_MILLISECONDS = 1500
#: Within which it is on the screen that was asked for.
_PLACED_MILLISECONDS = 700

_PAGES: dict[str, Callable[[Message], Page]] = {
    "consent": consent.consent,
    "values": consent.values,
    "last-try": pin.last_try,
    "pin": pin.pin,
    "elsewhere": pin.elsewhere,
    "review": sign.Review,
    "choose": card.choose,
    "awaited": card.awaited,
    "change-last-try": pin.change_last_try,
    "change-pin": pin.change,
    "change-on-reader": pin.change_on_reader,
    "info": info.info,
    "pick": info.pick,
    "menu": info.menu,
}
#: Those that nobody waits for; they stay until they are closed.
_LASTING = ("info", "pick", "menu")


def find_screen(wanted: int | str) -> QScreen | None:
    """Return a screen by its number from 1, the main one first, or by its name."""
    screens = QGuiApplication.screens()
    if isinstance(wanted, int):
        return screens[wanted - 1] if wanted <= len(screens) else None
    return next((screen for screen in screens if screen.name() == wanted), None)


class Desk(QObject):
    """Shows what the agent sends, and sends what the person answers."""

    def __init__(self, app: QApplication) -> None:
        super().__init__()
        self._app = app
        self._pipe = Pipe()
        self._window = Window()
        self._open: int | None = None
        self._agreed = False
        #: True once the window may be closed without an answer being missed.
        self._over = False
        self._question: Message | None = None
        #: Where questions have to be shown: a number from 1, a name, None for anywhere.
        self._screen: int | str | None = None
        self._going = QTimer(self)
        self._going.setSingleShot(True)
        self._going.setInterval(_ENDED_SECONDS * 1000)
        self._going.timeout.connect(app.quit)
        app.screenRemoved.connect(self._want_on_screen)
        self._pipe.received.connect(self._received)
        self._pipe.ended.connect(self._pipe_ended)
        self._window.closed.connect(self._closed)
        self._window.more_time.connect(self._more_time)
        self._window.active.connect(self._go_once_read)

    def start(self) -> None:
        """Begin to listen to the agent."""
        self._pipe.start()
        self._pipe.send({"ready": True})

    def _received(self, message: Message) -> None:
        if "ask" in message:
            self._screen = message["screen"]
            if self._place(message["id"]):
                self._ask(message["ask"], message["id"], message["question"])
                if message["ask"] not in _LASTING:
                    self._window.restart(message["seconds"])
        elif "over" in message:
            self._wait()
        elif "work" in message:
            self._work(*message["work"])
        elif "time" in message:
            self._window.more_time_is(message["time"])
        elif "ended" in message:
            self._show_end(card.ended(message["ended"]))
        elif "notice" in message:
            self._show_end(card.notice(message["notice"]))
            self._pipe.send({"shown": True})
        elif "drawn" in message:
            if isinstance(page := self._window.page, sign.Review):
                page.show_drawn(*message["drawn"])
        elif "front" in message:
            self._window.come_forward(message["front"])

    # --- questions --------------------------------------------------------------------

    def _ask(self, kind: str, number: int, question: Message) -> None:
        self._open, self._question, self._over = number, question, False
        signs = kind == "pin" and question["signing"] is not None
        agreed = self._agreed and not signs  # to each signature by itself
        if kind == "pin" and not (question["wrong"] or agreed):
            # The field has no focus before the person agreed (SAFETY 16).
            self._first(pin.sign if signs else pin.login, kind, question)
        elif kind == "change-pin" and "site" in question:
            self._first(pin.change_asked, kind, question)
        else:
            self._put(kind, question)

    def _first(
        self, page: Callable[[Message], Page], kind: str, question: Message
    ) -> None:
        """Show a page before that of the PIN, which comes once the person agreed."""
        first = page(question)
        first.answered.connect(lambda _: self._agree(kind, question))
        self._show(first)

    # --- the citizen's screen ---------------------------------------------------------

    def _place(self, number: int) -> bool:
        """Have a question shown on the screen that was asked for; say if it is gone."""
        screen = None if self._screen is None else find_screen(self._screen)
        if self._screen is not None and screen is None:
            self._open = None
            self._window.hide()
            self._pipe.send({"no-screen": number})
            return False
        self._window.place_on(screen)
        return True

    def _want_on_screen(self) -> None:
        """Ask nothing where the screen went, or the desktop chose another one."""
        if self._open is None or self._screen is None:
            return
        if self._window.screen() is not find_screen(self._screen):
            number, self._open = self._open, None
            self._window.hide()
            self._pipe.send({"no-screen": number})

    def _agree(self, kind: str, question: Message) -> None:
        self._agreed = True
        self._put(kind, question)

    def _put(self, kind: str, question: Message) -> None:
        page = _PAGES[kind](question)
        page.answered.connect(self._answered)
        page.pins.connect(self._pins)
        if isinstance(page, sign.Review):
            page.draw.connect(self._draw)
            page.show_at(0, 0)
        self._show(page, timed=kind not in _LASTING)

    def _show(self, page: Page, *, timed: bool = True) -> None:
        page.closed.connect(self._window.close)
        self._window.show_page(page, timed=timed)
        QTimer.singleShot(_FRONT_MILLISECONDS, self._want_seen)
        # Before anything can be allowed (the guard's second).
        QTimer.singleShot(_PLACED_MILLISECONDS, self._want_on_screen)

    def _answered(self, value: object) -> None:
        if self._open is not None:
            self._pipe.send({"answer": self._open, "value": value})
        self._wait()

    def _draw(self, document: int, number: int, width: int) -> None:
        self._pipe.send({"draw": [document, number, width]})

    def _want_seen(self) -> None:
        """Say so where the desktop keeps the window behind others."""
        if self._open is not None and not self._window.isActiveWindow():
            self._app.alert(self._window)
            self._pipe.send({"behind": True})

    def _pins(self, pins: list[bytearray]) -> None:
        for digits in pins:
            self._pipe.send_pin(self._open or 0, digits)
        self._wait()

    # --- while nothing is asked -------------------------------------------------------

    def _wait(self) -> None:
        """Show that something goes on, until the agent says what comes next."""
        self._open = None
        if self._question is not None and "site" in self._question:
            self._window.show_page(card.Working(self._question), timed=False)

    def _work(self, done: int, total: int) -> None:
        page = self._window.page
        if not isinstance(page, card.Working):
            self._wait()
            page = self._window.page
        if isinstance(page, card.Working):
            page.show_progress(done, total)

    def _show_end(self, page: Page) -> None:
        self._open, self._over = None, True
        page.closed.connect(self._window.close)
        self._window.show_page(page, timed=False)
        self._go_once_read(self._window.isActiveWindow())

    def _go_once_read(self, active: bool) -> None:
        if self._over and active and not self._going.isActive():
            self._going.start()

    # --- the ends ---------------------------------------------------------------------

    def _closed(self) -> None:
        if self._open is not None:
            self._pipe.send({"closed": self._open})
        self._app.quit()

    def _more_time(self) -> None:
        if self._open is not None:
            self._pipe.send({"more": self._open})

    def _pipe_ended(self) -> None:
        """End with the agent; what only tells how something ended may stand."""
        if not self._over:
            self._app.quit()
