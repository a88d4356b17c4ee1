"""Which reader a request means, with the person's help where that helps.

At a counter also whose card that is, and on which screen that person is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from agent.access import Access
from agent.attempt import Attempt
from agent.consent import Grants
from agent.counter import Desk, Turns
from agent.errors import Problem, as_problem
from agent.inspection import Found, usable
from agent.monitor import Offer, Unchanged, stay_of
from agent.questions import SCREEN_MISSING, Questions, ReadersChanged
from agent.readers import Readers
from agent.texts import text
from agent.ui import Awaited, Choice, Conversation, ScreenMissing
from cardio.readers import ReaderState

#: What a person can mend by putting a card, or another one, into a reader.
_MENDED_BY_A_CARD = ("no-reader", "no-card", "unsupported-card", "card-unreadable")


class Choosing:
    """Finds the card for a request."""

    def __init__(
        self,
        readers: Readers,
        questions: Questions,
        access: Access,
        grants: Grants,
        desk: Desk,
        turns: Turns,
        *,
        virtual: bool,
    ) -> None:
        """`virtual`: all readers of this run hold test cards."""
        self._readers = readers
        self._questions = questions
        self._access = access
        self._grants = grants
        self._desk = desk
        self._turns = turns
        self._virtual = virtual

    async def choose(self, attempt: Attempt, ask: Conversation) -> Found:
        """Return the reader that the request names, or the only one with a card."""
        states, belgian = await self._usable_cards(attempt, ask)
        if len(belgian) == 1:
            return belgian[0]
        names = tuple(found.state.name for found in belgian)
        tests = tuple(map(self._readers.is_virtual, belgian))
        question = Choice(
            attempt.origin,
            names,
            attempt.lang,
            all(tests),
            self._access.marks(attempt),
            tests,
            attempt.program,
        )
        offer = Offer(tuple(map(stay_of, belgian)), states)
        return belgian[await self._questions.ask(attempt, offer, ask.choose(question))]

    async def _usable_cards(
        self, attempt: Attempt, ask: Conversation
    ) -> tuple[tuple[ReaderState, ...], list[Found]]:
        """Return the readers and those of them with a card that can be used.

        Where there is none, the person may mend that, if the interface is patient.
        """
        while True:
            states = await self._readers.states()
            if self._desk.unnamed(states):
                await self._name_readers(attempt, ask, states)
                continue
            self._desk_for(attempt, ask, states)
            try:
                return states, await self._usable(attempt, states)
            except Problem as problem:
                if not ask.patient or problem.code not in _MENDED_BY_A_CARD:
                    raise
                await self._await_card(attempt, ask, problem, states)

    async def _await_card(
        self,
        attempt: Attempt,
        ask: Conversation,
        problem: Problem,
        states: tuple[ReaderState, ...],
    ) -> None:
        """Ask for a card until a reader or a card came or went."""
        wanted = Awaited(
            attempt.origin,
            problem.code,
            attempt.lang,
            self._virtual,
            self._access.marks(attempt),
            attempt.program,
            attempt.whose and self._desk.missing(states, attempt.whose),
        )
        awaited = ask.awaited(wanted)
        try:
            with contextlib.suppress(ReadersChanged):
                await self._questions.ask(attempt, Unchanged(states), awaited)
        except Problem as ended:
            if ended.code != "timeout":
                raise
            left = problem.code in ("no-reader", "no-card")
            raise Problem("no-card") if left else problem from None

    async def _usable(
        self, attempt: Attempt, states: tuple[ReaderState, ...]
    ) -> list[Found]:
        """Look into the readers; a Problem where no card can be used."""
        whose, reader = attempt.whose, attempt.reader
        if whose and (name := self._desk.missing(states, whose)) is not None:
            known = self._grants.lasting(attempt.origin)  # who may know what is here
            sentence = f"{whose.value}-reader-missing"
            named = name if known else None
            raise Problem("no-reader", sentence=sentence, reader=named)
        states = self._desk.part(states, whose)
        if reader is not None:
            identify = self._readers.identify
            states = tuple(state for state in states if identify(state.name) == reader)
        if not states:
            raise Problem("no-reader")
        filled = [state for state in states if state.atr is not None]
        if not filled:
            raise Problem("no-card")
        found = [await self._readers.look(state) for state in filled]
        return as_problem(partial(usable, found))

    # --- at a counter ----------------------------------------------------------------

    def _desk_for(
        self, attempt: Attempt, ask: Conversation, states: tuple[ReaderState, ...]
    ) -> None:
        """Find out whose card a request is about, and where that person is asked."""
        attempt.turn = self._turns.number
        identify = self._readers.identify
        attempt.whose = self._desk.whose(states, attempt.reader, identify)
        self._desk.want_permitted(attempt.whose, attempt.call)
        try:
            if (screen := self._desk.screen(attempt.whose)) is not None:
                ask.show_on(screen)
        except ScreenMissing:
            raise Problem("policy-denied", sentence=SCREEN_MISSING) from None

    async def _name_readers(
        self, attempt: Attempt, ask: Conversation, states: tuple[ReaderState, ...]
    ) -> None:
        """Have the person say, once, which reader is whose; returns when one comes."""

        async def choose(options: tuple[str, ...], naming: str) -> int:
            marks, program = self._access.marks(attempt), attempt.program
            question = Choice(
                attempt.origin,
                options,
                attempt.lang,
                self._virtual,
                marks,
                program=program,
                naming=naming,
            )
            asking = ask.choose(question)
            return await self._questions.ask(attempt, Unchanged(states), asking)

        nobody = text("counter-no-clerk-reader", attempt.lang)
        with contextlib.suppress(ReadersChanged):
            names = await self._desk.ask_names(states, choose, nobody)
            await asyncio.to_thread(self._desk.keep, names)
