"""`eid-agent sign FILE.pdf -o OUT.pdf`: a PAdES signature with the card.

Touches files, readers and cards through its source, the terminal, and signals. The
document is read by a child process, which sees no PIN.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import re
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from agent.commands import Failure, Usage, answer, card_source, need_new, write_new
from agent.commands.asking import ask_while_in, found_again, undisturbed
from agent.commands.card import Heard, choose, explained, patience
from agent.commands.checks import load_cas
from agent.commands.documents import (
    explained_document,
    need_pdf,
    read_document,
    shown_moment,
)
from agent.commands.reasons import Words
from agent.errors import Problem
from agent.inspection import on_card
from agent.monitor import Stay
from agent.texts import text, tries_left
from agent.ui import FileSigning
from agent.ui.terminal import TerminalInterface
from agent.unblocking import blocked_key
from agent.words import one_line
from cardio.beid.algorithms import login_algorithm
from cardio.beid.certificates import parse_certificate
from cardio.card import Card, CardSource, Expected, PinEntry
from cardio.errors import CardError, LoginFirst, NoCertificate, PinBlocked
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.readers import ReaderState
from cardio.signature import SignatureAlgorithm

if TYPE_CHECKING:
    from agent.pdf.document import Inspection, Visible
    from agent.pdf.services import Timestamp
    from agent.relyingparty.fetching import Fetcher


#: Whom to ask whether a certificate was revoked; None: the Federal services, and those
#: that the person named.
FETCHER: Fetcher | None = None


#: What certificates of Belgian cards say behind a holder's name.
_PURPOSE = re.compile(r"\s*\((Signature|Authentication)\)$")


@dataclass(frozen=True)
class _Card:
    """What the card in the reader said before the person was asked."""

    stay: Stay
    applet: str
    expected: Expected
    entry: PinEntry
    virtual: bool
    algorithm: SignatureAlgorithm
    certificate: bytes
    chain: tuple[bytes, ...]


def main(options: argparse.Namespace) -> int:
    """Show what is to be signed, ask the PIN, and write the signed document."""
    need_pdf()
    if options.level != "B-B" and options.timestamp_url is None:
        raise Usage("cli-timestamp-url")
    if options.level == "B-B" and options.timestamp_url is not None:
        raise Usage("cli-timestamp-level")
    if not options.visible and (options.page or options.corner):
        raise Usage("cli-not-visible")
    pdf = read_document(options.file)
    need_new(options.output)
    with explained(), explained_document():
        signed = asyncio.run(_signed(options, pdf))
    write_new(options.output, signed)
    answer(text("file-sign-done", options.lang, path=options.output))
    return 0


async def _signed(options: argparse.Namespace, pdf: bytes) -> bytes:
    from agent.pdf.cardsignature import mechanism
    from agent.pdf.process import opened
    from agent.pdf.services import Revocation

    cas = [ca for path in options.ca for ca in load_cas(path)]
    revocation = Revocation(cas, FETCHER or _fetcher(options.revocation_host))
    source = card_source(options.card)
    timestamp = _timestamp(options)
    async with opened(pdf) as document:
        with patience(options.lang) as heard:
            card = _look(source, choose(source, options.reader), heard)
        if card.expected.tries_left == 0:
            raise Failure(blocked_key(card.applet))
        _show(document.inspection, options.lang)
        question = FileSigning(
            options.file.name,
            card.stay.reader,
            card.expected.tries_left,
            options.lang,
            card.virtual,
        )
        return await document.sign(
            card.certificate,
            card.chain,
            mechanism(card.algorithm),
            partial(_sign_raw, source, card, question),
            reason=options.reason,
            level=options.level,
            timestamp=timestamp,
            revocation=revocation,
            visible=_visible(options, document.inspection, card),
        )


def _timestamp(options: argparse.Namespace) -> Timestamp | None:
    """Return what asks the service that the person named; Usage."""
    from agent.pdf.services import timestamps_of

    if options.level == "B-B":
        return None
    try:
        return timestamps_of(options.timestamp_url)
    except ValueError:
        raise Usage("cli-timestamp-url") from None


def _visible(
    options: argparse.Namespace, found: Inspection, card: _Card
) -> Visible | None:
    """Return where the signature is seen, and what it says; Usage."""
    from agent.pdf.document import Visible
    from agent.relyingparty.certificates import common_name

    if not options.visible:
        return None
    page = options.page or len(found.pages)
    if page > len(found.pages):
        raise Usage("cli-no-page", page=page, pages=len(found.pages))
    subject = parse_certificate(card.certificate).subject
    name = one_line(_PURPOSE.sub("", common_name(subject)))
    mark = text("test-card", options.lang) if card.virtual else ""
    words = mark + text("file-sign-visible", options.lang, name=name)
    now = datetime.datetime.now(datetime.UTC).isoformat()
    lines = words, shown_moment(now, options.lang), options.reason
    corner = options.corner or "bottom-right"
    return Visible(page - 1, corner, tuple(filter(None, lines)))


def _fetcher(hosts: list[str]) -> Fetcher:
    """Return what asks the Federal services and those that the person named."""
    from agent.relyingparty.fetching import FEDERAL_HOSTS, HttpFetcher

    return HttpFetcher(FEDERAL_HOSTS.union(hosts))


def _look(source: CardSource, state: ReaderState, heard: Heard) -> _Card:
    def work(card: Card) -> _Card:
        data = card.recognise()
        algorithm = login_algorithm(data.applet)
        try:
            certificate = card.read_certificate(EF.SIGNATURE)
            chain = tuple(card.read_certificate(ef) for ef in (EF.CA, EF.ROOT))
        except LoginFirst:
            raise Failure("cli-module-lacks", module=card.module) from None
        except NoCertificate:
            raise Failure("no-signing-certificate") from None
        now = datetime.datetime.now(datetime.UTC)
        if parse_certificate(certificate).not_valid_after_utc < now:
            raise Failure("certificate-expired")
        return _Card(
            Stay(state.name, state.insertion),
            data.applet,
            Expected(data.chip_serial, card.pin_status().tries_left),
            card.pin_entry,
            source.virtual or data.virtual,
            algorithm,
            certificate,
            chain,
        )

    return on_card(source, state.name, work, progress=heard)


def _show(found: Inspection, lang: str) -> None:
    """Print what there is to know of the document, a line each."""
    lines = {
        "title": found.title,
        "pages": str(len(found.pages)),
        "size": text("file-sign-size", lang, count=found.size),
        "fingerprint": found.sha256,
    }
    for name, value in lines.items():
        if value:
            label = text(f"file-sign-label-{name}", lang)
            answer(text("labelled", lang, label=label, value=value))
    for notice in found.notices:
        answer(text(f"notice-{notice}", lang))
    answer(text("file-sign-unseen", lang))


# --- the person and the card ---------------------------------------------------------


async def _sign_raw(
    source: CardSource, card: _Card, question: FileSigning, attributes: bytes
) -> bytes:
    """Ask the PIN and have the card sign the DER of signed attributes, once."""
    from agent.pdf import cardsignature

    asking = partial(_ask, question, card.entry)
    pin = await ask_while_in(source, card.stay, asking, _ended)
    digest = cardsignature.digest(card.algorithm, attributes)
    with undisturbed(question.lang):
        signature = _sign(source, card, pin, digest, question.lang)
    return cardsignature.as_cms(card.algorithm, signature)


async def _ask(question: FileSigning, entry: PinEntry) -> Pin | None:
    """What is, or may be, the last try has a question of its own before the PIN."""
    ui = TerminalInterface()
    if question.tries_left in (None, 1) and not await ui.sign_last_try(question):
        raise Failure("cli-sign-stopped")
    if entry is PinEntry.TYPED:
        return await ui.sign_pin(question)
    if not await ui.sign_elsewhere(question, entry):
        raise Failure("user-denied")
    return None


def _sign(
    source: CardSource, card: _Card, pin: Pin | None, digest: bytes, lang: str
) -> bytes:
    """Send the PIN, once, and wipe it; Failure."""
    with (
        pin or nullcontext(),
        closing(found_again(source, card.stay.reader, _ended)) as opened,
    ):
        try:
            return opened.sign(
                Key.NON_REPUDIATION,
                card.algorithm,
                digest,
                pin,
                card.expected,
                lang=lang,
            )
        except PinBlocked:
            raise Failure(blocked_key(card.applet)) from None
        except CardError as error:
            raise _not_signed(Problem.from_card_error(error), lang) from None


def _not_signed(problem: Problem, lang: str) -> Failure:
    tries = {"tries": tries_left(problem.tries_left, lang)}
    return Failure("cli-sign-ended", reason=Words(problem.sentence, tries))


def _ended(code: str) -> Failure:
    return Failure("cli-sign-ended", reason=Words(code))
