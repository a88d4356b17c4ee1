"""A site's wish that the PIN be changed; touches cards in threads.

The site learns that it was done, or why not; neither PIN goes near it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import partial

from agent import pinchange
from agent.attempt import Attempt
from agent.errors import Problem, as_problem
from agent.limits import Limits
from agent.monitor import Monitor
from agent.operations import FindProgram, Operation, Operations
from agent.pinchange import Changeable, Pins
from agent.policy import Policy
from agent.protocol import CardRequest
from agent.texts import text
from agent.ui import AskedPinChange
from cardio.card import Card, CardSource, PinEntry
from cardio.channel import go_on
from cardio.errors import CardChanged


class Changes:
    """POST /v1/change-pin."""

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

    async def change(
        self, origin: str, request: CardRequest, lang: str, find_program: FindProgram
    ) -> dict[str, object]:
        """Have the person change the PIN, who is asked for it each time.

        A site may ask them once in ten minutes.
        """
        if not self._policy().change_pin:
            raise Problem("policy-denied", sentence="change-pin-forbidden")
        self._limits.may_change(origin)
        attempt = Attempt(origin, "change-pin", (), lang, request.reader)
        async with self._operations.open(attempt, find_program) as operation:
            shown = await operation.read(partial(_look, operation))
            typed_here = shown.entry is PinEntry.TYPED
            if typed_here and self._policy().require_pin_pad:
                raise Problem("policy-denied", sentence="pin-pad-required")
            question = AskedPinChange(
                operation.stay.reader,
                shown.expected.tries_left,
                operation.lang,
                operation.virtual,
                operation.marks,
                origin,
                operation.program,
            )
            self._limits.may_change(origin)
            self._limits.changes(origin)
            asking = pinchange.ask(operation.ask, question, shown.entry)
            pins = await operation.pose(asking)
            self._limits.agreed(origin)
            operation.ask.working(0, 0)
            send = partial(as_problem, partial(self._send, operation, shown, pins))
            unwanted = partial(self._unwanted, operation)
            await operation.reservation.run(send, unwanted)
            return {"changed": True}

    def _send(self, operation: Operation, shown: Changeable, pins: Pins) -> None:
        """Send the PINs to the card that was shown, in a thread that owns them."""
        old, new = pins
        stay = operation.stay
        with (
            old or nullcontext(),
            new or nullcontext(),
            closing(self._source.open(stay.reader)) as card,
            card.transaction(),
        ):
            card.resume(operation.card_data)
            wanted = partial(go_on, operation.reservation.stop)
            try:
                pinchange.send(card, pins, shown, operation.lang, wanted)
            except Problem as problem:
                if problem.code in ("pin-incorrect", "pin-blocked"):
                    self._monitor.note_tries(stay, problem.tries_left or 0)
                raise
            self._monitor.note_tries(stay, None)

    def _unwanted(self, operation: Operation, late: asyncio.Future[None]) -> None:
        """Tell the person what became of it for a page that no longer waits."""
        error = late.exception()
        code, reason = "given", ""
        if isinstance(error, Problem):
            code, reason = error.code, error.title(operation.lang)
        elif error is not None:  # stopped before a PIN was sent
            code, reason = "unwanted", text("cli-change-stopped", operation.lang)
        self._operations.end_late(operation, code, reason)


def _look(operation: Operation, card: Card) -> Changeable:
    """Look at the operation's card; CardChanged where it is another one."""
    shown = pinchange.look(card)
    if shown.expected.chip_serial != operation.card_data.chip_serial:
        raise CardChanged("another card than the one that was chosen")
    return shown
