"""A change of the PIN: what is looked at, asked and sent, and what became of it.

The same for the command, the tray's menu and a site's request. Blocks on the card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent.errors import MODULE_LACKS, Problem
from agent.ui import PinChange
from agent.unblocking import blocked_key
from cardio.card import Card, Expected, PinEntry
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

Pins = tuple[Pin, Pin] | tuple[None, None]

#: What goes wrong with a PIN and has a sentence of its own here.
_SENTENCES: dict[type[PinError], str] = {
    NewPinRefused: "cli-new-pin-refused",
    NewPinsDiffer: "cli-new-pins-differ",
    PinFormat: "cli-pin-length",
}
#: After these nobody knows whether the card carried the command out, once it was sent.
_BREAKS = (CardRemoved, CardReset, CardUnreadable, ServiceUnavailable)


class Asker(Protocol):
    """What asks for the PINs: terminal, or windows."""

    async def change_last_try(self, question: PinChange) -> bool:
        """Return whether what is, or may be, the last try may be used."""

    async def change_on_reader(self, question: PinChange) -> bool:
        """Return whether the PINs will be typed on the reader."""

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Return the old PIN and the new one, which differ."""


@dataclass(frozen=True)
class Changeable:
    """What a card said before its person was asked."""

    applet: str
    expected: Expected
    entry: PinEntry
    virtual: bool


def look(card: Card) -> Changeable:
    """Return what a question about a card says; CardError, Problem. In a transaction.

    A Problem where its PIN cannot be changed, or is blocked: nobody types for nothing.
    """
    data = card.recognise()
    if card.module is not None:
        raise Problem("unsupported-card", sentence=MODULE_LACKS)
    if not card.changes_pin:
        raise Problem("unsupported-card", sentence="cli-change-unsupported")
    card.has_certificate(EF.AUTHENTICATION)  # CardNotActivated, before any PIN
    status = card.pin_status()
    if status.blocked:
        raise Problem("pin-blocked", sentence=blocked_key(data.applet))
    expected = Expected(data.chip_serial, status.tries_left)
    return Changeable(data.applet, expected, card.pin_entry, data.virtual)


async def ask(ui: Asker, question: PinChange, entry: PinEntry) -> Pins:
    """Return what was typed; Problem where the person does not want to, Cancelled.

    What is, or may be, the last try has a question of its own before the others.
    """
    if question.tries_left in (None, 1) and not await ui.change_last_try(question):
        raise Problem("user-denied", sentence="cli-change-stopped")
    if entry is PinEntry.TYPED:
        return await ui.old_and_new_pin(question)
    if not await ui.change_on_reader(question):
        raise Problem("user-denied")
    return None, None


def send(
    card: Card,
    pins: Pins,
    shown: Changeable,
    lang: str,
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Send the PINs, once, to the card that was shown; Problem, PinError.

    `go_on` may end it by what it raises, just before they are sent. Where the sentence
    of a Problem is its code's own, nothing was sent.
    """
    sent: list[bool] = []

    def about_to_send() -> None:
        go_on()
        sent.append(True)

    old, new = pins
    try:
        card.change_pin(
            old, new, shown.expected, lang=lang, about_to_send=about_to_send
        )
    except UnsupportedCard:
        raise Problem("unsupported-card", sentence="cli-change-unsupported") from None
    except CardChanged:
        raise Problem("card-changed") from None
    except PinBlocked:
        raise Problem("pin-blocked", sentence=blocked_key(shown.applet)) from None
    except PinIncorrect as error:
        left = error.tries_left
        sentence = "cli-old-pin-wrong-last" if left == 1 else "cli-old-pin-wrong"
        raise Problem("pin-incorrect", tries_left=left, sentence=sentence) from None
    except _BREAKS as error:
        code = Problem.from_card_error(error).code
        sentence = "cli-change-broken-off" if sent else code
        raise Problem(code, sentence=sentence) from None
    except PinError as error:
        if type(error) not in _SENTENCES:
            raise
        code, sentence = Problem.from_card_error(error).code, _SENTENCES[type(error)]
        raise Problem(code, sentence=sentence) from None
