"""Asks in the terminal: one line out, one line in; touches stdin and stdout.

A question ends, without newline, in `[y/n] `, `[1-N] ` or `PIN: `; the answer is one
line. End of input closes the question. The PIN is read as bytes into a buffer that is
wiped; a terminal does not echo it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import queue
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from agent.texts import text, tries_left
from agent.ui import (
    AskedAtOnce,
    AskedPinChange,
    Cancelled,
    Choice,
    Consent,
    FileSigning,
    Login,
    Outcome,
    Permission,
    PinChange,
    Signing,
    Unavailable,
)
from agent.ui.marks import marks
from agent.words import quoted, site_name
from cardio.card import PinEntry
from cardio.errors import PinFormat
from cardio.pin import Pin, wipe

if sys.platform == "win32":
    from agent.ui.terminal_windows import Keyboard
else:
    from agent.ui.terminal_posix import Keyboard

T = TypeVar("T")

#: A person who answers with nonsense this often is not reading the question.
_MAX_REPEATS = 10
#: Within which a terminal shows a line, unless it is paused.
_PAUSED_SECONDS = 0.2
#: Calls that ask for no PIN, so that nothing need be said of it.
_WITHOUT_PIN = ("identity", "signing-certificate")
#: What the sentences about a call's end are named after.
_KINDS = {"authenticate": "login", "change-pin": "change"}
#: Ends of a login that the person who is asked has brought about, or cannot be told.
_OWN_DOING = ("user-denied", "user-cancelled", "no-user-interface")


class TerminalInterface(AskedAtOnce):
    """Implements `UserInterface` on standard input and output.

    What is asked here is allowed once: it gives no "always", and none counts.
    """

    notice = None

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._screen = _Screen(write or _write)
        self._keyboard = Keyboard()
        self._pending: asyncio.Future[_Line] | None = None
        self._waiting = False
        self._arrived = threading.Event()
        self._open = False
        self._later: list[str] = []

    async def consent(self, question: Consent) -> Permission:
        """Ask for consent to exactly these data."""
        lang = question.lang
        data = ", ".join(text(f"data-{part}", lang) for part in question.data)
        purpose = ""
        if question.purpose:
            purpose = text("purpose", lang, purpose=quoted(question.purpose))
        words = text(
            "consent",
            lang,
            virtual=_virtual(question),
            site=site_name(question.site),
            data=data,
            purpose=purpose,
        )
        allowed = await self._yes_no(lang, words)
        return Permission.ONCE if allowed else Permission.DENY

    async def last_try(self, question: Login) -> bool:
        """Ask whether the last try, or one that may be the last, may be used."""
        kind = "login" if question.signing is None else "sign"
        key = _last(f"{kind}-last-try", f"{kind}-maybe-last-try", question)
        return await self._yes_no(question.lang, self._login(key, question))

    async def login_pin(self, question: Login) -> Pin:
        """Ask for the PIN; what is not 4 to 12 digits is asked again."""
        return await self._pin(question.lang, self._login(_goal(question), question))

    async def login_elsewhere(self, question: Login, entry: PinEntry) -> bool:
        """Ask whether to log in with a PIN that is typed in another place."""
        words = self._login(_goal(question, entry), question)
        return await self._yes_no(question.lang, words)

    def ended(self, outcome: Outcome) -> None:
        """Say in a line of its own what became of a login, behind an open question.

        But for what the person just did.
        """
        if outcome.call in _WITHOUT_PIN or outcome.code in _OWN_DOING:
            return
        kind = _KINDS.get(outcome.call, "sign")
        words = text(
            f"{kind}-done" if outcome.code == "given" else f"{kind}-not-done",
            outcome.lang,
            virtual=_virtual(outcome),
            site=site_name(outcome.site),
            reason=outcome.reason,
        )
        self._later.append(words)
        if not self._open:
            self._say_later()

    def _say_later(self) -> None:
        for words in self._later:
            self._screen.put(f"{words}\n")
        self._later.clear()

    @staticmethod
    def _login(key: str, question: Login) -> str:
        return text(
            key,
            question.lang,
            virtual=_virtual(question),
            site=site_name(question.site),
            tries=tries_left(question.tries_left, question.lang),
            what=_what(question.signing, question.lang),
        )

    # --- changing the PIN ------------------------------------------------------------

    async def change_last_try(self, question: PinChange) -> bool:
        """Ask whether what is, or may be, the last try may be used for the old PIN."""
        key = _last("change-last-try", "change-maybe-last-try", question)
        words = self._change(key, question)
        return await self._yes_no(question.lang, words)

    async def change_on_reader(self, question: PinChange) -> bool:
        """Ask whether the PINs will be typed on the reader, and say to do it there."""
        words = self._change("change-on-reader", question)
        return await self._yes_no(question.lang, words)

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Ask for the old PIN and twice for the new one, until both times it is one.

        The old one is no new one: the card would take it, and nothing would change.
        """
        old = await self._pin(question.lang, self._change("change-old", question))
        try:
            return old, await self._new_pin(question.lang, old)
        except BaseException:
            old.wipe()
            raise

    async def _new_pin(self, lang: str, old: Pin) -> Pin:
        for _ in range(_MAX_REPEATS):
            new = await self._pin(lang, text("change-new", lang))
            try:
                if new.same_as(old):
                    key = "change-same"
                else:
                    with await self._pin(lang, text("change-again", lang)) as again:
                        if new.same_as(again):
                            return new
                    key = "change-differ"
                # Once, in a line of its own: the question may be asked again.
                await self._screen.put(f"{text(key, lang)}\n")
            except BaseException:
                new.wipe()
                raise
            new.wipe()
        raise Cancelled

    @staticmethod
    def _change(key: str, question: PinChange) -> str:
        return text(
            key,
            question.lang,
            virtual=_virtual(question) + _wish(question),
            reader=quoted(question.reader),
            tries=tries_left(question.tries_left, question.lang),
        )

    # --- signing a file --------------------------------------------------------------

    async def sign_last_try(self, question: FileSigning) -> bool:
        """Ask whether what is, or may be, the last try may be used to sign."""
        key = _last("file-sign-last-try", "file-sign-maybe-last-try", question)
        return await self._yes_no(question.lang, self._sign(key, question))

    async def sign_pin(self, question: FileSigning) -> Pin:
        """Ask for the PIN with which the file is signed."""
        return await self._pin(question.lang, self._sign("file-sign-pin", question))

    async def sign_elsewhere(self, question: FileSigning, entry: PinEntry) -> bool:
        """Ask whether to sign with a PIN that is typed in another place."""
        words = self._sign(f"file-sign-{entry.value}", question)
        return await self._yes_no(question.lang, words)

    @staticmethod
    def _sign(key: str, question: FileSigning) -> str:
        return text(
            key,
            question.lang,
            virtual=_virtual(question),
            name=quoted(question.name),
            reader=quoted(question.reader),
            tries=tries_left(question.tries_left, question.lang),
        )

    async def _pin(self, lang: str, words: str) -> Pin:
        """Ask until the line is a PIN."""

        def parse(line: bytearray) -> Pin | None:
            try:
                return Pin(line)
            except PinFormat:
                return None

        hint = text("hint-pin", lang)
        return await self._ask(lang, words, parse, hint, secret=True)

    # --- questions -------------------------------------------------------------------

    async def choose(self, question: Choice) -> int:
        """Ask which reader."""
        tests = question.test_cards or (False,) * len(question.options)
        mark = "" if question.virtual else text("test-card", question.lang)
        numbered = ", ".join(
            f'{number} {mark if test else ""}"{quoted(name)}"'
            for number, (name, test) in enumerate(
                zip(question.options, tests, strict=True), 1
            )
        )
        words = text(
            f"choose-{question.naming}" if question.naming else "choose",
            question.lang,
            virtual=_virtual(question),
            site=site_name(question.site),
            options=numbered,
            count=len(question.options),
        )

        def parse(line: bytearray) -> int | None:
            typed = line.strip()
            if not (typed.isdigit() and 1 <= int(typed) <= len(question.options)):
                return None
            return int(typed) - 1

        hint = text("hint-choice", question.lang, count=len(question.options))
        return await self._ask(question.lang, words, parse, hint)

    async def _yes_no(self, lang: str, words: str) -> bool:
        answers = dict.fromkeys(text("answers-yes", lang).split(), True)
        answers |= dict.fromkeys(text("answers-no", lang).split(), False)
        return await self._ask(
            lang,
            words,
            lambda line: answers.get(line.decode(errors="replace").strip().lower()),
            text("hint-yes-no", lang),
        )

    async def _ask(
        self,
        lang: str,
        words: str,
        parse: Callable[[bytearray], T | None],
        hint: str,
        *,
        secret: bool = False,
    ) -> T:
        """Ask until `parse` understands the line; Cancelled at the end of input.

        Before the question is asked again, a line of its own says what was wrong.
        """
        self._open = True
        try:
            return await self._ask_until(lang, words, parse, hint, secret=secret)
        finally:
            self._open = False
            self._say_later()

    async def _ask_until(
        self,
        lang: str,
        words: str,
        parse: Callable[[bytearray], T | None],
        hint: str,
        *,
        secret: bool,
    ) -> T:
        for attempt in range(_MAX_REPEATS):
            try:
                if attempt:
                    await self._screen.put(f"{hint}\n")
                line = await self._line(words, secret=secret)
            except asyncio.CancelledError:
                over = self._screen.put(f"\n{text('question-ended', lang)}\n")
                # Before what is said next; a paused terminal is not waited for.
                await asyncio.wait([over], timeout=_PAUSED_SECONDS)
                raise
            try:
                if line is None or not self._keyboard.echoes_end(secret=secret):
                    await self._screen.put("\n")  # what comes next begins a line
            except BaseException:
                wipe(line or bytearray())
                raise
            if line is None:
                raise Cancelled
            try:
                answer = parse(line)
            finally:
                if not secret:
                    wipe(line)
            if answer is not None:
                return answer
        raise Cancelled

    async def _line(self, words: str, *, secret: bool) -> bytearray | None:
        """Read one line in a thread; a question that was cancelled leaves its reading
        behind, and what then arrives is thrown away on a terminal."""
        loop = asyncio.get_running_loop()
        with self._keyboard.mode(secret=secret):
            # Shown after what was typed before is forgotten, so that no answer is.
            if self._pending is not None and self._arrived.is_set():
                self._pending.add_done_callback(_wipe)  # nobody waits for it
                self._pending = None
            await self._screen.put(words)
            if self._pending is None:
                self._pending = loop.create_future()
                self._arrived = threading.Event()
                deliver = partial(self._deliver, self._pending)
                self._keyboard.begin()
                _start(self._keyboard.read_line, loop, deliver, self._arrived)
            self._waiting = True
            try:
                line = await asyncio.shield(self._pending)
            finally:
                self._waiting = False
        self._pending = None
        return line.typed

    def _deliver(self, pending: asyncio.Future[_Line], line: _Line) -> None:
        """Hand a line to the question that waits for it; without one it is wiped."""
        if not self._waiting or pending.done():
            line.wipe()
        if not pending.done():
            pending.set_result(line)


