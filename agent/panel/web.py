"""The panel's page and its calls over HTTP; touches no card, only the desk.

The gate is the endpoint's, and stricter: Host names this very port of this machine, an
Origin is the page's own, every call carries X-EID-Agent, and every path begins with a
random token, without which there is nothing here. No other page gets an answer: there
are no CORS headers. Plain HTTP, since nothing leaves the machine and the cards are test
cards; so no certificate has to be trusted for a developer's tool.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from agent import gate
from agent.errors import Problem
from agent.gate import Gate
from agent.panel.desk import Desk, Refused
from cardio.virtual.faults import Fault, UnknownFault
from cardio.virtual.vpcd import VpcdUnavailable

MAX_BODY = 1024
#: How long a question for news is kept open.
_NEWS_SECONDS = 20.0

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_STATIC = {
    "": ("panel.html", "text/html"),
    "panel.css": ("panel.css", "text/css"),
    "panel.js": ("panel.js", "text/javascript"),
}

_DESK = web.AppKey("desk", Desk)


class News:
    """Counts changes, and wakes whoever waits for one; belongs to one event loop."""

    def __init__(self) -> None:
        self.version = 1
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def tell(self) -> None:
        """Tell of a change, from any thread; nobody listens once the loop is closed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        self.version += 1
        self._event.set()
        self._event = asyncio.Event()

    async def beyond(self, seen: int) -> None:
        """Wait for a version other than the one that was seen, for some time."""
        if self.version == seen:
            try:
                async with asyncio.timeout(_NEWS_SECONDS):
                    await self._event.wait()
            except TimeoutError:
                return


_NEWS = web.AppKey("news", News)


def make_app(desk: Desk, news: News, port: int, token: str) -> web.Application:
    """Build the panel for the port on which it will be reached."""
    app = web.Application(
        middlewares=[_checks(Gate(port), token)], client_max_size=MAX_BODY
    )
    app[_DESK], app[_NEWS] = desk, news
    app.router.add_get(f"/{token}/{{name:[a-z.]*}}", _page)
    app.router.add_get(f"/{token}/v1/state", _state)
    for name, action in _ACTIONS.items():
        app.router.add_post(f"/{token}/v1/{name}", _acting(action))
    return app


# --- the gate ------------------------------------------------------------------------


def _checks(rules: Gate, token: str) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check_sender(rules, request)
            _check_token(request, token)
            if request.path.startswith(f"/{token}/v1/"):
                gate.check_own_header(request.headers.getall("X-EID-Agent", []))
            if request.method == "POST":
                gate.check_json(request.headers.get("Content-Type", ""))
            response = await handler(request)
        except Problem as problem:
            response = _problem(problem)
        except web.HTTPMethodNotAllowed:
            response = _problem(Problem("method-not-allowed"))
        except web.HTTPRequestEntityTooLarge:
            response = _problem(Problem("too-large"))
        except web.HTTPException:
            response = _problem(Problem("not-found"))
        response.headers.update(HEADERS)
        return response

    return check


def _check_sender(rules: Gate, request: web.Request) -> None:
    """Want our own Host; of a browser, that the page is ours or the person typed it."""
    headers = request.headers
    rules.check_host(headers.getall("Host", []))
    own = [[f"http://{headers['Host']}"]]
    # Browsers leave Origin out of a GET from the page itself and of a typed address.
    allowed = own if request.method == "POST" else [[], *own]
    if headers.getall("Origin", []) not in allowed:
        raise Problem("origin-refused")
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Problem("origin-refused")


def _check_token(request: web.Request, token: str) -> None:
    """Want the token as the path's first part, compared in constant time."""
    first = request.path.removeprefix("/").partition("/")[0]  # a path may be `*`
    if not hmac.compare_digest(first.encode(errors="replace"), token.encode()):
        raise Problem("not-found")


def _problem(problem: Problem) -> web.StreamResponse:
    return web.json_response(
        problem.to_json("en"),
        status=problem.status,
        content_type="application/problem+json",
    )


# --- what there is to see ------------------------------------------------------------


async def _page(request: web.Request) -> web.Response:
    """Answer with the page, or a file of it."""
    found = _STATIC.get(request.match_info["name"])
    if found is None:
        raise Problem("not-found")
    name, kind = found
    text = (files("agent.panel") / "static" / name).read_text(encoding="utf-8")
    return web.Response(text=text, content_type=kind)


async def _state(request: web.Request) -> web.Response:
    """`?seen=VERSION&after=NUMBER`: the state once it is another, and new exchanges."""
    seen, after = (_number(request, name) for name in ("seen", "after"))
    news = request.app[_NEWS]
    await news.beyond(seen)
    version = news.version  # before the state, so that nothing is missed
    state = request.app[_DESK].state(after)
    return web.json_response({"version": version, **state})


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Problem("invalid-request", f"{name} is a number")
    return int(text)


# --- what a person does --------------------------------------------------------------

#: Does something at the desk with the members of a body; blocks.
Action = Callable[[Desk, dict[str, object]], None]


def _acting(action: Action) -> Handler:
    async def act(request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
        except ValueError:
            raise Problem("invalid-request", "the body is no JSON") from None
        if not isinstance(body, dict):
            raise Problem("invalid-request", "the body is no object")
        try:
            # A page that goes away does not stop half-way what it began.
            await asyncio.shield(asyncio.to_thread(action, request.app[_DESK], body))
        except (Refused, UnknownFault) as error:
            raise Problem("invalid-request", str(error)) from None
        except VpcdUnavailable as error:
            raise Problem("no-reader", str(error)) from None
        return web.json_response({})

    return act


def _take(body: dict[str, object], name: str, kind: type) -> object:
    """Return the one member that a body has, of this very type."""
    if list(body) != [name] or type(body[name]) is not kind:
        raise Refused(f"the body has one member, {name}")
    return body[name]


def _persona(desk: Desk, body: dict[str, object]) -> None:
    desk.play(str(_take(body, "name", str)))


def _tries(desk: Desk, body: dict[str, object]) -> None:
    tries = _take(body, "left", int)
    assert isinstance(tries, int)
    desk.set_tries(tries)


def _fault(desk: Desk, body: dict[str, object]) -> None:
    """`{"fault": "NAME:N"}`; an empty name takes it away."""
    text = str(_take(body, "fault", str))
    desk.set_fault(Fault.parse(text) if text else None)


_ACTIONS: dict[str, Action] = {
    "insert": lambda desk, _body: desk.insert(),
    "remove": lambda desk, _body: desk.remove(),
    "persona": _persona,
    "tries": _tries,
    "fault": _fault,
    "clear": lambda desk, _body: desk.clear_trace(),
}
