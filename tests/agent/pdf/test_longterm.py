"""Signatures with what shows that they hold (B-LT), from real services over HTTP."""

from __future__ import annotations

import asyncio
import datetime
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from asn1crypto import x509
from asn1crypto.crl import CertificateList
from asn1crypto.ocsp import OCSPResponse
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation import DocumentSecurityStore
from pyhanko.sign.validation.ades import ades_with_time_validation
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import (
    REQUIRE_REVINFO,
    CertRevTrustPolicy,
)
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

from agent import cli
from agent.commands import sign
from agent.errors import STATUS
from agent.pdf import process
from agent.pdf.inspection import inspect
from agent.pdf.process import DocumentFailed, validated
from agent.pdf.services import (
    ChainUntrusted,
    Revocation,
    RevocationUnavailable,
    Revoked,
    timestamps_of,
)
from agent.pdf.timestamps import TimestampUnavailable
from agent.relyingparty.fetching import HttpFetcher
from agent.texts import LANGUAGES, text
from cardio.beid.source import BeidCards
from cardio.files import EF, Key
from cardio.virtual.profile import Profile, load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.pdf import signers
from tests.agent.pdf.documents import document
from tests.agent.pdf.test_process import changed, said_by_pdfsig
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.services import Services, serving
from tests.agent.test_last_moment import pins_sent
from tests.rig.transcript import RecordedCard


@pytest.fixture(params=["ocsp", "crl"])
def kind(request: pytest.FixtureRequest) -> str:
    """By which of the two the services answer about revocation."""
    return str(request.param)


@pytest.fixture
def services() -> Iterator[Services]:
    """OCSP, CRL and a time stamp authority under one root."""
    with serving() as running:
        running.stamps = signers.stamping(running)
        yield running


def asking(services: Services, *, private: bool = True) -> Revocation:
    """Return what asks the services and trusts their root."""
    reach = HttpFetcher([services.name], allow_private=private)
    return Revocation([services.root.pair.cert], reach)


async def lasting(
    services: Services,
    pdf: bytes | None = None,
    pair: pki.Pair | None = None,
    **options: object,
) -> bytes:
    """Return a document that is signed at level B-LT."""
    options = {
        "level": "B-LT",
        "timestamp": timestamps_of(f"http://{services.name}/tsa"),
        "revocation": asking(services),
        **options,
    }
    return await signers.signed(
        pdf or document(), pair or signers.signer(services), services, **options
    )


async def judged(pdf: bytes, services: Services) -> list[object]:
    """Have pyHanko judge every signature for long: it asks nobody."""
    root = x509.Certificate.load(pki.der(services.root.pair.cert))
    policy = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build([root]),
        revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
    )
    reader = PdfFileReader(io.BytesIO(pdf))
    spec = SignatureValidationSpec(
        policy,
        RevocationInfoGatheringSpec(RevinfoOnlineFetchingRule.LOCAL_ONLY),
        local_knowledge=_brought(reader),
        key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
    )
    found = []
    for signature in reader.embedded_signatures:
        digest = signature.compute_digest()
        result = await ades_with_time_validation(
            signature.signed_data, spec, raw_digest=digest
        )
        found.append(result.ades_subindic)
    return found


def _brought(reader: PdfFileReader) -> LocalKnowledge:
    """Return what a document brings along."""
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except NoDSSFoundError:
        return LocalKnowledge()
    ocsps = [OCSPResponse.load(each.get_object().data) for each in store.ocsps]
    crls = [CertificateList.load(each.get_object().data) for each in store.crls]
    return LocalKnowledge(
        [each for ocsp in ocsps for each in OCSPContainer.load_multi(ocsp)],
        list(map(CRLContainer, crls)),
        list(store.load_certs()),
    )


async def test_a_signature_brings_along_what_shows_that_it_holds(
    tmp_path: Path, kind: str
) -> None:
    """Nobody needs to be asked any more: certificates and answers are in the file."""
    with serving(kinds=(kind,)) as services:
        services.stamps = signers.stamping(services)
        pdf = await lasting(services)
        assert {kind} == {asked.split("/")[1] for asked in services.asked} - {"tsa"}
        root = services.root.pair.cert
        services.asked.clear()
        assert await judged(pdf, services) == [AdESPassed.OK]
        now = datetime.datetime.now(datetime.UTC)
        (one,) = await validated(pdf, [pki.der(root)], now)
        assert services.asked == []
    results = {check.name: check.result.ok for check in one.checks}
    assert results["revocation"]
    assert results["time-stamp"]
    assert results["document-coverage"]
    assert "Signature is Valid." in said_by_pdfsig(pdf, tmp_path)


