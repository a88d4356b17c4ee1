"""What the agent does for a page, over card source and interface; knows no HTTP.

The order is that of the API: reader and card, card state, consent, read, PIN. Dialogs
are open outside the card's transaction. Every failure is a `Problem`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from agent import chip, host, reading, token
from agent.ahead import ReadAhead
from agent.attendance import Attendance
from agent.consent import Grants
from agent.counter import Desk, Turns, Whose
from agent.errors import MODULE_LACKS, Problem, as_problem
from agent.events import (
    IDLE_SECONDS,
    Audience,
    Listener,
    Message,
    Tickets,
    changes,
)
from agent.identity import identity_body
from agent.inspection import Found, on_card, reader_id, usable
from agent.journal import CANCELLED, GIVEN, PERSON, Entry, Journal
from agent.limits import Limits
from agent.monitor import Monitor, Offer, Stay, Unchanged, Watched, stay_of
from agent.origins import Grant, Stored, end
from agent.originstore import OriginsRefused, OriginStore, today
from agent.policyfile import PolicyFile
from agent.protocol import AuthenticateRequest, IdentityRequest
from agent.questions import SCREEN_MISSING, Questions, ReadersChanged
from agent.readers import Readers, card_state
from agent.reading import LoginCertificates, LoginReady, Progress
from agent.settings import Settings
from agent.texts import text
from agent.ui import (
    AlwaysUsed,
    Awaited,
    Choice,
    Consent,
    Conversation,
    Login,
    Outcome,
    Permission,
    ScreenMissing,
    Unavailable,
    UserInterface,
    Values,
)
from agent.unblocking import blocked_key
from agent.work import Reservation, Reservations
from cardio.beid.algorithms import login_algorithm
from cardio.beid.certificates import parse_certificate
from cardio.beid.known import InMemory, KnownCertificates
from cardio.card import Card, CardData, CardSource, Expected, PinEntry
from cardio.errors import PinBlocked, PinIncorrect
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.readers import ReaderState
from cardio.signature import SignatureAlgorithm

T = TypeVar("T")
#: Finds what connected: the name of a program, None for a browser.
FindProgram = Callable[[], Awaitable[str | None]]

_log = logging.getLogger(__name__)

FEATURES = ("authenticate", "chip", "events", "identity")
_CLOSING_SECONDS = 10.0
#: What a person has to know about the card, though nothing was asked about it, or the
#: window was closed before.
_EXPLAINED = (
    "pin-incorrect",
    "pin-blocked",
    "certificate-expired",
    "no-certificate",
    "card-not-activated",
)
#: What a person can mend by putting a card, or another one, into a reader.
_MENDED_BY_A_CARD = ("no-reader", "no-card", "unsupported-card", "card-unreadable")
#: What a question ends with that the interface could not show.
_NOT_SHOWN = ("no-user-interface", "policy-denied")
#: A certificate that expires within this many days is told of at each login.
_SOON_DAYS = 60
_NOT_ASKED = (
    "nobody was asked by this call: it is open to a site after an identity request or a"
    " login that the person agreed to, until the card goes or ten minutes are over"
)


@dataclass
class _Attempt:
    """One request that may ask the person; `data` are names of what it is after.

    `program` connected, where it is no known browser. At a counter `whose` card it is
    about, and in which `turn` the card was found.
    """

    origin: str
    call: str
    data: tuple[str, ...]
    program: str | None = None
    asked: bool = False
    virtual: bool = False
    whose: Whose | None = None
    turn: int = 0
    stay: Stay | None = None


@dataclass
class _Operation:
    """One request's use of one card."""

    attempt: _Attempt
    ask: Conversation
    lang: str
    found: Found
    card_data: CardData
    stay: Stay
    reservation: Reservation

    @property
    def origin(self) -> str:
        """Who asks."""
        return self.attempt.origin

    @property
    def program(self) -> str | None:
        """What connected, where it is no known browser."""
        return self.attempt.program


