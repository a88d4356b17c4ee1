"""Signatures over a hash at the real endpoint, checked by openssl."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import policyfile, validity
from agent.commands.journal import lines
from agent.journal import Journal
from agent.policy import Policy
from agent.protocol import DIGEST_SIZES
from agent.settings import Settings
from agent.ui import Login, Signing, Values
from cardio.apdu import INS
from cardio.files import EF
from cardio.virtual.profile import load_profile
from tests.agent.calls import ask
from tests.agent.hostile import HOSTILE
from tests.agent.people import PORTAL, Agent, Answer, Person, running
from tests.agent.program import started
from tests.agent.test_last_moment import pins_sent
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))
TEXT = b"Ik blijf op de wachtlijst"


def certificate(persona: str, file: EF = EF.SIGNATURE) -> bytes:
    """Return a certificate of a persona's card in DER."""
    stored = load_profile(persona).files[file]
    size = int.from_bytes(stored[2:4]) + 4
    return stored[:size]


def hash_of(function: str) -> bytes:
    """Return the digest of the text, by the hash's Web eID name."""
    name = function.lower().replace("sha3-", "sha3_").replace("sha-", "sha")
    return hashlib.new(name, TEXT).digest()


def request(der: bytes, function: str = "SHA-384", **members: Any) -> dict[str, Any]:
    """Return the body of a request to sign."""
    body = {
        "certificate": base64.b64encode(der).decode(),
        "hash": base64.b64encode(hash_of(function)).decode(),
        "hashFunction": function,
    }
    return body | members


async def sign(agent: Agent, *what: Any, **members: Any) -> Answer:
    """Ask the running agent for a signature."""
    return await agent.call("POST", "/v1/sign", request(*what, **members))


async def ask_certificate(agent: Agent, **members: Any) -> Answer:
    """Ask for the certificate for signing."""
    return await agent.call("POST", "/v1/signing-certificate", members)


