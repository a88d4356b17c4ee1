"""Asks in the terminal: one line out, one line in; touches stdin and stdout.

A question ends, without newline, in `[y/n] `, `[1-N] ` or `PIN: `; the answer is one
line. End of input closes the question. The PIN is read as bytes into a buffer that is
wiped; a terminal does not echo it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from agent.texts import text
from agent.ui import Cancelled, Choice, Consent, Login, Unavailable
from agent.words import quoted, site_name
from cardio.errors import PinFormat
from cardio.pin import Pin, wipe

if sys.platform == "win32":
    from agent.ui.terminal_windows import Keyboard
else:
    from agent.ui.terminal_posix import Keyboard

T = TypeVar("T")

#: A person who answers with nonsense this often is not reading the question.
_MAX_REPEATS = 10


class TerminalInterface:
    """Implements `UserInterface` on standard input and output."""

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or _write
        self._keyboard = Keyboard()
        self._pending: asyncio.Future[bytearray | None] | None = None
        self._arrived = threading.Event()

    async def consent(self, question: Consent) -> bool:
        """Ask for consent to exactly these data."""
        lang = question.lang
        data = ", ".join(text(f"data-{part}", lang) for part in question.data)
        purpose = ""
        if question.purpose:
            purpose = text("purpose", lang, purpose=quoted(question.purpose))
        return await self._yes_no(
            lang,
            text(
                "consent",
                lang,
                virtual=_virtual(question),
                site=site_name(question.site),
                data=data,
                purpose=purpose,
            ),
        )

    async def last_try(self, question: Login) -> bool:
        """Ask whether the last try may be used."""
        words = text(
            "login-last-try",
            question.lang,
            virtual=_virtual(question),
            site=site_name(question.site),
        )
        return await self._yes_no(question.lang, words)

    async def login_pin(self, question: Login) -> Pin:
        """Ask for the PIN; what is not 4 to 12 digits is asked again."""
        lang = question.lang
        tries = question.tries_left
        words = text(
            "login-pin",
            lang,
            virtual=_virtual(question),
            site=site_name(question.site),
            tries=text("tries-unknown", lang) if tries is None else tries,
        )

        def parse(line: bytearray) -> Pin | None:
            try:
                return Pin(line)
            except PinFormat:
                return None

        return await self._ask(lang, words, parse, secret=True)

    async def choose(self, question: Choice) -> int:
        """Ask which reader."""
        numbered = ", ".join(
            f'{number} "{quoted(name)}"'
            for number, name in enumerate(question.options, 1)
        )
        words = text(
            "choose",
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

        return await self._ask(question.lang, words, parse)

    async def _yes_no(self, lang: str, words: str) -> bool:
        answers = {b"y": True, b"n": False}
        return await self._ask(
            lang, words, lambda line: answers.get(bytes(line.strip().lower()))
        )

    async def _ask(
        self,
        lang: str,
        words: str,
        parse: Callable[[bytearray], T | None],
        *,
        secret: bool = False,
    ) -> T:
        """Ask until `parse` understands the line; Cancelled at the end of input."""
        for _ in range(_MAX_REPEATS):
            try:
                line = await self._line(words, secret=secret)
            except asyncio.CancelledError:
                with contextlib.suppress(Unavailable):
                    self._write(f"\n{text('question-ended', lang)}\n")
                raise
            if line is None or not self._keyboard.echoes_end(secret=secret):
                self._write("\n")  # what comes next begins a line
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
            self._write(words)
            if self._pending is None:
                self._pending = loop.create_future()
                self._arrived = threading.Event()
                _start(self._keyboard.read_line, loop, self._pending, self._arrived)
            line = await asyncio.shield(self._pending)
        self._pending = None
        return line


def _wipe(future: asyncio.Future[bytearray | None]) -> None:
    wipe(future.result() or bytearray())


def _start(
    read: Callable[[], bytearray | None],
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[bytearray | None],
    arrived: threading.Event,
) -> None:
    """Run a blocking read in a daemon thread, which never keeps the program alive."""

    def deliver(line: bytearray | None) -> None:
        if not future.done():
            future.set_result(line)

    def work() -> None:
        line = read()
        arrived.set()
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, line)

    threading.Thread(target=work, name="terminal", daemon=True).start()


def _virtual(question: Consent | Login | Choice) -> str:
    return text("test-card", question.lang) if question.virtual else ""


def _write(words: str) -> None:
    """Write to standard output; Unavailable when it is closed."""
    try:
        encoding = sys.stdout.encoding
        sys.stdout.write(words.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        raise Unavailable from None
