"""The gate: who may knock at all, decided from headers alone; pure, touches nothing.

Host, Origin, Fetch Metadata, own header, content type, in this order. Browsers set the
first three and a page cannot forge them; a program of the same user can.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.errors import Problem

_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_NAME = r"(?=.{1,253}(?::|$))[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?"
_ORIGIN = re.compile(rf"https://(?:{_NAME}|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?")
_LOOPBACK = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")

ALLOW_HEADERS = "X-EID-Agent, Content-Type"
PREFLIGHT_SECONDS = 7200


@dataclass(frozen=True)
class Gate:
    """The rules of one running agent; `port` is the one it listens on.

    `may_use_http` says which pages of this machine may ask without HTTPS.
    """

    port: int
    may_use_http: Callable[[str], bool] = lambda _origin: False

    def check_host(self, hosts: list[str]) -> None:
        """Want exactly one Host header, naming this very agent: `host-refused`."""
        if hosts not in ([f"{host}:{self.port}"] for host in _HOSTS):
            raise Problem("host-refused")

    def check_origin(self, origins: list[str]) -> str:
        """Want exactly one Origin that may ask, and return it: `origin-refused`."""
        if len(origins) != 1 or not self._acceptable(origins[0]):
            raise Problem("origin-refused")
        return origins[0]

    def _acceptable(self, origin: str) -> bool:
        if _ORIGIN.fullmatch(origin):
            return True
        return bool(_LOOPBACK.fullmatch(origin)) and self.may_use_http(origin)


def check_fetch(modes: list[str]) -> None:
    """Want no request that a page cannot read the answer of: `origin-refused`.

    Fetch Metadata tell of a form, a link, an image or a script; who sends none is no
    browser, or an old one.
    """
    if not set(modes) <= {"cors", "websocket"}:
        raise Problem("origin-refused")


def check_own_header(values: list[str]) -> None:
    """Want `X-EID-Agent: 1`, which no form and no simple request can send."""
    if values != ["1"]:
        raise Problem("invalid-request", "the header X-EID-Agent: 1 is missing")


def check_json(content_type: str) -> None:
    """Want application/json, parameters aside: `invalid-request`."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem("invalid-request", "the body has to be application/json")


def cors(origin: str) -> dict[str, str]:
    """Return the headers that let this origin read the answer."""
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def preflight(origin: str, methods: str) -> dict[str, str]:
    """Return the headers of the answer to a preflight."""
    return {
        **cors(origin),
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": ALLOW_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }


def is_origin(text: str) -> bool:
    """Tell whether a text is a bare origin as a browser writes it."""
    return bool(_ORIGIN.fullmatch(text) or _LOOPBACK.fullmatch(text))