class _Line:
    """What was typed, None at the end of input; its repr, as logs have it, hides it."""

    def __init__(self, typed: bytearray | None) -> None:
        self.typed = typed

    def __repr__(self) -> str:
        return "_Line(…)"

    def wipe(self) -> None:
        """Overwrite what was typed."""
        wipe(self.typed or bytearray())


def _wipe(future: asyncio.Future[_Line]) -> None:
    future.result().wipe()


class _Screen:
    """Writes in a thread of its own: a terminal that is paused stops nothing else."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._words: queue.SimpleQueue[tuple[str, asyncio.Future[None]]]
        self._words = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, words: str) -> asyncio.Future[None]:
        """Write after what was put before; await the result to know when it is out.

        The result is Unavailable when nothing can be shown.
        """
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="screen", daemon=True
            )
            self._thread.start()
        shown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        shown.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._words.put((words, shown))
        return shown

    def _work(self) -> None:
        while True:
            words, shown = self._words.get()
            failure: Unavailable | None = None
            try:
                self._write(words)
            except Unavailable as error:
                failure = error
            loop = shown.get_loop()
            with contextlib.suppress(RuntimeError):  # the agent has ended
                loop.call_soon_threadsafe(_settle, shown, failure)


def _settle(shown: asyncio.Future[None], failure: Unavailable | None) -> None:
    if shown.done():
        return
    if failure is None:
        shown.set_result(None)
    else:
        shown.set_exception(failure)


def _start(
    read: Callable[[], bytearray | None],
    loop: asyncio.AbstractEventLoop,
    deliver: Callable[[_Line], None],
    arrived: threading.Event,
) -> None:
    """Run a blocking read in a daemon thread, which never keeps the program alive."""

    def work() -> None:
        line = _Line(read())
        arrived.set()
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, line)

    threading.Thread(target=work, name="terminal", daemon=True).start()


#: What the person began in this terminal.
_Own = PinChange | FileSigning


def _virtual(question: Consent | Login | Choice | Outcome | _Own) -> str:
    """Return the marks that stand before a question: test card, special run, program.

    A program is named where no known browser asks.
    """
    program = None
    if isinstance(question, AskedPinChange) or not isinstance(question, _Own):
        program = question.program
    return "".join(
        marks(
            question.lang,
            virtual=question.virtual,
            run=question.marks,
            program=program,
        )
    )


def _wish(question: PinChange) -> str:
    """Return whose wish a change is, where it is not the person's own."""
    if not isinstance(question, AskedPinChange):
        return ""
    return text("change-asked", question.lang, site=site_name(question.site))


