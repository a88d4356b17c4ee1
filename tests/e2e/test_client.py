"""The JavaScript client in real browsers, with the agent that portals' tests get."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)

from agent import certs, host, tls
from agent.demo.profiles import Endpoint, firefox_overrides
from agent.relyingparty import TokenValidator, verify_identity
from agent.testing import AgentUnderTest, run_agent
from agent.ui import Consent, Login
from tests.agent.pdf.documents import document
from tests.agent.test_documents import is_valid
from tests.e2e.firefox import firefox, needs_firefox
from tests.e2e.harness import chromium, needs_chromium

WEB = Path(__file__).parents[2] / "agent" / "web"
NONCE = "n" * 44
DIGEST = hashlib.sha384(b"Ik blijf op de wachtlijst").digest()
HASH = base64.b64encode(DIGEST).decode()


class Tab(Protocol):
    """What runs a script in a page of the portal."""

    async def evaluate(self, code: str) -> Any:
        """Return the value of an expression; promises are awaited."""


@dataclass
class Site:
    """A portal's page in some browser, and the agent that it finds."""

    agent: AgentUnderTest
    origin: str
    _tab: Tab

    async def call(self, code: str, **values: object) -> Any:
        """Return what a call of the client resolves with, or `{"failed": {…}}`.

        `code` uses the client as `eid`, the agent's port as `port`, and the values.
        """
        given = json.dumps({"port": self.agent.port, **values})
        names = ", ".join(["port", *values])
        return await self._tab.evaluate(
            f"""import("/web/client.js").then(async (eid) => {{
              const {{ {names} }} = {given};
              try {{
                return await ({code});
              }} catch (error) {{
                const {{ name, code, agentCode = null, triesLeft = null }} = error;
                return {{ failed: {{ name, code, agentCode, triesLeft }} }};
              }}
            }})"""
        )


@asynccontextmanager
async def _portal(folder: Path) -> AsyncIterator[tuple[str, Endpoint]]:
    """Serve an empty page and the client beside it; origin and certificate."""
    app = web.Application()

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<title>Portal</title>", content_type="text/html")

    app.router.add_get("/", page)
    app.router.add_static("/web/", WEB)
    host.make_private_dir(folder / "portal")
    (files,) = tls.store(certs.issue(), folder / "portal")
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "localhost", 0, ssl_context=files.context())
        await site.start()
        port = int(runner.addresses[0][1])
        yield f"https://localhost:{port}", Endpoint(port, files.leaf_certificate())
    finally:
        await runner.cleanup()


@asynccontextmanager
async def in_chromium(
    origin: str, endpoints: list[Endpoint], _folder: Path
) -> AsyncIterator[Tab]:
    """Open the page in Chromium."""
    async with chromium(endpoints) as context:
        page = context.pages[0]
        await page.goto(origin)
        yield page


@asynccontextmanager
async def in_firefox(
    origin: str, endpoints: list[Endpoint], folder: Path
) -> AsyncIterator[Tab]:
    """Open the page in Firefox."""
    profile = folder / "profile"
    profile.mkdir()
    (profile / "cert_override.txt").write_text(firefox_overrides(endpoints))
    async with firefox(folder, profile) as browser:
        await browser.open(origin)
        yield browser


Browser = Callable[[str, list[Endpoint], Path], AbstractAsyncContextManager[Tab]]
BROWSERS = [
    pytest.param(in_chromium, marks=needs_chromium, id="chromium"),
    pytest.param(in_firefox, marks=needs_firefox, id="firefox"),
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::agent.relyingparty.tokens.AcceptingTestCards"),
    pytest.mark.parametrize("browser", BROWSERS),
]


@asynccontextmanager
async def visiting(browser: Browser, folder: Path) -> AsyncIterator[Site]:
    """Run agent and portal, and open the page."""
    with run_agent(port=0) as agent:
        async with _portal(folder) as (origin, own):
            endpoints = [Endpoint(agent.port, agent.certificate), own]
            async with browser(origin, endpoints, folder) as tab:
                yield Site(agent, origin, tab)


