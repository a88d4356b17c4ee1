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
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from agent import chip, host, reading, token
from agent.consent import Grants
from agent.errors import Problem
from agent.events import (
    IDLE_SECONDS,
    Audience,
    Listener,
    Message,
    Tickets,
    changes,
)
from agent.inspection import Found, reader_id
from agent.monitor import Monitor, Stay, stay_of
from agent.protocol import AuthenticateRequest, IdentityRequest
from agent.reading import LoginCertificates, LoginReady, Progress
from agent.settings import Settings
from agent.token import base64_text
from agent.ui import Cancelled, Choice, Consent, Login, Unavailable, UserInterface
from agent.work import Reservation, Reservations
from cardio.beid.algorithms import login_algorithm
from cardio.beid.certificates import parse_certificate
from cardio.beid.identity import parse_address, parse_identity
from cardio.beid.known import InMemory, KnownCertificates
from cardio.card import Card, CardData, CardSource, Expected, PinEntry
from cardio.channel import Stopped
from cardio.errors import (
    CardError,
    CardReset,
    UnsupportedCard,
)
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.readers import ReaderState

T = TypeVar("T")

_log = logging.getLogger(__name__)

FEATURES = ("authenticate", "chip", "events", "identity")
OPERATION_SECONDS = 240.0
DIALOG_SECONDS = 120.0
#: Within which PC/SC tells its readers, unless it is stuck.
READERS_SECONDS = 10.0
_CLOSING_SECONDS = 10.0
_NOT_ASKED = (
    "nobody was asked by this call: it is open to a site after an identity request or a"
    " login that the person agreed to, until the card goes or ten minutes are over"
)

_RAW_NAMES = {
    EF.IDENTITY: "identity",
    EF.IDENTITY_SIGNATURE: "identitySignature",
    EF.ADDRESS: "address",
    EF.ADDRESS_SIGNATURE: "addressSignature",
    EF.PHOTO: "photo",
    EF.RRN: "rrnCertificate",
    EF.ROOT: "rootCertificate",
}


