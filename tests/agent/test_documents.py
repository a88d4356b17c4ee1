"""Documents that a page has signed, at the endpoint; judges: pyHanko and pdfsig."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from agent import cli, documents, policyfile
from agent.errors import Problem
from agent.journal import Journal
from agent.policy import Policy
from agent.protocol import MAX_DOCUMENTS_BODY, parse_sign_pdf
from agent.settings import Settings
from agent.ui import Draw, Login, Review
from agent.ui.bitmap import Bitmap
from cardio.apdu import INS
from cardio.files import EF
from cardio.virtual.profile import load_profile
from tests.agent.calls import ask
from tests.agent.pdf import signers
from tests.agent.pdf.documents import (
    annotation,
    document,
    encrypted,
    external_stream,
    in_root,
    script,
)
from tests.agent.pdf.test_process import changed
from tests.agent.people import PORTAL, Agent, Answer, Person, running
from tests.agent.program import started
from tests.agent.relyingparty.services import Services, serving
from tests.agent.test_last_moment import pins_sent
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard


@dataclass
class Reader(Person):
    """A person who looks at documents, and leaves in what they want to sign."""

    wanted: tuple[bool, ...] | None = None
    looks_at: tuple[tuple[int, int], ...] = ()
    reviews: list[Review] = field(default_factory=list)
    seen: list[Bitmap | None] = field(default_factory=list)
    pins: list[bytes] = field(default_factory=list)

    async def review(self, question: Review, draw: Draw) -> tuple[bool, ...]:
        """Look, then strike out."""
        self.reviews.append(question)
        self.seen += [await draw(*place, 60) for place in self.looks_at]
        return self.wanted or (True,) * len(question.documents)

    async def login_pin(self, question: Login) -> Any:
        """Type the next PIN that was thought of."""
        if self.pins:
            self.pin = self.pins.pop(0)
        return await super().login_pin(question)


def listed(*pdfs: bytes, **members: Any) -> dict[str, Any]:
    """Return the body of a request for these documents."""
    documents = [
        {"name": f"{number}.pdf", "pdf": base64.b64encode(pdf).decode()}
        for number, pdf in enumerate(pdfs, 1)
    ]
    return {"documents": documents, **members}


async def sign(agent: Agent, *pdfs: bytes, **members: Any) -> Answer:
    """Have the running agent sign documents."""
    return await agent.call("POST", "/v1/sign-pdf", listed(*pdfs, **members))


def pdf_of(answer: Answer, index: int = 0) -> bytes:
    """Return a signed document of an answer."""
    return base64.b64decode(answer.body["documents"][index]["pdf"], validate=True)


async def is_valid(pdf: bytes, persona: str) -> bool:
    """Have pyHanko judge the newest signature of a document."""
    profile = load_profile(persona)
    roots = [x509.Certificate.load(profile.files[EF.ROOT])]
    context = ValidationContext(trust_roots=roots, allow_fetching=False)
    newest = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[-1]
    holder = x509.Certificate.load(profile.files[EF.SIGNATURE])
    assert newest.signer_cert.dump() == holder.dump()
    return bool((await async_validate_pdf_signature(newest, context)).bottom_line)


def pdfsig_accepts(pdf: bytes, folder: Path) -> bool:
    """Have poppler's pdfsig judge; True where it is not installed."""
    if shutil.which("pdfsig") is None:
        return True
    (folder / "signed.pdf").write_bytes(pdf)
    told = subprocess.run(
        ["pdfsig", "-nocert", str(folder / "signed.pdf")],
        capture_output=True,
        text=True,
        check=False,
    )
    return "Signature is Valid." in told.stdout


def fingerprint(pdf: bytes) -> str:
    """Return what the answer calls a document by."""
    return hashlib.sha256(pdf).hexdigest()


