"""What the agent does for a page: status, readers, identity, login; knows no HTTP.

The order is that of the API: reader and card, card state, consent, read, PIN. Dialogs
are open outside the card's transaction. Every failure is a `Problem`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from cryptography import x509

from agent import token
from agent.consent import Grants
from agent.errors import Problem
from agent.inspection import Found, reader_id
from agent.monitor import Monitor, Stay
from agent.protocol import AuthenticateRequest, IdentityRequest
from agent.settings import Settings
from agent.ui import Cancelled, Choice, Consent, Login, Unavailable, UserInterface
from agent.work import Reservation, Reservations
from cardio.beid.algorithms import login_algorithm
from cardio.beid.identity import parse_address, parse_identity
from cardio.card import Card, CardSource, Expected, PinEntry, PinStatus
from cardio.errors import (
    CardChanged,
    CardError,
    CardReset,
    FileAbsent,
    LoginFirst,
    NoCertificate,
    UnsupportedCard,
)
from cardio.files import CERTIFICATES, EF, Key
from cardio.pin import Pin
from cardio.readers import ReaderState

T = TypeVar("T")

FEATURES = ("authenticate", "identity")
OPERATION_SECONDS = 240.0
DIALOG_SECONDS = 120.0
_CLOSING_SECONDS = 10.0

#: What is read for each part: the data and what proves them (HTTP API, "Identity").
_PROOFS = (EF.RRN, EF.ROOT)
_FILES = {
    "identity": (EF.IDENTITY, EF.IDENTITY_SIGNATURE, *_PROOFS),
    "address": (EF.IDENTITY_SIGNATURE, EF.ADDRESS, EF.ADDRESS_SIGNATURE, *_PROOFS),
    "photo": (EF.PHOTO,),
}
_RAW_NAMES = {
    EF.IDENTITY: "identity",
    EF.IDENTITY_SIGNATURE: "identitySignature",
    EF.ADDRESS: "address",
    EF.ADDRESS_SIGNATURE: "addressSignature",
    EF.PHOTO: "photo",
    EF.RRN: "rrnCertificate",
    EF.ROOT: "rootCertificate",
}


@dataclass(frozen=True)
class _LoginData:
    """What a login needs from the card before the PIN is asked.

    `certificates`: the holder's and its issuer's; None where they show only later.
    """

    certificates: tuple[bytes, bytes] | None
    status: PinStatus
    entry: PinEntry


@dataclass
class _Operation:
    """One request's use of one card."""

    origin: str
    lang: str
    found: Found
    stay: Stay
    reservation: Reservation


