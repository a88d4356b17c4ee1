"""Asks in windows, which a process of their own shows; touches no screen by itself.

That process is started for a request and ends with it, and a PIN's memory with it. When
it crashes or is killed, the question counts as closed. Nothing but the agent has the
other end of its pipes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from agent.host.notices import noticed
from agent.texts import text
from agent.ui import (
    AlwaysUsed,
    Awaited,
    Cancelled,
    Choice,
    Consent,
    Draw,
    Login,
    Outcome,
    Permission,
    PinChange,
    Review,
    ScreenMissing,
    Unavailable,
    Values,
)
from agent.ui.bitmap import Bitmap
from agent.ui.frames import Message
from agent.ui.pages import AnyPage, Info, MenuPage
from agent.ui.picture import decode
from agent.ui.process import WindowProcess
from agent.ui.streams import PinFrame
from cardio.card import PinEntry
from cardio.errors import PinFormat
from cardio.pin import Pin, wipe

_log = logging.getLogger(__name__)

#: Within which a window process says that it is there.
_READY_SECONDS = 20.0
#: For which one that was started ahead is kept.
_WARM_SECONDS = 120.0

Start = Callable[[], WindowProcess]


class DesktopInterface:
    """Implements `UserInterface` with windows."""

    def __init__(self, start: Start = WindowProcess) -> None:
        self._start = start
        self._warm: WindowProcess | None = None
        self._cooling: asyncio.TimerHandle | None = None
        #: The last window that tells how something ended; the next one takes its place.
        self._last: WindowProcess | None = None
        #: Windows that show a use of "always", each until it closes or is shown anew.
        self._notices: dict[AlwaysUsed, WindowProcess] = {}
        self._talks: list[DesktopConversation] = []

    @asynccontextmanager
    async def conversation(
        self, more_time: Callable[[], bool], seconds: float
    ) -> AsyncIterator[DesktopConversation]:
        """Ask for one request, in one window."""
        talk = DesktopConversation(self._take, more_time, seconds)
        self._talks.append(talk)
        try:
            yield talk
        finally:
            self._talks.remove(talk)
            left = talk.leave()
            if left is not None:  # else the window before may stand
                self._dismiss()
                self._last = left

    async def notice(self, used: AlwaysUsed) -> None:
        """Show that an "always" was used; Unavailable.

        No question that follows takes its place: the site could hide it so.
        """
        process = await self._take()
        if (before := self._notices.pop(used, None)) is not None:
            before.kill()
        standing = {key: each for key, each in self._notices.items() if not each.ended}
        self._notices = standing | {used: process}
        try:
            process.send({"notice": dataclasses.asdict(used)})
            async with asyncio.timeout(_READY_SECONDS):
                while (received := await process.receive()) is not None:
                    if isinstance(received, dict) and "shown" in received:
                        return
        except TimeoutError:
            process.kill()
        finally:
            process.leave()
        raise Unavailable

    def warm(self) -> None:
        """Start a process ahead of a question; one that nobody needs is ended again."""
        loop = asyncio.get_running_loop()
        if self._warm is None or self._warm.ended:
            try:
                self._warm = self._start()
            except OSError as error:
                _log.warning("the window process: %s", type(error).__name__)
                return
        if self._cooling is not None:
            self._cooling.cancel()
        self._cooling = loop.call_later(_WARM_SECONDS, self._cool)

    def come_forward(self) -> None:
        """Bring the window that asks something to the front."""
        for talk in self._talks:
            talk.come_forward()

    def forget(self) -> None:
        """Close the window that tells how a request ended."""
        self._dismiss()

    def close(self) -> None:
        """End what is open."""
        self._cool()
        self._dismiss()
        for process in self._notices.values():
            process.kill()
        self._notices.clear()

    def _cool(self) -> None:
        if self._cooling is not None:
            self._cooling.cancel()
        if self._warm is not None:
            self._warm.kill()
        self._warm = self._cooling = None

    def _dismiss(self) -> None:
        """Close the window that tells how the last request ended."""
        if self._last is not None:
            self._last.kill()
            self._last = None

    async def _take(self) -> WindowProcess:
        """Return a process that is ready; Unavailable."""
        self._dismiss()
        process, self._warm = self._warm, None
        try:
            if process is None or process.ended:
                process = self._start()
        except OSError:
            raise Unavailable from None
        try:
            async with asyncio.timeout(_READY_SECONDS):
                received = await process.receive()
        except BaseException as error:
            process.kill()
            if isinstance(error, TimeoutError):
                raise Unavailable from None
            raise
        if received is None:
            raise Unavailable
        return process


class DesktopConversation:
    """What one request asks, in one window; implements `Conversation`."""

    patient = True

    def __init__(
        self,
        take: Callable[[], Awaitable[WindowProcess]],
        more_time: Callable[[], bool],
        seconds: float,
    ) -> None:
        """`take` returns a process that is ready; a question stays for `seconds`."""
        self._take = take
        self._more_time = more_time
        self._seconds = seconds
        self._process: WindowProcess | None = None
        self._number = 0
        self._screen: int | str | None = None
        self._told = False
        self._signing = False
        self._left = False
        self._broken = False
        self._notice: contextlib.AsyncExitStack | None = None
        #: Pages that the window wants to have drawn: document, page, width.
        self._wanted: asyncio.Queue[tuple[int, int, int]] = asyncio.Queue()

    def leave(self) -> WindowProcess | None:
        """Ask nothing any more; return the process whose window may stand a while."""
        self._left = True
        process = self._process
        if process is None:
            return None
        if self._signing and not self._told:  # what comes of a PIN is shown later
            return process
        self._process = None
        if not self._told:
            process.kill()
            return None
        process.leave()
        return process

    @property
    def closed(self) -> bool:
        """True once its window was closed, or its process has ended otherwise."""
        return self._process is not None and self._process.ended

    @property
    def crashed(self) -> bool:
        """True once its process has ended, and not by itself."""
        return self._broken or (
            self._process is not None and self._process.code not in (None, 0)
        )

    async def until_closed(self) -> None:
        """Return once the window is closed, or its process gone, with nothing asked."""
        if self._process is None:
            await asyncio.Event().wait()
        while self._process is not None:
            received = await self._process.receive()
            if received is None:
                return
            if isinstance(received, PinFrame):  # of a question that is over
                wipe(received.digits)

    def show_on(self, screen: int | str) -> None:
        """Show what follows on this screen; each question looks whether it is there."""
        self._screen = screen

    async def consent(self, question: Consent) -> Permission:
        """Ask for consent to exactly these data."""
        answer = await self._ask("consent", question)
        return Permission(answer)

    async def values(self, question: Values) -> bool:
        """Ask whether these values may leave."""
        photo: Message | None = None
        if question.photo is not None:
            bitmap = await decode(question.photo)
            photo = _sent(bitmap)
        return bool(await self._ask("values", question, photo=photo))

    async def last_try(self, question: Login) -> bool:
        """Ask whether the last try, or one that may be the last, may be used."""
        return bool(await self._ask("last-try", question))

    async def login_pin(self, question: Login) -> Pin:
        """Ask for the PIN."""
        return await self._pin("pin", question)

    async def login_elsewhere(self, question: Login, entry: PinEntry) -> bool:
        """Ask whether to log in with a PIN that is typed in another place."""
        return bool(await self._ask("elsewhere", question, entry=entry.value))

    async def choose(self, question: Choice) -> int:
        """Ask which reader."""
        chosen = await self._ask("choose", question)
        if not isinstance(chosen, int) or not 0 <= chosen < len(question.options):
            raise Cancelled
        return chosen

    async def awaited(self, question: Awaited) -> None:
        """Ask for a card; ends when its task is cancelled, or Cancelled."""
        await self._ask("awaited", question)

    async def review(self, question: Review, draw: Draw) -> tuple[bool, ...]:
        """Ask which documents shall be signed; Cancelled where none shall."""
        drawing = asyncio.ensure_future(self._draw(draw))
        try:
            answer = await self._ask("review", question)
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
        count = len(question.documents)
        if not isinstance(answer, list) or len(answer) != count or not any(answer):
            raise Cancelled
        return tuple(map(bool, answer))

    async def _draw(self, draw: Draw) -> None:
        """Send the window the page that it wants, while its answer is awaited."""
        while True:
            wanted = await self._wanted.get()
            while not self._wanted.empty():  # it was turned meanwhile
                wanted = self._wanted.get_nowait()
            document, page, width = wanted
            bitmap = _sent(await draw(document, page, width))
            if self._process is not None:
                self._process.send({"drawn": [document, page, bitmap]})

    # --- changing the PIN -------------------------------------------------------------

    async def change_last_try(self, question: PinChange) -> bool:
        """Ask whether what is, or may be, the last try may be used for the old PIN."""
        return bool(await self._ask("change-last-try", question))

    async def change_on_reader(self, question: PinChange) -> bool:
        """Ask whether the PINs will be typed on the reader, and say to do it there."""
        return bool(await self._ask("change-on-reader", question))

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Ask for the old PIN and the new one; the window sees to it that they fit."""
        old = await self._pin("change-pin", question)
        try:
            return old, await self._next_pin(question.lang)
        except BaseException:
            old.wipe()
            raise

    # --- what the tray's menu opens ---------------------------------------------------

    async def page(self, page: AnyPage) -> Any:
        """Show a page until it is answered, and return that; Cancelled once closed."""
        kinds: dict[type[AnyPage], str] = {Info: "info", MenuPage: "menu"}
        return await self._ask(kinds.get(type(page), "pick"), page)

    def come_forward(self) -> None:
        """Bring the window to the front, where one is open."""
        if self._process is not None:
            self._process.send({"front": ""})

    # --- what is shown and not answered -----------------------------------------------

    def working(self, done: int, total: int) -> None:
        """Show how far a reading is; (0, 0) while the card signs."""
        if self._process is not None:
            self._process.send({"work": [done, total]})
            self._signing = not total

    def ended(self, outcome: Outcome) -> None:
        """Show how the request ended, where a window is open."""
        if self._process is not None:
            self._process.send({"ended": dataclasses.asdict(outcome)})
            self._told = True
            if self._left:
                self._process.leave()

    async def explain(self, outcome: Outcome) -> None:
        """Show the end of a request with nothing asked, or its window closed.

        Where no window can open the page alone says it.
        """
        if (self._process is None or self.closed) and not self._left:
            try:
                self._process = await self._take()
            except Unavailable:
                return
        self.ended(outcome)

    # --- the pipe ---------------------------------------------------------------------

    async def _ask(self, kind: str, question: object, **more: object) -> Any:
        """Put a question and return the answer; Cancelled, Unavailable."""
        received = await self._answer(kind, question, **more)
        if isinstance(received, Pin):
            received.wipe()
            raise Cancelled
        return received["value"]

    async def _pin(self, kind: str, question: object) -> Pin:
        received = await self._answer(kind, question)
        if not isinstance(received, Pin):
            raise Cancelled
        return received

    async def _next_pin(self, lang: str) -> Pin:
        received = await self._received(lang)
        if not isinstance(received, Pin):
            raise Cancelled
        return received

    async def _answer(self, kind: str, question: Any, **more: object) -> Message | Pin:
        if self._process is None:
            self._process = await self._take()
        self._number += 1
        self._signing = False
        members = {
            field.name: getattr(question, field.name)
            for field in dataclasses.fields(question)
        }
        asked = {"ask": kind, "id": self._number, "question": members | more}
        asked |= {"screen": self._screen, "seconds": self._seconds}
        self._process.send(asked)
        lang = question.lang
        async with contextlib.AsyncExitStack() as self._notice:
            try:
                return await self._received(lang)
            except asyncio.CancelledError:
                if self._process is not None:
                    self._process.send({"over": self._number})
                raise

    async def _received(self, lang: str) -> Message | Pin:
        """Return the answer to the question that is open; Cancelled, ScreenMissing.

        A PIN wipes itself where the request is cancelled before anybody takes it.
        """
        while self._process is not None:
            received = await self._process.receive()
            if received is None:
                self._broken = self.crashed
                self._process = None
                break
            if isinstance(received, PinFrame):
                if received.question == self._number:
                    return _pin_of(received)
                wipe(received.digits)
            elif "draw" in received:
                self._wanted.put_nowait(received["draw"])
            elif "behind" in received:
                await self._call_attention(lang)
            elif received.get("more") == self._number:
                seconds = self._seconds if self._more_time() else None
                self._process.send({"time": seconds})
            elif received.get("answer") == self._number:
                return received
            elif received.get("no-screen") == self._number:
                raise ScreenMissing
            elif received.get("closed") == self._number:
                break
        raise Cancelled

    async def _call_attention(self, lang: str) -> None:
        """Show a notification, until the question is over, that there is a window."""
        if self._notice is None:
            return

        def clicked(activation: str) -> None:
            if self._process is not None:
                self._process.send({"front": activation})

        words, action = text("window-behind", lang), text("window-show", lang)
        showing = noticed(text("window-title", lang), words, action, clicked)
        await self._notice.enter_async_context(showing)


def _sent(bitmap: Bitmap | None) -> Message:
    """Return a picture as it goes over the pipe; nothing where there is none."""
    if bitmap is None:
        return {}
    pixels = base64.b64encode(zlib.compress(bitmap.pixels, 1)).decode()
    return {"width": bitmap.width, "height": bitmap.height, "pixels": pixels}


def _pin_of(frame: PinFrame) -> Pin:
    """Return a PIN that takes the frame's buffer over; Cancelled for what is none."""
    try:
        return Pin(frame.digits)
    except PinFormat:  # the window sends none like that
        wipe(frame.digits)
        raise Cancelled from None