async def test_login_reading_and_signature_are_accepted_by_the_portal(
    browser: Browser, tmp_path: Path
) -> None:
    """What the page got is validated by the server; the person was asked each time."""
    async with visiting(browser, tmp_path) as site:
        found = await site.call("eid.detect({ port })")
        assert found["state"] == "running"
        token = await site.call("eid.authenticate(nonce, { port })", nonce=NONCE)
        trusted = site.agent.trusted_cas
        validator = TokenValidator(
            site.origin, trusted, allow_test=True, revocation=None
        )
        person = validator.validate(token, NONCE)
        card = await site.call(
            "eid.readIdentity({ include, challenge, port })",
            include=["identity", "photo"],
            challenge=NONCE,
        )
        proven = verify_identity(
            card,
            trusted,
            expected_national_number=person.national_number,
            origin=site.origin,
            challenge=NONCE,
            require_chip="always",
            allow_test=True,
        )
        assert proven.same_person_as_login
        assert proven.chip_present
        login, consent = site.agent.person.questions
        assert isinstance(login, Login)
        assert isinstance(consent, Consent)
        assert consent.data == ("identity", "photo")
        # The certificate, then a signature, as with Web eID's library.
        given = await site.call("eid.getSigningCertificate({ port, lang: 'nl' })")
        first = given["supportedSignatureAlgorithms"][0]
        made = await site.call(
            "eid.sign(certificate, hash, 'SHA-384', { port, documentName })",
            certificate=given["certificate"],
            hash=HASH,
            documentName="Verklaring",
        )
        assert made["signatureAlgorithm"] == first
        raw = base64.b64decode(made["signature"])
        numbers = int.from_bytes(raw[:48]), int.from_bytes(raw[48:])
        der = base64.b64decode(given["certificate"])
        key = x509.load_der_x509_certificate(der).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        scheme = ec.ECDSA(Prehashed(hashes.SHA384()))
        key.verify(encode_dss_signature(*numbers), DIGEST, scheme)
        asked = site.agent.person.questions[-1]
        assert isinstance(asked, Login)
        assert asked.signing is not None
        assert asked.signing.name == "Verklaring"
        await _documents_are_signed(site)


async def _documents_are_signed(site: Site) -> None:
    """Two PDFs as files of the page; the second one is struck out by the person."""
    pdf = document()
    text = base64.b64encode(pdf).decode()
    site.agent.person.strikes_out(1)
    made = await site.call(
        """(async () => {
          const url = `data:application/pdf;base64,${text}`;
          const pdf = await (await fetch(url)).blob();
          const names = ["Contract.pdf", "Bijlage.pdf"];
          const documents = names.map((name) => ({ name, pdf }));
          return eid.signPdf(documents, { port, reason: "Ik ga akkoord" });
        })()""",
        text=text,
    )
    signed, struck = made["documents"]
    sha256 = hashlib.sha256(pdf).hexdigest()
    assert struck == {"name": "Bijlage.pdf", "outcome": "struck-out", "sha256": sha256}
    assert (signed["name"], signed["outcome"]) == ("Contract.pdf", "signed")
    assert signed["sha256"] == sha256
    assert base64.b64decode(signed["pdf"]).startswith(pdf)
    assert await is_valid(base64.b64decode(signed["pdf"]), "adult")


async def test_a_mock_asks_nobody_and_refusals_are_told_apart(
    browser: Browser, tmp_path: Path
) -> None:
    """A no, a wrong PIN, the certificate for logins, no card: each its own error."""
    async with visiting(browser, tmp_path) as site:
        await _mock_reaches_no_agent(site)
        person = site.agent.person
        person.refuses()
        no = await site.call("eid.readIdentity({ port })")
        assert no["failed"]["name"] == "UserCancelledError"
        assert no["failed"]["agentCode"] == "user-denied"
        token = await site.call("eid.authenticate(nonce, { port })", nonce=NONCE)
        sign = "eid.sign(certificate, hash, 'SHA-384', { port })"
        forged = await site.call(
            sign, certificate=token["unverifiedCertificate"], hash=HASH
        )
        assert forged["failed"]["agentCode"] == "certificate-mismatch"
        given = await site.call("eid.getSigningCertificate({ port })")
        person.types("9999")
        wrong = await site.call(sign, certificate=given["certificate"], hash=HASH)
        assert wrong["failed"]["code"] == "ERR_WEBEID_NATIVE_FATAL"
        assert wrong["failed"]["agentCode"] == "pin-incorrect"
        assert wrong["failed"]["triesLeft"] == 2
        person.pulls_card()
        pulled = await site.call(sign, certificate=given["certificate"], hash=HASH)
        assert pulled["failed"]["agentCode"] == "card-removed"


async def _mock_reaches_no_agent(site: Site) -> None:
    """A mock's login is for the page's own origin; nobody is asked."""
    token = await site.call("eid.authenticate(nonce, { mock: true })", nonce=NONCE)
    card = await site.call("eid.readIdentity({ mock: true })")
    assert token["mock"] is card["mock"] is True
    der = base64.b64decode(card["raw"]["rootCertificate"])
    root = x509.load_der_x509_certificate(der)
    validator = TokenValidator(site.origin, [root], allow_test=True, revocation=None)
    assert validator.validate(token, NONCE).test
    given = await site.call("eid.getSigningCertificate({ mock: true })")
    made = await site.call(
        "eid.sign(certificate, hash, 'SHA-384', { mock: true })",
        certificate=given["certificate"],
        hash=HASH,
    )
    assert len(base64.b64decode(made["signature"])) == 96
    assert site.agent.person.questions == []
