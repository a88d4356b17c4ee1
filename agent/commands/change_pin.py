"""`eid-agent card change-pin`: the old PIN, the new one twice, then one command.

Touches readers and cards through its source, the terminal, and signals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass

from agent import host
from agent.commands import Failure, answer, card_source, say
from agent.commands.card import choose, explained
from agent.inspection import on_card
from agent.texts import text, tries_left
from agent.ui import Cancelled, PinChange, Unavailable
from agent.ui.terminal import TerminalInterface
from agent.unblocking import blocked_key
from cardio.card import Card, CardSource, Expected, PinEntry
from cardio.errors import (
    CardRemoved,
    CardReset,
    CardUnreadable,
    NewPinRefused,
    NewPinsDiffer,
    PinBlocked,
    PinError,
    PinFormat,
    PinIncorrect,
    UnsupportedCard,
)
from cardio.files import EF
from cardio.pin import Pin

Pins = tuple[Pin, Pin] | tuple[None, None]

#: What goes wrong with a PIN and has a sentence of its own here.
_SENTENCES: dict[type[PinError], str] = {
    NewPinRefused: "cli-new-pin-refused",
    NewPinsDiffer: "cli-new-pins-differ",
    PinFormat: "cli-pin-length",
}
#: After these nobody knows whether the card carried the command out.
_BREAKS = (CardRemoved, CardReset, CardUnreadable)


@dataclass(frozen=True)
class _Card:
    """What the card in the reader said before the person was asked."""

    reader: str
    applet: str
    expected: Expected
    entry: PinEntry
    virtual: bool


def main(options: argparse.Namespace) -> int:
    """Ask, outside any transaction, and change the PIN of the card that was shown."""
    source = card_source(options.card)
    with explained():
        card = _look(source, choose(source, options.reader))
    if card.expected.tries_left == 0:
        raise Failure(blocked_key(card.applet))
    question = PinChange(
        card.reader, card.expected.tries_left, options.lang, card.virtual
    )
    pins = _asked(question, card.entry)
    done = {"changed": True}
    with _undisturbed(options.lang):
        with explained():
            _change(source, card, pins, options.lang)
        answer(json.dumps(done) if options.json else text("change-done", options.lang))
    return 0


def _look(source: CardSource, reader: str) -> _Card:
    def work(card: Card) -> _Card:
        data = card.recognise()
        if card.module is not None:
            raise Failure("cli-module-lacks", module=card.module)
        if not card.changes_pin:
            raise Failure("cli-change-unsupported")
        card.has_certificate(EF.AUTHENTICATION)  # CardNotActivated, before any PIN
        expected = Expected(data.chip_serial, card.pin_status().tries_left)
        virtual = source.virtual or data.virtual
        return _Card(reader, data.applet, expected, card.pin_entry, virtual)

    return on_card(source, reader, work)


def _asked(question: PinChange, entry: PinEntry) -> Pins:
    """Return what the person typed; Failure when the person does not want to."""
    try:
        return asyncio.run(_ask(question, entry))
    except Cancelled:
        raise Failure("user-cancelled") from None
    except Unavailable:
        raise Failure("no-user-interface") from None


async def _ask(question: PinChange, entry: PinEntry) -> Pins:
    """What is, or may be, the last try has a question of its own before the others."""
    ui = TerminalInterface()
    if question.tries_left in (None, 1) and not await ui.change_last_try(question):
        raise Failure("cli-change-stopped")
    if entry is PinEntry.TYPED:
        return await ui.old_and_new_pin(question)
    if not await ui.change_on_reader(question):
        raise Failure("user-denied")
    return None, None


def _change(source: CardSource, card: _Card, pins: Pins, lang: str) -> None:
    """Send the PINs, once, and wipe them."""
    old, new = pins
    with (
        old or nullcontext(),
        new or nullcontext(),
        closing(source.open(card.reader)) as opened,
    ):
        with opened.transaction():
            opened.recognise()
        try:
            opened.change_pin(old, new, card.expected, lang=lang)
        except UnsupportedCard:
            raise Failure("cli-change-unsupported") from None
        except PinBlocked:
            raise Failure(blocked_key(card.applet)) from None
        except PinIncorrect as error:
            tries = tries_left(error.tries_left, lang)
            raise Failure("cli-old-pin-wrong", tries=tries) from None
        except _BREAKS:
            raise Failure("cli-change-broken-off") from None
        except PinError as error:
            if type(error) not in _SENTENCES:
                raise
            raise Failure(_SENTENCES[type(error)]) from None


@contextmanager
def _undisturbed(lang: str) -> Iterator[None]:
    """Hold signals of terminal and system back until the person knows what came of it.

    A signal that was held ends the program, so a failure is said here before.
    """
    late: list[int] = []
    before = {
        number: signal.signal(number, lambda caught, _: late.append(caught))
        for number in host.ENDING_SIGNALS
    }
    try:
        yield
    except Failure as failure:
        if late:
            say(failure.sentence(lang))
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in late:
            signal.raise_signal(caught)