# --- what is signed ------------------------------------------------------------------


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_a_document_is_shown_and_then_signed(
    persona: str, tmp_path: Path
) -> None:
    """Both judges accept it; what was shown stands in it byte for byte."""
    pdf, person = document(), Reader(looks_at=((0, 1), (0, 0)))
    async with running(persona, person=person) as agent:
        answer = await sign(agent, pdf, reason="Ik ga akkoord")
        assert answer.status == 200, answer.body
        assert pins_sent(agent.cards[0]) == 1
        assert agent.cards[0].exchanges[-1].ins == INS.LOG_OFF
    (told,) = answer.body["documents"]
    assert (told["name"], told["outcome"]) == ("1.pdf", "signed")
    assert told["sha256"] == fingerprint(pdf)
    signed = pdf_of(answer)
    assert signed.startswith(pdf)
    assert await is_valid(signed, persona)
    assert pdfsig_accepts(signed, tmp_path)
    (review,) = person.reviews
    (shown,) = review.documents
    assert (shown.name, shown.title, len(shown.pages)) == ("1.pdf", "Verklaring", 2)
    assert (shown.size, shown.sha256) == (len(pdf), fingerprint(pdf))
    assert (review.site, review.reason) == (PORTAL, "Ik ga akkoord")
    assert [picture and picture.width for picture in person.seen] == [60, 60]
    (question,) = person.questions
    assert isinstance(question, Login)
    assert question.signing is not None
    assert question.signing.document is not None
    assert fingerprint(pdf) in question.signing.document


async def test_of_several_documents_each_has_its_pin_and_what_is_struck_out_none() -> (
    None
):
    """The count is of what is left; the answer keeps the order, and says of each."""
    pdfs = [document(title=f"Stuk {number}") for number in range(3)]
    person = Reader(wanted=(True, False, True), looks_at=((2, 0), (3, 0)))
    async with running("adult", person=person) as agent:
        answer = await sign(agent, *pdfs)
        assert answer.status == 200
        assert pins_sent(agent.cards[0]) == 2
    told = answer.body["documents"]
    assert [each["outcome"] for each in told] == ["signed", "struck-out", "signed"]
    assert [each["sha256"] for each in told] == list(map(fingerprint, pdfs))
    assert "pdf" not in told[1]
    for index in (0, 2):
        assert pdf_of(answer, index).startswith(pdfs[index])
        assert await is_valid(pdf_of(answer, index), "adult")
    counted = [
        (each.signing.name, each.signing.number, each.signing.count)
        for each in person.questions
        if isinstance(each, Login) and each.signing is not None
    ]
    assert counted == [("1.pdf", 1, 2), ("3.pdf", 2, 2)]
    assert person.seen[1] is None  # there is no fourth


async def test_the_tries_are_asked_anew_for_each_document() -> None:
    """A right PIN brings them back, so that the next question says another number."""
    person = Reader()
    async with running("adult", person=person) as agent:
        agent.person.pin = b"9999"
        assert (await sign(agent, document())).body["code"] == "pin-incorrect"
        agent.person.pin = b"1234"
        assert (await sign(agent, document(), document())).status == 200
    left = [each.tries_left for each in person.questions if isinstance(each, Login)]
    assert left == [3, 2, 3]


async def test_who_strikes_all_out_has_cancelled() -> None:
    """No PIN is asked."""
    person = Reader(wanted=(False, False))
    async with running("adult", person=person) as agent:
        answer = await sign(agent, document(), document())
        assert (answer.status, answer.body["code"]) == (409, "user-cancelled")
        assert person.questions == []
        assert pins_sent(agent.cards[0]) == 0


async def test_an_earlier_signature_stays_valid() -> None:
    """The person is told that there is one."""
    async with running("adult", person=Reader()) as agent:
        once = pdf_of(await sign(agent, document()))
        twice = pdf_of(await sign(agent, once))
        review = agent.person.reviews[1]  # type: ignore[attr-defined]
    assert review.documents[0].notices == ("signatures",)
    assert twice.startswith(once)
    for signature in PdfFileReader(io.BytesIO(twice)).embedded_signatures:
        roots = [x509.Certificate.load(load_profile("adult").files[EF.ROOT])]
        context = ValidationContext(trust_roots=roots, allow_fetching=False)
        assert (await async_validate_pdf_signature(signature, context)).intact


# --- what is refused -----------------------------------------------------------------

HAZARDS: list[tuple[Callable[[], bytes], str]] = [
    (encrypted, "encrypted"),
    (lambda: document(in_root(OpenAction=script())), "actions"),
    (lambda: document(annotation(A=script())), "javascript"),
    (lambda: document(external_stream), "external"),
    (lambda: b"%PDF-1.7\n" + document()[40:], "damaged"),
    (lambda: document()[:-40], "damaged"),
    (lambda: b"\x89PNG", "no-pdf"),
]


