"""The agent's side of the child that reads a document; touches a child process.

What the child says of a document is shown; what it wants signed, and what it returns,
is checked first (`checking`). A child that hangs, dies or says nonsense is given up.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import datetime
import hashlib
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from agent.pdf import checking, timestamps, wire
from agent.pdf.document import (
    DIGESTS,
    LEVELS,
    MAX_BYTES,
    NOTICES,
    REASONS,
    DocumentRefused,
    Inspection,
    Visible,
)
from agent.pdf.judged import Judged, from_json
from agent.pdf.services import Proof, Revocation, Revoked, Timestamp
from agent.pdf.timestamps import TimestampUnavailable
from agent.ui.bitmap import Bitmap
from agent.ui.frames import BadFrame, Message, parse_message
from agent.ui.process import environment
from agent.words import one_line

_COMMAND = (sys.executable, "-P", "-m", "agent.pdf.worker")
#: For one answer of the child, without what a person does meanwhile.
_SECONDS = 60.0

#: Signs the DER of signed attributes: PKCS#1 v1.5, or the DER of r and s.
SignRaw = Callable[[bytes], Awaitable[bytes]]


class DocumentFailed(Exception):
    """The child hung, died, or returned something else than it was asked for."""


async def validated(
    pdf: bytes, cas: Sequence[bytes], now: datetime.datetime
) -> tuple[Judged, ...]:
    """Have a child judge the signatures of a document; DocumentRefused.

    `cas` are roots in DER that are trusted besides Belgium's.
    """
    roots = [base64.b64encode(ca).decode() for ca in cas]
    order = {"do": "validate", "cas": roots, "now": now.isoformat()}
    async with _child(pdf) as child:
        told, _ = await child.ask(order, pdf)
    try:
        return tuple(map(from_json, told["validated"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentFailed("no judgement") from error


@asynccontextmanager
async def opened(pdf: bytes) -> AsyncIterator[Document]:
    """Have a child read a document while the block runs; DocumentRefused."""
    async with _child(pdf) as child:
        yield await Document.of(child, pdf)


@asynccontextmanager
async def _child(pdf: bytes) -> AsyncIterator[_Child]:
    """Start a child for a document, and end it after the block."""
    if len(pdf) > MAX_BYTES:
        raise DocumentRefused("too-large")
    if not pdf.startswith(b"%PDF-"):
        raise DocumentRefused("no-pdf")
    child = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    try:
        yield _Child(child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


class _Child:
    """Asks a child; DocumentRefused, DocumentFailed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, message: Message, blob: bytes = b"") -> tuple[Message, bytes]:
        """Say something to it and return what it answers."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._answer(message, blob)
        except (TimeoutError, OSError, EOFError, BadFrame) as error:
            raise DocumentFailed(type(error).__name__) from error

    async def _answer(self, message: Message, blob: bytes) -> tuple[Message, bytes]:
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        to.write(wire.encode(message, blob))
        await to.drain()
        length = wire.size(await back.readexactly(4), wire.MAX_OBJECT)
        told = parse_message(await back.readexactly(length))
        length = wire.size(await back.readexactly(4), wire.MAX_BLOB)
        answer = await back.readexactly(length)
        if "refused" in told:
            reason = told["refused"]
            raise DocumentRefused(reason if reason in REASONS else "damaged")
        return told, answer


class Document:
    """A document that a child has read; `inspection` says what there is to say."""

    def __init__(self, child: _Child, pdf: bytes) -> None:
        self._child = child
        self._pdf = pdf
        self.inspection: Inspection

    @classmethod
    async def of(cls, child: _Child, pdf: bytes) -> Document:
        """Have it read; DocumentRefused, DocumentFailed."""
        document = cls(child, pdf)
        told, _ = await child.ask({"do": "open"}, pdf)
        try:
            document.inspection = _inspection(told["inspection"], pdf)
        except (KeyError, TypeError, ValueError) as error:
            raise DocumentFailed("no inspection") from error
        return document

    async def page(self, number: int, width: int) -> Bitmap:
        """Return a page, counted from 0, as a picture; DocumentRefused."""
        told, pixels = await self._child.ask(
            {"do": "page", "number": number, "width": width}
        )
        across, down = told.get("page", (0, 0))
        if not pixels or len(pixels) != across * down * 3:
            raise DocumentFailed("no page")
        return Bitmap(across, down, pixels)

    async def sign(
        self,
        certificate: bytes,
        chain: tuple[bytes, ...],
        mechanism: str,
        sign_raw: SignRaw,
        *,
        reason: str | None = None,
        level: str = "B-B",
        timestamp: Timestamp | None = None,
        revocation: Revocation | None = None,
        visible: Visible | None = None,
    ) -> bytes:
        """Return the document with one signature more; DocumentFailed.

        `certificate` and `chain` (its issuer first) as DER; `mechanism` is sha256_rsa
        or sha384_ecdsa. `level` is one of LEVELS: B-T and B-LT ask `timestamp`
        (TimestampUnavailable), B-LT asks `revocation`, too (Revoked,
        RevocationUnavailable): once before anything is signed, and once after it.
        `visible` is where it can be seen, if anywhere. What `sign_raw` raises comes
        through.
        """
        algorithm = DIGESTS[mechanism]
        stamped = LEVELS.index(level) >= LEVELS.index("B-T")
        if stamped and timestamp is None:
            raise TimestampUnavailable("no service is named")
        if level != "B-LT":
            revocation = None
        elif revocation is None:
            revocation = Revocation()
        order: Message = {
            "do": "sign",
            "certificate": base64.b64encode(certificate).decode(),
            "chain": [base64.b64encode(each).decode() for each in chain],
            "mechanism": mechanism,
            "reason": reason,
            "timestamp": stamped,
            "visible": None if visible is None else dataclasses.asdict(visible),
        }
        stamps = None
        if stamped and timestamp is not None:
            stamps = _Stamps(algorithm, timestamp, revocation)
        session = _Session(self._child, certificate, algorithm, sign_raw, stamps)
        own = (certificate, *chain)
        try:
            if revocation is not None:
                await revocation.proof(own)  # before a PIN is typed for nothing
            signed = await session.run(order)
            made = session.made
            checking.check_result(self._pdf, signed, made, certificate)
            if revocation is None or made.token is None:
                return signed
            proof = await revocation.proof(own) + await _proof(revocation, made.token)
            return await self._completed(signed, proof)
        except checking.Untrue as error:
            raise DocumentFailed(str(error)) from error

    async def _completed(self, signed: bytes, proof: Proof) -> bytes:
        """Return a signed document with what shows that its certificates hold."""
        parts = dataclasses.asdict(proof)
        order: Message = {
            "do": "complete",
            "sizes": {kind: list(map(len, ders)) for kind, ders in parts.items()},
        }
        blob = b"".join(itertools.chain(*parts.values()))
        _, completed = await self._child.ask(order, blob)
        checking.check_completed(signed, completed)
        return completed


async def _proof(revocation: Revocation, token: bytes) -> Proof:
    """Return what shows that a time stamp's certificates hold."""
    try:
        return await revocation.proof(timestamps.certificates(token))
    except Revoked:
        raise TimestampUnavailable("the service's certificate was revoked") from None


