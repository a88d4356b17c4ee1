"""The portal's server: its door, its login, whose data it takes, what it forgets."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from agent.demo.portal import COOKIE, PortalConfig, make_portal
from agent.demo.sessions import LIFETIME
from cardio.virtual.personas import CATALOGUE
from cardio.virtual.pki import test_roots as roots_of_test
from tests.agent.demo.cards import card, identity, token

pytestmark = pytest.mark.filterwarnings(
    "ignore::agent.relyingparty.tokens.AcceptingTestCards"
)

ORIGIN = "https://localhost:12345"


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Visitor:
    """A browser as the server sees it; keeps the cookie by itself, as it is Secure."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self._client = client
        self.cookie: str | None = None

    async def get(self, path: str, **headers: str) -> ClientResponse:
        """GET with this site's name."""
        return await self._client.get(path, headers=self._headers(headers))

    async def post(self, path: str, body: Any, **headers: str) -> ClientResponse:
        """POST as the portal's own page does."""
        headers = {"Origin": ORIGIN, **headers}
        answer = await self._client.post(
            path, json=body, headers=self._headers(headers)
        )
        if COOKIE in answer.cookies:
            self.cookie = answer.cookies[COOKIE].value
        return answer

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        cookie = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        return {"Host": ORIGIN.removeprefix("https://"), **cookie, **more}

    async def nonce(self) -> str:
        """Begin a login."""
        answer = await self.post("/api/challenge", {})
        return str((await answer.json())["nonce"])

    async def log_in(self, persona: str = "adult") -> None:
        """Log in with a persona's card."""
        sent = token(card(persona), ORIGIN, await self.nonce())
        answer = await self.post("/api/login", sent)
        assert answer.status == 200, await answer.text()


@pytest.fixture
def clock() -> Clock:
    """The portal's clock."""
    return Clock()


@pytest.fixture
async def visitor(clock: Clock) -> AsyncIterator[Visitor]:
    """A visitor of a portal that trusts the test PKI."""
    config = PortalConfig(
        origin=ORIGIN,
        agent_port=27410,
        trusted_cas=roots_of_test(),
        allow_test=True,
        clock=clock,
    )
    async with TestClient(TestServer(make_portal(config))) as client:
        yield Visitor(client)


async def test_the_way_to_the_receipt(visitor: Visitor) -> None:
    """Log in, send the files, confirm: the receipt names what was confirmed."""
    await visitor.log_in()
    data = await (await visitor.post("/api/identity", identity(card()))).json()
    assert data["person"]["test"] is True
    assert all(data["person"][name] for name in ("name", "street", "municipality"))
    assert data["receipt"] is None
    first = await (await visitor.post("/api/confirm", {})).json()
    assert first["receipt"]["number"].startswith("WL-")
    second = await (await visitor.post("/api/confirm", {})).json()
    assert second["receipt"] == first["receipt"]


async def test_a_nonce_is_good_once(visitor: Visitor) -> None:
    """The same token a second time is refused, also after it was accepted."""
    sent = token(card(), ORIGIN, await visitor.nonce())
    assert (await visitor.post("/api/login", sent)).status == 200
    assert (await visitor.post("/api/login", sent)).status == 422


async def test_a_refused_token_uses_the_nonce_up(visitor: Visitor) -> None:
    """After one wrong token the right one comes too late."""
    nonce = await visitor.nonce()
    wrong = token(card(), "https://elsewhere.example", nonce)
    assert (await visitor.post("/api/login", wrong)).status == 422
    right = token(card(), ORIGIN, nonce)
    assert (await visitor.post("/api/login", right)).status == 422


async def test_the_nonce_of_another_visitor_does_not_help(visitor: Visitor) -> None:
    """A nonce belongs to the session that asked for it."""
    stolen = await visitor.nonce()
    await visitor.nonce()
    answer = await visitor.post("/api/login", token(card(), ORIGIN, stolen))
    assert (await answer.json())["code"] == "login-refused"


async def test_a_login_begins_a_new_session(visitor: Visitor) -> None:
    """A cookie from before the login is worth nothing afterwards."""
    await visitor.log_in()
    old = visitor.cookie
    await visitor.nonce()
    assert visitor.cookie != old
    visitor.cookie = old
    assert (await visitor.post("/api/confirm", {})).status == 401


async def test_another_persons_files_are_refused(visitor: Visitor) -> None:
    """Genuine data of somebody else end the session and show nothing."""
    await visitor.log_in("adult")
    answer = await visitor.post("/api/identity", identity(card("long-names")))
    assert await answer.json() == {"code": "other-person"}
    assert (await (await visitor.get("/api/session")).json()) == {"loggedIn": False}


async def test_changed_files_are_refused(visitor: Visitor) -> None:
    """An address that the National Register did not sign is not shown."""
    await visitor.log_in()
    sent = identity(card())
    sent["raw"]["address"] = identity(card("long-names"))["raw"]["address"]
    answer = await visitor.post("/api/identity", sent)
    assert await answer.json() == {"code": "data-refused"}


