"""Documents that a page wants signed: review, a PIN for each, what comes back.

Touches cards in threads, a child process for one document at a time, and the network
for time stamps and revocation. Exactly what was shown is signed (SAFETY 19); which
services are asked is policy's or the command line's to say (SAFETY 11).
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from agent import reading
from agent.attempt import Attempt
from agent.errors import Problem
from agent.limits import Limits
from agent.operations import FindProgram, Operation, Operations
from agent.pinsigning import PinSigning
from agent.policy import Policy
from agent.protocol import Named, SignPdfRequest
from agent.signatures import Signer, nothing, signer
from agent.texts import text
from agent.token import base64_text
from agent.ui import Review, Reviewed, Signing
from agent.ui.bitmap import Bitmap
from agent.words import quoted
from cardio.beid.algorithms import login_algorithm
from cardio.beid.known import KnownCertificates

if TYPE_CHECKING:
    from agent.pdf.process import Document
    from agent.pdf.services import Timestamp

#: Within which all documents of a request are read, before anybody is asked.
_LOOKING_SECONDS = 120.0
_PARTS = ("asn1crypto", "pyhanko", "pypdfium2")


def available() -> bool:
    """Tell whether the libraries that read and sign documents are installed."""
    return all(importlib.util.find_spec(name) is not None for name in _PARTS)


@dataclass(frozen=True)
class _Order:
    """What all signatures of a request have in common; certificates as DER."""

    signer: Signer
    chain: tuple[bytes, ...]
    request: SignPdfRequest
    timestamp: Timestamp | None


class Documents:
    """POST /v1/sign-pdf."""

    def __init__(
        self,
        operations: Operations,
        signing: PinSigning,
        known: KnownCertificates,
        limits: Limits,
        policy: Callable[[], Policy],
        timestamp_url: str | None,
    ) -> None:
        """`timestamp_url` is the command line's service; the policy's goes before."""
        self._operations = operations
        self._signing = signing
        self._known = known
        self._limits = limits
        self._policy = policy
        self._timestamp_url = timestamp_url

    async def sign(
        self,
        origin: str,
        request: SignPdfRequest,
        lang: str,
        find_program: FindProgram,
    ) -> dict[str, object]:
        """Have the person review documents, and sign those that they leave in."""
        if not available():
            raise Problem("not-found", "this agent lacks its part for documents")
        attempt = Attempt(origin, "sign-pdf", ("documents",), lang, request.reader)
        async with self._operations.open(attempt, find_program) as operation:
            timestamp = self._timestamp(request.level)
            card = await signer(operation)
            order = _Order(card, await self._chain(operation, card), request, timestamp)
            async with AsyncExitStack() as stack:
                shelf = _Shelf(request.documents)
                stack.push_async_callback(shelf.close)
                shown = await self._look(origin, shelf)
                wanted = await _review(operation, request, shown, shelf)
                if not any(wanted):
                    raise Problem("user-cancelled")
                _want_seen(wanted, shelf)
                signed = await self._sign_all(operation, order, shelf, shown, wanted)
            self._operations.allow_once(operation)
            return {"documents": list(map(_answer, shown, signed))}

    async def _look(self, origin: str, shelf: _Shelf) -> list[Reviewed]:
        """Return what there is to know of all documents; Problem.

        A site whose documents take the reader's time, or end what reads them, waits as
        one that was refused: it could keep the card from others, and nobody would see.
        """
        from agent.pdf.process import DocumentFailed

        shown = []
        ends = asyncio.get_running_loop().time() + _LOOKING_SECONDS
        for index in range(shelf.count):
            with _explained(index):
                try:
                    async with asyncio.timeout_at(ends):
                        shown.append(await shelf.look(index))
                except (DocumentFailed, TimeoutError):
                    self._limits.refused(origin)
                    raise DocumentFailed("it was not read") from None
        return shown

    def _timestamp(self, level: str) -> Timestamp | None:
        """Return what asks for time stamps; `timestamp-unavailable` without any."""
        from agent.pdf.services import timestamps_of

        if level == "B-B":
            return None
        url = self._policy().timestamp_url or self._timestamp_url
        try:
            return timestamps_of(url or "")
        except ValueError:
            sentence = "timestamp-unnamed"
            raise Problem("timestamp-unavailable", sentence=sentence) from None

    async def _chain(self, operation: Operation, card: Signer) -> tuple[bytes, ...]:
        chosen, holder = operation.card_data, card.ready.certificate
        read = partial(
            reading.read_chain, chosen=chosen, holder=holder, known=self._known
        )
        return await operation.read(read)

    async def _sign_all(
        self,
        operation: Operation,
        order: _Order,
        shelf: _Shelf,
        shown: Sequence[Reviewed],
        wanted: Sequence[bool],
    ) -> list[bytes | None]:
        """Return the signed documents; None for those that were struck out."""
        count, number = sum(wanted), 0
        signed: list[bytes | None] = []
        for index, (document, yes) in enumerate(zip(shown, wanted, strict=True)):
            if not yes:
                signed.append(None)
                continue
            number += 1
            described = _described(document, operation.lang)
            qualified = order.signer.qualified
            signing = Signing(document.name, described, number, count, qualified)
            with _explained(index):
                there = await shelf.take(index)
                signed.append(await self._sign(operation, order, there, signing))
        return signed

    async def _sign(
        self, operation: Operation, order: _Order, document: Document, signing: Signing
    ) -> bytes:
        """Have one document signed, with one PIN."""
        from agent.pdf import cardsignature

        used = login_algorithm(operation.card_data.applet)

        async def sign_raw(attributes: bytes) -> bytes:
            chosen, ready = operation.card_data, order.signer.ready
            # The PIN before this one has changed how many are left.
            status = await operation.read(partial(reading.pin_status, chosen=chosen))
            card = replace(order.signer, ready=replace(ready, status=status))
            digest = cardsignature.digest(used, attributes)
            wanted = card.to_sign(used, digest, signing)
            signature, _ = await self._signing.sign(operation, wanted, nothing)
            return cardsignature.as_cms(used, signature)

        return await document.sign(
            order.signer.ready.certificate,
            order.chain,
            cardsignature.mechanism(used),
            sign_raw,
            reason=order.request.reason,
            level=order.request.level,
            timestamp=order.timestamp,
        )


async def _review(
    operation: Operation,
    request: SignPdfRequest,
    shown: Sequence[Reviewed],
    shelf: _Shelf,
) -> tuple[bool, ...]:
    """Return which documents the person wants to sign, once each could be seen."""
    question = Review(
        operation.origin,
        tuple(shown),
        request.reason,
        operation.lang,
        operation.virtual,
        operation.marks,
        operation.program,
    )
    return await operation.pose(operation.ask.review(question, shelf.draw))


def _want_seen(wanted: Sequence[bool], shelf: _Shelf) -> None:
    """Sign no document of which a page was looked at in vain (SAFETY 19)."""
    for index in sorted(index for index, _ in shelf.unseen):
        if wanted[index]:
            sentence = "window-page-bad"
            raise Problem(
                "document-refused", f"documents[{index}]: unseen", sentence=sentence
            )


def _described(document: Reviewed, lang: str) -> str:
    """Return what the agent has seen of a document, in one line."""
    facts = text(
        "window-review-facts",
        lang,
        title=quoted(document.title) or "-",
        pages=len(document.pages),
        size=document.size,
        sha256=document.sha256,
    )
    notices = (text(f"notice-{notice}", lang) for notice in document.notices)
    return " ".join((facts, *notices))


def _answer(shown: Reviewed, signed: bytes | None) -> dict[str, object]:
    """Return what the page learns of a document; `sha256` is of what was shown."""
    outcome = "struck-out" if signed is None else "signed"
    pdf = {} if signed is None else {"pdf": base64_text(signed)}
    return {"name": shown.name, "outcome": outcome, **pdf, "sha256": shown.sha256}


class _Shelf:
    """The documents of a request, of which a child has one at a time."""

    def __init__(self, documents: Sequence[Named]) -> None:
        self._documents = documents
        self._child = AsyncExitStack()
        self._there: tuple[int, Document] | None = None
        #: Pages that somebody wanted to see, and that could not be drawn.
        self.unseen: set[tuple[int, int]] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._documents)

    async def close(self) -> None:
        """End the child."""
        self._there = None
        await self._child.aclose()

    async def take(self, index: int) -> Document:
        """Return a document that a child has; DocumentRefused, DocumentFailed."""
        from agent.pdf.process import opened

        if self._there is None or self._there[0] != index:
            await self.close()
            child = opened(self._documents[index].pdf)
            self._there = index, await self._child.enter_async_context(child)
        return self._there[1]

    async def look(self, index: int) -> Reviewed:
        """Return what there is to know of a document; as `take`."""
        found = (await self.take(index)).inspection
        name = self._documents[index].name
        facts = (found.title, found.pages, found.size, found.sha256, found.notices)
        return Reviewed(name, *facts)

    async def draw(self, index: int, page: int, width: int) -> Bitmap | None:
        """Return a page as a picture; None where there is none."""
        from agent.pdf.document import DocumentRefused
        from agent.pdf.process import DocumentFailed

        if not 0 <= index < self.count:
            return None
        try:
            document = await self.take(index)
            if not 0 <= page < len(document.inspection.pages):
                return None
            drawn = await document.page(page, width)
        except asyncio.CancelledError:  # what it still says is no answer to the next
            await self.close()
            raise
        except DocumentRefused:
            self.unseen.add((index, page))
            return None
        except DocumentFailed:  # the next page has a child of its own
            self.unseen.add((index, page))
            await self.close()
            return None
        self.unseen.discard((index, page))
        return drawn


@contextmanager
def _explained(index: int) -> Iterator[None]:
    """Let what is wrong with a document, or with a service, become a problem."""
    from agent.pdf.document import DocumentRefused
    from agent.pdf.process import DocumentFailed
    from agent.pdf.services import RevocationUnavailable, Revoked
    from agent.pdf.timestamps import TimestampUnavailable

    try:
        yield
    except DocumentRefused as refused:
        detail, sentence = f"documents[{index}]", f"document-{refused.reason}"
        raise Problem(
            "document-refused", f"{detail}: {refused.reason}", sentence=sentence
        ) from None
    except DocumentFailed:
        sentence = "cli-document-failed"
        raise Problem(
            "document-refused", f"documents[{index}]", sentence=sentence
        ) from None
    except (TimestampUnavailable, RevocationUnavailable, Revoked) as failure:
        raise Problem(failure.code, sentence=failure.sentence) from None
