"""The endpoint over real HTTP: gate, status, readers, identity, login, and failures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)

from agent.settings import Settings
from agent.texts import LANGUAGES, text
from cardio.channel import Apdu
from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from tests.agent.people import NONCE, PORTAL, Person, running

# --- the gate ------------------------------------------------------------------------

BAD_HOSTS = [
    "evil.example",
    "localhost",
    "localhost:1",
    "LOCALHOST:{port}",
    "127.1:{port}",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
async def test_a_foreign_host_is_refused_before_all(host: str) -> None:
    """DNS rebinding shows in the Host header; the refusal carries no CORS headers."""
    async with running("adult") as agent:
        headers = {"Host": host.format(port=agent.port)}
        answer = await agent.call("GET", "/v1/status", headers=headers)
        assert (answer.status, answer.body["code"]) == (421, "host-refused")
        assert "Access-Control-Allow-Origin" not in answer.headers


BAD_ORIGINS: list[str | None] = [
    None,
    "null",
    "http://portal.example",
    "http://localhost:8000",
    "https://portal.example/",
    "https://portal.example/path",
    "https://user@portal.example",
    "https://Portal.example",
    "https://",
    "https://portal.example:",
    "https://portal.example, https://other.example",
    "file://",
    "chrome-extension://abcdef",
    "HTTPS://portal.example",
    "https://pörtal.example",
]


@pytest.mark.parametrize("origin", BAD_ORIGINS)
async def test_a_bad_origin_is_refused_without_cors(origin: str | None) -> None:
    """Only a bare https origin as a browser writes it passes; a preflight no less."""
    async with running("adult") as agent:
        for method in ("GET", "OPTIONS"):
            try:
                headers: dict[str, Any] = {"Origin": origin}
                answer = await agent.call(method, "/v1/status", headers=headers)
            except UnicodeEncodeError:
                return
            assert (answer.status, answer.body["code"]) == (403, "origin-refused")
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_own_header_and_content_type_are_needed() -> None:
    """A form or a simple request of a foreign page can send neither."""
    async with running("adult") as agent:
        without: dict[str, Any] = {"X-EID-Agent": None}
        answer = await agent.call("GET", "/v1/status", headers=without)
        assert (answer.status, answer.body["code"]) == (400, "invalid-request")
        assert "Access-Control-Allow-Origin" not in answer.headers
        plain = {"Content-Type": "text/plain"}
        body = json.dumps({"include": ["identity"]}).encode()
        answer = await agent.call("POST", "/v1/identity", raw=body, headers=plain)
        assert answer.status == 400
        assert agent.person.questions == []


async def test_preflight_names_exactly_what_is_allowed() -> None:
    """A preflight of an https page is answered for its origin alone."""
    async with running("adult") as agent:
        without: dict[str, Any] = {"X-EID-Agent": None}
        answer = await agent.call("OPTIONS", "/v1/identity", headers=without)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == PORTAL
        assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        assert "X-EID-Agent" in answer.headers["Access-Control-Allow-Headers"]
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/openapi.json", 404, "not-found"),
        ("GET", "/v1/client.js", 404, "not-found"),
        ("PUT", "/v1/status", 405, "method-not-allowed"),
        ("GET", "/v1/identity", 405, "method-not-allowed"),
        ("HEAD", "/v1/status", 405, None),
    ],
)
async def test_refusals_behind_the_gate_can_be_read_by_the_page(
    method: str, path: str, status: int, code: str | None
) -> None:
    """Behind the gate every answer carries CORS headers and is never stored."""
    async with running("adult") as agent:
        answer = await agent.call(method, path)
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == PORTAL
        assert answer.headers["Cache-Control"] == "no-store"
        assert code is None or answer.body["code"] == code
        assert "Set-Cookie" not in answer.headers


async def test_documents_are_served_to_developers_by_host_alone() -> None:
    """openapi.json and client.js need no Origin, but still the right Host."""
    bare: dict[str, Any] = {"Origin": None, "X-EID-Agent": None}
    async with running("adult", settings=Settings(developer=True)) as agent:
        answer = await agent.call("GET", "/v1/openapi.json", headers=bare)
        assert (answer.status, answer.body["openapi"]) == (200, "3.1.0")
        answer = await agent.call("GET", "/v1/client.js", headers=bare)
        assert answer.status == 200
        foreign = bare | {"Host": "evil.example"}
        answer = await agent.call("GET", "/v1/client.js", headers=foreign)
        assert answer.status == 421
        loopback = {"Origin": "http://localhost:3000"}
        answer = await agent.call("GET", "/v1/status", headers=loopback)
        assert answer.status == 200


# --- bodies --------------------------------------------------------------------------

BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b'{"include":["identity"],"include":["photo"]}',
    b'{"include":[]}',
    b'{"include":["identity","identity"]}',
    b'{"include":["everything"]}',
    b'{"include":"identity"}',
    b'{"include":[["identity"]]}',
    b'{"include":["identity"],"more":1}',
    b'{"include":["identity"],"purpose":NaN}',
    b'{"include":["identity"],"purpose":""}',
    b'{"include":["identity"],"purpose":"' + b"x" * 201 + b'"}',
    # In NFC each of these letters is two: 400 characters.
    b'{"include":["identity"],"purpose":"' + "\u0958".encode() * 200 + b'"}',
    b'{"include":["identity"],"purpose":"a\\nb"}',
    b'{"include":["identity"],"purpose":"a\\u202eb"}',
    b'{"include":["identity"],"purpose":"a\\u200bb"}',
    b'{"include":["identity"],"challenge":"short"}',
    b'{"include":["identity"],"lang":"x"}',
    b"[" * 60000,
]


@pytest.mark.parametrize("body", BAD_BODIES)
async def test_a_bad_body_asks_the_person_nothing(body: bytes) -> None:
    """What is not as described is `invalid-request`, before any question."""
    async with running("adult") as agent:
        answer = await agent.call("POST", "/v1/identity", raw=body)
        assert (answer.status, answer.body["code"]) == (400, "invalid-request")
        assert agent.person.questions == []


async def test_a_large_body_is_too_large() -> None:
    """More than 64 KiB is refused."""
    async with running("adult") as agent:
        answer = await agent.call("POST", "/v1/identity", raw=b" " * (64 * 1024 + 1))
        assert (answer.status, answer.body["code"]) == (413, "too-large")


async def test_titles_speak_the_asked_language() -> None:
    """The body's language first, then Accept-Language, then the agent's."""
    async with running("", settings=Settings(lang="de")) as agent:
        answer = await agent.identity("identity", lang="fr")
        assert "carte" in answer.body["title"]
        answer = await agent.call(
            "POST",
            "/v1/identity",
            {"include": ["identity"]},
            headers={"Accept-Language": "xx, nl;q=0.8, en;q=0.5"},
        )
        assert "kaart" in answer.body["title"]
        assert "Karte" in (await agent.identity("identity")).body["title"]


# --- status and readers --------------------------------------------------------------


async def test_status_tells_a_stranger_nothing_about_the_card() -> None:
    """The same answer with and without a card, and no readers."""
    seen = []
    for persona in ("adult", ""):
        async with running(persona) as agent:
            seen.append((await agent.call("GET", "/v1/status")).body)
            refused = await agent.call("GET", "/v1/readers")
            assert (refused.status, refused.body["code"]) == (403, "user-denied")
            assert "nobody was asked" in refused.body["detail"]
    assert seen == [{"api": ["v1"], "origin": "ask"}] * 2


async def test_this_once_counts_until_the_card_goes() -> None:
    """After a consent the site sees readers; when the card is pulled, no more."""
    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        status = (await agent.call("GET", "/v1/status")).body
        assert (status["origin"], status["card"], status["virtual"]) == (
            "allowed",
            "present",
            True,
        )
        readers = (await agent.call("GET", "/v1/readers")).body["readers"]
        assert readers[0]["card"] == {
            "kind": "belgian-eid",
            "applet": "1.8",
            "signing": True,
        }
        agent.readers.remove()
        assert (await agent.call("GET", "/v1/status")).body["origin"] == "ask"
        assert (await agent.call("GET", "/v1/readers")).status == 403


ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))


@pytest.mark.parametrize(
    ("persona", "state"), [("adult", "present"), ("", "none"), ("kids", "present")]
)
async def test_card_state_for_an_allowed_origin(persona: str, state: str) -> None:
    """none, or present when some reader has a Belgian card."""
    async with running(persona, settings=ALLOWED) as agent:
        assert (await agent.call("GET", "/v1/status")).body["card"] == state


# --- identity ------------------------------------------------------------------------


async def test_only_what_was_asked_is_given_with_its_proof() -> None:
    """Address alone: no identity, no photo; its raw members are what proves it."""
    async with running("adult") as agent:
        body = (await agent.identity("address", purpose='for "you"')).body
        assert set(body) == {"format", "address", "raw"}
        assert set(body["raw"]) == {
            "identitySignature",
            "address",
            "addressSignature",
            "rrnCertificate",
            "rootCertificate",
        }
        assert agent.person.questions[0].data == ("address",)  # type: ignore[union-attr]
        assert agent.person.questions[0].virtual


@pytest.mark.parametrize("persona", ["adult", "adult-1.7", "long-names", "kids"])
async def test_raw_is_the_file_as_stored(persona: str) -> None:
    """Files in base64 with their padding; certificates by their own length."""
    async with running(persona) as agent:
        body = (await agent.identity("photo", "identity", "address")).body
        files = load_profile(persona).files
        raw = {name: base64.b64decode(text) for name, text in body["raw"].items()}
        assert raw["identity"] == files[EF.IDENTITY]
        assert raw["identitySignature"] == files[EF.IDENTITY_SIGNATURE]
        assert raw["address"] == files[EF.ADDRESS]
        assert raw["addressSignature"] == files[EF.ADDRESS_SIGNATURE]
        assert raw["photo"] == base64.b64decode(body["photo"]) == files[EF.PHOTO]
        assert files[EF.RRN].rstrip(b"\0") == raw["rrnCertificate"]
        x509.load_der_x509_certificate(raw["rootCertificate"])


async def test_an_allowed_origin_with_a_virtual_card_is_not_asked() -> None:
    """--allow-origin spares the question, for a test card."""
    async with running("adult", settings=ALLOWED) as agent:
        assert (await agent.identity("identity")).status == 200
        assert agent.person.questions == []


@pytest.mark.parametrize(
    ("person", "status", "code"),
    [
        (Person(agrees=False), 403, "user-denied"),
        (Person(closes=True), 409, "user-cancelled"),
    ],
)
async def test_no_consent_no_data(person: Person, status: int, code: str) -> None:
    """A no and a closed question are told apart."""
    person.asked = asyncio.Event()
    async with running("adult", person=person) as agent:
        answer = await agent.identity("identity")
        assert (answer.status, answer.body["code"]) == (status, code)
        assert "raw" not in answer.body


# --- login ---------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("persona", "algorithm"), [("adult", "ES384"), ("adult-1.7", "RS256")]
)
async def test_a_token_verifies_over_origin_and_nonce(
    persona: str, algorithm: str, strict: bool
) -> None:
    """The signature is that of the certificate's key over H(H(origin) || H(nonce))."""
    async with running(persona, strict=strict) as agent:
        token = (await agent.login()).body
    assert token["algorithm"] == algorithm
    assert token["format"] == "web-eid:1.0"
    certificate = x509.load_der_x509_certificate(
        base64.b64decode(token["unverifiedCertificate"])
    )
    issuer = x509.load_der_x509_certificate(
        base64.b64decode(token["issuerCertificate"])
    )
    certificate.verify_directly_issued_by(issuer)
    signature = base64.b64decode(token["signature"])
    name = "sha384" if algorithm == "ES384" else "sha256"
    parts = [hashlib.new(name, text.encode()).digest() for text in (PORTAL, NONCE)]
    digest = hashlib.new(name, b"".join(parts)).digest()
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        return
    assert isinstance(key, ec.EllipticCurvePublicKey)
    r, s = signature[:48], signature[48:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    key.verify(der, digest, ec.ECDSA(Prehashed(hashes.SHA384())))


async def test_a_wrong_pin_costs_one_try_and_is_not_asked_again() -> None:
    """One request, one VERIFY; the answer says how many tries are left."""
    async with running("adult", person=Person(pin=b"9999")) as agent:
        answer = await agent.login()
        assert (answer.status, answer.body["code"]) == (422, "pin-incorrect")
        assert answer.body["triesLeft"] == 2
        assert agent.cards[0].tries_left == 2
        assert len(agent.person.questions) == 1


async def test_the_last_try_needs_a_step_of_its_own() -> None:
    """With one try left the person is asked first; a no keeps the try."""
    async with running("one-try", person=Person(agrees=False)) as agent:
        assert (await agent.login()).body["code"] == "user-denied"
        assert agent.person.last_tries == 1
        assert agent.cards[0].tries_left == 1
    async with running("one-try", person=Person(pin=b"9999")) as agent:
        assert (await agent.login()).body["code"] == "pin-blocked"
        assert agent.cards[0].tries_left == 0


@pytest.mark.parametrize(
    ("persona", "status", "code"),
    [
        ("", 424, "no-card"),
        ("kids", 424, "no-certificate"),
        ("expired", 424, "certificate-expired"),
        ("blocked", 423, "pin-blocked"),
    ],
)
async def test_a_card_that_cannot_log_in_asks_no_pin(
    persona: str, status: int, code: str
) -> None:
    """The card's state is looked at before the person is bothered."""
    async with running(persona) as agent:
        answer = await agent.login()
        assert (answer.status, answer.body["code"]) == (status, code)
        assert agent.person.questions == []


@pytest.mark.parametrize("applet", ["1.0", "1.1"])
async def test_an_old_card_is_refused_with_its_reason(
    applet: str, tmp_path: Path
) -> None:
    """Read only: its keys are no longer accepted, and a VERIFY without data costs."""
    (tmp_path / "card.toml").write_text(f'applet = "{applet}"\n')
    async with running(str(tmp_path)) as agent:
        answer = await agent.login()
        assert (answer.status, answer.body["code"]) == (424, "unsupported-card")
        assert applet in answer.body["detail"]
        assert agent.person.questions == []
        assert agent.cards[0].tries_left == 3


async def test_no_reader_is_told_from_no_card() -> None:
    """Without any reader: `no-reader`."""
    async with running("") as agent:
        agent.readers.unplug("Reader 0")
        assert (await agent.login()).body["code"] == "no-reader"


async def test_several_cards_are_chosen_by_the_person_or_by_the_request() -> None:
    """Two Belgian cards: the person chooses; an id in the request spares it."""
    person = Person(option=1)
    async with running("adult", "kids", person=person, settings=ALLOWED) as agent:
        body = (await agent.identity("identity")).body
        assert body["identity"]["documentType"]["code"] == "6"
        readers = (await agent.call("GET", "/v1/readers")).body["readers"]
        body = (await agent.identity("identity", reader=readers[0]["id"])).body
        assert body["identity"]["documentType"]["code"] == "1"
        assert len(person.questions) == 1
        answer = await agent.identity("identity", reader="unknown")
        assert answer.body["code"] == "no-reader"


async def test_a_special_run_is_shown_in_every_question() -> None:
    """--developer and --allow-origin stand in the question of login and reading."""
    special = Settings(developer=True, allowed_origins=frozenset({PORTAL}))
    async with running("adult", "kids", settings=special) as agent:
        await agent.login()
        marks = ("developer-run", "named-origin")
        assert [question.marks for question in agent.person.questions] == [marks] * 2
    async with running("adult") as agent:
        await agent.login()
        await agent.identity("identity")
        assert [question.marks for question in agent.person.questions] == [()] * 2


# --- at the same time, and in the middle ---------------------------------------------


async def test_a_second_request_is_busy_and_a_closed_tab_frees_the_card() -> None:
    """One operation a reader; cancelling the request closes its question."""
    person = Person(thinks=True)
    async with running("adult", person=person) as agent:
        first = asyncio.create_task(agent.login())
        await person.asked.wait()
        assert (await agent.login()).body["code"] == "busy"
        assert (await agent.identity("identity")).body["code"] == "busy"
        first.cancel()
        await asyncio.wait_for(person.left.wait(), 5)
        person.thinks = False
        async with asyncio.timeout(5):
            while (answer := await agent.login()).status == 409:
                await asyncio.sleep(0)
        assert answer.status == 200
        assert agent.cards[0].tries_left == 3


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("applet", "advice"), [("1.7", "pin-blocked-puk"), ("1.8", "pin-blocked-no-puk")]
)
async def test_what_helps_a_blocked_card_is_said_by_its_generation(
    applet: str, advice: str, lang: str
) -> None:
    """A letter with a PUK, or none: found blocked, and blocked by this very PIN."""
    async with running("", person=Person(pin=b"9999")) as agent:
        for persona in ("one-try", "blocked"):
            agent.readers.insert(VirtualCard(load_profile(persona, applet=applet)))
            answer = await agent.login(lang=lang)
            assert (answer.status, answer.body["code"]) == (423, "pin-blocked")
            assert answer.body["title"] == text(advice, lang)
            agent.readers.remove()


