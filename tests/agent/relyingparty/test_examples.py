"""The examples of docs/relyingparty.md, run by their frameworks as they are printed."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import socket
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, Any

import aiohttp
import django
import pytest
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.http import JsonResponse
from django.test import Client
from django.urls import path
from django.views.decorators.http import require_POST
from fastapi import Body, FastAPI, HTTPException, Request
from starlette.middleware.sessions import SessionMiddleware

import agent.relyingparty as library
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.login import Attempt
from tests.agent.relyingparty.services import Services, serving

GUIDE = Path(__file__).parents[3] / "docs" / "relyingparty.md"

#: Posts a body to an address, with the cookies so far: status and JSON.
Post = Callable[[str, bytes], Awaitable[tuple[int, dict[str, str]]]]


def printed(heading: str) -> str:
    """Return the first code below a heading."""
    text = GUIDE.read_text("utf-8").split(f" {heading}\n", 1)[1]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def services() -> Iterator[Services]:
    """The OCSP services of the tests' PKI."""
    with serving(kinds=("ocsp",)) as running:
        yield running


@pytest.fixture
def shared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, services: Services
) -> dict[str, Any]:
    """Return what the examples share, at the tests' own present and services."""
    fetcher = library.HttpFetcher([services.name], allow_private=True)
    validator = functools.partial(
        library.TokenValidator,
        now=pki.clock,
        revocation=library.OnlineRevocation(fetcher, cache_for=timedelta(0)),
    )
    monkeypatch.setattr(library, "TokenValidator", validator)
    for name, cert in (("root", pki.root().cert), ("ca", services.ca.pair.cert)):
        (tmp_path / f"{name}.pem").write_bytes(cert.public_bytes(Encoding.PEM))
    code = printed("In a web framework")
    assert "/etc/portal/eid-cas" in code
    names: dict[str, Any] = {"__name__": "portal"}
    exec(code.replace("/etc/portal/eid-cas", str(tmp_path)), names)  # noqa: S102
    return names


@asynccontextmanager
async def browser(base: str) -> AsyncIterator[Post]:
    """Post as a page does, and keep the cookies.

    By hand: they are for HTTPS, which the tests' servers do not have.
    """
    cookies: dict[str, str] = {}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post(address: str, body: bytes) -> tuple[int, dict[str, str]]:
            kept = "; ".join(f"{name}={value}" for name, value in cookies.items())
            headers = {"Cookie": kept, "Content-Type": "application/json"}
            url = f"{base}/{address}"
            async with session.post(url, data=body, headers=headers) as answer:
                for name, morsel in answer.cookies.items():
                    assert morsel["secure"]
                    assert morsel["httponly"]
                    cookies[name] = morsel.value
                found = await answer.json()
                return answer.status, found.get("detail", found)

        yield post


@asynccontextmanager
async def with_aiohttp(shared: dict[str, Any]) -> AsyncIterator[Post]:
    """Serve aiohttp's example over HTTP."""
    names = {**shared, "asyncio": asyncio, "web": web}
    exec(printed("aiohttp"), names)  # noqa: S102
    app = web.Application()
    app.add_routes(
        [
            web.post("/challenge", names["challenge"]),
            web.post("/login", names["log_in"]),
        ]
    )
    async with TestServer(app) as server, browser(str(server.make_url(""))) as post:
        yield post


@asynccontextmanager
async def with_django(shared: dict[str, Any]) -> AsyncIterator[Post]:
    """Run Django's example with its sessions in signed cookies."""
    names = {**shared, "JsonResponse": JsonResponse, "require_POST": require_POST}
    exec(printed("Django"), names)  # noqa: S102
    if not settings.configured:
        settings.configure(
            SECRET_KEY=token_urlsafe(),
            ALLOWED_HOSTS=["portal.example"],
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
            SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
            SESSION_COOKIE_SECURE=True,
        )
        django.setup()
    urls = types.ModuleType("urls")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("challenge", names["challenge"]),
        path("login", names["log_in"]),
    ]
    settings.ROOT_URLCONF = urls
    client = Client(headers={"host": "portal.example"})

    async def post(address: str, body: bytes) -> tuple[int, dict[str, str]]:
        answer = await asyncio.to_thread(
            client.post,
            f"/{address}",
            body,
            content_type="application/json",
            secure=True,
        )
        return answer.status_code, answer.json()

    yield post


@asynccontextmanager
async def with_fastapi(shared: dict[str, Any]) -> AsyncIterator[Post]:
    """Serve FastAPI's example over HTTP with Starlette's sessions."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key=token_urlsafe(), https_only=True)
    names = {
        **shared,
        **{"app": app, "Annotated": Annotated, "Body": Body, "Request": Request},
        "HTTPException": HTTPException,
    }
    exec(printed("FastAPI"), names)  # noqa: S102
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving_it = asyncio.create_task(server.serve([listening]))
        async with browser(f"http://127.0.0.1:{listening.getsockname()[1]}") as post:
            yield post
        server.should_exit = True
        await serving_it


FRAMEWORKS = pytest.mark.parametrize(
    "framework", [with_aiohttp, with_django, with_fastapi]
)


def token(services: Services, nonce: str) -> bytes:
    """Return the token of the holder whom the services know."""
    issuer = services.ca.pair.cert
    attempt = Attempt(services.holder, issuer=issuer, signed_nonce=nonce)
    return json.dumps(attempt.token()).encode()


@FRAMEWORKS
async def test_an_example_logs_a_person_in_once(
    framework: Callable[..., Any], shared: dict[str, Any], services: Services
) -> None:
    """With its challenge; the same token finds none any more."""
    async with framework(shared) as post:
        status, answer = await post("challenge", b"")
        assert status == 200
        body = token(services, answer["nonce"])
        expected = {"name": "Jan Peeters (Authentication)"}
        assert await post("login", body) == (200, expected)
        assert await post("login", body) == (403, {"code": "challenge-not-found"})


@FRAMEWORKS
async def test_an_example_refuses(
    framework: Callable[..., Any], shared: dict[str, Any], services: Services
) -> None:
    """A login without a challenge, another's nonce, a stolen card."""
    async with framework(shared) as post:
        body = token(services, shared["challenges"].issue("somebody else"))
        assert await post("login", body) == (403, {"code": "challenge-not-found"})
        await post("challenge", b"")
        assert await post("login", body) == (403, {"code": "signature-invalid"})
        services.ca.revoked.add(services.holder.cert.serial_number)
        _, answer = await post("challenge", b"")
        body = token(services, answer["nonce"])
        assert await post("login", body) == (403, {"code": "certificate-revoked"})


@pytest.mark.parametrize("heading", ["aiohttp", "Django", "FastAPI"])
def test_an_example_has_about_ten_lines(heading: str) -> None:
    """Of code: more than that nobody reads."""
    lines = [line for line in printed(heading).splitlines() if line.strip()]
    assert len(lines) <= 13