async def test_it_holds_when_the_certificate_has_ended(services: Services) -> None:
    """The time stamp says when it was made, and the answers how it stood then."""
    now = datetime.datetime.now(datetime.UTC)
    week = datetime.timedelta(days=7)
    pair = signers.signer(services, end=now + week)
    pdf = await lasting(services, pair=pair)
    root = pki.der(services.root.pair.cert)
    (one,) = await validated(pdf, [root], now + 2 * week)
    results = {check.name: check.result.ok for check in one.checks}
    assert all(results[name] for name in ("certificate-dates", "revocation"))


async def test_without_it_pyhanko_does_not_call_it_lasting(services: Services) -> None:
    """So that the judge above is one: B-T brings no answer along."""
    pdf = await lasting(services, level="B-T")
    assert await judged(pdf, services) != [AdESPassed.OK]
    with pytest.raises(NoDSSFoundError):
        DocumentSecurityStore.read_dss(PdfFileReader(io.BytesIO(pdf)))


async def test_signatures_one_after_the_other_stay_valid(
    services: Services, tmp_path: Path
) -> None:
    """What the second brings along stands behind what the first brought."""
    once = await lasting(services)
    # That answers were added is no change that a person would have to know of.
    assert inspect(once).notices == ("signatures",)
    twice = await lasting(services, once)
    assert twice.startswith(once)
    assert await judged(twice, services) == [AdESPassed.OK, AdESPassed.OK]
    assert said_by_pdfsig(twice, tmp_path).count("Signature is Valid.") == 2