class _Session:
    """What the child wants for one signature: the signature itself, time stamps."""

    def __init__(
        self,
        child: _Child,
        certificate: bytes,
        algorithm: str,
        sign_raw: SignRaw,
        stamps: _Stamps | None,
    ) -> None:
        self._child = child
        self._certificate = certificate
        self._algorithm = algorithm
        self._sign_raw = sign_raw
        self._stamps = stamps
        self._made: checking.Made | None = None

    @property
    def made(self) -> checking.Made:
        """What was signed and stamped; Untrue where nothing was."""
        if self._made is None:
            raise checking.Untrue("no signature was wanted")
        if self._stamps is not None and self._made.token is None:
            raise checking.Untrue("no time stamp was wanted")
        return self._made

    async def run(self, order: Message) -> bytes:
        """Give the child what it wants until it returns the document; Untrue."""
        told, blob = await self._child.ask(order)
        while "want" in told:
            if told["want"] == "signature" and self._made is None:
                given = await self._sign(blob)
            elif told["want"] == "timestamp" and self._stamps is not None:
                given = await self._stamp(blob, self._stamps)
            else:
                raise checking.Untrue("something else was wanted")
            told, blob = await self._child.ask({"have": True}, given)
        return blob

    async def _sign(self, attributes: bytes) -> bytes:
        digest = checking.message_digest(attributes, self._certificate, self._algorithm)
        signature = await self._sign_raw(attributes)
        self._made = checking.Made(self._algorithm, attributes, digest, signature)
        return signature

    async def _stamp(self, digest: bytes, stamps: _Stamps) -> bytes:
        """Have the signature stamped and, before there is one, the empty text.

        So that no PIN is typed for a service that does not answer. Nothing else leaves.
        """
        if self._made is None:
            return await stamps.over(b"", digest)
        token = await stamps.over(self._made.signature, digest)
        if self._made.token is not None:
            raise checking.Untrue("a second stamp was wanted")
        self._made = dataclasses.replace(self._made, token=token)
        return token


class _Stamps:
    """Has a service stamp what is to be stamped; its certificates hold where asked."""

    def __init__(
        self, algorithm: str, timestamp: Timestamp, revocation: Revocation | None
    ) -> None:
        self._algorithm = algorithm
        self._timestamp = timestamp
        self._revocation = revocation

    async def over(self, what: bytes, digest: bytes) -> bytes:
        """Return the token over the digest of `what`; TimestampUnavailable, Untrue."""
        if hashlib.new(self._algorithm, what).digest() != digest:
            raise checking.Untrue("a stamp for something else was wanted")
        request, nonce = timestamps.request(digest, self._algorithm)
        try:
            answer = await self._timestamp(request)
        except OSError as error:
            raise TimestampUnavailable(str(error)) from error
        token = timestamps.token(answer, digest, nonce)
        if not what and self._revocation is not None:
            await _proof(self._revocation, token)
        return token


def _inspection(told: Message, pdf: bytes) -> Inspection:
    """Return what the child says, but for what is known without it."""
    pages = tuple((float(across), float(down)) for across, down in told["pages"])
    notices = tuple(name for name in NOTICES if name in told["notices"])
    return Inspection(
        one_line(str(told["title"])),
        pages,
        len(pdf),
        hashlib.sha256(pdf).hexdigest(),
        int(told["signatures"]),
        notices,
    )
