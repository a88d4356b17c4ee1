"""`eid-agent validate`: each check by name, over services that really answer."""

from __future__ import annotations

import asyncio
import datetime
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from agent import cli
from agent.commands import validate
from agent.pdf.process import validated
from agent.relyingparty import roots
from agent.relyingparty.fetching import HttpFetcher
from tests.agent.pdf import signers
from tests.agent.pdf.documents import dictionary, document, in_root, script
from tests.agent.pdf.test_process import changed, signed_by
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.services import Services, serving


@pytest.fixture
def services() -> Iterator[Services]:
    """OCSP and CRL of the tests' PKI."""
    with serving() as running:
        yield running


class Judge:
    """Runs the command on a document and returns its JSON."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self.code = 0

    def __call__(
        self, pdf: bytes, *options: str, services: Services | None = None
    ) -> dict[str, Any]:
        file, ca = self._folder / "signed.pdf", self._folder / "ca.pem"
        file.write_bytes(pdf)
        words = ["validate", str(file), "--json", "--lang", "en", *options]
        if services is not None:
            ca.write_bytes(services.root.pair.cert.public_bytes(Encoding.PEM))
            words += ["--ca", str(ca)]
        self.code = cli.main(words)
        return json.loads(self._capsys.readouterr().out)


@pytest.fixture
def judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Judge:
    """Return what judges."""
    return Judge(tmp_path, capsys)


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch, services: Services) -> None:
    """Let the command ask these services instead of the Federal ones."""
    reach = HttpFetcher([services.name], allow_private=True)
    monkeypatch.setattr(validate, "FETCHER", reach)


def checks(result: dict[str, Any], signature: int = 1) -> dict[str, bool | None]:
    """Return the checks of one signature by name."""
    return {
        check["name"]: check["ok"]
        for check in result["checks"]
        if check["signature"] == signature
    }


async def _sign(services: Services, pdf: bytes | None = None) -> bytes:
    return await signers.signed(pdf or document(), signers.signer(services), services)


@pytest.mark.usefixtures("asks")
def test_a_good_signature_holds(services: Services, judge: Judge) -> None:
    """Who signed, when by their word, and that it was not revoked."""
    result = judge(asyncio.run(_sign(services)), services=services)
    assert (judge.code, result["valid"]) == (0, True)
    (one,) = result["signatures"]
    assert one["signer"] == pki.HOLDER["CN"]
    claimed = datetime.datetime.fromisoformat(one["claimed"])
    assert abs((datetime.datetime.now(datetime.UTC) - claimed).total_seconds()) < 600
    assert checks(result) == {
        "document-signature": True,
        "document-coverage": True,
        "signer-certificate": True,
        "certificate-dates": True,
        "time-stamp": None,
        "revocation": True,
        "qualified": None,
    }
    assert "POST /ocsp/ca" in services.asked


@pytest.mark.usefixtures("asks")
def test_a_revoked_certificate_is_found(services: Services, judge: Judge) -> None:
    """Without a time stamp nobody knows whether it was signed before."""
    pair = signers.signer(services)
    pdf = asyncio.run(signers.signed(document(), pair, services))
    signers.revoke(services.ca, pair)
    result = judge(pdf, services=services)
    assert (judge.code, result["valid"]) == (1, False)
    assert checks(result)["revocation"] is False


@pytest.mark.usefixtures("asks")
def test_offline_nobody_is_asked(services: Services, judge: Judge) -> None:
    """The result shows it."""
    pdf = asyncio.run(_sign(services))
    services.asked.clear()
    result = judge(pdf, "--offline", services=services)
    assert services.asked == []
    assert (result["valid"], checks(result)["revocation"]) == (True, None)
    assert "nobody was asked" in json.dumps(result)


@pytest.mark.usefixtures("asks")
def test_under_an_unknown_root_nothing_is_fetched(
    services: Services, judge: Judge
) -> None:
    """Neither true nor false (SAFETY 10 and 11)."""
    pdf = asyncio.run(_sign(services))
    services.asked.clear()
    result = judge(pdf)
    assert services.asked == []
    assert (judge.code, result["valid"]) == (0, False)
    assert checks(result)["signer-certificate"] is None


def test_no_answer_leaves_it_open(services: Services, judge: Judge) -> None:
    """The services are none of the listed hosts, and are not asked."""
    result = judge(asyncio.run(_sign(services)), services=services)
    assert services.asked == []
    assert (result["valid"], checks(result)["revocation"]) == (False, None)


def _text(pdf: bytes) -> bytes:
    return pdf.replace(b"wachtlijst", b"wachtlijsT", 1)


def _title(pdf: bytes) -> bytes:
    """Change a page after the signature, as an incremental update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0]
    page[pdf_name("/Rotate")] = pdf_name("/X")
    page[pdf_name("/Contents")] = writer.add_object(dictionary(X=pdf_string("y")))
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "check"),
    [(_text, "document-signature"), (_title, "document-coverage")],
)
def test_a_change_is_found(
    services: Services, judge: Judge, change: Callable[[bytes], bytes], check: str
) -> None:
    """One byte inside, or a part behind."""
    pdf = change(asyncio.run(_sign(services)))
    result = judge(pdf, "--offline", services=services)
    assert (judge.code, result["valid"]) == (1, False)
    assert checks(result)[check] is False


