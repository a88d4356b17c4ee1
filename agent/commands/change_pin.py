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
from typing import Protocol

from agent.commands import Failure, answer, card_source
from agent.commands.asking import ask_while_in, found_again, undisturbed
from agent.commands.card import Heard, choose, explained, patience
from agent.commands.reasons import Words
from agent.errors import Problem
from agent.inspection import on_card
from agent.monitor import Stay
from agent.texts import text, tries_left
from agent.ui import PinChange
from agent.ui.terminal import TerminalInterface
from agent.unblocking import blocked_key
from cardio.card import Card, CardSource, Expected, PinEntry
from cardio.errors import (
    CardChanged,
    CardRemoved,
    CardReset,
    CardUnreadable,
    NewPinRefused,
    NewPinsDiffer,
    PinBlocked,
    PinError,
    PinFormat,
    PinIncorrect,
    ServiceUnavailable,
    UnsupportedCard,
)
from cardio.files import EF
from cardio.pin import Pin
from cardio.readers import ReaderState

Pins = tuple[Pin, Pin] | tuple[None, None]

#: What goes wrong with a PIN and has a sentence of its own here.
_SENTENCES: dict[type[PinError], str] = {
    NewPinRefused: "cli-new-pin-refused",
    NewPinsDiffer: "cli-new-pins-differ",
    PinFormat: "cli-pin-length",
}
#: After these nobody knows whether the card carried the command out, once it was sent.
_BREAKS = (CardRemoved, CardReset, CardUnreadable, ServiceUnavailable)


@dataclass(frozen=True)
class Shown:
    """What the card in a reader said before its person was asked."""

    stay: Stay
    applet: str
    expected: Expected
    entry: PinEntry
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


class Asker(Protocol):
    """What asks for the PINs: terminal, or windows."""

    async def change_last_try(self, question: PinChange) -> bool:
        """Return whether what is, or may be, the last try may be used."""

    async def change_on_reader(self, question: PinChange) -> bool:
        """Return whether the PINs will be typed on the reader."""

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Return the old PIN and the new one, which differ."""


def look(
    source: CardSource, state: ReaderState, heard: Heard = lambda _size: None
) -> Shown:
    """Return what a question about a card says; CardError, Failure.

    A Failure where its PIN cannot be changed, or is blocked: nobody types for nothing.
    """

    def work(card: Card) -> Shown:
        data = card.recognise()
        if card.module is not None:
            raise Failure("cli-module-lacks", module=card.module)
        if not card.changes_pin:
            raise Failure("cli-change-unsupported")
        card.has_certificate(EF.AUTHENTICATION)  # CardNotActivated, before any PIN
        expected = Expected(data.chip_serial, card.pin_status().tries_left)
        virtual = source.virtual or data.virtual
        stay = Stay(state.name, state.insertion)
        return Shown(stay, data.applet, expected, card.pin_entry, virtual)

    card = on_card(source, state.name, work, progress=heard)
    if card.expected.tries_left == 0:
        raise Failure(blocked_key(card.applet))
    return card


def _asked(source: CardSource, card: Shown, lang: str) -> Pins:
    """Return what the person typed; Failure."""
    tries = card.expected.tries_left
    question = PinChange(card.stay.reader, tries, lang, card.virtual)
    asking = partial(ask, TerminalInterface(), question, card.entry)
    return asyncio.run(ask_while_in(source, card.stay, asking, _not_changed))


def _not_changed(code: str) -> Failure:
    return Failure("cli-change-ended", reason=Words(code))


async def ask(ui: Asker, question: PinChange, entry: PinEntry) -> Pins:
    """Return what was typed; Failure where the person does not want to, Cancelled.

    What is, or may be, the last try has a question of its own before the others.
    """
    if question.tries_left in (None, 1) and not await ui.change_last_try(question):
        raise Failure("cli-change-stopped")
    if entry is PinEntry.TYPED:
        return await ui.old_and_new_pin(question)
    if not await ui.change_on_reader(question):
        raise Failure("user-denied")
    return None, None


def change(source: CardSource, card: Shown, pins: Pins, lang: str) -> None:
    """Send the PINs, once, to the card that was shown, and wipe them; Failure."""
    old, new = pins
    sent: list[bool] = []
    with (
        old or nullcontext(),
        new or nullcontext(),
        closing(found_again(source, card.stay.reader, _not_changed)) as opened,
    ):
        try:
            opened.change_pin(
                old,
                new,
                card.expected,
                lang=lang,
                about_to_send=lambda: sent.append(True),
            )
        except UnsupportedCard:
            raise Failure("cli-change-unsupported") from None
        except CardChanged:
            raise _not_changed("card-changed") from None
        except PinBlocked:
            raise Failure(blocked_key(card.applet)) from None
        except PinIncorrect as error:
            if error.tries_left == 1:
                raise Failure("cli-old-pin-wrong-last") from None
            tries = tries_left(error.tries_left, lang)
            raise Failure("cli-old-pin-wrong", tries=tries) from None
        except _BREAKS as error:
            if not sent:
                raise _not_changed(Problem.from_card_error(error).code) from None
            raise Failure("cli-change-broken-off") from None
        except PinError as error:
            if type(error) not in _SENTENCES:
                raise
            raise Failure(_SENTENCES[type(error)]) from None