@pytest.mark.parametrize("text", ["abc\u202edef", "a\x1b[2Jb", "zero\u200bwidth"])
async def test_genuine_data_are_shown_as_foreign_text(
    visitor: Visitor, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hides or reorders text is shown as replaced, though the card is genuine."""
    adult = CATALOGUE["adult"]
    hostile = replace(
        adult,
        name="hostile",
        identity={**adult.identity, **dict.fromkeys((0x07, 0x08, 0x09), text)},
        address=dict.fromkeys((0x01, 0x02, 0x03), text),
    )
    monkeypatch.setitem(CATALOGUE, "hostile", hostile)  # type: ignore[arg-type]
    await visitor.log_in("adult")
    answer = await visitor.post("/api/identity", identity(card("hostile")))
    person = (await answer.json())["person"]
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    assert person["name"] == f"{shown} {shown} {shown}"
    assert person["street"] == shown
    assert person["municipality"] == f"{shown} {shown}"


async def test_an_identity_without_address_is_refused(visitor: Visitor) -> None:
    """The portal shows an address; without one it does not go on."""
    await visitor.log_in()
    sent = identity(card())
    for name in ("address", "addressSignature"):
        del sent["raw"][name]
    answer = await visitor.post("/api/identity", sent)
    assert await answer.json() == {"code": "data-refused"}


@pytest.mark.parametrize("path", ["identity", "confirm"])
async def test_nothing_goes_without_a_login(visitor: Visitor, path: str) -> None:
    """A nonce alone is no login."""
    await visitor.nonce()
    answer = await visitor.post(f"/api/{path}", identity(card()))
    assert answer.status == 401


async def test_nothing_is_confirmed_unseen(visitor: Visitor) -> None:
    """Confirming comes after the data, not before."""
    await visitor.log_in()
    assert (await visitor.post("/api/confirm", {})).status == 409


async def test_a_session_ends_by_the_clock(visitor: Visitor, clock: Clock) -> None:
    """After a quarter of an hour the data are gone."""
    await visitor.log_in()
    await visitor.post("/api/identity", identity(card()))
    clock.now += LIFETIME
    assert (await (await visitor.get("/api/session")).json()) == {"loggedIn": False}
    assert (await visitor.post("/api/confirm", {})).status == 401


async def test_logging_out_forgets(visitor: Visitor) -> None:
    """The old cookie shows nothing any more."""
    await visitor.log_in()
    await visitor.post("/api/identity", identity(card()))
    old = visitor.cookie
    await visitor.post("/api/logout", {})
    visitor.cookie = old
    assert (await (await visitor.get("/api/session")).json()) == {"loggedIn": False}


async def test_the_cookie_is_for_this_site_alone(visitor: Visitor) -> None:
    """__Host-, Secure, HttpOnly, SameSite=Strict, no Domain."""
    answer = await visitor.post("/api/challenge", {})
    said = answer.headers["Set-Cookie"]
    assert said.startswith("__Host-")
    for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in said
    assert "Domain" not in said


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://localhost:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ORIGIN.upper()}, 403),
        ({"Host": "evil.example:12345"}, 421),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_posts_from_elsewhere_are_refused(
    visitor: Visitor, headers: dict[str, str], status: int
) -> None:
    """Only this site's own page can make a POST count."""
    answer = await visitor.post("/api/challenge", {}, **headers)
    assert answer.status == status
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("body", [[], "text", 1])
async def test_a_body_of_another_form_is_refused(visitor: Visitor, body: Any) -> None:
    """Not an object: a code, no traceback."""
    await visitor.nonce()
    assert (await visitor.post("/api/login", body)).status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/static/client.js", 200), ("/api/session", 200), ("/x", 404)],
)
async def test_every_answer_has_the_sites_headers(
    visitor: Visitor, path: str, status: int
) -> None:
    """Nothing is stored, framed, or loaded from elsewhere but the agent."""
    answer = await visitor.get(path)
    assert answer.status == status
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    agent = "https://localhost:27410 wss://localhost:27410"
    assert f"connect-src 'self' {agent};" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("name", ["../portal.py", "..%2fportal.py", "index.html"])
async def test_only_the_sites_files_are_served(visitor: Visitor, name: str) -> None:
    """No path leads out of the table of files."""
    assert (await visitor.get(f"/static/{name}")).status == 404


async def test_the_page_says_test_and_demo(visitor: Visitor) -> None:
    """The page is marked, without scripts or styles of its own inside."""
    text = await (await visitor.get("/")).text()
    assert 'data-test="yes"' in text
    assert "DEMO" in text
    assert "{{" not in text
    assert "<style" not in text
    assert "style=" not in text


@pytest.mark.parametrize(
    ("path", "lang"), [("/", "de"), ("/?lang=fr", "fr"), ("/?lang=xx", "de")]
)
async def test_the_page_is_in_the_visitors_language(
    visitor: Visitor, path: str, lang: str
) -> None:
    """The address' before the browser's; page and header name it; no cookie for it."""
    answer = await visitor.get(path, **{"Accept-Language": "de-BE,de;q=0.9"})
    assert answer.headers["Content-Language"] == lang
    assert f'<html lang="{lang}"' in await answer.text()
    assert "Set-Cookie" not in answer.headers


async def test_a_portal_for_real_cards_tells_no_test_pin() -> None:
    """On a real card it would cost a try."""
    config = PortalConfig(
        origin=ORIGIN,
        agent_port=27410,
        trusted_cas=roots_of_test(),
        allow_test=False,
        test_pin="4711",
    )
    async with TestClient(TestServer(make_portal(config))) as client:
        assert "4711" not in await (await Visitor(client).get("/")).text()


async def test_nothing_of_a_person_is_logged(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither names nor numbers, at any level, also when data are refused."""
    caplog.set_level(logging.DEBUG)
    await visitor.log_in()
    data = await (await visitor.post("/api/identity", identity(card()))).json()
    await visitor.post("/api/identity", identity(card("long-names")))
    for value in (data["person"]["name"], data["person"]["street"]):
        assert value not in caplog.text
    assert "national" not in caplog.text.lower()
