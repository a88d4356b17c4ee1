"""Identity requests: consent, reading, the values shown, what the answer leaves behind.

The chip is asked here alone, and after a person's fresh answer alone (SAFETY 3).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import chip, reading
from agent.attempt import Attempt
from agent.attendance import Attendance
from agent.consent import Grants
from agent.errors import MODULE_LACKS, Problem
from agent.identity import identity_body
from agent.limits import Limits
from agent.operations import FindProgram, Operation, Operations
from agent.origins import Grant, Stored, end
from agent.originstore import OriginsRefused, OriginStore, today
from agent.protocol import IdentityRequest
from agent.reading import Progress
from agent.ui import (
    AlwaysUsed,
    Consent,
    Permission,
    Unavailable,
    UserInterface,
    Values,
)
from cardio.beid.known import KnownCertificates
from cardio.card import Card
from cardio.files import EF

_log = logging.getLogger(__name__)

#: Makes what tells of progress: for an origin, its operation, and the person's window.
MakeReport = Callable[
    [str, str, Callable[[int, int], None] | None], Callable[[int, int], None]
]


class Disclosures:
    """POST /v1/identity."""

    def __init__(
        self,
        operations: Operations,
        grants: Grants,
        limits: Limits,
        origins: OriginStore,
        attendance: Attendance,
        reporter: MakeReport,
        known: KnownCertificates,
        data_dir: Path | None,
        ui: UserInterface,
        *,
        virtual: bool,
    ) -> None:
        """`data_dir` keeps the count of the chip's proofs.

        `virtual`: all readers of this run hold test cards.
        """
        self._operations = operations
        self._grants = grants
        self._limits = limits
        self._origins = origins
        self._attendance = attendance
        self._reporter = reporter
        self._known = known
        self._chip_limit = chip.DailyLimit(data_dir)
        self._ui = ui
        self._virtual = virtual

    async def identity(
        self,
        origin: str,
        request: IdentityRequest,
        lang: str,
        find_program: FindProgram,
    ) -> dict[str, object]:
        """Ask consent to exactly these data, read them, return them with proof."""
        attempt = Attempt(origin, "identity", request.include, lang, request.reader)
        async with self._operations.open(attempt, find_program) as operation:
            if not operation.found.files:
                # Only a PKCS#11 module is in the way of them.
                raise Problem("unsupported-card", sentence=MODULE_LACKS)
            wants_chip = chip.wanted(request, operation.card_data)
            given = await self._decide(operation, request, wants_chip=wants_chip)
            decided = given is None or not operation.ask.patient
            if decided:  # else the person has yet to see the values
                await self._agreed(operation, given)
            shown = operation.ask.working if given is not None else None
            report = self._reporter(origin, "identity", shown)
            data, proof = await self._read(
                operation, request, report, wants_chip=wants_chip
            )
            body = identity_body(request, data)
            if not decided:
                await self._values(operation, body, data.get(EF.PHOTO))
                await self._agreed(operation, given)
            return body | proof

    async def _decide(
        self, operation: Operation, request: IdentityRequest, *, wants_chip: bool
    ) -> Permission | None:
        """Return what the person allows; None where nobody need be asked."""
        origin = operation.origin
        # The chip is asked after a person's fresh answer alone (SAFETY 3).
        spared = self._virtual and self._grants.unasked(origin, "identity")
        if spared and not wants_chip:
            self._limits.spared(origin)
        elif wants_chip or not await self._always(operation, request):
            return await self._consent(operation, request, lasting=not wants_chip)
        return None

    async def _read(
        self,
        operation: Operation,
        request: IdentityRequest,
        report: Callable[[int, int], None],
        *,
        wants_chip: bool,
    ) -> tuple[dict[EF, bytes], dict[str, object]]:
        """Return the files, and the members of the answer about the chip."""
        parts = (*request.include, "chip") if wants_chip else request.include
        progress = Progress(parts, report)
        # Made once: it reaches the chip once, whatever is begun again.
        challenge = request.challenge or ""
        asked = chip.question(operation.origin, challenge, self._chip_limit)

        def read(card: Card) -> tuple[dict[EF, bytes], dict[str, object]]:
            chosen = operation.card_data
            data = reading.read_proven(card, chosen, parts, self._known)
            if not wants_chip:
                return data, chip.unsupported(request.challenge)
            return data, chip.members(card, data.get(EF.BASIC_KEY), asked)

        result = await operation.read(read, progress.read)
        progress.end()
        return result

    async def _values(
        self, operation: Operation, body: dict[str, Any], photo: bytes | None
    ) -> None:
        """Show what is about to leave; `user-denied` when it shall not."""
        include = operation.attempt.data
        values = Values(
            operation.origin,
            include,
            body.get("identity"),
            body.get("address"),
            photo if "photo" in include else None,
            operation.lang,
            operation.virtual,
            operation.marks,
            operation.program,
        )
        if not await operation.pose(operation.ask.values(values)):
            raise Problem("user-denied")

    async def _always(self, operation: Operation, request: IdentityRequest) -> bool:
        """Tell whether a former "always" lets these data go; then it is shown."""
        serial, notice = operation.card_data.chip_serial, self._ui.notice
        if notice is None:
            return False
        if not self._grants.always(operation.origin, request.include, serial):
            return False
        self._attendance.check()  # a notice that nobody can see is none
        used = AlwaysUsed(
            operation.origin,
            request.include,
            operation.lang,
            operation.virtual,
            operation.marks,
            operation.program,
        )
        try:
            await notice(used)
        except Unavailable:
            raise Problem("no-user-interface") from None
        return True

    async def _agreed(self, operation: Operation, given: Permission | None) -> None:
        """Let what the person said count, once nothing more is asked.

        None where nothing was asked. Who refuses the values has allowed nothing.
        """
        origin = operation.origin
        self._operations.allow_once(operation)
        if given is not None:
            self._limits.agreed(origin)
        if given is Permission.ALWAYS:
            await asyncio.to_thread(self._remember, operation, operation.attempt.data)

    async def _consent(
        self, operation: Operation, request: IdentityRequest, *, lasting: bool
    ) -> Permission:
        """Return what the person allows: ONCE or, where `lasting`, ALWAYS."""
        origin = operation.origin
        lasting = lasting and bool(operation.card_data.chip_serial)
        lasting = lasting and self._grants.may_last(request.include)
        question = Consent(
            origin,
            request.include,
            request.purpose,
            operation.lang,
            operation.virtual,
            operation.marks,
            lasting,
            operation.program,
        )
        answer = await operation.pose(operation.ask.consent(question))
        if answer not in (Permission.ONCE, Permission.ALWAYS):
            raise Problem("user-denied")
        return answer if lasting else Permission.ONCE

    def _remember(self, operation: Operation, data: tuple[str, ...]) -> None:
        """Store an "always"; where that fails, it was this once."""
        until = end(today())

        def grant(stored: Stored) -> tuple[Grant, ...]:
            card = stored.mark(operation.card_data.chip_serial)
            return (Grant(operation.origin, "identity", until, data, card),)

        try:
            self._origins.add(grant)
        except (OriginsRefused, OSError) as error:
            _log.warning("always could not be stored: %s", type(error).__name__)