async def _browser() -> str | None:
    """Find no program to name."""
    return None


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
        self._salt = secrets.token_bytes(16)
        self._reservations = Reservations()
        self._chip_limit = chip.DailyLimit(settings.data_dir)
        self._origins = OriginStore(settings.data_dir)
        self._policy = PolicyFile()
        self._journal = Journal(settings.data_dir, counts_only=settings.counter)
        self._recording: set[asyncio.Future[None]] = set()
        self._watchers: list[Callable[[Outcome | None], None]] = []
        #: How many operations are under way.
        self.working = 0
        self._desk = Desk(settings, self._policy.now, alone=source.virtual)
        self._turns = Turns(self.next_person, on=settings.counter)
        self._grants = Grants(
            settings.allowed_origins,
            host.clock,
            self._origins.now,
            self._policy.now,
            remembers=ui.notice is not None and not settings.counter,
        )
        self._limits = Limits(host.clock)
        self._tickets = Tickets(host.clock)
        self._audience = Audience()
        self._last_call: dict[str, float] = {}
        self._monitor = Monitor(source, self._readers_changed)
        self._readers = Readers(
            source,
            self._monitor,
            self._reservations,
            test_cards=settings.test_cards,
            part=self._desk.part,
        )
        self.attendance = Attendance(
            host.clock,
            time.monotonic,
            self._monitor.forget_all,
            self._reservations.idle,
            self._end_turn,
        )
        self._questions = Questions(
            self._monitor,
            self._audience,
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
            lambda: bool(self._audience),
            lambda stay: self._desk.citizens(self._monitor.states(), stay.reader),
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
                await asyncio.gather(*self._recording)

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
        self._audience.end("closing")

    # --- for whoever shows how it stands ----------------------------------------------

    def watch(self, told: Callable[[Outcome | None], None]) -> None:
        """Call `told`, on the loop, when readers, cards or operations change.

        With the outcome where a request ended that a person or data had to do with.
        """
        self._watchers.append(told)

    def _tell(self, outcome: Outcome | None = None) -> None:
        for told in self._watchers:
            told(outcome)

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

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self.working += 1
        self._tell()
        try:
            yield
        finally:
            self.working -= 1
            self._tell()

    def admit(self, origin: str) -> None:
        """Count a call that asks nobody anything: `too-many-requests`."""
        self._limits.call(origin)

    # --- status and readers ----------------------------------------------------------

    async def status(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/status; who is not allowed learns of no card."""
        body: dict[str, object] = {"api": ["v1"]}
        if self._denied(origin):
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
            "features": list(FEATURES),
            "card": card_state(found),
            "virtual": self._source.virtual
            or any(map(self._readers.is_virtual, found)),
        }

    async def readers(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/readers; `user-denied` without a grant."""
        self._want_not_denied(origin)
        if not await self._allowed(origin):
            raise Problem("user-denied", _NOT_ASKED)
        found = await self._readers.look_into_all()
        self._turns.remember()
        self._ahead.begin()
        listed = [reader.to_json(self._salt) for reader in found]
        if self._desk.on:  # the clerk's card is not touched for it
            clerks = self._desk.part(await self._readers.states(), Whose.CLERK)
            listed = [reader | {"whose": "citizen"} for reader in listed]
            for state in clerks:
                listed.append(Found(state).to_json(self._salt) | {"whose": "clerk"})
        return {"readers": listed}

    def may_use_http(self, origin: str) -> bool:
        """Tell whether a page of this machine may ask without HTTPS."""
        settings, policy = self.settings, self._policy.now()
        developing = settings.developer and policy.developer
        return settings.demo or developing or self._grants.lasting(origin)

    def _denied(self, origin: str) -> bool:
        """Tell whether the administrator's policy refuses the origin, or this mode."""
        policy, counter = self._policy.now(), self.settings.counter
        # One that was started before it became a counter's remembers people.
        forbidden = not policy.counter_mode if counter else policy.counter
        return forbidden or self._grants.denied(origin)

    def _want_not_denied(self, origin: str) -> None:
        if self._denied(origin):
            raise Problem("policy-denied")

    def _marks(self, attempt: _Attempt) -> tuple[str, ...]:
        """Return what every question has to show of this run (safety rule 22).

        At a counter that is also whose card it is about.
        """
        named = self._grants.named(attempt.origin)
        marks = ["developer-run"] if self.settings.developer else []
        marks += ["named-origin"] if named else []
        return (*marks, *([attempt.whose.value] if attempt.whose is not None else []))

    async def _allowed(self, origin: str) -> bool:
        self._called(origin)
        return await self._has_grant(origin)

    def _called(self, origin: str) -> None:
        """Take note that a page is still there, where it listens."""
        if self._audience.has(origin):
            self._last_call[origin] = host.clock()

    async def _has_grant(self, origin: str) -> bool:
        if self._grants.lasting(origin):
            return True
        if not self._grants.allowed(origin):
            return False
        try:
            self._grants.readers_are(await self._readers.states())
        except Problem:  # nobody can tell whether the card is in
            return False
        return self._grants.allowed(origin)

    # --- identity --------------------------------------------------------------------

    async def identity(
        self,
        origin: str,
        request: IdentityRequest,
        lang: str,
        find_program: FindProgram = _browser,
    ) -> dict[str, object]:
        """Ask consent to exactly these data, read them, return them with proof.

        `find_program` names what connected, None for a browser.
        """
        attempt = _Attempt(origin, "identity", request.include)
        async with self._operation(
            attempt, request.reader, lang, find_program
        ) as operation:
            if not operation.found.files:
                # Only a PKCS#11 module is in the way of them.
                raise Problem("unsupported-card", sentence=MODULE_LACKS)
            wants_chip = chip.wanted(request, operation.card_data)
            # The chip is asked after a person's fresh answer alone (SAFETY 3).
            spared = self._source.virtual and self._grants.unasked(origin, "identity")
            given: Permission | None = None
            if spared and not wants_chip:
                self._limits.spared(origin)
            elif wants_chip or not await self._always(operation, request):
                given = await self._consent(operation, request, lasting=not wants_chip)
            decided = given is None or not operation.ask.patient
            if decided:  # else the person has yet to see the values
                await self._agreed(operation, given)
            parts = (*request.include, "chip") if wants_chip else request.include
            shown = operation.ask if given is not None else None
            progress = Progress(parts, self._reporter(origin, "identity", shown))
            # Made once: it reaches the chip once, whatever is begun again.
            asked = chip.question(origin, request.challenge or "", self._chip_limit)

            def read(card: Card) -> tuple[dict[EF, bytes], dict[str, object]]:
                chosen = operation.card_data
                data = reading.read_proven(card, chosen, parts, self._known)
                if not wants_chip:
                    return data, chip.unsupported(request.challenge)
                return data, chip.members(card, data.get(EF.BASIC_KEY), asked)

            data, proof = await self._on_card(operation, read, progress.read)
            progress.end()
            body = identity_body(request, data)
            if not decided:
                await self._values(operation, body, data.get(EF.PHOTO))
                await self._agreed(operation, given)
            return body | proof

    async def _values(
        self, operation: _Operation, body: dict[str, Any], photo: bytes | None
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
            self._readers.is_virtual(operation.found),
            self._marks(operation.attempt),
            operation.program,
        )
        if not await self._pose(operation, operation.ask.values(values)):
            raise Problem("user-denied")

    async def _always(self, operation: _Operation, request: IdentityRequest) -> bool:
        """Tell whether a former "always" lets these data go; then it is shown."""
        serial, notice = operation.card_data.chip_serial, self._ui.notice
        if notice is None:
            return False
        if not self._grants.always(operation.origin, request.include, serial):
            return False
        self.attendance.check()  # a notice that nobody can see is none
        used = AlwaysUsed(
            operation.origin,
            request.include,
            operation.lang,
            self._readers.is_virtual(operation.found),
            self._marks(operation.attempt),
            operation.program,
        )
        try:
            await notice(used)
        except Unavailable:
            raise Problem("no-user-interface") from None
        return True

    async def _agreed(self, operation: _Operation, given: Permission | None) -> None:
        """Let what the person said count, once nothing more is asked.

        None where nothing was asked. Who refuses the values has allowed nothing.
        """
        origin = operation.origin
        self._allow_once(operation)
        if given is not None:
            self._limits.agreed(origin)
        if given is Permission.ALWAYS:
            await asyncio.to_thread(self._remember, operation, operation.attempt.data)

    async def _consent(
        self, operation: _Operation, request: IdentityRequest, *, lasting: bool
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
            self._readers.is_virtual(operation.found),
            self._marks(operation.attempt),
            lasting,
            operation.program,
        )
        answer = await self._pose(operation, operation.ask.consent(question))
        if answer not in (Permission.ONCE, Permission.ALWAYS):
            raise Problem("user-denied")
        return answer if lasting else Permission.ONCE

    def _remember(self, operation: _Operation, data: tuple[str, ...]) -> None:
        """Store an "always"; where that fails, it was this once."""
        until = end(today())

        def grant(stored: Stored) -> tuple[Grant, ...]:
            card = stored.mark(operation.card_data.chip_serial)
            return (Grant(operation.origin, "identity", until, data, card),)

        try:
            self._origins.add(grant)
        except (OriginsRefused, OSError) as error:
            _log.warning("always could not be stored: %s", type(error).__name__)

    # --- login -----------------------------------------------------------------------

    async def authenticate(
        self,
        origin: str,
        request: AuthenticateRequest,
        lang: str,
        find_program: FindProgram = _browser,
    ) -> dict[str, str]:
        """Ask the PIN and return a Web eID token over the page's own origin.

        `find_program` names what connected, None for a browser.
        """
        attempt = _Attempt(origin, "authenticate", ("certificate",))
        async with self._operation(
            attempt, request.reader, lang, find_program, patient=True
        ) as operation:
            chosen, held = operation.card_data, self._monitor.held(operation.stay)
            algorithm = as_problem(lambda: login_algorithm(chosen.applet))
            ready = await self._on_card(
                operation,
                lambda card: reading.prepare_login(card, chosen, held, self._known),
            )
            if ready.certificates is not None:
                self._monitor.hold(operation.stay, ready.certificates)
                _check_validity(ready.certificates.holder)
            typed_here = ready.entry is not PinEntry.READER
            if typed_here and self._policy.now().require_pin_pad:
                raise Problem("policy-denied", sentence="pin-pad-required")
            tries = self._tries(operation.stay, ready.status.tries_left)
            if tries == 0:
                raise Problem("pin-blocked")
            digest = token.digest(algorithm, origin, request.challenge_nonce)
            signed = await self._sign(operation, algorithm, digest, ready, tries)
            signature, certificates = signed
            _check_validity(certificates.holder)
            self._allow_once(operation)
            return token.build(
                certificates.holder,
                certificates.issuer,
                algorithm,
                signature,
                self.settings.version,
            )

    async def _sign(
        self,
        operation: _Operation,
        algorithm: SignatureAlgorithm,
        digest: bytes,
        ready: LoginReady,
        tries: int | None,
    ) -> tuple[bytes, LoginCertificates]:
        """Ask the PIN and sign with it; a wrong one is asked again where that goes.

        Each PIN is one that the person typed: none is sent twice. Who closes the window
        while the card signs has cancelled; that a PIN was wrong is said all the same.
        """
        told, wrong = ready.status.tries_left, False
        while True:
            pin = await self._pin(operation, ready, tries, wrong=wrong)
            self._limits.agreed(operation.origin)
            operation.ask.working(0, 0)
            sign = self._signing(operation, algorithm, digest, ready, pin, told)
            unwanted = partial(self._unwanted, operation)
            try:
                signed: tuple[bytes, LoginCertificates]
                signed = await operation.reservation.run(
                    partial(as_problem, sign), unwanted
                )
            except Problem as problem:
                left = problem.tries_left
                there = operation.ask.patient and not operation.ask.closed
                if problem.code != "pin-incorrect" or not there or not left:
                    raise
                told, wrong = None if told is None else left, True
                tries = self._tries(operation.stay, told)
            else:
                if operation.ask.closed:  # the signature is thrown away
                    raise Problem("user-cancelled")
                return signed

    def _unwanted(
        self, operation: _Operation, late: asyncio.Future[tuple[bytes, Any]]
    ) -> None:
        """Tell the person what became of a PIN for a request that was cancelled."""
        code, reason = "unwanted", text("login-unwanted", operation.lang)
        error = late.exception()
        if isinstance(error, Problem):
            with contextlib.suppress(Problem), _unblocking(operation.card_data):
                raise error
            code, reason = error.code, error.title(operation.lang)
        told = self._outcome(operation.attempt, code, reason, operation.lang)
        if self._past(operation.attempt):
            self._ui.forget()
        else:
            operation.ask.ended(told)

    def _signing(
        self,
        operation: _Operation,
        algorithm: SignatureAlgorithm,
        digest: bytes,
        ready: LoginReady,
        pin: Pin | None,
        told: int | None,
    ) -> Callable[[], tuple[bytes, LoginCertificates]]:
        """Return what signs, in a thread; `told` is what the card said of its tries."""
        chosen = operation.card_data
        expected = Expected(chosen.chip_serial, told)

        def sign() -> tuple[bytes, LoginCertificates]:
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
                        Key.AUTHENTICATION,
                        algorithm,
                        digest,
                        pin,
                        expected,
                        stop=operation.reservation.stop,
                        lang=operation.lang,
                    )
                held_or_read = ready.certificates
                if held_or_read is None:
                    held_or_read = reading.read_login(card, chosen, self._known)
                return signature, held_or_read

        return sign

    def _tries(self, stay: Stay, told: int | None) -> int | None:
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
        self,
        operation: _Operation,
        ready: LoginReady,
        tries: int | None,
        *,
        wrong: bool,
    ) -> Pin | None:
        """Ask the PIN; None where the person types it elsewhere, on the reader say.

        The last try, and one that may be the last, has a question of its own before.
        """
        origin, ask = operation.origin, operation.ask
        question = Login(
            origin,
            tries,
            operation.lang,
            self._readers.is_virtual(operation.found),
            self._marks(operation.attempt),
            operation.program,
            wrong,
            _expires_soon(ready.certificates),
        )
        if tries in (None, 1) and not await self._pose(
            operation, ask.last_try(question)
        ):
            raise Problem("user-denied")
        if ready.entry is PinEntry.TYPED:
            return await self._pose(operation, ask.login_pin(question))
        elsewhere = ask.login_elsewhere(question, ready.entry)
        if not await self._pose(operation, elsewhere):
            raise Problem("user-denied")
        return None

    async def _pose(self, operation: _Operation, question: Coroutine[Any, Any, T]) -> T:
        """Put one question about the operation's card."""
        return await self._ask(operation.attempt, operation.stay, question)

    async def _ask(
        self, attempt: _Attempt, watched: Watched, question: Coroutine[Any, Any, T]
    ) -> T:
        """Put one question; who could not see it was not asked."""
        before = attempt.asked

        def opened() -> None:
            attempt.asked = True

        try:
            return await self._questions.pose(attempt.origin, watched, question, opened)
        except Problem as problem:
            if problem.code in _NOT_SHOWN:
                attempt.asked = before
            raise

    # --- events ----------------------------------------------------------------------

    async def ticket(self, origin: str) -> dict[str, object]:
        """Return the body of POST /v1/events; `user-denied` without a grant."""
        self._want_not_denied(origin)
        if not await self._allowed(origin):
            raise Problem("user-denied", _NOT_ASKED)
        return {"ticket": self._tickets.give(origin)}

    @contextmanager
    def listening(self, origin: str, ticket: str) -> Iterator[Listener]:
        """Tell a page what happens while the block runs.

        `user-denied` for a ticket that is not good, `too-many-requests`.
        """
        if not self._tickets.take(ticket, origin) or not self._grants.allowed(origin):
            raise Problem("user-denied")
        try:
            with self._audience.join(origin) as listener:
                self._last_call[origin] = host.clock()
                yield listener
        finally:
            if not self._audience.has(origin):
                self._last_call.pop(origin, None)

    def still_listens(self, listener: Listener) -> bool:
        """Send a page away whose consent has ended, or that has long been idle."""
        idle = host.clock() - self._last_call.get(listener.origin, 0.0)
        if idle >= IDLE_SECONDS:
            listener.end("idle")
        elif not self._grants.allowed(listener.origin):
            listener.end("consent-ended")
        return listener.ended is None

    def _readers_changed(
        self, before: tuple[ReaderState, ...], after: tuple[ReaderState, ...]
    ) -> None:
        """Tell the pages; one whose consent goes with the card hears that it went."""
        self._tell()
        own_before, own_after = self._desk.part(before), self._desk.part(after)
        kinds = changes(own_before, own_after)
        for listener in self._audience:
            if not self._grants.allowed(listener.origin):
                listener.end("consent-ended")
        self._grants.readers_are(after)
        for listener in self._audience:
            if self._grants.allowed(listener.origin):
                listener.tell_of(kinds)
            else:
                listener.tell_of(kind for kind in kinds if kind.endswith("-removed"))
                listener.end("consent-ended")
        if self._desk.on and "card-removed" in kinds:
            self._end_turn()
        if self._audience and "card-inserted" in kinds:
            self._turns.remember()
            self._ahead.look_first()

    def _reporter(
        self, origin: str, operation: str, shown: Conversation | None
    ) -> Callable[[int, int], None]:
        """Return what tells an origin, from any thread, how far its reading is.

        And the person, where `shown` is given.
        """
        loop = asyncio.get_running_loop()

        def tell(done: int, total: int) -> None:
            message: Message = {"type": "progress", "operation": operation}
            message |= {"done": done, "total": total}
            self._audience.tell(origin, message)
            if shown is not None:
                shown.working(done, total)

        def report(done: int, total: int) -> None:
            with contextlib.suppress(RuntimeError):  # the agent ends
                loop.call_soon_threadsafe(tell, done, total)

        return report

    # --- reader and card -------------------------------------------------------------

    @asynccontextmanager
    async def _operation(
        self,
        attempt: _Attempt,
        reader: str | None,
        lang: str,
        find_program: FindProgram,
        *,
        patient: bool = False,
    ) -> AsyncIterator[_Operation]:
        """Choose the card and keep its reader for this request alone.

        `patient` lets what is read ahead finish first.
        """
        origin = attempt.origin
        self._called(origin)
        self._want_not_denied(origin)
        self._limits.begin(origin)
        attempt.program = await find_program()
        limits: list[asyncio.Timeout] = []

        def more_time() -> bool:
            given = self._questions.more_time()
            if given:
                self.attendance.extend(limits[0], self.settings.dialog_seconds)
            return given

        with self._turns.busy():
            async with (
                self._ui.conversation(more_time, self.settings.dialog_seconds) as ask,
                self._recorded(attempt, ask, lang),
                self._limited(limits),
                self._card_of(attempt, ask, reader, lang, patient=patient) as operation,
            ):
                yield operation

    @asynccontextmanager
    async def _limited(self, limits: list[asyncio.Timeout]) -> AsyncIterator[None]:
        """Give an operation its time; `timeout`. Its limit is put into `limits`."""
        try:
            async with self.attendance.limit(self.settings.operation_seconds) as limit:
                limits.append(limit)
                yield
        except TimeoutError:
            raise Problem("timeout") from None

    @asynccontextmanager
    async def _card_of(
        self,
        attempt: _Attempt,
        ask: Conversation,
        reader: str | None,
        lang: str,
        *,
        patient: bool,
    ) -> AsyncIterator[_Operation]:
        found = await self._choose(attempt, ask, reader, lang)
        name = found.state.name
        async with self._reservations.reserve(name, patient=patient) as reservation:
            stay = stay_of(found)
            assert found.card is not None  # only such readers are chosen
            attempt.stay = stay
            attempt.virtual = self._readers.is_virtual(found)
            with self._anew_when_changed(stay), _unblocking(found.card):
                yield _Operation(
                    attempt, ask, lang, found, found.card, stay, reservation
                )

    @asynccontextmanager
    async def _recorded(
        self, attempt: _Attempt, ask: Conversation, lang: str
    ) -> AsyncIterator[None]:
        """Write down how an attempt ended, where data went or a person was asked.

        What is given stands in the journal before the page has it. The person is shown
        the end of what they were asked about.
        """
        outcome = GIVEN
        end = Problem("internal-error")
        try:
            with self._at_work():
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
            # Where nobody was asked, a page could fill the journal by itself.
            if outcome == GIVEN or attempt.asked:
                entry = Entry(
                    attempt.origin,
                    attempt.call,
                    attempt.data,
                    outcome,
                    attempt.program,
                )
                await self._record(entry)
            stay = attempt.stay if attempt.whose is Whose.CITIZEN else None
            if outcome == GIVEN and stay is not None and self._turns.served(stay):
                await self._record(Entry("", PERSON, (), GIVEN))
            told = self._outcome(attempt, outcome, end.title(lang), lang)
            if outcome == GIVEN or attempt.asked:
                self._tell(told)
            if outcome != CANCELLED and not self._past(attempt):
                if attempt.asked and not ask.closed:
                    ask.ended(told)
                elif outcome in _EXPLAINED:
                    await ask.explain(told)

    def _outcome(self, attempt: _Attempt, code: str, reason: str, lang: str) -> Outcome:
        return Outcome(
            attempt.origin,
            attempt.call,
            code,
            reason,
            attempt.data,
            lang,
            attempt.virtual,
            self._marks(attempt),
            attempt.program,
        )

    async def _record(self, entry: Entry) -> None:
        """Write to the journal; goes on when the request is cancelled."""
        writing = asyncio.ensure_future(asyncio.to_thread(self._journal.add, entry))
        self._recording.add(writing)
        writing.add_done_callback(self._recording.discard)
        await asyncio.shield(writing)

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

    async def _choose(
        self, attempt: _Attempt, ask: Conversation, reader: str | None, lang: str
    ) -> Found:
        """Return the reader that the request names, or the only one with a card."""
        origin = attempt.origin
        states, belgian = await self._cards(attempt, ask, reader, lang)
        if len(belgian) == 1:
            return belgian[0]
        names = tuple(found.state.name for found in belgian)
        tests = tuple(map(self._readers.is_virtual, belgian))
        question = Choice(
            origin,
            names,
            lang,
            all(tests),
            self._marks(attempt),
            tests,
            attempt.program,
        )
        offer = Offer(tuple(map(stay_of, belgian)), states)
        return belgian[await self._ask(attempt, offer, ask.choose(question))]

    async def _cards(
        self, attempt: _Attempt, ask: Conversation, reader: str | None, lang: str
    ) -> tuple[tuple[ReaderState, ...], list[Found]]:
        """Return the readers and those of them with a card that can be used.

        Where there is none, the person may mend that, if the interface is patient.
        """
        while True:
            states = await self._readers.states()
            if self._desk.unnamed(states):
                await self._name_readers(attempt, ask, states, lang)
                continue
            self._desk_for(attempt, ask, states, reader)
            try:
                return states, await self._usable(attempt, states, reader)
            except Problem as problem:
                if not ask.patient or problem.code not in _MENDED_BY_A_CARD:
                    raise
                wanted = Awaited(
                    attempt.origin,
                    problem.code,
                    lang,
                    self._source.virtual,
                    self._marks(attempt),
                    attempt.program,
                    attempt.whose and self._desk.missing(states, attempt.whose),
                )
                try:
                    with contextlib.suppress(ReadersChanged):
                        await self._ask(attempt, Unchanged(states), ask.awaited(wanted))
                except Problem as ended:
                    if ended.code != "timeout":
                        raise
                    left = problem.code in ("no-reader", "no-card")
                    raise Problem("no-card") if left else problem from None

    async def _usable(
        self, attempt: _Attempt, states: tuple[ReaderState, ...], reader: str | None
    ) -> list[Found]:
        """Look into the readers; a Problem where no card can be used."""
        whose = attempt.whose
        if whose and (name := self._desk.missing(states, whose)) is not None:
            known = self._grants.lasting(attempt.origin)  # who may know what is here
            sentence = f"{whose.value}-reader-missing"
            named = name if known else None
            raise Problem("no-reader", sentence=sentence, reader=named)
        states = self._desk.part(states, whose)
        if reader is not None:
            states = tuple(
                state for state in states if self._reader_id(state.name) == reader
            )
        if not states:
            raise Problem("no-reader")
        filled = [state for state in states if state.atr is not None]
        if not filled:
            raise Problem("no-card")
        found = [await self._readers.look(state) for state in filled]
        return as_problem(partial(usable, found))

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
        self._audience.end("next-person")
        self._ui.forget()

    def _past(self, attempt: _Attempt) -> bool:
        """Tell whether an attempt was of a citizen whose turn is over."""
        return attempt.whose is Whose.CITIZEN and attempt.turn != self._turns.number

    def _allow_once(self, operation: _Operation) -> None:
        """Remember a "this once"; of the clerk's own login nothing follows."""
        attempt = operation.attempt
        if attempt.whose is not Whose.CLERK and not self._past(attempt):
            self._grants.allow_once(attempt.origin, operation.stay)

    def _desk_for(
        self,
        attempt: _Attempt,
        ask: Conversation,
        states: tuple[ReaderState, ...],
        reader: str | None,
    ) -> None:
        """Find out whose card a request is about, and where that person is asked."""
        attempt.turn = self._turns.number
        attempt.whose = self._desk.whose(states, reader, self._reader_id)
        self._desk.want_permitted(attempt.whose, attempt.call)
        try:
            if (screen := self._desk.screen(attempt.whose)) is not None:
                ask.show_on(screen)
        except ScreenMissing:
            raise Problem("policy-denied", sentence=SCREEN_MISSING) from None

    async def _name_readers(
        self,
        attempt: _Attempt,
        ask: Conversation,
        states: tuple[ReaderState, ...],
        lang: str,
    ) -> None:
        """Have the person say, once, which reader is whose; returns when one comes."""

        async def choose(options: tuple[str, ...], naming: str) -> int:
            marks, program = self._marks(attempt), attempt.program
            question = Choice(
                attempt.origin,
                options,
                lang,
                self._source.virtual,
                marks,
                program=program,
                naming=naming,
            )
            return await self._ask(attempt, Unchanged(states), ask.choose(question))

        nobody = text("counter-no-clerk-reader", lang)
        with contextlib.suppress(ReadersChanged):
            names = await self._desk.ask_names(states, choose, nobody)
            await asyncio.to_thread(self._desk.keep, names)

    def _reader_id(self, name: str) -> str:
        return reader_id(name, self._salt)

    async def _on_card(
        self,
        operation: _Operation,
        work: Callable[[Card], T],
        progress: Callable[[int], None] | None = None,
    ) -> T:
        """Read from the operation's card.

        Stops between two commands when the request is cancelled, and begins again once
        when another program reset the card.
        """
        reservation = operation.reservation

        def read() -> T:
            return on_card(
                self._source,
                operation.stay.reader,
                work,
                stop=reservation.stop,
                progress=progress,
            )

        return await reservation.run(lambda: as_problem(read))


@contextmanager
def _unblocking(card: CardData) -> Iterator[None]:
    """Say of a blocked PIN what helps with a card of this generation."""
    try:
        yield
    except Problem as problem:
        if problem.code == "pin-blocked":
            problem.sentence = blocked_key(card.applet)
        raise


def _check_validity(certificate: bytes) -> None:
    """Refuse a login with an expired certificate before anything is asked."""
    parsed = as_problem(partial(parse_certificate, certificate))
    if parsed.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        raise Problem("certificate-expired")


def _expires_soon(certificates: LoginCertificates | None) -> str | None:
    """Return the last day of a login certificate, where it is not far; ISO 8601."""
    if certificates is None:
        return None
    parsed = as_problem(partial(parse_certificate, certificates.holder))
    last = parsed.not_valid_after_utc
    soon = last - datetime.datetime.now(datetime.UTC) < datetime.timedelta(_SOON_DAYS)
    return f"{last:%Y-%m-%d}" if soon else None
