"""A child reads and signs; the agent believes nothing. Judges: pyHanko and pdfsig."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asn1crypto import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from agent.pdf import checking, process
from agent.pdf.document import DocumentRefused
from agent.pdf.process import DocumentFailed, opened
from cardio.files import EF, Key
from cardio.virtual.profile import Profile, load_profile
from tests.agent.pdf.documents import document, in_root, script

PERSONAS = {"adult": "sha384_ecdsa", "adult-1.7": "sha256_rsa"}


def der(profile: Profile, file: EF) -> bytes:
    """Return a certificate of a card without the padding behind it."""
    return bytes(x509.Certificate.load(profile.files[file]).dump())


def signing(profile: Profile) -> process.SignRaw:
    """Return what signs as the card's key would."""
    key = profile.keys[Key.NON_REPUDIATION]

    async def sign(data: bytes) -> bytes:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data, ec.ECDSA(hashes.SHA384()))
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    return sign


async def signed_by(persona: str, pdf: bytes) -> bytes:
    """Return a document that the child has signed for a persona."""
    profile = load_profile(persona)
    chain = (der(profile, EF.CA),)
    async with opened(pdf) as opened_document:
        return await opened_document.sign(
            der(profile, EF.SIGNATURE), chain, PERSONAS[persona], signing(profile)
        )


