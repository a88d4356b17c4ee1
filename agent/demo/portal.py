"""A housing company's portal: log in with eID, see your data, confirm, get a receipt.

Uses the public JavaScript client and agent.relyingparty, as any portal would. All state
is in memory; nothing about a person is logged or written to an address.
"""

from __future__ import annotations

import datetime
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509

from agent.connections import read_body
from agent.demo import languages
from agent.demo.sessions import Person, Receipt, Session, Sessions
from agent.demo.web import REFUSED, Refusal, middleware, refused
from agent.relyingparty import (
    ChallengeStore,
    TokenValidator,
    VerifiedIdentity,
    displayed,
    verify_identity,
)
from agent.relyingparty import errors as refusals

log = logging.getLogger(__name__)

COOKIE = "__Host-portal"
_LIMIT = 128 * 1024
"""Bytes of a body: a token, or the card's files without the photo."""

_STATIC = Path(__file__).parent / "static"
_WEB = Path(__file__).parent.parent / "web"
_FILES: dict[str, tuple[Path, str]] = {
    "client.js": (_WEB / "client.js", "text/javascript"),
    "words.js": (_WEB / "words.js", "text/javascript"),
    **{path.name: (path, "image/svg+xml") for path in _WEB.glob("*.svg")},
    "portal.js": (_STATIC / "portal.js", "text/javascript"),
    "texts.js": (_STATIC / "texts.js", "text/javascript"),
    "portal.css": (_STATIC / "portal.css", "text/css"),
    "icon.svg": (_STATIC / "icon.svg", "image/svg+xml"),
}

_CODES: tuple[tuple[type[Exception], str], ...] = (
    (refusals.PersonError, "other-person"),
    (refusals.ChallengeError, "timeout"),
    (refusals.ChainMarkedTest, "test-refused"),
    (refusals.RootUnknown, "unknown-issuer"),
    (refusals.IssuerUnknown, "unknown-issuer"),
    (refusals.CertificateExpired, "certificate-expired"),
    (refusals.DataError, "data-refused"),
)
"""What the page says of a refusal; the first type that fits, else login-refused."""


@dataclass(frozen=True)
class PortalConfig:
    """What a portal must know; `origin` is `https://localhost:PORT`, no slash after it.

    `trusted_cas` are the roots of TEST or of Belgium, never both; `allow_test` says
    which, and `test_pin` is what the page says is the test card's PIN then.
    `terminal_dialogs`: the agent asks in the terminal, and not in windows.
    """

    origin: str
    agent_port: int
    trusted_cas: Sequence[x509.Certificate]
    allow_test: bool
    intermediates: Sequence[x509.Certificate] = ()
    terminal_dialogs: bool = False
    test_pin: str = "1234"
    clock: Callable[[], float] | None = None