async def test_a_hazard_is_refused_over_http_too() -> None:
    """By its place and reason; nobody is asked, and of the others none is signed."""
    person = Reader()
    async with running("adult", person=person) as agent:
        for before, (hazard, reason) in enumerate(HAZARDS[:2] + HAZARDS):
            first = [document()] if before < 2 else []
            answer = await sign(agent, *first, hazard())
            assert (answer.status, answer.body["code"]) == (422, "document-refused")
            assert answer.body["detail"] == f"documents[{len(first)}]: {reason}"
        assert person.reviews == []
        assert pins_sent(agent.cards[0]) == 0


async def test_what_a_deceived_child_signs_never_reaches_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It returns another document than was shown: thrown away."""
    code = (
        "real = worker.sign\n"
        "async def sign(pdf, *rest):\n"
        "    return await real(pdf.replace(b'Ik blijf', b'Ik ga  '), *rest)\n"
        "worker.sign = sign"
    )
    changed(monkeypatch, code)
    async with running("adult", person=Reader()) as agent:
        answer = await sign(agent, document())
        assert (answer.status, answer.body["code"]) == (422, "document-refused")
        assert "documents" not in answer.body


async def test_a_page_that_cannot_be_drawn_is_none_and_the_next_one_is_there() -> None:
    """The person is told; a child that failed is not asked again."""
    person = Reader(looks_at=((0, 99), (0, 0)))
    async with running("adult", person=person) as agent:
        assert (await sign(agent, document())).status == 200
    assert [picture is None for picture in person.seen] == [True, False]


async def _send(agent: Agent, body: str) -> Answer:
    raw: Any = io.BytesIO(body.encode())  # aiohttp sends it piece by piece
    return await agent.call("POST", "/v1/sign-pdf", raw=raw)


async def test_a_document_with_a_page_that_was_not_to_be_seen_is_not_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who looks and sees nothing may strike it out; no PIN is asked for it."""
    code = (
        "real = worker.draw\n"
        "def draw(pdf, number, width):\n"
        "    if number == 1: raise MemoryError\n"
        "    return real(pdf, number, width)\n"
        "worker.draw = draw"
    )
    changed(monkeypatch, code)
    person = Reader(looks_at=((1, 0), (1, 1), (0, 0)))
    async with running("adult", person=person) as agent:
        answer = await sign(agent, document(), document())
        assert (answer.status, answer.body["code"]) == (422, "document-refused")
        assert answer.body["detail"] == "documents[1]: unseen"
        assert pins_sent(agent.cards[0]) == 0
        person.wanted = (True, False)
        answer = await sign(agent, document(), document())
        assert answer.status == 200
        assert pins_sent(agent.cards[0]) == 1


async def test_who_agrees_while_a_page_is_drawn_has_signed() -> None:
    """What the child still says of that page is not taken for its signature."""

    class Quick(Reader):
        async def review(self, question: Review, draw: Draw) -> tuple[bool, ...]:
            drawing = asyncio.ensure_future(draw(0, 0, 60))
            for _ in range(5):  # it was told to draw
                await asyncio.sleep(0)
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            return await super().review(question, draw)

    async with running("adult", person=Quick()) as agent:
        answer = await sign(agent, document())
        assert answer.status == 200, answer.body