def said_by_pdfsig(pdf: bytes, folder: Path) -> str:
    """Return what poppler says of the signatures; skip without it."""
    if shutil.which("pdfsig") is None:
        pytest.skip("pdfsig (poppler-utils) is not installed; pyHanko has judged")
    (folder / "signed.pdf").write_bytes(pdf)
    return subprocess.run(
        ["pdfsig", "-nocert", str(folder / "signed.pdf")],
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@pytest.mark.parametrize("persona", PERSONAS)
async def test_a_signature_is_valid_for_judges_that_are_not_ours(
    persona: str, tmp_path: Path
) -> None:
    """The whole document is covered, and one byte changed is found."""
    pdf = document()
    signed = await signed_by(persona, pdf)
    assert signed.startswith(pdf)
    roots = [x509.Certificate.load(load_profile(persona).files[EF.ROOT])]
    context = ValidationContext(trust_roots=roots, allow_fetching=False)
    (one,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    status = await async_validate_pdf_signature(one, context)
    assert status.intact
    assert status.valid
    assert status.trusted
    for content, verdict in (
        (signed, "Signature is Valid."),
        (signed.replace(b"wachtlijst", b"wachtlijsT", 1), "Digest Mismatch."),
    ):
        told = said_by_pdfsig(content, tmp_path)
        assert verdict in told
        assert "Total document signed" in told


async def test_an_earlier_signature_stays_valid_and_is_named() -> None:
    """Two people sign one after the other."""
    once = await signed_by("adult", document())
    async with opened(once) as again:
        assert again.inspection.signatures == 1
        assert again.inspection.notices == ("signatures",)
    twice = await signed_by("adult-1.7", once)
    for signature in PdfFileReader(io.BytesIO(twice)).embedded_signatures:
        root = "adult" if signature.field_name in str(once) else "adult-1.7"
        roots = [x509.Certificate.load(load_profile(root).files[EF.ROOT])]
        context = ValidationContext(trust_roots=roots, allow_fetching=False)
        status = await async_validate_pdf_signature(signature, context)
        assert status.intact
        assert status.valid


async def test_a_refused_document_has_its_reason() -> None:
    """It comes from the child as from the inspection."""
    with pytest.raises(DocumentRefused) as refused:
        async with opened(document(in_root(OpenAction=script()))):
            pass
    assert refused.value.reason == "actions"


async def test_pages_come_as_pictures() -> None:
    """As wide as asked, from the child."""
    async with opened(document()) as shown:
        picture = await shown.page(0, 200)
        assert picture.width == 200
        assert len(picture.pixels) == picture.width * picture.height * 3
        with pytest.raises(DocumentRefused):
            await shown.page(9, 200)


# --- a child that is not what it should be -------------------------------------------

_CHILD = """
import sys
sys.argv[1:] = []
from agent.pdf import worker
{change}
sys.exit(worker.main())
"""


def changed(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Let the child do something else than ours."""
    code = _CHILD.format(change=change)
    monkeypatch.setattr(process, "_COMMAND", (sys.executable, "-P", "-c", code))


_WRONG = {
    "another document": (
        "real = worker.sign\n"
        "worker.sign = lambda pdf, *rest: "
        "real(pdf.replace(b'wachtlijst', b'wachtlijsT'), *rest)"
    ),
    "another part behind it": (
        "real = worker.sign\n"
        "async def sign(*rest): return await real(*rest) + b'more'\n"
        "worker.sign = sign"
    ),
    "a part that nobody asked for": (
        "real = worker.sign\n"
        "async def sign(*rest): return await real(await real(*rest), *rest[1:])\n"
        "worker.sign = sign"
    ),
    "text instead of attributes": (
        "async def sign(pdf, order, raw, stamp): return await raw(b'a text')\n"
        "worker.sign = sign"
    ),
    "another signature": (
        "real = worker.sign\n"
        "async def sign(pdf, order, raw, stamp):\n"
        "    async def other(data):\n"
        "        signature = bytearray(await raw(data))\n"
        "        signature[-1] ^= 1\n"
        "        return bytes(signature)\n"
        "    return await real(pdf, order, other, stamp)\n"
        "worker.sign = sign"
    ),
    "death": "worker.sign = lambda *rest: sys.exit(3)",
}


@pytest.mark.parametrize("kind", _WRONG)
async def test_what_a_deceived_child_returns_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Nothing but what was shown, with one signature behind it, comes out."""
    changed(monkeypatch, _WRONG[kind])
    with pytest.raises(DocumentFailed):
        await signed_by("adult", document())


async def test_size_and_fingerprint_are_not_the_child_s_to_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does its title reach a person with what could deceive."""
    lie = (
        "import dataclasses\n"
        "real = worker.inspect\n"
        "worker.inspect = lambda pdf: dataclasses.replace("
        "real(pdf), size=1, sha256='00', title='a\\u202eb\\nc')"
    )
    changed(monkeypatch, lie)
    pdf = document()
    async with opened(pdf) as shown:
        assert shown.inspection.size == len(pdf)
        assert shown.inspection.sha256 == hashlib.sha256(pdf).hexdigest()
        assert shown.inspection.title.isprintable()


@pytest.mark.skipif(sys.platform == "win32", reason="the child is not confined there")
@pytest.mark.parametrize("reach", ["open('/etc/hostname')", "socket.socket()"])
async def test_the_child_can_open_nothing(
    monkeypatch: pytest.MonkeyPatch, reach: str
) -> None:
    """Neither a file nor a connection, once it reads the document."""
    probe = f"""
import dataclasses, socket
real = worker.inspect
def inspect(pdf):
    try:
        {reach}
        found = "opened"
    except OSError as error:
        found = type(error).__name__
    return dataclasses.replace(real(pdf), title=found)
worker.inspect = inspect
"""
    changed(monkeypatch, probe)
    async with opened(document()) as shown:
        assert shown.inspection.title == "OSError"


async def test_a_child_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent goes on."""
    monkeypatch.setattr(process, "_SECONDS", 0.5)
    code = "import signal; signal.pause()"
    monkeypatch.setattr(process, "_COMMAND", (sys.executable, "-c", code))
    with pytest.raises(DocumentFailed):
        async with opened(document()):
            pass


def test_attributes_of_another_certificate_are_not_signed() -> None:
    """The signer's certificate stands among what is signed."""
    seen: list[bytes] = []
    profile = load_profile("adult")

    async def sign(data: bytes) -> bytes:
        seen.append(data)
        return await signing(profile)(data)

    async def work() -> None:
        async with opened(document()) as shown:
            own, chain = der(profile, EF.SIGNATURE), (der(profile, EF.CA),)
            await shown.sign(own, chain, "sha384_ecdsa", sign)

    asyncio.run(work())
    own, other = der(profile, EF.SIGNATURE), der(profile, EF.AUTHENTICATION)
    digest = checking.message_digest(seen[0], own, "sha384")
    assert len(digest) == hashlib.sha384().digest_size
    with pytest.raises(checking.Untrue):
        checking.message_digest(seen[0], other, "sha384")
