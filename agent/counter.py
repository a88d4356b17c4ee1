"""A desk where many people's cards are read: whose reader is whose, whose turn it is.

Touches the file of the choice, and a timer of the event loop while there is something
of a person to forget.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from agent.counterfile import ChosenReaders, ReaderNames
from agent.errors import Problem
from agent.monitor import Stay
from agent.policy import Policy
from agent.settings import Settings
from cardio.readers import ReaderState

_log = logging.getLogger(__name__)

#: Seconds without a request after which a person's turn is over.
IDLE_SECONDS = 120.0
#: What the clerk's own card is for.
CLERKS_CALLS = ("authenticate",)


class Whose(enum.Enum):
    """Whose card a request is about; the values are the marks of its questions."""

    CITIZEN = "citizen-card"
    CLERK = "clerk-card"


def name_of(names: ReaderNames, whose: Whose) -> str | None:
    """Return the name of somebody's reader."""
    return names.citizen if whose is Whose.CITIZEN else names.clerk


def settled(*sources: ReaderNames) -> ReaderNames:
    """Return the names by the first source that has each; no reader is of two people.

    A name that an earlier source gives to the other person does not count.
    """
    citizen: str | None = None
    clerk: str | None = None
    for names in sources:
        if citizen is None and names.citizen != clerk:
            citizen = names.citizen
        if clerk is None and names.clerk != citizen:
            clerk = names.clerk
    return ReaderNames(citizen, clerk)


#: Asks which of some names is the reader for somebody's cards; returns the index.
Choose = Callable[[tuple[str, ...], str], Awaitable[int]]


class Desk:
    """Which readers a page's request may use; away from a counter, all of them."""

    def __init__(
        self, settings: Settings, policy: Callable[[], Policy], *, alone: bool
    ) -> None:
        """`policy` says what the administrator decided now.

        `alone`: all cards are test cards in this process, where a reader that is alone
        need not be named.
        """
        self.on = settings.counter
        self._settings = settings
        self._policy = policy
        self._chosen = ChosenReaders(settings.data_dir)
        self._alone = alone

    def names(self, states: tuple[ReaderState, ...]) -> ReaderNames:
        """Return the names that count: the policy's before those of the command line.

        What was chosen in a window comes last.
        """
        policy, settings = self._policy(), self._settings
        alone = self._alone and len(states) == 1
        return settled(
            ReaderNames(policy.citizen_reader, policy.clerk_reader),
            ReaderNames(settings.citizen_reader, settings.clerk_reader),
            self._chosen.now(),
            ReaderNames(states[0].name if alone else None),
        )

    def unnamed(self, states: tuple[ReaderState, ...]) -> bool:
        """Tell whether somebody has to say which reader is the citizens'."""
        return self.on and bool(states) and self.names(states).citizen is None

    async def ask_names(
        self, states: tuple[ReaderState, ...], choose: Choose, nobody: str
    ) -> ReaderNames:
        """Ask which reader is the citizens', and which the clerk's, if there are more.

        `nobody` is the option of a clerk who has none. `no-reader` where the only
        reader is the clerk's.
        """
        clerk = self.names(states).clerk
        left = [state.name for state in states if state.name != clerk]
        if not left:
            raise Problem("no-reader", sentence="citizen-card-reader-missing")
        citizen = left.pop(await choose(tuple(left), "citizen"))
        if clerk is None and left:
            index = await choose((*left, nobody), "clerk")
            clerk = left[index] if index < len(left) else None
        return ReaderNames(citizen, clerk)

    def keep(self, names: ReaderNames) -> None:
        """Keep what was chosen; where that fails, for this run. Blocks."""
        try:
            self._chosen.choose(names)
        except OSError as error:
            _log.warning("the readers could not be stored: %s", type(error).__name__)

    def whose(
        self,
        states: tuple[ReaderState, ...],
        reader: str | None,
        identify: Callable[[str], str],
    ) -> Whose | None:
        """Tell whose card a request is about that names a reader by its id, or none.

        None away from a counter. `identify` returns the id of a name.
        """
        if not self.on:
            return None
        clerk = self.names(states).clerk
        if reader is not None and clerk is not None and identify(clerk) == reader:
            return Whose.CLERK
        return Whose.CITIZEN

    def part(
        self, states: tuple[ReaderState, ...], whose: Whose | None = Whose.CITIZEN
    ) -> tuple[ReaderState, ...]:
        """Return the reader of one person among these; away from a counter, all."""
        if not self.on or whose is None:
            return states
        name = name_of(self.names(states), whose)
        return tuple(state for state in states if state.name == name)

    def citizens(self, states: tuple[ReaderState, ...], reader: str) -> bool:
        """Tell whether a reader is the citizens'; away from a counter, each is."""
        return not self.on or self.names(states).citizen == reader

    def want_permitted(self, whose: Whose | None, call: str) -> None:
        """Refuse all but a login with the clerk's own card; `policy-denied`."""
        if whose is Whose.CLERK and call not in CLERKS_CALLS:
            raise Problem("policy-denied", sentence="clerk-login-only")

    def missing(
        self, states: tuple[ReaderState, ...], whose: Whose | None
    ) -> str | None:
        """Return the name of somebody's reader that is not connected."""
        name = None if whose is None else name_of(self.names(states), whose)
        return None if name in {state.name for state in states} else name

    def screen(self, whose: Whose | None) -> int | str | None:
        """Return the screen on which somebody has to be asked; None: any."""
        return self._policy().citizen_screen if whose is Whose.CITIZEN else None


class Turns:
    """Whose turn it is, by number; nothing of a person is in here.

    A turn ends when it is told to, and by itself when nothing was asked for two
    minutes. Used on the event loop.
    """

    def __init__(self, idle: Callable[[], None], *, on: bool) -> None:
        """`idle` is called after two minutes without a request, where this is `on`."""
        self._idle = idle
        self._on = on
        self._timer: asyncio.TimerHandle | None = None
        self._busy = 0
        self._served: Stay | None = None
        self.number = 0

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Let the two minutes begin anew when the block is over."""
        self._busy += 1
        self._stop()
        try:
            yield
        finally:
            self._busy -= 1
            self.remember()

    def remember(self) -> None:
        """Take note that something of a person may be known from now on."""
        if self._on and self._timer is None and not self._busy:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(IDLE_SECONDS, self._idle)

    def end(self) -> None:
        """Begin the next turn."""
        self.number += 1
        self._stop()

    def served(self, stay: Stay) -> bool:
        """Tell whether a card that something was given from counts as a new person."""
        new, self._served = stay != self._served, stay
        return new

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