def openssl_accepts(der: bytes, answer: dict[str, Any], folder: Path) -> bool:
    """Have openssl judge a signature over the text."""
    how, raw = answer["signatureAlgorithm"], base64.b64decode(answer["signature"])
    key = x509.load_der_x509_certificate(der).public_key()
    (folder / "key.pem").write_bytes(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "digest").write_bytes(hash_of(how["hashFunction"]))
    options = []
    if how["cryptoAlgorithm"] == "ECC":  # r||s; openssl takes the DER of both
        half = len(raw) // 2
        numbers = int.from_bytes(raw[:half]), int.from_bytes(raw[half:])
        raw = encode_dss_signature(*numbers)
    else:
        named = how["hashFunction"].replace("-", "").lower()
        options = ["-pkeyopt", f"digest:{named}"]
    if how["paddingScheme"] == "PSS":
        options += ["-pkeyopt", "rsa_padding_mode:pss"]
        options += ["-pkeyopt", "rsa_pss_saltlen:digest"]
    (folder / "signature").write_bytes(raw)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem"]
    command += ["-sigfile", "signature", "-in", "digest", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


# --- the certificate -----------------------------------------------------------------


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_a_certificate_comes_with_what_its_card_signs(persona: str) -> None:
    """After consent that names what it discloses, without a PIN, in Web eID's shape."""
    async with running(persona) as agent:
        answer = await ask_certificate(agent)
        assert answer.status == 200
        assert base64.b64decode(answer.body["certificate"]) == certificate(persona)
        (question,) = agent.person.questions
        assert getattr(question, "data", None) == ("certificate",)
        assert pins_sent(agent.cards[0]) == 0
        offered = answer.body["supportedSignatureAlgorithms"]
        elliptic = {"cryptoAlgorithm": "ECC", "hashFunction": "SHA-384"}
        first = elliptic | {"paddingScheme": "NONE"}
        if persona == "adult-1.7":
            first = {"cryptoAlgorithm": "RSA", "hashFunction": "SHA-256"}
            first |= {"paddingScheme": "PKCS1.5"}
        assert offered[0] == first


async def test_who_refuses_the_certificate_gives_nothing() -> None:
    """Nor does who closes the question."""
    async with running("adult", person=Person(agrees=False)) as agent:
        answer = await ask_certificate(agent)
        assert (answer.status, answer.body["code"]) == (403, "user-denied")
        agent.person.closes = True
        answer = await ask_certificate(agent)
        assert (answer.status, answer.body["code"]) == (409, "user-cancelled")


class Shown(Person):
    """A person at windows, who is shown the values before they leave."""

    def __init__(self, lets: bool) -> None:
        super().__init__()
        self.patient = True
        self.lets = lets
        self.values_shown: list[Values] = []

    async def values(self, question: Values) -> bool:
        """Look at them."""
        self.values_shown.append(question)
        return self.lets


@pytest.mark.parametrize("lets", [True, False])
async def test_name_and_number_are_shown_before_they_leave(lets: bool) -> None:
    """Where windows can; the certificate holds them."""
    person = Shown(lets)
    async with running("adult", person=person) as agent:
        answer = await ask_certificate(agent)
        assert answer.status == (200 if lets else 403)
        (values,) = person.values_shown
        about = values.identity or {}
        assert sorted(about) == ["givenNames", "nationalNumber", "surname"]
        assert str(about["nationalNumber"]).isdigit()


async def test_an_origin_that_is_named_is_not_asked_about_a_test_card() -> None:
    """As with the identity; the PIN is asked all the same."""
    async with running("adult", settings=ALLOWED) as agent:
        assert (await ask_certificate(agent)).status == 200
        assert agent.person.questions == []
        assert (await sign(agent, certificate("adult"))).status == 200
        assert len(agent.person.questions) == 1


CANNOT = [
    ("kids", 424, "no-certificate"),
    ("expired", 424, "certificate-expired"),
    ("blocked", 423, "pin-blocked"),
]


@pytest.mark.parametrize(("persona", "status", "code"), CANNOT)
async def test_a_card_that_cannot_sign_is_told_before_any_question(
    persona: str, status: int, code: str
) -> None:
    """For the certificate as for the signature."""
    async with running(persona) as agent:
        for answer in (
            await ask_certificate(agent),
            await sign(agent, certificate("adult")),
        ):
            assert (answer.status, answer.body["code"]) == (status, code)
        assert agent.person.questions == []
        assert pins_sent(agent.cards[0]) == 0


# --- the signature -------------------------------------------------------------------


@pytest.mark.parametrize("function", DIGEST_SIZES)
async def test_a_card_of_today_signs_every_hash(function: str, tmp_path: Path) -> None:
    """ECDSA as r||s, whatever the hash; openssl accepts it."""
    der = certificate("adult")
    async with running("adult") as agent:
        answer = await sign(agent, der, function)
        assert answer.status == 200
        assert answer.body["signatureAlgorithm"]["hashFunction"] == function
        assert len(base64.b64decode(answer.body["signature"])) == 96
        assert openssl_accepts(der, answer.body, tmp_path)
        assert pins_sent(agent.cards[0]) == 1
        assert agent.cards[0].exchanges[-1].ins == INS.LOG_OFF


@pytest.mark.parametrize(
    ("function", "padding"),
    [
        ("SHA-256", None),
        ("SHA-384", None),
        ("SHA-512", "PKCS1.5"),
        ("SHA-256", "PSS"),
    ],
)
async def test_an_rsa_card_signs_with_both_paddings(
    function: str, padding: str | None, tmp_path: Path
) -> None:
    """PKCS#1 v1.5 unless the page wants PSS; openssl accepts it."""
    der = certificate("adult-1.7")
    members = {} if padding is None else {"paddingScheme": padding}
    async with running("adult-1.7") as agent:
        answer = await sign(agent, der, function, **members)
        assert answer.status == 200
        how = answer.body["signatureAlgorithm"]
        assert how["paddingScheme"] == (padding or "PKCS1.5")
        assert openssl_accepts(der, answer.body, tmp_path)


@pytest.mark.parametrize(
    ("persona", "function", "members"),
    [
        ("adult-1.7", "SHA3-256", {}),
        ("adult-1.7", "SHA-224", {}),
        ("adult-1.7", "SHA-512", {"paddingScheme": "PSS"}),
        ("adult", "SHA-384", {"paddingScheme": "PKCS1.5"}),
    ],
)
async def test_what_a_card_cannot_sign_is_told_before_any_question(
    persona: str, function: str, members: dict[str, str]
) -> None:
    """The list beside the certificate says what it can."""
    async with running(persona) as agent:
        answer = await sign(agent, certificate(persona), function, **members)
        assert (answer.status, answer.body["code"]) == (424, "unsupported-card")
        assert "website" in answer.body["title"]
        assert agent.person.questions == []


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_the_certificate_for_logins_signs_nothing_here(persona: str) -> None:
    """A hash that is signed with it would be a login somewhere (SAFETY 20)."""
    async with running(persona) as agent:
        for der in (
            certificate(persona, EF.AUTHENTICATION),
            certificate("foreigner"),
            certificate(persona) + b"\0",
            b"certificate",
        ):
            answer = await sign(agent, der, "SHA-256")
            assert (answer.status, answer.body["code"]) == (409, "certificate-mismatch")
        assert agent.person.questions == []
        assert pins_sent(agent.cards[0]) == 0


async def test_the_question_says_that_nobody_here_sees_what_is_signed() -> None:
    """With the site's own name for it, and the tries left."""
    async with running("adult", person=Person()) as agent:
        der = certificate("adult")
        await sign(agent, der, documentName="Verklaring op eer")
        await sign(agent, der)
        named, unnamed = agent.person.questions
    assert isinstance(named, Login)
    assert isinstance(unnamed, Login)
    assert (named.site, named.tries_left) == (PORTAL, 3)
    assert named.signing is not None
    assert replace(named.signing, qualified=False) == Signing("Verklaring op eer", None)
    assert unnamed.signing is not None
    assert unnamed.signing.name is None


async def test_a_policy_can_switch_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the card is looked at; the certificate may still be read."""
    policy = Policy(sign_unseen=False)
    monkeypatch.setattr(policyfile.PolicyFile, "now", lambda _: policy)
    async with running("adult") as agent:
        answer = await sign(agent, certificate("adult"))
        assert (answer.status, answer.body["code"]) == (403, "policy-denied")
        assert "cannot see" in answer.body["title"]
        assert agent.cards[0].exchanges == []
        assert (await ask_certificate(agent)).status == 200


async def test_a_wrong_pin_for_a_hash_is_sent_once() -> None:
    """It is sent once, whatever the page does; the next question knows."""
    person = Person(pin=b"9999")
    async with running("adult", person=person) as agent:
        answer = await sign(agent, certificate("adult"))
        assert (answer.status, answer.body["code"]) == (422, "pin-incorrect")
        assert answer.body["triesLeft"] == 2
        assert pins_sent(agent.cards[0]) == 1
        assert agent.cards[0].tries_left == 2
        assert "signature" not in answer.body


async def test_the_last_try_has_a_step_of_its_own() -> None:
    """No sends nothing; yes and a wrong PIN block the card, and that is said."""
    person = Person(pin=b"9999", agrees=False)
    async with running("one-try", person=person) as agent:
        der = certificate("one-try")
        answer = await sign(agent, der)
        assert (answer.status, answer.body["code"]) == (403, "user-denied")
        assert pins_sent(agent.cards[0]) == 0
        person.agrees = True
        answer = await sign(agent, der)
        assert (answer.status, answer.body["code"]) == (423, "pin-blocked")
        assert person.last_tries == 2


@pytest.mark.parametrize("way", ["closes", "pulls", "leaves", "waits"])
async def test_a_question_that_ends_otherwise_signs_nothing(way: str) -> None:
    """Closed, the card pulled, the page gone, too late."""
    person = Person(thinks=way != "closes", closes=way == "closes")
    settings = Settings(dialog_seconds=0.2 if way == "waits" else 120)
    async with running("adult", person=person, settings=settings) as agent:
        asking = asyncio.create_task(sign(agent, certificate("adult")))
        await person.asked.wait()
        if way == "leaves":
            asking.cancel()
            await asyncio.wait_for(person.left.wait(), 10)
        if way == "pulls":
            agent.readers.remove("Reader 0")
        if way != "leaves":
            codes = {"closes": "user-cancelled", "pulls": "card-removed"}
            answer = await asyncio.wait_for(asking, 10)
            assert answer.body["code"] == codes.get(way, "timeout")
            assert answer.body["operation"] == "sign"
        assert pins_sent(agent.cards[0]) == 0


async def test_signatures_stand_in_the_journal(tmp_path: Path) -> None:
    """By the names of calls and data; neither hash nor name of a document."""
    settings = Settings(data_dir=tmp_path)
    async with running("adult", settings=settings) as agent:
        await ask_certificate(agent)
        await sign(agent, certificate("adult"), documentName="Geheim")
        agent.person.pin = b"9999"
        await sign(agent, certificate("adult"))
    written = [
        (entry["call"], entry["data"], entry["outcome"])
        for entry in Journal(tmp_path).read().entries
    ]
    assert written == [
        ("signing-certificate", ["certificate"], "given"),
        ("sign", ["signature"], "given"),
        ("sign", ["signature"], "pin-incorrect"),
    ]
    assert "Geheim" not in (tmp_path / "journal.jsonl").read_text()
    shown = lines(Journal(tmp_path).read(), "en")
    assert "certificate for signing: name and national number" in shown[0]
    assert "signature: signature" in shown[1]


async def test_a_signature_allows_readers_and_status_as_a_login_does() -> None:
    """Until the card goes; and the page can tell that signing is there."""
    async with running("adult") as agent:
        assert (await agent.call("GET", "/v1/readers")).status == 403
        assert (await sign(agent, certificate("adult"))).status == 200
        assert (await agent.call("GET", "/v1/readers")).status == 200
        status = await agent.call("GET", "/v1/status")
        assert "sign" in status.body["features"]


@pytest.mark.parametrize(("words", "allowed"), HOSTILE)
async def test_hostile_words_in_a_document_s_name(words: str, allowed: bool) -> None:
    """What acts on other text is refused; nobody is asked."""
    async with running("adult") as agent:
        answer = await sign(agent, certificate("adult"), documentName=words)
        assert answer.status == (200 if allowed else 400)
        assert len(agent.person.questions) == allowed


# --- at a terminal -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Verklaring op eer", None])
def test_the_terminal_says_what_nobody_here_sees(
    name: str | None, tmp_path: Path
) -> None:
    """In one line that ends in `PIN: `, and then what became of it."""
    words = ("run", "--card", "virtual", "--ui", "terminal", "--lang", "en")
    body = request(certificate("adult"))
    with started(*words, "--data-dir", str(tmp_path)) as program:
        port, ca = program.port(), tmp_path / "tls" / "ca.pem"
        with ask(port, ca, "/v1/signing-certificate", {}) as first:
            question = program.until(r"\[y/n\] $")
            assert "your certificate for signing" in question
            program.type("y")
        assert first.status == 200
        with ask(
            port, ca, "/v1/sign", body | ({"documentName": name} if name else {})
        ) as second:
            question = program.until(r"PIN: $")
            assert "cannot see what it is" in question
            assert (f'"{name}"' if name else "(without a name)") in question
            program.type("1234")
        assert second.status == 200
        assert "Signed for" in program.until(r"Signed for .*\n")


@pytest.mark.pcscd
def test_a_page_has_a_hash_signed_through_pcscd(pcscd: Pcscd, tmp_path: Path) -> None:
    """One VERIFY with a PIN reaches the card, and LOG OFF is the last it hears."""
    words = ("run", "--card", "pcsc", "--ui", "terminal", "--lang", "en")
    card = RecordedCard(load_profile("adult"))
    with (
        pcscd.insert(card),
        started(*words, "--data-dir", str(tmp_path)) as program,
    ):
        port, ca = program.port(), tmp_path / "tls" / "ca.pem"
        der = certificate("adult")
        with ask(port, ca, "/v1/sign", request(der)) as call:
            program.until(r"PIN: $")
            program.type("1234")
        assert call.status == 200
    assert openssl_accepts(der, call.body, tmp_path)
    assert pins_sent(card) == 1
    signing = [each.ins for each in card.exchanges]
    assert INS.LOG_OFF in signing[signing.index(INS.PSO) :]


# --- what a certificate says ---------------------------------------------------------


def _with_statements(value: bytes | None) -> bytes:
    """Return a certificate with these qcStatements."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(1))
    )
    if value is not None:
        oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
        extension = x509.UnrecognizedExtension(oid, value)
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


COMPLIANCE, SSCD = "30080606 04008e460101", "30080606 04008e460104"


@pytest.mark.parametrize(
    ("statements", "qualified"),
    [
        (f"3014 {COMPLIANCE} {SSCD}", True),
        (f"3014 {SSCD} {COMPLIANCE}", True),
        (f"300a {COMPLIANCE}", False),
        (f"300a {SSCD}", False),
        # One that names the other in its details says nothing about it.
        (f"3014 3012 0606 04008e460101 {SSCD[8:].replace(' ', '')} 0500", False),
        ("3000", False),
        ("30ff", False),
        ("", False),
        (None, False),
    ],
)
def test_a_qualified_signature_is_called_so_for_both_statements_alone(
    statements: str | None, qualified: bool
) -> None:
    """QcCompliance and QcSSCD (SAFETY 25)."""
    value = None if statements is None else bytes.fromhex(statements)
    assert validity.is_qualified(_with_statements(value)) is qualified
