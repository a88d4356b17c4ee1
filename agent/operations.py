"""One request from its admission to its line in the journal.

The order is that of the API: policy, limits, reader and card; then what the request is
for. Dialogs are open outside the card's transaction. Touches cards in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.access import Access
from agent.activity import Activity
from agent.announcer import Announcer
from agent.attempt import Attempt
from agent.attendance import Attendance
from agent.choosing import Choosing
from agent.consent import Grants
from agent.counter import Turns, Whose
from agent.errors import Problem, as_problem
from agent.inspection import Found, on_card
from agent.journal import CANCELLED, GIVEN, PERSON, Entry, Journal
from agent.limits import Limits
from agent.monitor import Monitor, Stay, stay_of
from agent.questions import Questions
from agent.readers import Readers
from agent.settings import Settings
from agent.texts import text
from agent.ui import Conversation, Outcome, UserInterface
from agent.unblocking import blocked_key
from agent.work import Reservation, Reservations
from cardio.card import Card, CardData, CardSource

T = TypeVar("T")
#: Finds what connected: the name of a program, None for a browser.
FindProgram = Callable[[], Awaitable[str | None]]

#: What a person has to know about the card, though nothing was asked about it, or the
#: window was closed before.
_EXPLAINED = (
    "pin-incorrect",
    "pin-blocked",
    "certificate-expired",
    "no-certificate",
    "certificate-mismatch",
    "card-not-activated",
)


async def browser() -> str | None:
    """Find no program to name."""
    return None


@dataclass
class Operation:
    """One request's use of one card."""

    attempt: Attempt
    ask: Conversation
    found: Found
    card_data: CardData
    stay: Stay
    reservation: Reservation
    _access: Access
    _questions: Questions
    _source: CardSource

    @property
    def origin(self) -> str:
        """Who asks."""
        return self.attempt.origin

    @property
    def lang(self) -> str:
        """The language of its questions."""
        return self.attempt.lang

    @property
    def program(self) -> str | None:
        """What connected, where it is no known browser."""
        return self.attempt.program

    @property
    def virtual(self) -> bool:
        """True for a test card."""
        return self.attempt.virtual

    @property
    def marks(self) -> tuple[str, ...]:
        """What every question has to show of this run."""
        return self._access.marks(self.attempt)

    async def pose(self, question: Coroutine[Any, Any, T]) -> T:
        """Put one question about the operation's card; Problems of `Questions`."""
        return await self._questions.ask(self.attempt, self.stay, question)

    async def read(
        self, work: Callable[[Card], T], progress: Callable[[int], None] | None = None
    ) -> T:
        """Read from the operation's card.

        Stops between two commands when the request is cancelled or the person closes
        the window, `user-cancelled`, and begins again once when another program reset
        the card.
        """
        reservation = self.reservation

        def read() -> T:
            return on_card(
                self._source,
                self.stay.reader,
                work,
                stop=reservation.stop,
                progress=progress,
            )

        results: list[T] = []  # a task's own result stands in asyncio's debug log

        async def run() -> None:
            results.append(await reservation.run(lambda: as_problem(read)))

        reading = asyncio.ensure_future(run())
        leaving = asyncio.ensure_future(self.ask.until_closed())
        try:
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                raise Problem("user-cancelled")
            reading.result()
            return results[0]
        finally:
            for task in (reading, leaving):
                task.cancel()
            await asyncio.gather(reading, leaving, return_exceptions=True)


