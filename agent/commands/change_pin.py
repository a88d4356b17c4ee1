"""`eid-agent card change-pin`: the old PIN, the new one twice, then one command.

Touches readers and cards through its source, the terminal, and signals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial

from agent import pinchange
from agent.commands import Failure, answer, card_source
from agent.commands.asking import ask_while_in, found_again, undisturbed
from agent.commands.card import Heard, choose, explained, patience
from agent.commands.reasons import Words
from agent.errors import Problem
from agent.inspection import on_card
from agent.monitor import Stay
from agent.pinchange import Changeable, Pins
from agent.texts import text, tries_left
from agent.ui import PinChange
from agent.ui.terminal import TerminalInterface
from cardio.card import Card, CardSource
from cardio.readers import ReaderState


@dataclass(frozen=True)
class Shown:
    """What the card in a reader said before its person was asked."""

    stay: Stay
    card: Changeable
    virtual: bool


def main(options: argparse.Namespace) -> int:
    """Ask, outside any transaction, and change the PIN of the card that was shown."""
    source = card_source(options.card)
    with explained(), patience(options.lang) as heard:
        card = look(source, choose(source, options.reader), heard)
    pins = _asked(source, card, options.lang)
    done = {"changed": True}
    with undisturbed(options.lang):
        with explained():
            change(source, card, pins, options.lang)
        answer(json.dumps(done) if options.json else text("change-done", options.lang))
    return 0


def look(
    source: CardSource, state: ReaderState, heard: Heard = lambda _size: None
) -> Shown:
    """Return what a question about a card says; CardError, Failure.

    A Failure where its PIN cannot be changed, or is blocked: nobody types for nothing.
    """

    def work(card: Card) -> Changeable:
        try:
            return pinchange.look(card)
        except Problem as problem:
            if card.module is not None:
                raise Failure("cli-module-lacks", module=card.module) from None
            raise Failure(problem.sentence) from None

    card = on_card(source, state.name, work, progress=heard)
    stay = Stay(state.name, state.insertion)
    return Shown(stay, card, source.virtual or card.virtual)


def _asked(source: CardSource, shown: Shown, lang: str) -> Pins:
    """Return what the person typed; Failure."""
    tries, entry = shown.card.expected.tries_left, shown.card.entry
    question = PinChange(shown.stay.reader, tries, lang, shown.virtual)
    asking = partial(pinchange.ask, TerminalInterface(), question, entry)
    try:
        return asyncio.run(ask_while_in(source, shown.stay, asking, _not_changed))
    except Problem as problem:
        raise Failure(problem.sentence) from None


def _not_changed(code: str) -> Failure:
    return Failure("cli-change-ended", reason=Words(code))


def change(source: CardSource, shown: Shown, pins: Pins, lang: str) -> None:
    """Send the PINs, once, to the card that was shown, and wipe them; Failure."""
    old, new = pins
    with (
        old or nullcontext(),
        new or nullcontext(),
        closing(found_again(source, shown.stay.reader, _not_changed)) as card,
    ):
        try:
            pinchange.send(card, pins, shown.card, lang)
        except Problem as problem:
            if problem.sentence == problem.code:
                raise _not_changed(problem.code) from None
            tries = tries_left(problem.tries_left, lang)
            raise Failure(problem.sentence, tries=tries) from None
