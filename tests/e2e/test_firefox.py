"""The harness for Firefox: it loads what it may, and says why not otherwise."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from aiohttp import web

from agent import tls
from tests.e2e.firefox import FirefoxError, firefox, needs_firefox

pytestmark = [pytest.mark.browser, needs_firefox]


async def _page(_request: web.Request) -> web.Response:
    return web.Response(text="<title>here</title>", content_type="text/html")


async def _serve(context: ssl.SSLContext | None) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.router.add_get("/", _page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    return runner, int(runner.addresses[0][1])


async def test_firefox_opens_a_page_and_refuses_an_unknown_ca(tmp_path: Path) -> None:
    """A page of this machine opens; one with a certificate of nobody's does not."""
    plain, plain_port = await _serve(None)
    files = tls.load_or_create(tmp_path / "data")
    secure, secure_port = await _serve(files.context())
    try:
        async with firefox(tmp_path) as browser:
            assert await browser.open(f"http://localhost:{plain_port}/") == 200
            assert await browser.evaluate("document.title") == "here"
            assert await browser.evaluate("Promise.resolve([1, 'a'])") == [1, "a"]
            with pytest.raises(FirefoxError, match="SEC_ERROR_UNKNOWN_ISSUER"):
                await browser.open(f"https://localhost:{secure_port}/")
            tree = await browser.bidi("browsingContext.getTree")
            assert tree["contexts"]
    finally:
        await plain.cleanup()
        await secure.cleanup()