def test_two_signatures_are_judged_each(services: Services, judge: Judge) -> None:
    """The first one is not broken by the second."""
    twice = asyncio.run(_sign(services, asyncio.run(_sign(services))))
    result = judge(twice, "--offline", services=services)
    assert (judge.code, result["valid"]) == (0, True)
    assert checks(result, 1) == checks(result, 2)


@pytest.mark.parametrize("known", [False, True])
def test_qualified_is_said_of_what_claims_it_under_a_belgian_root_alone(
    services: Services, judge: Judge, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """QcCompliance and QcSSCD, and a root of Belgium's (SAFETY 25)."""
    pair = signers.signer(services, signers.QUALIFIED)
    pdf = asyncio.run(signers.signed(document(), pair, services))
    if known:
        code = (
            "from agent.relyingparty import roots\n"
            "roots.is_belgian = lambda root: 'Root CA9' in str(root.subject)"
        )
        changed(monkeypatch, code)
        monkeypatch.setattr(roots, "is_belgian", lambda _: True)
    result = judge(pdf, "--offline", services=services)
    assert checks(result)["qualified"] is (True if known else None)
    assert ("equal to your handwritten" in json.dumps(result)) is known


async def test_an_expired_certificate_without_a_time_stamp_is_open(
    services: Services,
) -> None:
    """The signer's own word proves no time; it may have been signed since."""
    pdf = await _sign(services)
    later = datetime.datetime.now(datetime.UTC) + 2 * pki.YEAR
    (one,) = await validated(pdf, [pki.der(services.root.pair.cert)], later)
    (dates,) = [check for check in one.checks if check.name == "certificate-dates"]
    assert (dates.ok, dates.result.reason) == (None, "dates-unproven")


def test_a_person_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ca: str
) -> None:
    """A test card's signature proves nothing, and this is no qualified service."""
    file = tmp_path / "signed.pdf"
    file.write_bytes(asyncio.run(signed_by("adult", document())))
    words = ["validate", str(file), "--lang", "en", "--offline", "--ca", ca]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "Signature 1: Lotte Voorbeeld (Signature), " in said
    assert "signature of a TEST card" in said
    assert "no qualified validation service" in said


def test_what_is_no_signed_document_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, exit code 1."""
    file = tmp_path / "x.pdf"
    for content, words in (
        (document(), "no signature in this document"),
        (document(in_root(OpenAction=script())), "no signature in this document"),
        (b"GIF89a", "is no PDF"),
    ):
        file.write_bytes(content)
        assert cli.main(["validate", str(file), "--lang", "en"]) == 1
        assert words in capsys.readouterr().err