async def test_the_services_are_asked_before_and_after_the_signature(
    services: Services,
) -> None:
    """Before, so that no PIN is typed in vain; after, for answers that count."""
    await lasting(services)
    ocsp = ["POST /ocsp/ca", "POST /ocsp/root"]
    before = services.asked[: len(services.asked) // 2]
    assert sorted(before) == sorted([*ocsp, "POST /tsa", "POST /ocsp/root"])
    assert sorted(services.asked) == sorted(2 * before)


def _refusing(services: Services) -> None:
    services.instead = dict.fromkeys(
        [f"/{kind}/{name}" for kind in ("ocsp", "crl") for name in ("ca", "root")],
        lambda handler: handler.send_error(503),
    )


async def test_where_nobody_answers_nothing_is_signed(services: Services) -> None:
    """The key is not asked."""
    _refusing(services)
    with pytest.raises(RevocationUnavailable):
        await _unsigned(services)


async def test_a_revoked_certificate_signs_nothing(services: Services) -> None:
    """Said before the PIN."""
    pair = signers.signer(services)
    signers.revoke(services.ca, pair)
    with pytest.raises(Revoked):
        await _unsigned(services, pair)


async def test_a_revoked_time_stamp_service_is_none(services: Services) -> None:
    """Its certificate is below the root, as the CA's is."""
    known = services.root.issued
    (tsa,) = (serial for serial, it in known.items() if "Stamping" in str(it.subject))
    services.root.revoked.add(tsa)
    with pytest.raises(TimestampUnavailable):
        await _unsigned(services)


async def test_without_a_service_there_is_no_time_stamp(services: Services) -> None:
    """B-LT begins with one."""
    with pytest.raises(TimestampUnavailable):
        await _unsigned(services, timestamp=None)


async def test_an_address_that_points_inward_is_not_fetched(services: Services) -> None:
    """Though its host is listed: this one is the computer itself (SAFETY 11)."""
    with pytest.raises(RevocationUnavailable):
        await _unsigned(services, revocation=asking(services, private=False))
    assert services.asked == []


async def test_a_host_that_is_not_listed_is_not_asked(services: Services) -> None:
    """The default asks the Federal PKI alone."""
    trusting = Revocation([services.root.pair.cert])
    with pytest.raises(RevocationUnavailable):
        await _unsigned(services, revocation=trusting)
    assert services.asked == []


async def test_under_an_unknown_root_nobody_is_asked(services: Services) -> None:
    """No address of a certificate is fetched before its chain leads to an anchor."""
    reach = HttpFetcher([services.name], allow_private=True)
    with pytest.raises(ChainUntrusted):
        await _unsigned(services, revocation=Revocation([], reach))
    assert services.asked == []


async def _unsigned(
    services: Services, pair: pki.Pair | None = None, **options: object
) -> None:
    """Sign where it must not come to a signature."""
    pair = pair or signers.signer(services)
    keyless = pki.Pair(pair.cert, None)  # type: ignore[arg-type]  # signing would fail
    await lasting(services, pair=keyless, **options)


async def test_the_child_imports_nothing_any_more(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is installed beside it: what it needs, it has before it reads."""
    code = """
import dataclasses
wanted = []
confine, inspect = worker.host.confine, worker.inspect
def confined(*limits):
    confine(*limits)
    def hear(event, args):
        if event == "import" and args[0].split(".")[0] not in worker._NOT_USED:
            wanted.append(args[0])
    sys.addaudithook(hear)
def inspected(pdf):
    return dataclasses.replace(inspect(pdf), title=" ".join(wanted) or "nothing")
worker.host.confine, worker.inspect = confined, inspected
"""
    pdf = await lasting(services, await lasting(services))
    changed(monkeypatch, code)
    order = {"do": "validate", "cas": [], "now": "2026-11-25T12:00:00+00:00"}
    async with process._child(pdf) as child:
        shown = await process.Document.of(child, pdf)
        await shown.page(0, 100)
        await child.ask(order, pdf)
        again = await process.Document.of(child, pdf)
    assert again.inspection.title == "nothing"


_WRONG = {
    "a part of it replaced": "completed.replace(b'wachtlijst', b'wachtlijsT', 1)",
    "more behind it": "completed + b'more'",
    "another signature": "completed.replace(b'/DSS', b'/ByteRange', 1)",
    "nothing added": "signed",
}


@pytest.mark.parametrize("kind", _WRONG)
async def test_what_a_deceived_child_adds_is_thrown_away(
    services: Services, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What was signed stays as it is, and no signature is added."""
    code = (
        "real = worker.complete\n"
        "def complete(signed, parts):\n"
        "    completed = real(signed, parts)\n"
        f"    return {_WRONG[kind]}\n"
        "worker.complete = complete"
    )
    changed(monkeypatch, code)
    with pytest.raises(DocumentFailed):
        await lasting(services)


@pytest.mark.parametrize(
    "failure", [RevocationUnavailable, ChainUntrusted, Revoked, TimestampUnavailable]
)
def test_each_failure_has_a_code_and_a_sentence(failure: type[Exception]) -> None:
    """The contract's codes; a sentence of its own in each language."""
    code, sentence = vars(failure()) or (failure.code, failure.sentence)  # type: ignore[attr-defined]
    assert code in STATUS
    assert len({text(sentence, lang) for lang in LANGUAGES}) == len(LANGUAGES)


# --- the command ---------------------------------------------------------------------


def _holder_card(services: Services) -> RecordedCard:
    """Return a card whose signature certificate the services know."""
    pair = signers.signer(services)
    adult = load_profile("adult")
    files = {
        EF.SIGNATURE: pki.der(pair.cert),
        EF.CA: pki.der(services.ca.pair.cert),
        EF.ROOT: pki.der(services.root.pair.cert),
    }
    keys = {**adult.keys, Key.NON_REPUDIATION: pair.key}
    return RecordedCard(
        Profile(**{**vars(adult), "files": {**adult.files, **files}, "keys": keys})
    )


def test_a_person_signs_for_long(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keyboard: int,
    tmp_path: Path,
) -> None:
    """--level B-LT, the service's root with --ca; without it nothing is asked."""
    card = _holder_card(services)
    readers = VirtualReaders("Reader")
    readers.insert(card)
    monkeypatch.setattr(sign, "card_source", lambda _: BeidCards(readers))
    reach = HttpFetcher([services.name], allow_private=True)
    monkeypatch.setattr(sign, "FETCHER", reach)
    source, target, ca = (tmp_path / name for name in ("a.pdf", "b.pdf", "ca.pem"))
    source.write_bytes(document())
    ca.write_bytes(services.root.pair.cert.public_bytes(Encoding.PEM))
    words = ["sign", str(source), "-o", str(target), "--lang", "en"]
    words += ["--level", "B-LT", "--timestamp-url", f"http://{services.name}/tsa"]
    os.write(keyboard, b"1234\n")
    assert cli.main(words) == 1
    shown = capsys.readouterr()
    assert "leads to no trusted root" in shown.err
    assert "PIN: " not in shown.out
    assert pins_sent(card) == 0
    assert cli.main([*words, "--ca", str(ca)]) == 0
    assert asyncio.run(judged(target.read_bytes(), services)) == [AdESPassed.OK]


def test_only_hosts_that_were_named_are_asked(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """--revocation-host adds one, and it, too, has to have a public address."""
    readers = VirtualReaders("Reader")
    readers.insert(_holder_card(services))
    monkeypatch.setattr(sign, "card_source", lambda _: BeidCards(readers))
    source, ca = tmp_path / "a.pdf", tmp_path / "ca.pem"
    source.write_bytes(document())
    ca.write_bytes(services.root.pair.cert.public_bytes(Encoding.PEM))
    words = ["sign", str(source), "-o", str(tmp_path / "b.pdf"), "--lang", "en"]
    words += ["--level", "B-LT", "--timestamp-url", f"http://{services.name}/tsa"]
    words += ["--ca", str(ca), "--revocation-host", services.name]
    ended = cli.main(words)
    assert (ended, services.asked) == (1, [])
    assert "Nobody answers whether" in capsys.readouterr().err
