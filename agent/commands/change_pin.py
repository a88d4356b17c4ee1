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
from agent.commands.card import Heard, choose, explained, patience
from agent.commands.reasons import Words
from agent.errors import Problem
from agent.inspection import on_card
from agent.monitor import Monitor, Stay
from agent.texts import text, tries_left
from agent.ui import Cancelled, PinChange, Unavailable
from agent.ui.terminal import TerminalInterface
from agent.unblocking import blocked_key
from cardio.card import Card, CardSource, Expected, PinEntry
from cardio.errors import (
    CardChanged,
    CardError,
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
#: After these nobody knows whether the card carried the command out.
_BREAKS = (CardRemoved, CardReset, CardUnreadable, ServiceUnavailable)


@dataclass(frozen=True)
class _Card:
    """What the card in the reader said before the person was asked."""

    stay: Stay
    applet: str
    expected: Expected
    entry: PinEntry
    virtual: bool


def main(options: argparse.Namespace) -> int:
    """Ask, outside any transaction, and change the PIN of the card that was shown."""
    source = card_source(options.card)
    with explained(), patience(options.lang) as heard:
        card = _look(source, choose(source, options.reader), heard)
    if card.expected.tries_left == 0:
        raise Failure(blocked_key(card.applet))
    pins = _asked(source, card, options.lang)
    done = {"changed": True}
    with _undisturbed(options.lang):
        with explained():
            _change(source, card, pins, options.lang)
        answer(json.dumps(done) if options.json else text("change-done", options.lang))
    return 0


def _look(source: CardSource, state: ReaderState, heard: Heard) -> _Card:
    def work(card: Card) -> _Card:
        data = card.recognise()
        if card.module is not None:
            raise Failure("cli-module-lacks", module=card.module)
        if not card.changes_pin:
            raise Failure("cli-change-unsupported")
        card.has_certificate(EF.AUTHENTICATION)  # CardNotActivated, before any PIN
        expected = Expected(data.chip_serial, card.pin_status().tries_left)
        virtual = source.virtual or data.virtual
        stay = Stay(state.name, state.insertion)
        return _Card(stay, data.applet, expected, card.pin_entry, virtual)

    return on_card(source, state.name, work, progress=heard)


def _asked(source: CardSource, card: _Card, lang: str) -> Pins:
    """Return what the person typed.

    Failure when the person does not want to, and as soon as the card is gone.
    """
    try:
        return asyncio.run(_ask_while_in(source, card, lang))
    except Cancelled:
        raise Failure("user-cancelled") from None
    except Unavailable:
        raise Failure("no-user-interface") from None


async def _ask_while_in(source: CardSource, card: _Card, lang: str) -> Pins:
    """Put the questions, which end with the card's stay: nobody types for nothing."""
    tries = card.expected.tries_left
    question = PinChange(card.stay.reader, tries, lang, card.virtual)
    monitor = Monitor(source, lambda _before, _after: None)
    asking = asyncio.ensure_future(_ask(question, card.entry))
    leaving = asyncio.ensure_future(monitor.over(card.stay))
    await asyncio.sleep(0)  # both wait now: what the first look says is heard
    monitor.start()
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        raise _not_changed(await asyncio.to_thread(_why_gone, source, card.stay))
    finally:
        leaving.cancel()
        monitor.close()


def _why_gone(source: CardSource, stay: Stay) -> str:
    """Return the code of what ended a stay: the card, another card, or PC/SC."""
    try:
        states = source.readers()
    except CardError as error:
        return Problem.from_card_error(error).code
    filled = any(
        state.name == stay.reader and state.atr is not None for state in states
    )
    return "card-changed" if filled else "card-removed"


def _not_changed(code: str) -> Failure:
    return Failure("cli-change-ended", reason=Words(code))


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
        closing(_found_again(source, card.stay.reader)) as opened,
    ):
        try:
            opened.change_pin(old, new, card.expected, lang=lang)
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
        except _BREAKS:
            raise Failure("cli-change-broken-off") from None
        except PinError as error:
            if type(error) not in _SENTENCES:
                raise
            raise Failure(_SENTENCES[type(error)]) from None


def _found_again(source: CardSource, reader: str) -> Card:
    """Open the card that is in the reader now; what goes wrong changed nothing yet."""
    try:
        card = source.open(reader)
    except CardError as error:
        raise _not_changed(Problem.from_card_error(error).code) from None
    try:
        with card.transaction():
            card.recognise()
    except CardError as error:
        card.close()
        raise _not_changed(Problem.from_card_error(error).code) from None
    except BaseException:
        card.close()
        raise
    return card


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