@pytest.mark.parametrize("how", ["it ends", "it takes long"])
async def test_a_site_whose_documents_nobody_can_read_waits(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It could keep the card from other sites, without a question that is seen."""
    if how == "it ends":
        changed(monkeypatch, "worker.inspect = lambda pdf: sys.exit(1)")
    else:
        monkeypatch.setattr(documents, "_LOOKING_SECONDS", 0.0)
    person = Reader()
    async with running("adult", person=person) as agent:
        for _ in range(3):
            answer = await sign(agent, document())
            assert (answer.status, answer.body["code"]) == (422, "document-refused")
        answer = await sign(agent, document())
        assert (answer.status, answer.body["code"]) == (429, "too-many-requests")
    assert person.reviews == []


async def test_more_than_fits_is_too_large() -> None:
    """In bytes, also where the length is not said before; in documents; in parts."""
    async with running("adult", person=Reader()) as agent:
        most = json.dumps(listed(document()))
        most = most[:-1] + " " * (MAX_DOCUMENTS_BODY - len(most)) + "}"
        assert (await _send(agent, most)).status == 200
        for body in (f"{most} ", json.dumps(listed(*[b"x"] * 21))):
            answer = await _send(agent, body)
            assert (answer.status, answer.body["code"]) == (413, "too-large")
        other = await agent.call("POST", "/v1/sign", raw=b" " * 70_000)
        assert other.status == 413
    with pytest.raises(Problem, match="too many parts"):
        parse_sign_pdf(b'{"documents":[' + b"[]," * 30_000 + b"[]]}")


async def test_large_bodies_wait_their_turn() -> None:
    """A fourth at a time is `busy`; the small calls go on."""
    async with running("adult", person=Reader()) as agent:
        writers, head = (
            [],
            "\r\n".join(
                [
                    "POST /v1/sign-pdf HTTP/1.1",
                    f"Host: localhost:{agent.port}",
                    f"Origin: {PORTAL}",
                    "X-EID-Agent: 1",
                    "Content-Type: application/json",
                    "Content-Length: 1000",
                    "Expect: 100-continue",
                ]
            ),
        )
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
            writer.write(head.encode() + b"\r\n\r\n")
            assert b"100 Continue" in await reader.readline()
            writers.append(writer)
        answer = await sign(agent, document())
        assert (answer.status, answer.body["code"]) == (409, "busy")
        assert (await agent.call("GET", "/v1/status")).status == 200
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_without_the_libraries_there_is_no_such_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And `status` does not list it."""
    async with running("adult", person=Reader()) as agent:
        assert (await agent.login()).status == 200
        assert "sign-pdf" in (await agent.call("GET", "/v1/status")).body["features"]
        monkeypatch.setattr(documents, "_PARTS", ("no_such_module",))
        monkeypatch.setattr("agent.service.available", documents.available)
        status = await agent.call("GET", "/v1/status")
        assert "sign-pdf" not in status.body["features"]
        answer = await sign(agent, document())
        assert (answer.status, answer.body["code"]) == (404, "not-found")


# --- PIN, card and person ------------------------------------------------------------


@pytest.mark.parametrize(
    ("persona", "status", "code"),
    [
        ("kids", 424, "no-certificate"),
        ("expired", 424, "certificate-expired"),
        ("blocked", 423, "pin-blocked"),
    ],
)
async def test_a_card_that_cannot_sign_documents_is_told_first(
    persona: str, status: int, code: str
) -> None:
    """Nobody reads a document for nothing."""
    person = Reader()
    async with running(persona, person=person) as agent:
        answer = await sign(agent, document())
        assert (answer.status, answer.body["code"]) == (status, code)
        assert person.reviews == []


async def test_a_wrong_pin_in_the_middle_gives_no_document_at_all() -> None:
    """It costs one try; what was signed before it is thrown away."""
    person = Reader(pins=[b"1234", b"9999"])
    async with running("adult", person=person) as agent:
        answer = await sign(agent, document(), document())
        assert (answer.status, answer.body["code"]) == (422, "pin-incorrect")
        assert answer.body["triesLeft"] == 2
        assert "documents" not in answer.body
        assert pins_sent(agent.cards[0]) == 2


@pytest.mark.parametrize("way", ["closes", "pulls", "leaves", "waits"])
async def test_a_pin_that_is_not_typed_signs_no_document(way: str) -> None:
    """Closed, the card pulled, the page gone, too late; no child is left."""
    person = Reader(thinks=way != "closes", closes=way == "closes")
    settings = Settings(dialog_seconds=2 if way == "waits" else 120)
    async with running("adult", person=person, settings=settings) as agent:
        asking = asyncio.create_task(sign(agent, document()))
        await asyncio.wait_for(person.asked.wait(), 60)
        if way == "leaves":
            asking.cancel()
            await asyncio.wait_for(person.left.wait(), 10)
        if way == "pulls":
            agent.readers.remove("Reader 0")
        if way != "leaves":
            codes = {"closes": "user-cancelled", "pulls": "card-removed"}
            answer = await asyncio.wait_for(asking, 30)
            assert answer.body["code"] == codes.get(way, "timeout")
            assert answer.body["operation"] == "sign-pdf"
        assert pins_sent(agent.cards[0]) == 0


async def test_documents_stand_in_the_journal_without_their_names(
    tmp_path: Path,
) -> None:
    """Call and outcome alone."""
    settings = Settings(data_dir=tmp_path)
    async with running("adult", person=Reader(), settings=settings) as agent:
        await sign(agent, document())
    (entry,) = Journal(tmp_path).read().entries
    assert (entry["call"], entry["data"], entry["outcome"]) == (
        "sign-pdf",
        ["documents"],
        "given",
    )
    assert "1.pdf" not in (tmp_path / "journal.jsonl").read_text()


# --- time stamps ---------------------------------------------------------------------


@pytest.fixture
def services() -> Iterator[Services]:
    """Services with a time stamp authority."""
    with serving() as there:
        there.stamps = signers.stamping(there)
        yield there


@pytest.mark.parametrize("by", ["command", "policy"])
async def test_a_page_s_document_is_stamped_by_the_named_service(
    services: Services, monkeypatch: pytest.MonkeyPatch, by: str, tmp_path: Path
) -> None:
    """Named on the command line or by the administrator, never by the page."""
    url = f"http://{services.name}/tsa"
    named = url if by == "command" else "http://unreachable.invalid/"
    policy = Policy(timestamp_url=url if by == "policy" else None)
    monkeypatch.setattr(policyfile.PolicyFile, "now", lambda _: policy)
    settings = Settings(timestamp_url=named)
    async with running("adult", person=Reader(), settings=settings) as agent:
        answer = await sign(agent, document(), level="B-T")
        assert answer.status == 200, answer.body
    (one,) = PdfFileReader(io.BytesIO(pdf_of(answer))).embedded_signatures
    kinds = [each["type"].native for each in one.signer_info["unsigned_attrs"]]
    assert kinds == ["signature_time_stamp_token"]
    assert pdfsig_accepts(pdf_of(answer), tmp_path)


@pytest.mark.parametrize("level", ["B-T", "B-LT"])
async def test_without_a_service_no_pin_is_asked_for_a_stamp(level: str) -> None:
    """None named, or one that does not answer."""
    for settings in (Settings(), Settings(timestamp_url="http://127.0.0.1:9/tsa")):
        async with running("adult", person=Reader(), settings=settings) as agent:
            answer = await sign(agent, document(), level=level)
            assert (answer.status, answer.body["code"]) == (
                424,
                "timestamp-unavailable",
            )
            assert pins_sent(agent.cards[0]) == 0


# --- at a terminal, and through pcscd ------------------------------------------------


@pytest.mark.pcscd
def test_a_page_has_a_document_signed_through_pcscd(
    pcscd: Pcscd, tmp_path: Path
) -> None:
    """The terminal says what it is; one VERIFY with a PIN, and LOG OFF after it."""
    words = ("run", "--card", "pcsc", "--ui", "terminal", "--lang", "en")
    card, pdf = RecordedCard(load_profile("adult")), document()
    with (
        pcscd.insert(card),
        started(*words, "--data-dir", str(tmp_path)) as program,
    ):
        port, ca = program.port(), tmp_path / "tls" / "ca.pem"
        with ask(port, ca, "/v1/sign-pdf", listed(pdf)) as call:
            question = program.until(r"PIN: $")
            assert '"1.pdf"' in question
            assert fingerprint(pdf) in question
            assert "pages cannot be seen here" in question
            program.type("1234")
        assert call.status == 200
    (told,) = call.body["documents"]
    assert pdfsig_accepts(base64.b64decode(told["pdf"]), tmp_path)
    assert pins_sent(card) == card.count(INS.LOG_OFF) == 1


@pytest.mark.parametrize("wrong", ["https://x/", "x", "http://", "http://a b/"])
def test_what_is_no_service_is_wrong_usage(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told at the start, with exit code 2."""
    words = ["run", "--card", "virtual", "--data-dir", str(tmp_path), "--lang", "en"]
    assert cli.main([*words, "--timestamp-url", wrong]) == 2
    assert "--timestamp-url" in capsys.readouterr().err
