"""Asks the PIN and signs with it; touches the card in a thread.

Questions are open outside the card's transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from agent.errors import Problem, as_problem
from agent.limits import Limits
from agent.monitor import Monitor, Stay
from agent.operations import Operation, Operations, explain_blocked
from agent.policy import Policy
from agent.texts import text
from agent.ui import Login, Signing
from cardio.card import Card, CardSource, Expected, PinEntry
from cardio.errors import PinBlocked, PinIncorrect
from cardio.files import Key
from cardio.pin import Pin
from cardio.signature import SignatureAlgorithm

T = TypeVar("T")


@dataclass(frozen=True)
class ToSign:
    """A digest for one of a card's keys.

    `entry` says where the PIN is typed, `told` what the card said of its tries.
    `signing` describes what is signed where that is no login; `expires` is the last day
    (ISO 8601) of a certificate that soon expires.
    """

    key: Key
    algorithm: SignatureAlgorithm
    digest: bytes
    entry: PinEntry
    told: int | None
    expires: str | None = None
    signing: Signing | None = None


class PinSigning:
    """Signs with an operation's card; both of its keys have the same PIN."""

    def __init__(
        self,
        operations: Operations,
        limits: Limits,
        monitor: Monitor,
        source: CardSource,
        policy: Callable[[], Policy],
    ) -> None:
        """`policy` says what the administrator decided now."""
        self._operations = operations
        self._limits = limits
        self._monitor = monitor
        self._source = source
        self._policy = policy

    async def sign(
        self, operation: Operation, wanted: ToSign, beside: Callable[[Card], T]
    ) -> tuple[bytes, T]:
        """Ask the PIN and sign with it; a wrong one is asked again where that goes.

        Returns the signature and what `beside` read, in the same transaction. Each PIN
        is one that the person typed: none is sent twice. Who closes the window while
        the card signs has cancelled; that a PIN was wrong is said all the same.
        Problems of the questions and of the card; `policy-denied` where the PIN would
        have to be typed on a reader.
        """
        typed_here = wanted.entry is not PinEntry.READER
        if typed_here and self._policy().require_pin_pad:
            raise Problem("policy-denied", sentence="pin-pad-required")
        tries = self._tries_left(operation.stay, wanted.told)
        if tries == 0:
            raise Problem("pin-blocked")
        told, wrong = wanted.told, False
        while True:
            pin = await self._pin(operation, wanted, tries, wrong=wrong)
            self._limits.agreed(operation.origin)
            operation.ask.working(0, 0)
            sign = self._signing(operation, wanted, pin, told, beside)
            unwanted = partial(self._unwanted, operation)
            try:
                signed: tuple[bytes, T]
                signed = await operation.reservation.run(
                    partial(as_problem, sign), unwanted
                )
            except Problem as problem:
                left = problem.tries_left
                there = operation.ask.patient and not operation.ask.closed
                if problem.code != "pin-incorrect" or not there or not left:
                    raise
                told, wrong = None if told is None else left, True
                tries = self._tries_left(operation.stay, told)
            else:
                if operation.ask.closed:  # the signature is thrown away
                    raise Problem("user-cancelled")
                return signed

    def _unwanted(
        self, operation: Operation, late: asyncio.Future[tuple[bytes, Any]]
    ) -> None:
        """Tell the person what became of a PIN for a request that was cancelled."""
        code, reason = "unwanted", text("unwanted", operation.lang)
        error = late.exception()
        if isinstance(error, Problem):
            explain_blocked(error, operation.card_data)
            code, reason = error.code, error.title(operation.lang)
        self._operations.end_late(operation, code, reason)

    def _signing(
        self,
        operation: Operation,
        wanted: ToSign,
        pin: Pin | None,
        told: int | None,
        beside: Callable[[Card], T],
    ) -> Callable[[], tuple[bytes, T]]:
        """Return what signs, in a thread; `told` is what the card said of its tries."""
        chosen = operation.card_data
        expected = Expected(chosen.chip_serial, told)

        def sign() -> tuple[bytes, T]:
            # The thread owns the PIN: wiped from elsewhere in the middle, it would
            # reach the card as a wrong one.
            with (
                pin or contextlib.nullcontext(),
                closing(self._source.open(operation.stay.reader)) as card,
                card.transaction(),
            ):
                card.resume(chosen)
                # Who cancels while another program keeps the card loses no try.
                with self._noting_tries(operation.stay):
                    signature = card.sign(
                        wanted.key,
                        wanted.algorithm,
                        wanted.digest,
                        pin,
                        expected,
                        stop=operation.reservation.stop,
                        lang=operation.lang,
                    )
                return signature, beside(card)

        return sign

    def _tries_left(self, stay: Stay, told: int | None) -> int | None:
        """Return the tries left: what the card told, else none or one from memory.

        More than one that the card gave earlier is not believed: another program may
        have spent some since, and the next could be the last.
        """
        if told is not None:
            return told
        noted = self._monitor.noted_tries(stay)
        return noted if noted in (0, 1) else None

    @contextmanager
    def _noting_tries(self, stay: Stay) -> Iterator[None]:
        """Remember what a PIN left, for cards that do not tell it when asked."""
        try:
            yield
        except PinIncorrect as error:
            self._monitor.note_tries(stay, error.tries_left)
            raise
        except PinBlocked:
            self._monitor.note_tries(stay, 0)
            raise
        self._monitor.note_tries(stay, None)

    async def _pin(
        self, operation: Operation, wanted: ToSign, tries: int | None, *, wrong: bool
    ) -> Pin | None:
        """Ask the PIN; None where the person types it elsewhere, on the reader say.

        The last try, and one that may be the last, has a question of its own before.
        """
        ask = operation.ask
        question = Login(
            operation.origin,
            tries,
            operation.lang,
            operation.virtual,
            operation.marks,
            operation.program,
            wrong,
            wanted.expires,
            wanted.signing,
        )
        if tries in (None, 1) and not await operation.pose(ask.last_try(question)):
            raise Problem("user-denied")
        if wanted.entry is PinEntry.TYPED:
            return await operation.pose(ask.login_pin(question))
        elsewhere = ask.login_elsewhere(question, wanted.entry)
        if not await operation.pose(elsewhere):
            raise Problem("user-denied")
        return None
