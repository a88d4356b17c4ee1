"""What every answer of the portal has in common: checks at the door and headers.

Used by agent.demo.portal alone; touches no session and no card.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from agent.connections import BodyRefused, expects_only_continue

#: What answers for the site where none of its handlers was reached: code to answer.
REFUSED: web.AppKey[Callable[[str], web.Response]] = web.AppKey("refused")
_STATUS = {"host-refused": 421, "internal-error": 500}


class Refusal(Exception):
    """An answer of the portal's own API that is not a success: a code and a status."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


def content_policy(agent_port: int) -> str:
    """Allow the portal's own files and the one agent, nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' https://localhost:{agent_port} wss://localhost:{agent_port}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def headers(agent_port: int) -> dict[str, str]:
    """Return the headers of every answer, refusals included."""
    return {
        "Content-Security-Policy": content_policy(agent_port),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def check_door(request: web.Request, origin: str) -> None:
    """Refuse another name for this site, and every POST from another page."""
    if f"https://{request.headers.get('Host', '')}" != origin:
        raise Refusal("host-refused", 421)
    if not expects_only_continue(request):
        raise Refusal("invalid-request", 400)
    if request.method != "POST":
        return
    if request.headers.getall("Origin", []) != [origin]:
        raise Refusal("origin-refused", 403)
    if request.content_type != "application/json":
        raise Refusal("invalid-request", 415)


def refused(agent_port: int) -> Callable[[str], web.Response]:
    """Return what answers a request that reached no handler, by a code."""
    common = headers(agent_port)

    def answer(code: str) -> web.Response:
        status = _STATUS.get(code, 400)
        return web.json_response({"code": code}, status=status, headers=common)

    return answer


def middleware(origin: str, agent_port: int) -> Middleware:
    """Wrap every handler in the checks and headers of the site."""
    common = headers(agent_port)

    @web.middleware
    async def site(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check_door(request, origin)
            answer = await handler(request)
        except Refusal as refusal:
            answer = web.json_response({"code": refusal.code}, status=refusal.status)
        except BodyRefused:
            answer = web.json_response({"code": "invalid-request"}, status=400)
            answer.force_close()
        except web.HTTPException as error:
            answer = web.json_response({"code": "invalid-request"}, status=error.status)
        answer.headers.update(common)
        return answer

    return site