class Operations:
    """Admits requests, gives each its card and its time, and writes down its end."""

    def __init__(
        self,
        source: CardSource,
        ui: UserInterface,
        settings: Settings,
        *,
        access: Access,
        activity: Activity,
        announcer: Announcer,
        attendance: Attendance,
        choosing: Choosing,
        grants: Grants,
        journal: Journal,
        limits: Limits,
        monitor: Monitor,
        questions: Questions,
        readers: Readers,
        reservations: Reservations,
        turns: Turns,
    ) -> None:
        self._source = source
        self._ui = ui
        self._dialog_seconds = settings.dialog_seconds
        self._operation_seconds = settings.operation_seconds
        self._access = access
        self._activity = activity
        self._announcer = announcer
        self._attendance = attendance
        self._choosing = choosing
        self._grants = grants
        self._journal = journal
        self._limits = limits
        self._monitor = monitor
        self._questions = questions
        self._readers = readers
        self._reservations = reservations
        self._turns = turns
        self._recording: set[asyncio.Future[None]] = set()

    async def written(self) -> None:
        """Return when the journal has the lines that are being written."""
        await asyncio.gather(*self._recording)

    @asynccontextmanager
    async def open(
        self, attempt: Attempt, find_program: FindProgram, *, patient: bool = False
    ) -> AsyncIterator[Operation]:
        """Choose the card and keep its reader for this request alone.

        `patient` lets what is read ahead finish first.
        """
        origin = attempt.origin
        self._announcer.called(origin)
        self._access.want_not_denied(origin)
        self._limits.begin(origin)
        attempt.program = await find_program()
        limits: list[asyncio.Timeout] = []

        def more_time() -> bool:
            given = self._questions.more_time()
            if given:
                self._attendance.extend(limits[0], self._dialog_seconds)
            return given

        with self._turns.busy():
            async with (
                self._ui.conversation(more_time, self._dialog_seconds) as ask,
                self._recorded(attempt, ask),
                self._limited(limits),
                self._card_of(attempt, ask, patient=patient) as operation,
            ):
                yield operation

    @asynccontextmanager
    async def _limited(self, limits: list[asyncio.Timeout]) -> AsyncIterator[None]:
        """Give an operation its time; `timeout`. Its limit is put into `limits`."""
        try:
            async with self._attendance.limit(self._operation_seconds) as limit:
                limits.append(limit)
                yield
        except TimeoutError:
            raise Problem("timeout") from None

    @asynccontextmanager
    async def _card_of(
        self, attempt: Attempt, ask: Conversation, *, patient: bool
    ) -> AsyncIterator[Operation]:
        found = await self._choosing.choose(attempt, ask)
        name = found.state.name
        async with self._reservations.reserve(name, patient=patient) as reservation:
            stay = stay_of(found)
            assert found.card is not None  # only such readers are chosen
            attempt.stay = stay
            attempt.virtual = self._readers.is_virtual(found)
            with self._anew_when_changed(stay), _unblocking(found.card):
                yield Operation(
                    attempt,
                    ask,
                    found,
                    found.card,
                    stay,
                    reservation,
                    self._access,
                    self._questions,
                    self._source,
                )

    @contextmanager
    def _anew_when_changed(self, stay: Stay) -> Iterator[None]:
        """Look at a card anew that is another one, though no reader said so.

        It may have been swapped while the computer slept.
        """
        try:
            yield
        except Problem as problem:
            if problem.code == "card-changed":
                self._monitor.forget(stay)
            raise

    # --- its end ---------------------------------------------------------------------

    @asynccontextmanager
    async def _recorded(
        self, attempt: Attempt, ask: Conversation
    ) -> AsyncIterator[None]:
        """Write down how an attempt ended, where data went or a person was asked.

        What is given stands in the journal before the page has it. The person is shown
        the end of what they were asked about.
        """
        outcome = GIVEN
        end = Problem("internal-error")
        try:
            with self._activity.at_work():
                yield
        except Problem as problem:
            outcome, end = problem.code, problem
            if outcome in ("user-denied", "user-cancelled"):
                self._limits.refused(attempt.origin)
            raise
        except asyncio.CancelledError:
            outcome = CANCELLED
            raise
        except BaseException:
            outcome = "internal-error"
            raise
        finally:
            await self._end(attempt, ask, outcome, end)

    async def _end(
        self, attempt: Attempt, ask: Conversation, outcome: str, end: Problem
    ) -> None:
        # Where nobody was asked, a page could fill the journal by itself.
        if outcome == GIVEN or attempt.asked:
            await self._record(_entry(attempt, outcome))
        stay = attempt.stay if attempt.whose is Whose.CITIZEN else None
        if outcome == GIVEN and stay is not None and self._turns.served(stay):
            await self._record(Entry("", PERSON, (), GIVEN))
        crashed = outcome == "user-cancelled" and ask.crashed
        reason = end.title(attempt.lang)
        if crashed:
            reason = text("window-crashed", attempt.lang)
        told = self._outcome(attempt, outcome, reason)
        if outcome == GIVEN or attempt.asked:
            self._activity.tell(told)
        if outcome != CANCELLED and not self._past(attempt):
            if attempt.asked and not (ask.closed or crashed):
                ask.ended(told)
            elif crashed or outcome in _EXPLAINED:
                with contextlib.suppress(Problem):  # nobody is at the screen
                    self._attendance.check()
                    await ask.explain(told)

    def end_late(self, operation: Operation, code: str, reason: str) -> None:
        """Tell the person what became of a request that the page had given up.

        What was done all the same stands in the journal, behind the end of the request.
        """
        if code == GIVEN:
            self._write(_entry(operation.attempt, code))
        told = self._outcome(operation.attempt, code, reason)
        if self._past(operation.attempt):
            self._ui.forget()
        else:
            operation.ask.ended(told)

    def _outcome(self, attempt: Attempt, code: str, reason: str) -> Outcome:
        return Outcome(
            attempt.origin,
            attempt.call,
            code,
            reason,
            attempt.data,
            attempt.lang,
            attempt.virtual,
            self._access.marks(attempt),
            attempt.program,
        )

    async def _record(self, entry: Entry) -> None:
        """Write to the journal; goes on when the request is cancelled."""
        await asyncio.shield(self._write(entry))

    def _write(self, entry: Entry) -> asyncio.Future[None]:
        writing = asyncio.ensure_future(asyncio.to_thread(self._journal.add, entry))
        self._recording.add(writing)
        writing.add_done_callback(self._recording.discard)
        return writing

    # --- at a counter ----------------------------------------------------------------

    def _past(self, attempt: Attempt) -> bool:
        """Tell whether an attempt was of a citizen whose turn is over."""
        return attempt.whose is Whose.CITIZEN and attempt.turn != self._turns.number

    def allow_once(self, operation: Operation) -> None:
        """Remember a "this once"; of the clerk's own login nothing follows."""
        attempt = operation.attempt
        if attempt.whose is not Whose.CLERK and not self._past(attempt):
            self._grants.allow_once(attempt.origin, operation.stay)


def _entry(attempt: Attempt, outcome: str) -> Entry:
    """Return the journal's line about a request."""
    return Entry(attempt.origin, attempt.call, attempt.data, outcome, attempt.program)


def explain_blocked(problem: Problem, card: CardData) -> None:
    """Say of a blocked PIN what helps with a card of this generation."""
    if problem.code == "pin-blocked":
        problem.sentence = blocked_key(card.applet)


@contextmanager
def _unblocking(card: CardData) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        explain_blocked(problem, card)
        raise
