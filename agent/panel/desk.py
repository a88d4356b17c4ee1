"""What the panel works on: one virtual reader and the test card that lies at it.

Plays the card in pcscd's reader by a thread; knows no HTTP. Every method may be called
from any thread; those that change something wait for one another.
"""

from __future__ import annotations

import collections
import datetime
import enum
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agent.texts import text
from cardio.virtual.counters import DamagedCounters
from cardio.virtual.faults import FAULTS, Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.maker import CardMaker
from cardio.virtual.personas import CATALOGUE
from cardio.virtual.playable import PlayableCard, WrappedCard
from cardio.virtual.profile import load_profile
from cardio.virtual.settings import MAX_TRIES
from cardio.virtual.trace import Exchange, TracedCard
from cardio.virtual.vpcd import (
    ANSWER_SECONDS,
    HAND_SECONDS,
    VpcdUnavailable,
    insert_into_vpcd,
)

#: Exchanges that are kept for the page.
TRACE_LENGTH = 1000
#: How long to wait for the reader to power a card; it has refused one before that.
_POWER_SECONDS = HAND_SECONDS + ANSWER_SECONDS + 2


class Refused(ValueError):
    """The desk cannot do that; the message says why, for the person at the page."""


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse what the folder of the counters does not let us do."""
    try:
        yield
    except (OSError, DamagedCounters) as error:
        raise Refused(f"the card's counters cannot be kept: {error}") from None


class Place(enum.StrEnum):
    """Where the card is; in the reader once that has powered it."""

    OUTSIDE = "outside"
    ON_ITS_WAY = "on-its-way"
    INSIDE = "inside"


@dataclass(frozen=True)
class Line:
    """One exchange with its number from the start of the program and its time."""

    number: int
    at: str
    exchange: Exchange


class Desk:
    """A reader at `address` and a card, in it or beside it.

    `wake` is called before a card goes in; `changed`, from any thread, when there is
    something new to see; `powered` when the reader powered a card.
    """

    def __init__(
        self,
        maker: CardMaker,
        card: PlayableCard,
        address: tuple[str, int],
        *,
        wake: Callable[[], None],
        changed: Callable[[], None],
        powered: Callable[[], None],
    ) -> None:
        self._maker = maker
        self._address = address
        self._wake = wake
        self._changed = changed
        self._powered = powered
        self._turn = threading.Lock()
        self._tracing = threading.Lock()
        self._numbers = itertools.count(1)
        self._trace: collections.deque[Line] = collections.deque(maxlen=TRACE_LENGTH)
        self._card: PlayableCard = TracedCard(card, self._note)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._place = Place.OUTSIDE
        self._problem: VpcdUnavailable | None = None
        self._removed_at = time.monotonic() - HAND_SECONDS

    # --- what there is to see --------------------------------------------------------

    def state(self, after: int = 0) -> dict[str, object]:
        """Return all that the page shows; of the trace what comes after a number."""
        card = self._card
        fault = _faulty(card).fault
        with self._tracing:
            trace = [_row(line) for line in self._trace if line.number > after]
        return {
            "reader": "{}:{}".format(*self._address),
            "place": self._place,
            "problem": self._problem.problem if self._problem else None,
            "persona": card.profile.name,
            "applet": card.profile.applet,
            "atr": card.atr.hex(" ").upper(),
            "triesLeft": card.tries_left,
            "maxTries": MAX_TRIES,
            "fault": None if fault is None else {"name": fault.name, "at": fault.at},
            "personas": list(CATALOGUE),
            "faults": {name: text(f"fault-{name}", "en") for name in FAULTS},
            "trace": trace,
        }

    def _note(self, exchange: Exchange) -> None:
        now = datetime.datetime.now().astimezone()
        at = now.isoformat(timespec="milliseconds")[11:23]
        with self._tracing:
            self._trace.append(Line(next(self._numbers), at, exchange))
        self._changed()

    # --- what a person does ----------------------------------------------------------

    def insert(self) -> None:
        """Put the card in, unless it is; VpcdUnavailable."""
        with self._turn:
            self._insert()

    def remove(self) -> None:
        """Take the card out, if it is in; one that is on its way in comes out, too."""
        self._stop.set()
        with self._turn:
            self._remove()

    def play(self, persona: str) -> None:
        """Take another persona's card, into the reader if the one before was in it."""
        if persona not in CATALOGUE:
            raise Refused(f"there is no persona {persona}")
        profile = load_profile(persona)
        with self._turn:
            with _refusing():
                card = self._maker.make(profile, _faulty(self._card).fault)
            was_inside = self._place is not Place.OUTSIDE
            self._remove()
            self._card = TracedCard(card, self._note)
            self._changed()
            if was_inside:
                self._insert()

    def set_tries(self, tries: int) -> None:
        """Set the card's retry counter."""
        if not 0 <= tries <= MAX_TRIES:
            raise Refused(f"a card has 0 to {MAX_TRIES} tries left")
        with self._turn:
            counters = self._maker.counters(self._card.profile.chip_serial)
            counters.tries = tries
            with _refusing():
                counters.save()
        self._changed()

    def set_fault(self, fault: Fault | None) -> None:
        """Give the card a fault, counted from now on, or take it away."""
        with self._turn, _refusing():
            _faulty(self._card).arm(fault)
        self._changed()

    def clear_trace(self) -> None:
        """Forget the exchanges so far."""
        with self._tracing:
            self._trace.clear()
        self._changed()

    # --- the reader ------------------------------------------------------------------

    def _insert(self) -> None:
        if self._place is not Place.OUTSIDE:
            return
        if self._thread is not None:
            self._thread.join()  # a card that left by itself
        stop, settled = threading.Event(), threading.Event()
        self._stop, self._problem, self._place = stop, None, Place.ON_ITS_WAY
        self._changed()
        self._thread = threading.Thread(
            target=self._stay, args=(stop, settled), name="card", daemon=True
        )
        self._thread.start()
        settled.wait(_POWER_SECONDS)
        if self._problem is not None:
            raise self._problem

    def _remove(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def _stay(self, stop: threading.Event, settled: threading.Event) -> None:
        """Be the card in the reader; runs in a thread of its own."""

        def powered() -> None:
            self._place = Place.INSIDE
            self._powered()
            settled.set()
            self._changed()

        def swapped(card: PlayableCard) -> None:
            self._card = card
            self._changed()

        host, port = self._address
        # The daemon has to see the reader empty before the next card comes.
        stop.wait(max(0.0, self._removed_at + HAND_SECONDS - time.monotonic()))
        try:
            self._wake()
            insert_into_vpcd(
                self._card,
                host,
                port,
                on_powered=powered,
                stop=stop,
                on_swapped=swapped,
            )
        except VpcdUnavailable as error:
            self._problem = error
        finally:
            self._place = Place.OUTSIDE
            self._removed_at = time.monotonic()
            settled.set()
            self._changed()


def _faulty(card: PlayableCard) -> FaultyCard:
    """Return the layer of a card that can have a fault."""
    while not isinstance(card, FaultyCard):
        assert isinstance(card, WrappedCard), "the maker gives every card one"
        card = card.inner
    return card


def _row(line: Line) -> dict[str, object]:
    exchange = line.exchange
    return {
        "number": line.number,
        "at": line.at,
        "command": exchange.command,
        "answer": exchange.answer,
        "milliseconds": round(exchange.seconds * 1000, 1),
    }
