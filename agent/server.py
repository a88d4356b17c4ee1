"""The HTTPS endpoint on loopback: aiohttp around the service; touches no card.

Every request passes the gate first. Behind it every answer carries CORS headers, so
that a page can read its own mistakes; what fails at the gate carries none.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import Protocol, TypeVar

from aiohttp import web

from agent import gate, openapi, protocol
from agent.connections import (
    HEADERS,
    BodyRefused,
    PortRefused,
    PortTaken,
    Runner,
    bind,
    expects_only_continue,
    read_body,
)
from agent.door import Door
from agent.errors import Problem, raised_at
from agent.gate import Gate
from agent.operations import FindProgram
from agent.peers import Peers
from agent.service import AgentService
from agent.sockets import serve_events

__all__ = ["Listening", "PortRefused", "PortTaken", "make_app", "serve"]

_log = logging.getLogger(__name__)

#: A browser that asks its person for permission holds a connection, without a request,
#: for as long as its question may stand.
_KEEPALIVE_SECONDS = 330.0

_SERVICE = web.AppKey("service", AgentService)
_DOOR = web.AppKey("door", Door)
_PEERS = web.AppKey("peers", Peers)
_ROOM = web.AppKey("room", asyncio.Semaphore)
#: Bodies with documents that are taken at a time; each may be in memory twice.
_LARGE_BODIES = 3
_ORIGIN: web.RequestKey[str] = web.RequestKey("origin", str)

#: Calls that may ask the person; the service counts them by themselves.
_ASKING = (
    "/v1/identity",
    "/v1/authenticate",
    "/v1/signing-certificate",
    "/v1/sign",
    "/v1/sign-pdf",
    "/v1/change-pin",
)
#: The methods of each call, for preflights.
_METHODS = {
    "/v1/status": "GET",
    "/v1/readers": "GET",
    "/v1/events": "GET, POST",
    **dict.fromkeys(_ASKING, "POST"),
}
#: What a failed call is named in its problem.
_OPERATIONS = {path: path.removeprefix("/v1/") for path in _METHODS}
_DOCUMENTS = ("/v1/openapi.json", "/v1/client.js")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Listening:
    """A running endpoint."""

    port: int
    runner: web.AppRunner = field(repr=False)

    async def close(self) -> None:
        """Stop listening and cancel what still runs."""
        await self.runner.cleanup()


# --- the application ----------------------------------------------------------------


async def serve(
    service: AgentService, context: ssl.SSLContext | None, port: int | None
) -> Listening:
    """Start the endpoint; PortTaken, PortRefused.

    Without a context it speaks plain HTTP (tests).
    """
    port, sockets = bind(port)
    app = make_app(service, port)
    runner = Runner(
        app,
        door=app[_DOOR],
        handler_cancellation=True,
        keepalive_timeout=_KEEPALIVE_SECONDS,
    )
    await runner.setup()
    await runner.listen(sockets, context)
    return Listening(port, runner)


def make_app(service: AgentService, port: int) -> web.Application:
    """Build the application for the port on which it will be reached."""
    settings = service.settings
    rules = Gate(port, service.may_use_http)
    app = web.Application(
        middlewares=[_gate(rules, documents=settings.documents)],
        client_max_size=protocol.MAX_BODY,
    )
    app[_SERVICE] = service
    app[_DOOR] = Door()
    app[_PEERS] = Peers()
    app[_ROOM] = asyncio.Semaphore(_LARGE_BODIES)
    app.on_startup.append(_start)
    app.on_shutdown.append(_dismiss)
    app.on_cleanup.append(_close)
    app.on_response_prepare.append(_headers)
    app.router.add_route("GET", "/v1/status", _status)
    app.router.add_route("GET", "/v1/readers", _readers)
    app.router.add_route("POST", "/v1/events", _ticket)
    app.router.add_route("GET", "/v1/events", _events)
    for path, handler in _asking_calls().items():
        app.router.add_route("POST", path, handler)
    if settings.documents:
        app.router.add_route("GET", "/v1/openapi.json", _openapi)
        app.router.add_route("GET", "/v1/client.js", _client)
    return app


async def _start(app: web.Application) -> None:
    app[_SERVICE].start()


async def _dismiss(app: web.Application) -> None:
    app[_SERVICE].dismiss()


async def _close(app: web.Application) -> None:
    await app[_SERVICE].close()


async def _headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


# --- the gate ------------------------------------------------------------------------


def _gate(
    rules: Gate, *, documents: bool
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware that lets through, or answers with a problem."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        try:
            rules.check_host(headers.getall("Host", []))
            if documents and request.path in _DOCUMENTS and request.method == "GET":
                response = await handler(request)
                response.headers["Access-Control-Allow-Origin"] = "*"
                return response
            origin = rules.check_origin(headers.getall("Origin", []))
            gate.check_fetch(headers.getall("Sec-Fetch-Mode", []))
            if request.method != "OPTIONS" and not _has_ticket(request):
                gate.check_own_header(headers.getall("X-EID-Agent", []))
            if request.method == "POST":
                gate.check_json(headers.get("Content-Type", ""))
        except Problem as problem:
            return _problem(request, problem)
        request[_ORIGIN] = origin
        with request.app[_DOOR].working(request.protocol):
            response = await _answer(request, handler, origin)
        if not response.prepared:  # a socket has had its headers
            response.headers.update(gate.cors(origin))
        return response

    return check


def _has_ticket(request: web.Request) -> bool:
    """Tell whether this is the upgrade whose ticket stands for the own header."""
    return request.method == "GET" and request.path == "/v1/events"


async def _answer(
    request: web.Request, handler: Handler, origin: str
) -> web.StreamResponse:
    """Answer what passed the gate; a failure becomes its problem."""
    try:
        if not expects_only_continue(request):
            raise Problem("invalid-request", "only 100-continue can be expected")
        if request.method == "OPTIONS":
            return _preflight(request, origin)
        await request.app[_PEERS].check(request.transport)
        if request.path not in _ASKING:
            request.app[_SERVICE].admit(origin)
        return await handler(request)
    except Problem as problem:
        return _failed(request, problem)
    except web.HTTPRequestEntityTooLarge:
        return _failed(request, Problem("too-large"))
    except web.HTTPMethodNotAllowed as refused:
        response = _problem(request, Problem("method-not-allowed"))
        response.headers["Allow"] = ", ".join(sorted(refused.allowed_methods))
        return response
    except web.HTTPNotFound:
        return _problem(request, Problem("not-found"))
    except BodyRefused as refused:
        response = _failed(request, Problem("invalid-request", str(refused)))
        response.force_close()
        return response
    except web.HTTPException:
        return _failed(request, Problem("invalid-request"))
    except Exception as error:
        _log.error("unexpected %s at %s", type(error).__name__, raised_at(error))
        return _failed(request, Problem("internal-error"))


def _failed(request: web.Request, problem: Problem) -> web.Response:
    """Answer a call that failed, naming it."""
    problem.operation = problem.operation or _OPERATIONS.get(request.path)
    return _problem(request, problem)


def _preflight(request: web.Request, origin: str) -> web.Response:
    methods = _METHODS.get(request.path)
    if methods is None:
        raise Problem("not-found")
    return web.Response(status=204, headers=gate.preflight(origin, methods))


def _problem(request: web.Request, problem: Problem) -> web.Response:
    service = request.app[_SERVICE]
    lang = protocol.choose_language(
        None, request.headers.get("Accept-Language", ""), service.settings.lang
    )
    wait = problem.retry_after
    return web.json_response(
        problem.to_json(problem.lang or lang),
        status=problem.status,
        content_type="application/problem+json",
        headers=None if wait is None else {"Retry-After": str(wait)},
    )


# --- the calls -----------------------------------------------------------------------


async def _status(request: web.Request) -> web.Response:
    return web.json_response(await request.app[_SERVICE].status(request[_ORIGIN]))


async def _readers(request: web.Request) -> web.Response:
    return web.json_response(await request.app[_SERVICE].readers(request[_ORIGIN]))


async def _ticket(request: web.Request) -> web.Response:
    protocol.parse_nothing(await _body(request))
    return web.json_response(await request.app[_SERVICE].ticket(request[_ORIGIN]))


async def _events(request: web.Request) -> web.StreamResponse:
    return await serve_events(request, request.app[_SERVICE], request[_ORIGIN])


class _Spoken(Protocol):
    """A request that may say the language of its questions."""

    @property
    def lang(self) -> str | None:
        """What it says."""


Asked = TypeVar("Asked", bound=_Spoken)
#: A method of the service: origin, request, language, and what finds the program.
_Do = Callable[[AgentService, str, Asked, str, FindProgram], Awaitable[object]]


def _asking(
    parse: Callable[[bytes], Asked],
    do: _Do[Asked],
    body: Callable[[web.Request], Awaitable[bytes]] | None = None,
) -> Handler:
    """Return the handler of a call that may ask the person."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = parse(await (body or _body)(request))
        lang = _language(request, asked.lang)
        with _speaking(lang):
            find_program = partial(_stranger, request)
            service, origin = request.app[_SERVICE], request[_ORIGIN]
            answer = await do(service, origin, asked, lang, find_program)
        return web.json_response(answer)

    return handle


