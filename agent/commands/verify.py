"""`eid-agent card verify`: is this card genuine, and are its data? Check by check.

Reads the card and asks its chip once, where it is a 1.8 chip: whoever typed the command
wants that. What is judged, and by which names, stands in `agent.checks`.

JSON: `valid` is true when every check that this kind of card can have is true, but for
revocation, which is not looked at; `ok` is null for what was not checked. Exit code 1
when any check is false, so never with `valid`; 0 otherwise, also where `valid` is false
because something that the card needs is open, as under an unknown root.
"""

from __future__ import annotations

import argparse
import datetime
import json
import secrets
import threading
from collections.abc import Iterable, Sequence

from agent import chip, reading
from agent.checks import FILES, CardContent, Check, ChipProof, is_valid
from agent.commands import Failure, answer, card_source
from agent.commands.card import Heard, choose, explained, patience
from agent.commands.checks import detail, load_cas, shown, verdict
from agent.inspection import on_card
from agent.texts import text
from cardio.card import Card, CardSource
from cardio.errors import (
    CardUnreadable,
    ChipBlocked,
    UnsupportedCard,
)
from cardio.files import EF


def main(options: argparse.Namespace) -> int:
    """Check one card; a card's failure becomes one sentence."""
    try:
        from agent.authenticity import judge
    except ImportError as error:
        raise Failure("cli-no-relyingparty") from error
    # All of it before the chip, which answers 5000 times, is asked.
    cas = [ca for path in options.ca for ca in load_cas(path)]
    with explained(), patience(options.lang) as heard:
        content = read(card_source(options.card), options.reader, heard)
    checks = judge(content, cas, datetime.datetime.now(datetime.UTC))
    if options.json:
        _show_json(checks, options.lang, _note(content, checks, options.lang))
    else:
        for line in lines(content, checks, options.lang):
            answer(line)
    return 1 if any(check.ok is False for check in checks) else 0


# --- the card ------------------------------------------------------------------------


def read(
    source: CardSource,
    wanted: str | None,
    heard: Heard = lambda _size: None,
    stop: threading.Event | None = None,
) -> CardContent:
    """Read a card, and ask its chip once where it may be; CardError, Failure.

    `stop` is `CardSource.open`'s.
    """
    name = choose(source, wanted).name
    digest = secrets.token_bytes(48)
    question = chip.Question(digest)

    def work(card: Card) -> CardContent:
        data = card.recognise()
        files: dict[EF, bytes] = {}
        for ef in FILES:
            reading.take(card, ef, files)
        if not chip.possible(data):
            found: ChipProof | str = "chip-unsupported"
        elif EF.BASIC_KEY not in files:
            found = "chip-no-key"
        else:
            found = _ask_chip(card, question, digest)
        virtual = source.virtual or data.virtual
        return CardContent(data.applet, data.chip_serial, files, found, virtual)

    return on_card(source, name, work, stop=stop, progress=heard)


def _ask_chip(card: Card, question: chip.Question, digest: bytes) -> ChipProof | str:
    """Return the chip's proof over a fresh number, or why there is none."""
    try:
        return ChipProof(digest, question.put(card))
    except ChipBlocked:
        return "chip-blocked"
    except UnsupportedCard:
        return "chip-no-key"
    except CardUnreadable:
        return "chip-failed"


# --- what is shown -------------------------------------------------------------------


def _show_json(checks: Iterable[Check], lang: str, note: str) -> None:
    """Print the object; `note`, of the whole card, stands in its first detail."""
    checks = list(checks)
    listed = [
        {"name": check.name, "ok": check.ok, "detail": detail(check, lang)}
        for check in checks
    ]
    listed[0]["detail"] = f"{listed[0]['detail']}{note}"
    result = {"valid": is_valid(checks), "checks": listed}
    answer(json.dumps(result, ensure_ascii=False))


def lines(content: CardContent, checks: Sequence[Check], lang: str) -> list[str]:
    """Return each check on a line, and then what follows from them."""
    found = text(f"verdict-{verdict(checks)}", lang)
    return [*shown(checks, lang), found + _note(content, checks, lang)]


def _note(content: CardContent, checks: Sequence[Check], lang: str) -> str:
    """Return what is to be added of a test card that no check told of."""
    told = any(check.result.reason == "root-test" for check in checks)
    if not content.virtual or told:
        return ""
    return " " + text("card-is-test", lang)
