"""Signatures with a time stamp of a real service over HTTP (B-T)."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import io
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from asn1crypto import tsp
from pyhanko.pdf_utils.reader import PdfFileReader

from agent import cli
from agent.commands import sign
from agent.pdf import timestamps
from agent.pdf.process import DocumentFailed, validated
from agent.pdf.services import timestamps_of
from agent.pdf.timestamps import TimestampUnavailable
from cardio.beid.source import BeidCards
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.pdf import signers
from tests.agent.pdf.documents import document
from tests.agent.pdf.test_process import changed, said_by_pdfsig
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.services import Services, send, serving
from tests.agent.test_last_moment import pins_sent
from tests.rig.transcript import RecordedCard


@pytest.fixture
def services() -> Iterator[Services]:
    """Services with a time stamp authority."""
    with serving() as running:
        running.stamps = signers.stamping(running)
        yield running


def asking(services: Services) -> Callable[[bytes], Awaitable[bytes]]:
    """Return what asks the service over HTTP, as the command does."""
    url = f"http://{services.name}/tsa"
    return timestamps_of(url)


async def stamped(services: Services, **options: object) -> bytes:
    """Return a document that is signed and stamped."""
    options = {"level": "B-T", "timestamp": asking(services), **options}
    pair = signers.signer(services)
    return await signers.signed(document(), pair, services, **options)


async def test_a_time_stamp_says_when(services: Services, tmp_path: Path) -> None:
    """It is over the signature, and its time counts for the certificate."""
    pdf = await stamped(services)
    roots = [pki.der(services.root.pair.cert)]
    later = datetime.datetime.now(datetime.UTC) + 2 * pki.YEAR
    (one,) = await validated(pdf, roots, datetime.datetime.now(datetime.UTC))
    results = {check.name: check.result for check in one.checks}
    assert results["time-stamp"].ok
    assert one.stamped is not None
    when = datetime.datetime.fromisoformat(one.stamped)
    assert abs((datetime.datetime.now(datetime.UTC) - when).total_seconds()) < 600
    # By then the stamp's own certificate has ended, too: nothing proves it any more.
    (one,) = await validated(pdf, roots, later)
    assert one.stamped is None
    assert "Signature is Valid." in said_by_pdfsig(pdf, tmp_path)


async def test_the_service_sees_a_digest_alone(services: Services) -> None:
    """Before the PIN that of nothing, then that of the signature."""
    seen: list[tsp.TimeStampReq] = []
    ask = asking(services)

    async def listening(request: bytes) -> bytes:
        seen.append(tsp.TimeStampReq.load(request, strict=True))
        return await ask(request)

    pdf = await stamped(services, timestamp=listening)
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures

    value = signature.signer_info["signature"].native
    digests = [each["message_imprint"]["hashed_message"].native for each in seen]
    assert digests == [hashlib.sha384(what).digest() for what in (b"", value)]


def _garbage(handler: object) -> None:
    send(handler, b"<html>")  # type: ignore[arg-type]


def _busy(handler: object) -> None:
    send(handler, b"", 503)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [_garbage, _busy])
def test_without_a_time_stamp_no_pin_is_asked(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    tmp_path: Path,
    answer: Callable[[object], None],
) -> None:
    """Said in a sentence; no file is left."""
    services.instead["/tsa"] = answer
    card = RecordedCard(load_profile("adult"))
    readers = VirtualReaders("Reader")
    readers.insert(card)
    monkeypatch.setattr(sign, "card_source", lambda _: BeidCards(readers))
    (tmp_path / "a.pdf").write_bytes(document())
    words = ["sign", str(tmp_path / "a.pdf"), "-o", str(tmp_path / "b.pdf")]
    words += ["--lang", "en", "--level", "B-T"]
    os.write(keyboard, b"1234\n")
    url = f"http://{services.name}/tsa"
    assert cli.main([*words, "--timestamp-url", url]) == 1
    shown = capsys.readouterr()
    assert "time stamp service does not answer" in shown.err
    assert "PIN: " not in shown.out
    assert pins_sent(card) == 0
    assert not (tmp_path / "b.pdf").exists()
    services.instead.clear()
    assert cli.main([*words, "--timestamp-url", url]) == 0
    for wrong in ([], ["--timestamp-url", "https://x/"], ["--timestamp-url", "x"]):
        assert cli.main([*words[:3], str(tmp_path / "c.pdf"), *words[4:], *wrong]) == 2


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ("await stamp(b'x' * 48)", DocumentFailed),
        ("order = dataclasses.replace(order, timestamp=False)", DocumentFailed),
    ],
)
async def test_what_else_a_child_wants_stamped_is_refused(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    failure: type[Exception],
) -> None:
    """Nothing of a document leaves that way, and no stamp is left out unnoticed."""
    code = (
        "import dataclasses\n"
        "real = worker.sign\n"
        "async def sign(pdf, order, raw, stamp):\n"
        f"    {change}\n"
        "    return await real(pdf, order, raw, stamp)\n"
        "worker.sign = sign"
    )
    changed(monkeypatch, code)
    with pytest.raises(failure):
        await stamped(services)


async def test_an_answer_for_something_else_is_none(services: Services) -> None:
    """Another digest, another nonce."""
    digest = bytes(48)
    request, nonce = timestamps.request(digest, "sha384")
    answer = await asyncio.to_thread(services.stamps or bytes, request)
    assert timestamps.token(answer, digest, nonce)
    for other in ((bytes(47) + b"1", nonce), (digest, nonce + 1)):
        with pytest.raises(TimestampUnavailable):
            timestamps.token(answer, *other)