@dataclass
class _Operation:
    """One request's use of one card."""

    origin: str
    lang: str
    found: Found
    card_data: CardData
    stay: Stay
    reservation: Reservation


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
        self._dialog = asyncio.Lock()
        self._stuck: asyncio.Future[tuple[ReaderState, ...]] | None = None

    def start(self) -> None:
        """Begin to follow readers and cards; call on the running event loop."""
        loop = asyncio.get_running_loop()
        self._grants = Grants(self.settings.allowed_origins, host.clock)
        self._tickets = Tickets(host.clock)
        self._audience = Audience()
        self._last_call: dict[str, float] = {}
        self._ahead: set[asyncio.Task[None]] = set()
        self._loop = loop
        self._monitor = Monitor(self._source, self._readers_changed)
        self._monitor.start()

    async def close(self) -> None:
        """Stop following; wait for a signature that is under way and its LOG OFF."""
        self._monitor.close()
        for task in self._ahead:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._reservations.idle()

    def dismiss(self) -> None:
        """Send the pages away that listen: the agent ends."""
        self._audience.end("closing")

    # --- status and readers ----------------------------------------------------------

    async def status(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/status; the same for all who are not allowed."""
        body: dict[str, object] = {"api": ["v1"], "origin": "ask"}
        if not await self._allowed(origin):
            return body
        found = await self._found_or_empty()
        self._read_ahead()
        return body | {
            "origin": "allowed",
            "agent": {"version": self.settings.version},
            "features": list(FEATURES),
            "card": _card_state(found),
            "virtual": self._source.virtual or any(map(self._is_virtual, found)),
        }

    async def readers(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/readers; `user-denied` without a grant."""
        if not await self._allowed(origin):
            raise Problem("user-denied", _NOT_ASKED)
        found = await self._look_into_all()
        self._read_ahead()
        return {"readers": [reader.to_json(self._salt) for reader in found]}

    def _is_virtual(self, found: Found) -> bool:
        """Tell whether a test card is in a reader, whichever road leads to it."""
        return found.card is not None and (self._source.virtual or found.card.virtual)

    def _permitted(self, found: Found) -> Found:
        """Take a genuine card for none of ours where test cards alone are used."""
        if found.card is None or self._is_virtual(found):
            return found
        if not self.settings.test_cards:
            return found
        error = UnsupportedCard(found.state.atr or b"", "only test cards in this run")
        return Found(found.state, error=error)

    def _marks(self, origin: str) -> tuple[str, ...]:
        """Return what every question has to show of this run (safety rule 22)."""
        marks = ["developer-run"] if self.settings.developer else []
        return (*marks, *(["named-origin"] if self._grants.named(origin) else []))

    async def _allowed(self, origin: str) -> bool:
        self._called(origin)
        return await self._has_grant(origin)

    def _called(self, origin: str) -> None:
        """Take note that a page is still there, where anybody listens."""
        if self._audience:
            self._last_call[origin] = host.clock()

    async def _has_grant(self, origin: str) -> bool:
        if self._grants.named(origin):
            return True
        if not self._grants.allowed(origin, still_in=lambda _: True):
            return False
        states = await self._states_or_empty()
        return self._grants.allowed(
            origin, still_in=lambda stay: not stay.ended(states)
        )

    async def _states_or_empty(self) -> tuple[ReaderState, ...]:
        try:
            return await self._states()
        except Problem:
            return ()

    async def _found_or_empty(self) -> list[Found]:
        try:
            return await self._look_into_all()
        except Problem:
            return []

    # --- identity --------------------------------------------------------------------

    async def identity(
        self, origin: str, request: IdentityRequest, lang: str
    ) -> dict[str, object]:
        """Ask consent to exactly these data, read them, return them with proof."""
        async with self._operation(origin, request.reader, lang) as operation:
            if not operation.found.files:
                raise Problem("unsupported-card")
            wants_chip = chip.wanted(request, operation.card_data)
            # The chip is asked after a person's fresh answer alone (SAFETY 3).
            if wants_chip or not (self._grants.named(origin) and self._source.virtual):
                await self._consent(operation, request)
            self._grants.allow_once(origin, operation.stay)
            progress = Progress(request.include, self._reporter(origin, "identity"))
            data = await self._on_card(
                operation,
                lambda card: reading.read_proven(
                    card, operation.card_data, request.include, self._known
                ),
                progress.read,
            )
            progress.end()
            proof = chip.unsupported(request.challenge)
            if wants_chip:
                proof = await self._chip(operation, request)
        return _identity_body(request, data) | proof

    async def _chip(
        self, operation: _Operation, request: IdentityRequest
    ) -> dict[str, object]:
        """Ask the chip for its proof, once: unlike reading, it is not begun again."""

        def once() -> dict[str, object]:
            with self._card(operation, stoppable=True) as card:
                return chip.members(
                    card,
                    operation.card_data.chip_serial,
                    operation.origin,
                    request.challenge or "",
                    self._chip_limit,
                )

        return await operation.reservation.run(lambda: _problem(once))

    async def _consent(self, operation: _Operation, request: IdentityRequest) -> None:
        origin, stay = operation.origin, operation.stay
        question = Consent(
            origin,
            request.include,
            request.purpose,
            operation.lang,
            self._is_virtual(operation.found),
            self._marks(origin),
        )
        if not await self._ask(origin, stay, self._ui.consent(question)):
            raise Problem("user-denied")

    # --- login -----------------------------------------------------------------------

    async def authenticate(
        self, origin: str, request: AuthenticateRequest, lang: str
    ) -> dict[str, str]:
        """Ask the PIN and return a Web eID token over the page's own origin."""
        async with self._operation(
            origin, request.reader, lang, patient=True
        ) as operation:
            chosen, held = operation.card_data, self._monitor.held(operation.stay)
            algorithm = _problem(lambda: login_algorithm(chosen.applet))
            ready = await self._on_card(
                operation,
                lambda card: reading.prepare_login(card, chosen, held, self._known),
            )
            if ready.certificates is not None:
                self._monitor.hold(operation.stay, ready.certificates)
                _check_validity(ready.certificates.holder)
            if ready.status.blocked:
                raise Problem("pin-blocked")
            digest = token.digest(algorithm, origin, request.challenge_nonce)
            pin = await self._pin(operation, ready)
            expected = Expected(chosen.chip_serial, ready.status.tries_left)

            def sign() -> tuple[bytes, LoginCertificates]:
                # The thread owns the PIN: wiped from elsewhere in the middle, it would
                # reach the card as a wrong one.
                with (
                    pin or contextlib.nullcontext(),
                    self._card(operation, stoppable=False) as card,
                    card.transaction(),
                ):
                    card.resume(chosen)
                    # Another program may have kept the card; who cancelled while that
                    # lasted loses no try.
                    if operation.reservation.stop.is_set():
                        raise Stopped
                    signature = card.sign(
                        Key.AUTHENTICATION, algorithm, digest, pin, expected
                    )
                    held_or_read = ready.certificates
                    if held_or_read is None:
                        held_or_read = reading.read_login(card, self._known)
                    return signature, held_or_read

            signature, certificates = await operation.reservation.run(
                lambda: _problem(sign)
            )
            _check_validity(certificates.holder)
            self._grants.allow_once(origin, operation.stay)
        return token.build(
            certificates.holder,
            certificates.issuer,
            algorithm,
            signature,
            self.settings.version,
        )

    async def _pin(self, operation: _Operation, ready: LoginReady) -> Pin | None:
        """Ask the PIN; None where the person types it elsewhere, on the reader say."""
        origin, stay, tries = operation.origin, operation.stay, ready.status.tries_left
        question = Login(
            origin,
            tries,
            operation.lang,
            self._is_virtual(operation.found),
            self._marks(origin),
        )
        if tries == 1 and not await self._ask(
            origin, stay, self._ui.last_try(question)
        ):
            raise Problem("user-denied")
        if ready.entry is PinEntry.TYPED:
            return await self._ask(origin, stay, self._ui.login_pin(question))
        elsewhere = self._ui.login_elsewhere(question, ready.entry)
        if not await self._ask(origin, stay, elsewhere):
            raise Problem("user-denied")
        return None

    # --- events ----------------------------------------------------------------------

    async def ticket(self, origin: str) -> dict[str, object]:
        """Return the body of POST /v1/events; `user-denied` without a grant."""
        if not await self._allowed(origin):
            raise Problem("user-denied", _NOT_ASKED)
        return {"ticket": self._tickets.give(origin)}

    @contextmanager
    def listening(self, origin: str, ticket: str) -> Iterator[Listener]:
        """Tell a page what happens while the block runs.

        `user-denied` for a ticket that is not good, `too-many-requests`.
        """
        if not self._tickets.take(ticket, origin):
            raise Problem("user-denied")
        with self._audience.join(origin) as listener:
            self._last_call[origin] = host.clock()
            yield listener

    async def still_listens(self, listener: Listener) -> bool:
        """Send a page away whose consent has ended, or that has long been idle."""
        idle = host.clock() - self._last_call.get(listener.origin, 0.0)
        if idle >= IDLE_SECONDS:
            listener.end("idle")
        elif not await self._has_grant(listener.origin):
            listener.end("consent-ended")
        return listener.ended is None

    def _readers_changed(
        self, before: tuple[ReaderState, ...], after: tuple[ReaderState, ...]
    ) -> None:
        """Tell the pages; those whose consent went with the card leave after that."""
        self._audience.tell_all(kinds := changes(before, after))
        for listener in self._audience:
            if not self._grants.allowed(
                listener.origin, still_in=lambda stay: not stay.ended(after)
            ):
                listener.end("consent-ended")
        if self._audience and "card-inserted" in kinds:
            self._start_ahead(self._look_and_read_ahead())

    def _reporter(self, origin: str, operation: str) -> Callable[[int, int], None]:
        """Return what tells an origin, from any thread, how far its reading is."""

        def report(done: int, total: int) -> None:
            message: Message = {"type": "progress", "operation": operation}
            message |= {"done": done, "total": total}
            with contextlib.suppress(RuntimeError):  # the agent ends
                self._loop.call_soon_threadsafe(self._audience.tell, origin, message)

        return report

    # --- reading ahead ---------------------------------------------------------------

    def _start_ahead(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._ahead.add(task)
        task.add_done_callback(self._ahead.discard)

    def prepared(self) -> bool:
        """Tell whether what a login needs was read of some card that is in."""
        return any(
            self._monitor.held(stay_of(found)) for found in self._monitor.found()
        )

    async def _look_and_read_ahead(self) -> None:
        with contextlib.suppress(Problem):
            await self._look_into_all()
            self._read_ahead()

    def _read_ahead(self) -> None:
        """Read what logins will need of the cards, while an allowed page is open."""
        for found in map(self._permitted, self._monitor.found()):
            stay = stay_of(found)
            free = not self._reservations.taken(stay.reader)
            if found.signing and free and self._monitor.held(stay) is None:
                self._start_ahead(self._read_certificates(found, stay))

    async def _read_certificates(self, found: Found, stay: Stay) -> None:
        chosen = found.card
        assert chosen is not None  # it signs

        def read() -> LoginCertificates:
            stop = reservation.stop
            with closing(self._source.open(stay.reader, stop=stop)) as card:
                return reading.read_ahead(card, chosen, self._known)

        try:
            with self._reservations.ahead(stay.reader) as reservation:
                self._monitor.hold(stay, await reservation.run(read))
        except (CardError, Problem, Stopped) as error:
            _log.debug("reading ahead: %s", type(error).__name__)

    # --- asking ----------------------------------------------------------------------

    async def _ask(
        self, origin: str, stay: Stay, question: Coroutine[Any, Any, T]
    ) -> T:
        """Ask one question; it ends with the card, the request, or the time."""
        if self._dialog.locked():
            question.close()
            raise Problem("busy")
        async with self._dialog:
            leaving = asyncio.ensure_future(self._monitor.gone(stay))
            try:  # it may have left before anybody waited for that
                if stay.ended(await self._states()):
                    raise Problem("card-removed")
            except BaseException:
                leaving.cancel()
                question.close()
                raise
            self._audience.tell(origin, {"type": "dialog", "state": "opened"})
            asking = asyncio.ensure_future(question)
            both: set[asyncio.Future[Any]] = {asking, leaving}
            try:
                await asyncio.wait(
                    both, timeout=DIALOG_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                # Between here and the caller nothing is awaited, so that a request
                # which is cancelled now cannot lose a PIN unwiped.
                return _answer(asking, removed=leaving.done())
            except BaseException:
                asking.add_done_callback(_forget_answer)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                raise
            finally:
                leaving.cancel()
                self._audience.tell(origin, {"type": "dialog", "state": "closed"})

    # --- reader and card -------------------------------------------------------------

    @asynccontextmanager
    async def _operation(
        self, origin: str, reader: str | None, lang: str, *, patient: bool = False
    ) -> AsyncIterator[_Operation]:
        """Choose the card and keep its reader for this request alone.

        `patient` lets what is read ahead finish first.
        """
        self._called(origin)
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                found = await self._choose(origin, reader, lang)
                name = found.state.name
                async with self._reservations.reserve(
                    name, patient=patient
                ) as reservation:
                    stay = stay_of(found)
                    assert found.card is not None  # only such readers are chosen
                    yield _Operation(origin, lang, found, found.card, stay, reservation)
        except TimeoutError:
            raise Problem("timeout") from None

    async def _choose(self, origin: str, reader: str | None, lang: str) -> Found:
        """Return the reader that the request names, or the only one with a card."""
        states = await self._states()
        if reader is not None:
            states = tuple(
                state for state in states if reader_id(state.name, self._salt) == reader
            )
        if not states:
            raise Problem("no-reader")
        filled = [state for state in states if state.atr is not None]
        if not filled:
            raise Problem("no-card")
        belgian = _usable([await self._look(state) for state in filled])
        if len(belgian) == 1:
            return belgian[0]
        names = tuple(found.state.name for found in belgian)
        tests = tuple(map(self._is_virtual, belgian))
        question = Choice(
            origin, names, lang, all(tests), self._marks(origin), test_cards=tests
        )
        stay = Stay(names[0], belgian[0].state.insertion)
        return belgian[await self._ask(origin, stay, self._ui.choose(question))]

    async def _states(self) -> tuple[ReaderState, ...]:
        """Return the readers now; `pcsc-unavailable` from a service that is stuck.

        While a look at it has not come back no other one is begun.
        """
        if self._stuck is not None and not self._stuck.done():
            raise Problem("pcsc-unavailable")
        look = asyncio.ensure_future(self._in_thread(self._source.readers))
        try:
            return await asyncio.wait_for(asyncio.shield(look), READERS_SECONDS)
        except TimeoutError:
            self._stuck = look
            look.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise Problem("pcsc-unavailable") from None

    async def _look_into_all(self) -> list[Found]:
        """Look into all readers; a reader in use is not disturbed for it."""
        return [await self._look(state) for state in await self._states()]

    async def _look(self, state: ReaderState) -> Found:
        if self._reservations.taken(state.name):
            known = self._monitor.remembered(state)
            if known is None:
                raise Problem("busy")
            return self._permitted(known)
        found = await self._in_thread(lambda: self._monitor.look(state))
        return self._permitted(found)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run short blocking work that needs no reservation."""
        reservation = Reservation(lambda: None)
        try:
            return await reservation.run(lambda: _problem(work))
        finally:
            reservation.leave()

    @contextmanager
    def _card(
        self,
        operation: _Operation,
        *,
        stoppable: bool,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Card]:
        """Connect to the operation's card; in the card's thread."""
        name = operation.stay.reader
        stop = operation.reservation.stop if stoppable else None
        with closing(self._source.open(name, stop=stop, progress=progress)) as card:
            yield card

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

        def once() -> T:
            with self._card(operation, stoppable=True, progress=progress) as card:
                return work(card)

        def twice() -> T:
            try:
                return once()
            except CardReset:
                return once()

        return await operation.reservation.run(lambda: _problem(twice))


def _card_state(found: list[Found]) -> str:
    """Return the `card` of /v1/status."""
    if any(reader.card is not None or reader.in_use for reader in found):
        return "present"
    filled = any(reader.state.atr is not None for reader in found)
    return "unsupported" if filled else "none"


def _usable(found: list[Found]) -> list[Found]:
    """Return the readers with a Belgian card; else raise why there is none."""
    belgian = [reader for reader in found if reader.card is not None]
    if belgian:
        return belgian
    error = found[0].error or UnsupportedCard(found[0].state.atr or b"")
    raise Problem.from_card_error(error)


def _problem(work: Callable[[], T]) -> T:
    """Run work and let a card's failure become a problem."""
    try:
        return work()
    except CardError as error:
        raise Problem.from_card_error(error) from error


def _answer(asking: asyncio.Future[T], *, removed: bool) -> T:
    if asking.done():
        try:
            return asking.result()
        except Cancelled:
            raise Problem("user-cancelled") from None
        except Unavailable:
            raise Problem("no-user-interface") from None
    raise Problem("card-removed" if removed else "timeout")


def _forget_answer(asking: asyncio.Future[Any]) -> None:
    """Wipe a PIN that was typed for a request which is over."""
    if asking.done() and not asking.cancelled() and asking.exception() is None:
        answer = asking.result()
        if isinstance(answer, Pin):
            answer.wipe()


def _check_validity(certificate: bytes) -> None:
    """Refuse a login with an expired certificate before anything is asked."""
    parsed = _problem(partial(parse_certificate, certificate))
    if parsed.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        raise Problem("certificate-expired")


def _identity_body(
    request: IdentityRequest, data: dict[EF, bytes]
) -> dict[str, object]:
    """Return the body of POST /v1/identity: parsed for display, raw for proof."""
    raw = {name: base64_text(data[ef]) for ef, name in _RAW_NAMES.items() if ef in data}
    body: dict[str, object] = {"format": "eid-agent-identity:1"}
    for part in request.include:
        body[part] = _problem(partial(_PARSED[part], data))
    body["raw"] = raw
    return body


_PARSED: dict[str, Callable[[dict[EF, bytes]], object]] = {
    "identity": lambda data: (
        parse_identity(data[EF.IDENTITY]).to_json() if EF.IDENTITY in data else None
    ),
    "address": lambda data: (
        parse_address(data[EF.ADDRESS]).to_json() if EF.ADDRESS in data else None
    ),
    "photo": lambda data: base64_text(data[EF.PHOTO]) if EF.PHOTO in data else None,
}