async def _body(request: web.Request) -> bytes:
    with request.app[_DOOR].waiting(request.protocol):
        return await read_body(request)


async def _large_body(request: web.Request) -> bytes:
    """Return a body that may hold documents; `busy` while others bring many."""
    room = request.app[_ROOM]
    if room.locked():
        raise Problem("busy")
    async with room:
        large = request.clone(client_max_size=protocol.MAX_DOCUMENTS_BODY)
        return await _body(large)


async def _stranger(request: web.Request) -> str | None:
    return await request.app[_PEERS].stranger(request.transport)


def _language(request: web.Request, asked: str | None) -> str:
    accept = request.headers.get("Accept-Language", "")
    default = request.app[_SERVICE].settings.lang
    return protocol.choose_language(asked, accept, default)


@contextmanager
def _speaking(lang: str) -> Iterator[None]:
    """Let a problem speak the language that the body asked for."""
    try:
        yield
    except Problem as problem:
        problem.lang = lang
        raise


def _asking_calls() -> dict[str, Handler]:
    """Return what answers each of the calls that may ask the person."""
    return {
        "/v1/change-pin": _asking(protocol.parse_card_request, AgentService.change_pin),
        "/v1/identity": _asking(protocol.parse_identity, AgentService.identity),
        "/v1/authenticate": _asking(
            protocol.parse_authenticate, AgentService.authenticate
        ),
        "/v1/signing-certificate": _asking(
            protocol.parse_card_request, AgentService.signing_certificate
        ),
        "/v1/sign": _asking(protocol.parse_sign, AgentService.sign),
        "/v1/sign-pdf": _asking(
            protocol.parse_sign_pdf, AgentService.sign_pdf, _large_body
        ),
    }


async def _openapi(request: web.Request) -> web.Response:
    return web.json_response(
        openapi.description(request.app[_SERVICE].settings.version)
    )


async def _client(_request: web.Request) -> web.Response:
    script = files("agent.web") / "client.js"
    return web.Response(
        text=script.read_text(encoding="utf-8"), content_type="text/javascript"
    )