class Portal:
    """The site's handlers; each POST was checked for its origin before."""

    def __init__(self, config: PortalConfig) -> None:
        self._config = config
        self._sessions = Sessions(config.clock) if config.clock else Sessions()
        self._challenges = ChallengeStore()
        # Revocation is off: a test PKI has no responder, and the demo works offline.
        self._validator = TokenValidator(
            config.origin,
            config.trusted_cas,
            intermediates=config.intermediates,
            allow_test=config.allow_test,
            revocation=None,
        )

    def routes(self) -> list[web.RouteDef]:
        """Return the site's addresses."""
        return [
            web.get("/", self.page),
            web.get("/static/{name}", self.static),
            web.get("/api/session", self.session),
            web.post("/api/challenge", self.challenge),
            web.post("/api/login", self.login),
            web.post("/api/identity", self.identity),
            web.post("/api/confirm", self.confirm),
            web.post("/api/logout", self.logout),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """Send the page in the visitor's language; it holds no data of a person."""
        accept = request.headers.get("Accept-Language", "")
        lang = languages.choose(request.query.get("lang"), accept)
        config = self._config
        text = languages.page(
            lang,
            {
                "agent-port": str(config.agent_port),
                "test": "yes" if config.allow_test else "no",
            },
            asks="terminal" if config.terminal_dialogs else "window",
            pin=config.test_pin if config.allow_test else "",
        )
        answer = web.Response(text=text, content_type="text/html")
        answer.headers["Content-Language"] = lang
        return answer

    async def static(self, request: web.Request) -> web.Response:
        """Send one of the site's own files."""
        found = _FILES.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        path, kind = found
        text = path.read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8")

    async def session(self, request: web.Request) -> web.Response:
        """Tell the page where its visitor is, after a reload."""
        session = self._sessions.get(request.cookies.get(COOKIE))
        return web.json_response(self._state(session))

    async def challenge(self, request: web.Request) -> web.Response:
        """Start a fresh session and give out a nonce that is bound to it."""
        self._sessions.close(request.cookies.get(COOKIE))
        key, _session = self._sessions.open()
        answer = web.json_response({"nonce": self._challenges.issue(key)})
        answer.set_cookie(
            COOKIE, key, secure=True, httponly=True, samesite="Strict", path="/"
        )
        return answer

    async def login(self, request: web.Request) -> web.Response:
        """Validate the token; the nonce is gone before anything of it is looked at."""
        key, session = self._current(request)
        with _explained("login-refused"):
            nonce = self._challenges.take(key)
            holder = self._validator.validate(await _json(request), nonce)
        session.national_number = holder.national_number
        return web.json_response(self._state(session))

    async def identity(self, request: web.Request) -> web.Response:
        """Verify the card's files; they must be those of the person who logged in."""
        key, session = self._logged_in(request)
        try:
            session.person = self._verified(await _json(request), session)
        except Refusal as refusal:
            if refusal.code == "other-person":
                self._sessions.close(key)
            raise
        return web.json_response(self._state(session))

    async def confirm(self, request: web.Request) -> web.Response:
        """Note that the person stays on the list; twice gives the same receipt."""
        _key, session = self._logged_in(request)
        if session.person is None:
            raise Refusal("session-ended", 409)
        if session.receipt is None:
            session.receipt = _receipt()
        return web.json_response(self._state(session))

    async def logout(self, request: web.Request) -> web.Response:
        """Forget the visitor."""
        self._sessions.close(request.cookies.get(COOKIE))
        answer = web.json_response({})
        answer.del_cookie(
            COOKIE, secure=True, httponly=True, samesite="Strict", path="/"
        )
        return answer

    def _verified(self, response: dict[str, Any], session: Session) -> Person:
        with _explained("data-refused"):
            verified = verify_identity(
                response,
                self._config.trusted_cas,
                expected_national_number=session.national_number,
                allow_test=self._config.allow_test,
            )
        return _person(verified)

    def _current(self, request: web.Request) -> tuple[str, Session]:
        key = request.cookies.get(COOKIE)
        session = self._sessions.get(key)
        if key is None or session is None:
            raise Refusal("session-ended", 401)
        return key, session

    def _logged_in(self, request: web.Request) -> tuple[str, Session]:
        key, session = self._current(request)
        if session.national_number is None:
            raise Refusal("session-ended", 401)
        return key, session

    def _state(self, session: Session | None) -> dict[str, object]:
        if session is None or session.national_number is None:
            return {"loggedIn": False}
        person, receipt = session.person, session.receipt
        return {
            "loggedIn": True,
            "secondsLeft": self._sessions.seconds_left(session),
            "person": person.to_json() if person else None,
            "receipt": receipt.to_json() if receipt else None,
        }


class _explained:  # noqa: N801 - reads as the phrase it is
    """Turn a refusal of the relying party into an answer that the page understands."""

    def __init__(self, otherwise: str) -> None:
        self._otherwise = otherwise

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _tb: object) -> None:
        """Raise the portal's Refusal in place of the library's."""
        if not isinstance(error, refusals.RelyingPartyError):
            return
        log.info("refused: %s", error.code)
        codes = (code for kind, code in _CODES if isinstance(error, kind))
        raise Refusal(next(codes, self._otherwise), 422) from None


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await read_body(request))
    except (ValueError, RecursionError):
        raise Refusal("invalid-request", 400) from None
    if not isinstance(body, dict):
        raise Refusal("invalid-request", 400)
    return body


def _person(verified: VerifiedIdentity) -> Person:
    """Keep name and address as they are shown, the rest of the card's data goes."""
    identity, address = verified.identity, verified.address
    if identity is None or address is None:
        raise Refusal("data-refused", 422)
    until = verified.card_valid_until
    if until is not None and until < datetime.datetime.now(datetime.UTC).date():
        raise Refusal("certificate-expired", 422)
    names = (identity.given_names, identity.third_given_name_initial, identity.surname)
    place = (address.postal_code, address.municipality)
    return Person(
        name=displayed(" ".join(name for name in names if name)),
        street=displayed(address.street_and_number or ""),
        municipality=displayed(" ".join(part for part in place if part)),
        test=verified.test,
    )


def _receipt() -> Receipt:
    now = datetime.datetime.now(datetime.UTC)
    # Without letters that are mistaken for digits, as it is read out on the telephone.
    tail = "".join(secrets.choice("ACDEFGHJKLMNPRTUVWXY34679") for _ in range(6))
    return Receipt(f"WL-{now.year}-{tail}", now.isoformat(timespec="seconds"))


def make_portal(config: PortalConfig) -> web.Application:
    """Make the site; serve it with `agent.demo.serve`."""
    guard = middleware(config.origin, config.agent_port)
    app = web.Application(middlewares=[guard], client_max_size=_LIMIT)
    app[REFUSED] = refused(config.agent_port)
    app.add_routes(Portal(config).routes())
    return app