class AgentService:
    """The use cases over a source of readers and a way to ask the person."""

    def __init__(
        self, source: CardSource, ui: UserInterface, settings: Settings
    ) -> None:
        self.settings = settings
        self._source = source
        self._ui = ui
        self._salt = secrets.token_bytes(16)
        self._reservations = Reservations()
        self._dialog = asyncio.Lock()

    def start(self) -> None:
        """Begin to follow readers and cards; call on the running event loop."""
        loop = asyncio.get_running_loop()
        self._grants = Grants(self.settings.allowed_origins, loop.time)
        self._monitor = Monitor(self._source)
        self._monitor.start()

    async def close(self) -> None:
        """Stop following; wait for a signature that is under way and its LOG OFF."""
        self._monitor.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._reservations.idle()

    # --- status and readers ----------------------------------------------------------

    async def status(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/status; the same for all who are not allowed."""
        body: dict[str, object] = {"api": ["v1"], "origin": "ask"}
        if not await self._allowed(origin):
            return body
        return body | {
            "origin": "allowed",
            "agent": {"version": self.settings.version},
            "features": list(FEATURES),
            "card": await self._card_state(),
            "virtual": self._test_card,
        }

    async def readers(self, origin: str) -> dict[str, object]:
        """Return the body of GET /v1/readers; `user-denied` without a grant."""
        if not await self._allowed(origin):
            raise Problem("user-denied")
        found = await self._look_into_all()
        return {"readers": [reader.to_json(self._salt) for reader in found]}

    @property
    def _test_card(self) -> bool:
        """True where this run's cards are virtual, in whatever reader they are."""
        return self._source.virtual or self.settings.test_cards

    async def _allowed(self, origin: str) -> bool:
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

    async def _card_state(self) -> str:
        try:
            found = await self._look_into_all()
        except Problem:
            return "none"
        if any(reader.card is not None for reader in found):
            return "present"
        filled = any(reader.state.atr is not None for reader in found)
        return "unsupported" if filled else "none"

    # --- identity --------------------------------------------------------------------

    async def identity(
        self, origin: str, request: IdentityRequest, lang: str
    ) -> dict[str, object]:
        """Ask consent to exactly these data, read them, return them with proof."""
        async with self._operation(origin, request.reader, lang) as operation:
            if not operation.found.files:
                raise Problem("unsupported-card")
            if not (self._grants.named(origin) and self._source.virtual):
                await self._consent(operation, request)
            self._grants.allow_once(origin, operation.stay)
            files = dict.fromkeys(ef for part in request.include for ef in _FILES[part])
            data = await self._on_card(
                operation,
                lambda card: _read_files(card, tuple(files), _serial(operation.found)),
            )
        return _identity_body(request, data)

    async def _consent(self, operation: _Operation, request: IdentityRequest) -> None:
        question = Consent(
            operation.origin,
            request.include,
            request.purpose,
            operation.lang,
            self._test_card,
        )
        if not await self._ask(operation.stay, self._ui.consent(question)):
            raise Problem("user-denied")

    # --- login -----------------------------------------------------------------------

    async def authenticate(
        self, origin: str, request: AuthenticateRequest, lang: str
    ) -> dict[str, str]:
        """Ask the PIN and return a Web eID token over the page's own origin."""
        async with self._operation(origin, request.reader, lang) as operation:
            applet = operation.found.card.applet if operation.found.card else ""
            algorithm = _problem(lambda: login_algorithm(applet))
            login = await self._on_card(
                operation, lambda card: _read_login(card, _serial(operation.found))
            )
            if login.certificates is not None:
                _check_validity(login.certificates[0])
            if login.status.blocked:
                raise Problem("pin-blocked")
            digest = token.digest(algorithm, origin, request.challenge_nonce)
            pin = await self._pin(operation, login)
            expected = Expected(_serial(operation.found), login.status.tries_left)

            def sign() -> tuple[bytes, tuple[bytes, bytes]]:
                # The thread owns the PIN: wiped from elsewhere in the middle, it would
                # reach the card as a wrong one.
                with (
                    pin or contextlib.nullcontext(),
                    self._card(operation, stoppable=False) as card,
                ):
                    with card.transaction():
                        card.recognise()
                    signature = card.sign(
                        Key.AUTHENTICATION, algorithm, digest, pin, expected
                    )
                    return signature, login.certificates or _certificates(card)

            signature, certificates = await operation.reservation.run(
                lambda: _problem(sign)
            )
            _check_validity(certificates[0])
            self._grants.allow_once(origin, operation.stay)
        return token.build(*certificates, algorithm, signature, self.settings.version)

    async def _pin(self, operation: _Operation, login: _LoginData) -> Pin | None:
        """Ask the PIN; None where it is going to be typed elsewhere."""
        stay, tries = operation.stay, login.status.tries_left
        question = Login(operation.origin, tries, operation.lang, self._test_card)
        if tries == 1 and not await self._ask(stay, self._ui.last_try(question)):
            raise Problem("user-denied")
        if login.entry is PinEntry.TYPED:
            return await self._ask(stay, self._ui.login_pin(question))
        if not await self._ask(stay, self._ui.login_elsewhere(question, login.entry)):
            raise Problem("user-denied")
        return None

    # --- asking ----------------------------------------------------------------------

    async def _ask(self, stay: Stay, question: Coroutine[Any, Any, T]) -> T:
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
            asking = asyncio.ensure_future(question)
            both: set[asyncio.Future[Any]] = {asking, leaving}
            try:
                await asyncio.wait(
                    both, timeout=DIALOG_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                return _answer(asking, removed=leaving.done())
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
                if sys.exc_info()[0] is not None:
                    _forget_answer(asking)

    # --- reader and card -------------------------------------------------------------

    @asynccontextmanager
    async def _operation(
        self, origin: str, reader: str | None, lang: str
    ) -> AsyncIterator[_Operation]:
        """Choose the card and keep its reader for this request alone."""
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                found = await self._choose(origin, reader, lang)
                name = found.state.name
                with self._reservations.reserve(name) as reservation:
                    stay = Stay(name, found.state.insertion)
                    yield _Operation(origin, lang, found, stay, reservation)
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
        question = Choice(origin, names, lang, self._test_card)
        stay = Stay(names[0], belgian[0].state.insertion)
        return belgian[await self._ask(stay, self._ui.choose(question))]

    async def _states(self) -> tuple[ReaderState, ...]:
        return await self._in_thread(self._source.readers)

    async def _look_into_all(self) -> list[Found]:
        """Look into all readers; a reader in use is not disturbed for it."""
        return [await self._look(state) for state in await self._states()]

    async def _look(self, state: ReaderState) -> Found:
        if self._reservations.taken(state.name):
            known = self._monitor.remembered(state)
            if known is None:
                raise Problem("busy")
            return known
        return await self._in_thread(lambda: self._monitor.look(state))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run short blocking work that needs no reservation."""
        reservation = Reservation(lambda: None)
        try:
            return await reservation.run(lambda: _problem(work))
        finally:
            reservation.leave()

    @contextmanager
    def _card(self, operation: _Operation, *, stoppable: bool) -> Iterator[Card]:
        """Connect to the operation's card; in the card's thread."""
        stop = operation.reservation.stop if stoppable else None
        with closing(self._source.open(operation.stay.reader, stop=stop)) as card:
            yield card

    async def _on_card(self, operation: _Operation, work: Callable[[Card], T]) -> T:
        """Read from the operation's card.

        Stops between two commands when the request is cancelled, and begins again once
        when another program reset the card.
        """

        def once() -> T:
            with self._card(operation, stoppable=True) as card:
                return work(card)

        def twice() -> T:
            try:
                return once()
            except CardReset:
                return once()

        return await operation.reservation.run(lambda: _problem(twice))


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


def _serial(found: Found) -> bytes:
    return found.card.chip_serial if found.card else b""


def _recognise(card: Card, serial: bytes) -> None:
    """Recognise the card; CardChanged when it is not the one that was chosen."""
    if card.recognise().chip_serial != serial:
        raise CardChanged("another card than the one that was asked about")


def _read_login(card: Card, serial: bytes) -> _LoginData:
    with card.transaction():
        _recognise(card, serial)
        try:
            certificates = _certificates(card)
        except LoginFirst:
            certificates = None
        return _LoginData(certificates, card.pin_status(), card.pin_entry)


def _certificates(card: Card) -> tuple[bytes, bytes]:
    """Return the holder's certificate and its issuer's."""
    return card.read_certificate(EF.AUTHENTICATION), card.read_certificate(EF.CA)


def _check_validity(certificate: bytes) -> None:
    """Refuse a login with an expired certificate before anything is asked."""
    try:
        expires = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        raise Problem("card-unreadable") from None
    if expires < datetime.datetime.now(datetime.UTC):
        raise Problem("certificate-expired")


def _read_files(card: Card, files: tuple[EF, ...], serial: bytes) -> dict[EF, bytes]:
    """Read files in one transaction; one that the card lacks is left out."""
    data: dict[EF, bytes] = {}
    with card.transaction():
        _recognise(card, serial)
        for ef in files:
            try:
                read = card.read_certificate if ef in CERTIFICATES else card.read
                data[ef] = read(ef)
            except (FileAbsent, NoCertificate):
                continue  # the portal judges what cannot be proven
    return data


def _identity_body(
    request: IdentityRequest, data: dict[EF, bytes]
) -> dict[str, object]:
    """Return the body of POST /v1/identity: parsed for display, raw for proof."""
    raw = {name: _base64(data[ef]) for ef, name in _RAW_NAMES.items() if ef in data}
    body: dict[str, object] = {"format": "eid-agent-identity:1"}
    for part in request.include:
        body[part] = _problem(partial(_PARSED[part], data))
    body["raw"] = raw
    if request.challenge is not None:
        body["chipUnavailable"] = "unsupported"
    return body


_PARSED: dict[str, Callable[[dict[EF, bytes]], object]] = {
    "identity": lambda data: (
        parse_identity(data[EF.IDENTITY]).to_json() if EF.IDENTITY in data else None
    ),
    "address": lambda data: (
        parse_address(data[EF.ADDRESS]).to_json() if EF.ADDRESS in data else None
    ),
    "photo": lambda data: _base64(data[EF.PHOTO]) if EF.PHOTO in data else None,
}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