class OddTries(VirtualCard):
    """A 1.8 card whose byte of tries says what no card says."""

    tries = 0xC8

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer; extended card data with the odd byte."""
        answer = super().transmit(apdu)
        if bytes(apdu[:4]) == bytes.fromhex("80E40001") and len(answer) == 33:
            return answer[:28] + bytes([self.tries]) + answer[29:]
        return answer


@pytest.mark.parametrize(
    ("tries", "code"),
    [(0xC8, "card-unreadable"), (0x04, "card-unreadable"), (0xFF, "unsupported-card")],
)
async def test_tries_that_no_card_has_are_not_believed(tries: int, code: str) -> None:
    """No question is asked, no PIN sent: the last try could hide behind them."""
    async with running("") as agent:
        card = OddTries(load_profile("adult"))
        card.tries = tries
        agent.readers.insert(card)
        answer = await agent.login()
        assert (answer.status, answer.body["code"]) == (424, code)
        assert agent.person.questions == []
        assert card.tries_left == 3


async def test_pulling_the_card_ends_the_question() -> None:
    """The PIN question closes with `card-removed`, and nothing was spent."""
    person = Person(thinks=True)
    async with running("adult", person=person) as agent:
        card = agent.cards[0]
        login = asyncio.create_task(agent.login())
        await person.asked.wait()
        agent.readers.remove()
        answer = await asyncio.wait_for(login, 5)
        assert (answer.status, answer.body["code"]) == (424, "card-removed")
        assert card.tries_left == 3


async def test_another_card_at_the_last_moment_gets_no_pin() -> None:
    """A card swapped while the PIN is typed never sees the PIN."""
    async with running("adult") as agent:
        other = VirtualCard(load_profile("adult-1.7"))

        class Swapper(Person):
            async def login_pin(self, question: Any) -> Any:
                pin = await Person.login_pin(self, question)
                agent.readers.remove()
                agent.readers.insert(other)
                return pin

        agent.person.__class__ = Swapper
        answer = await agent.login()
        assert answer.body["code"] in ("card-changed", "card-removed")
        assert other.tries_left == 3


# --- a card whose certificate cannot be read -----------------------------------------


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("a003020102", "a003020103"),  # X.509 has no version 4
        ("a003020102", "a003020202"),
        ("3082", "3083"),
    ],
)
async def test_a_certificate_that_cannot_be_read_spends_no_try(
    good: str, bad: str
) -> None:
    """`card-unreadable` before any question, never an internal error."""
    profile = load_profile("adult")
    spoiled = profile.files[EF.AUTHENTICATION].replace(
        bytes.fromhex(good), bytes.fromhex(bad), 1
    )
    files = {**profile.files, EF.AUTHENTICATION: spoiled}
    async with running("") as agent:
        card = VirtualCard(replace(profile, files=files))
        agent.readers.insert(card)
        answer = await agent.login()
        assert (answer.status, answer.body["code"]) == (424, "card-unreadable")
        assert agent.person.questions == []
        assert card.tries_left == 3
