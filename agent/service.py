"""What the agent does for a page, over card source and interface; knows no HTTP.

Puts its parts together. Every failure is a `Problem`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from agent import host
from agent.access import Access
from agent.activity import Activity
from agent.ahead import ReadAhead
from agent.announcer import Announcer
from agent.attendance import Attendance
from agent.changes import Changes
from agent.choosing import Choosing
from agent.consent import Grants
from agent.counter import Desk, Turns, Whose
from agent.disclosures import Disclosures
from agent.documents import Documents, available
from agent.errors import Problem
from agent.events import Listener, changes
from agent.inspection import Found
from agent.journal import Journal
from agent.limits import Limits
from agent.logins import Logins
from agent.monitor import Monitor, Stay
from agent.operations import FindProgram, Operations, browser
from agent.originstore import OriginStore
from agent.pinsigning import PinSigning
from agent.policyfile import PolicyFile
from agent.protocol import (
    AuthenticateRequest,
    CardRequest,
    IdentityRequest,
    SignPdfRequest,
    SignRequest,
)
from agent.questions import Questions
from agent.readers import Readers, card_state
from agent.settings import Settings
from agent.signatures import Signatures
from agent.ui import Outcome, UserInterface
from agent.work import Reservation, Reservations
from cardio.beid.known import InMemory, KnownCertificates
from cardio.card import CardSource
from cardio.readers import ReaderState

T = TypeVar("T")

FEATURES = ("authenticate", "change-pin", "chip", "events", "identity", "sign")
_CLOSING_SECONDS = 10.0


class AgentService:
    """The use cases over a source of readers and a way to ask the person."""

    def __init__(
        self,
        source: CardSource,
        ui: UserInterface,
        settings: Settings,
        known: KnownCertificates | None = None,
    ) -> None:
        self.settings = settings
        self._known = known or InMemory()
        self._source = source
        self._ui = ui
        self._reservations = Reservations()
        policy = PolicyFile()
        origins = OriginStore(settings.data_dir)
        self._journal = Journal(settings.data_dir, counts_only=settings.counter)
        self._desk = Desk(settings, policy.now, alone=source.virtual)
        self._turns = Turns(self.next_person, on=settings.counter)
        self._grants = Grants(
            settings.allowed_origins,
            host.clock,
            origins.now,
            policy.now,
            remembers=ui.notice is not None and not settings.counter,
        )
        self._limits = Limits(host.clock)
        self._activity = Activity()
        self._announcer = Announcer(self._grants, host.clock)
        self._monitor = Monitor(source, self._readers_changed)
        self._readers = Readers(
            source,
            self._monitor,
            self._reservations,
            test_cards=settings.test_cards,
            part=self._desk.part,
        )
        self._access = Access(settings, self._grants, policy.now, self._readers.states)
        self.attendance = Attendance(
            host.clock,
            time.monotonic,
            self._monitor.forget_all,
            self._reservations.idle,
            self._end_turn,
        )
        self._questions = Questions(
            self._monitor,
            self._announcer.audience,
            self._readers.states,
            self.attendance,
            settings.dialog_seconds,
        )
        self._ahead = ReadAhead(
            source,
            self._readers,
            self._monitor,
            self._reservations,
            self._known,
            self._announcer.listened,
            lambda stay: self._desk.citizens(self._monitor.states(), stay.reader),
        )
        choosing = Choosing(
            self._readers,
            self._questions,
            self._access,
            self._grants,
            self._desk,
            self._turns,
            virtual=source.virtual,
        )
        self._operations = Operations(
            source,
            ui,
            settings,
            access=self._access,
            activity=self._activity,
            announcer=self._announcer,
            attendance=self.attendance,
            choosing=choosing,
            grants=self._grants,
            journal=self._journal,
            limits=self._limits,
            monitor=self._monitor,
            questions=self._questions,
            readers=self._readers,
            reservations=self._reservations,
            turns=self._turns,
        )
        self._disclosures = Disclosures(
            self._operations,
            self._grants,
            self._limits,
            origins,
            self.attendance,
            self._announcer.reporter,
            self._known,
            settings.data_dir,
            ui,
            virtual=source.virtual,
        )
        signing = PinSigning(
            self._operations, self._limits, self._monitor, source, policy.now
        )
        self._logins = Logins(
            self._operations, signing, self._monitor, self._known, settings.version
        )
        self._signatures = Signatures(
            self._operations,
            signing,
            self._grants,
            self._limits,
            policy.now,
            virtual=source.virtual,
        )
        self._changes = Changes(
            self._operations, self._limits, self._monitor, source, policy.now
        )
        self._documents = Documents(
            self._operations,
            signing,
            self._known,
            self._limits,
            policy.now,
            settings.timestamp_url,
        )

    def start(self) -> None:
        """Begin to follow readers and cards; call on the running event loop."""
        self._monitor.start()

    async def close(self) -> None:
        """Stop following; wait for a signature that is under way and its LOG OFF."""
        self._monitor.close()
        self._ahead.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._reservations.idle()
                await self._operations.written()

    async def still(self) -> None:
        """Return when no card is being used, whatever question is open."""
        await self._reservations.still()

    def next_person(self) -> None:
        """End what is open, and at a counter forget who was here."""
        self.attendance.leave()

    def people_served(self) -> int:
        """Return how many people were served today at this counter; OSError. Blocks."""
        return self._journal.people()

    def dismiss(self) -> None:
        """Send the pages away that listen: the agent ends."""
        self._announcer.end("closing")

    # --- for whoever shows how it stands ----------------------------------------------

    def watch(self, told: Callable[[Outcome | None], None]) -> None:
        """Call `told`, on the loop, when readers, cards or operations change.

        With the outcome where a request ended that a person or data had to do with.
        """
        self._activity.watch(told)

    @property
    def working(self) -> int:
        """How many operations are under way."""
        return self._activity.working

    def speak(self, lang: str) -> None:
        """Change the language of what no page asked for."""
        self.settings = replace(self.settings, lang=lang)

    def cards(self) -> tuple[tuple[ReaderState, ...], bool]:
        """Return the readers at the last change, and whether a test card is in use."""
        tests = any(map(self._readers.is_virtual, self._monitor.found()))
        return self._monitor.states(), self._source.virtual or tests

    @property
    def source(self) -> CardSource:
        """The readers and cards of this run."""
        return self._source

    async def fault(self) -> bool:
        """Tell whether the readers cannot be asked."""
        try:
            await self._readers.states()
        except Problem:
            return True
        return False

    async def look_into_all(self) -> list[Found]:
        """Look into all readers, for the person at the computer; Problem."""
        return await self._readers.look_into_all()

    @contextmanager
    def beside(self, reader: str) -> Iterator[Reservation]:
        """Keep a reader for what the person wants of the agent itself; `busy`.

        It gives way to any request: its `stop` is set then.
        """
        with self._reservations.ahead(reader) as reservation:
            yield reservation

    @asynccontextmanager
    async def keep(self, reader: str) -> AsyncIterator[Reservation]:
        """Keep a reader as a request does, for a PIN that is changed here; `busy`."""
        async with self._reservations.reserve(reader) as reservation:
            yield reservation

    async def pose(self, stay: Stay, question: Coroutine[Any, Any, T]) -> T:
        """Put a question of the agent's own about a card; Problems as for a site's."""
        return await self._questions.pose("", stay, question)

    def more_time(self) -> bool:
        """Give the open question its time once more; False where that cannot be."""
        return self._questions.more_time()

    def admit(self, origin: str) -> None:
        """Count a call that asks nobody anything: `too-many-requests`."""
        self._limits.call(origin)

    # --- status and readers ----------------------------------------------------------

    async def status(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/status; who is not allowed learns of no card."""
        body: dict[str, object] = {"api": ["v1"]}
        if self._access.denied(origin):
            return body | {"origin": "denied"}
        if not await self._allowed(origin):
            return body | {"origin": "ask"}
        found = await self._readers.found_or_empty()
        self._turns.remember()
        self._ahead.begin()
        self._ui.warm()
        return body | {
            "origin": "allowed",
            "agent": {"version": self.settings.version},
            "features": [*FEATURES, *(["sign-pdf"] if available() else [])],
            "card": card_state(found),
            "virtual": self._source.virtual
            or any(map(self._readers.is_virtual, found)),
        }

    async def readers(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/readers; `user-denied` without a grant."""
        await self._want_allowed(origin)
        found = await self._readers.look_into_all()
        self._turns.remember()
        self._ahead.begin()
        listed = [self._readers.describe(reader) for reader in found]
        if self._desk.on:  # the clerk's card is not touched for it
            clerks = self._desk.part(await self._readers.states(), Whose.CLERK)
            listed = [reader | {"whose": "citizen"} for reader in listed]
            for state in clerks:
                described = self._readers.describe(Found(state))
                listed.append(described | {"whose": "clerk"})
        return {"readers": listed}

    def may_use_http(self, origin: str) -> bool:
        """Tell whether a page of this machine may ask without HTTPS."""
        return self._access.may_use_http(origin)

    async def _allowed(self, origin: str) -> bool:
        self._announcer.called(origin)
        return await self._access.granted(origin)

    async def _want_allowed(self, origin: str) -> None:
        self._access.want_not_denied(origin)
        self._announcer.called(origin)
        await self._access.want_granted(origin)

    # --- what asks the person --------------------------------------------------------

    async def identity(
        self,
        origin: str,
        request: IdentityRequest,
        lang: str,
        find_program: FindProgram = browser,
    ) -> dict[str, object]:
        """Ask consent to exactly these data, read them, return them with proof.

        `find_program` names what connected, None for a browser.
        """
        return await self._disclosures.identity(origin, request, lang, find_program)

    async def authenticate(
        self,
        origin: str,
        request: AuthenticateRequest,
        lang: str,
        find_program: FindProgram = browser,
    ) -> dict[str, str]:
        """Ask the PIN and return a Web eID token over the page's own origin.

        `find_program` names what connected, None for a browser.
        """
        return await self._logins.authenticate(origin, request, lang, find_program)

    async def signing_certificate(
        self,
        origin: str,
        request: CardRequest,
        lang: str,
        find_program: FindProgram = browser,
    ) -> dict[str, object]:
        """Ask consent and return the certificate for signing, as Web eID does."""
        return await self._signatures.certificate(origin, request, lang, find_program)

    async def sign(
        self,
        origin: str,
        request: SignRequest,
        lang: str,
        find_program: FindProgram = browser,
    ) -> dict[str, object]:
        """Ask the PIN and sign a digest with the card of this very certificate."""
        return await self._signatures.sign(origin, request, lang, find_program)

    async def sign_pdf(
        self,
        origin: str,
        request: SignPdfRequest,
        lang: str,
        find_program: FindProgram = browser,
    ) -> dict[str, object]:
        """Have the person review documents, and sign those that they leave in."""
        return await self._documents.sign(origin, request, lang, find_program)

    async def change_pin(
        self,
        origin: str,
        request: CardRequest,
        lang: str,
        find_program: FindProgram = browser,
    ) -> dict[str, object]:
        """Have the person change the PIN, which the site never sees."""
        return await self._changes.change(origin, request, lang, find_program)

    # --- events ----------------------------------------------------------------------

    async def ticket(self, origin: str) -> dict[str, object]:
        """Return the body of POST /v1/events; `user-denied` without a grant."""
        await self._want_allowed(origin)
        return {"ticket": self._announcer.ticket(origin)}

    def listening(self, origin: str, ticket: str) -> AbstractContextManager[Listener]:
        """Tell a page what happens while the block runs.

        `user-denied` for a ticket that is not good, `too-many-requests`.
        """
        return self._announcer.listening(origin, ticket)

    def still_listens(self, listener: Listener) -> bool:
        """Send a page away whose consent has ended, or that has long been idle."""
        return self._announcer.still_listens(listener)

    def _readers_changed(
        self, before: tuple[ReaderState, ...], after: tuple[ReaderState, ...]
    ) -> None:
        """Tell the pages; one whose consent goes with the card hears that it went."""
        self._activity.tell()
        kinds = changes(self._desk.part(before), self._desk.part(after))
        self._announcer.readers_changed(after, kinds)
        if self._desk.on and "card-removed" in kinds:
            self._end_turn()
        if self._announcer.listened() and "card-inserted" in kinds:
            self._turns.remember()
            self._ahead.look_first()

    # --- at a counter ----------------------------------------------------------------

    def _end_turn(self) -> None:
        """Forget who was here: nothing of them is kept, shown or told of any more."""
        if not self._desk.on:
            return
        self._turns.end()
        self._grants.end_once()
        self._ahead.end_turn(self._monitor.states())
        self._monitor.forget_all()
        self._known.forget_cards()
        self._announcer.end("next-person")
        self._ui.forget()