def _goal(question: Login, entry: PinEntry | None = None) -> str:
    """Return which question asks for a PIN that is typed here, or at `entry`."""
    signing, place = question.signing, "pin" if entry is None else entry.value
    if signing is None:
        return f"login-{place}"
    return f"sign-{place}-unseen" if signing.document is None else f"sign-{place}"


def _what(signing: Signing | None, lang: str) -> str:
    """Return what is to be signed: the site's name for it, and what the agent saw."""
    if signing is None:
        return ""
    name = f'"{quoted(signing.name)}"' if signing.name else text("sign-unnamed", lang)
    number = f" ({signing.number}/{signing.count})" if signing.count > 1 else ""
    seen = ""
    if signing.document:
        seen = f" [{signing.document} {text('file-sign-unseen', lang)}]"
    return f"{name}{seen}{number}"


def _last(known: str, unknown: str, question: Login | _Own) -> str:
    return unknown if question.tries_left is None else known


def _write(words: str) -> None:
    """Write to standard output; Unavailable when it is closed.

    Past Python's own buffer: a thread that waits in there would keep the program from
    ending.
    """
    try:
        left = words.encode(sys.stdout.encoding, "replace")
        try:
            descriptor = sys.stdout.fileno()
        except io.UnsupportedOperation:  # not a stream of the system's
            sys.stdout.write(left.decode(sys.stdout.encoding))
            sys.stdout.flush()
            return
        while left:
            left = left[os.write(descriptor, left) :]
    except (AttributeError, OSError, ValueError):
        raise Unavailable from None
