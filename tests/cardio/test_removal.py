"""The card pulled out at every command of every operation of the client."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest

from cardio.apdu import INS
from cardio.beid.algorithms import login_algorithm
from cardio.beid.card import BeidCard
from cardio.beid.source import BeidCards
from cardio.card import Card, Expected
from cardio.errors import CardError, CardRemoved, PinIncorrect, UnsupportedCard
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from tests.cardio.fake_pinpad import FakePinPadReaders, Typed
from tests.cardio.sweep import pulled

SECONDS = 2.0


def _pin(digits: bytes) -> Pin:
    return Pin(bytearray(digits))


def _sign(card: Card, key: Key, digits: bytes | None) -> None:
    algorithm = login_algorithm(card.applet)
    with card.transaction():
        expected = card.state()
    digest = bytes(algorithm.digest_size)
    card.sign(key, algorithm, digest, _pin(digits) if digits else None, expected)


def _read_all(card: Card) -> None:
    with card.transaction():
        for ef in (EF.IDENTITY, EF.IDENTITY_SIGNATURE, EF.ADDRESS, EF.PHOTO):
            card.read(ef)
        for ef in (EF.AUTHENTICATION, EF.SIGNATURE, EF.CA, EF.ROOT, EF.RRN):
            card.read_certificate(ef)


def _change(card: Card, *, typed: bool = True) -> None:
    with card.transaction():
        expected = card.state()
    old, new = (_pin(b"1234"), _pin(b"1234")) if typed else (None, None)
    card.change_pin(old, new, expected)


def _ask_the_chip(card: Card) -> None:
    with contextlib.suppress(UnsupportedCard):  # 1.7, which is not asked
        card.authenticate_chip(bytes(48))


@dataclass(frozen=True)
class Operation:
    """What is done to the card; `pad`: what is typed on a reader that has keys."""

    work: Callable[[Card], object]
    pad: Typed | None = None
    wrong: bool = False


OPERATIONS = {
    "recognise": Operation(lambda card: None),
    "read": Operation(_read_all),
    "pin status": Operation(lambda card: card.pin_status()),
    "authentication": Operation(lambda card: _sign(card, Key.AUTHENTICATION, b"1234")),
    "non-repudiation": Operation(
        lambda card: _sign(card, Key.NON_REPUDIATION, b"1234")
    ),
    "PIN change": Operation(_change),
    "chip": Operation(_ask_the_chip),
    "wrong PIN": Operation(
        lambda card: _sign(card, Key.AUTHENTICATION, b"9999"), wrong=True
    ),
    "PIN on the reader": Operation(
        lambda card: _sign(card, Key.AUTHENTICATION, None), pad=("1234",)
    ),
    "wrong PIN on the reader": Operation(
        lambda card: _sign(card, Key.AUTHENTICATION, None), pad=("9999",), wrong=True
    ),
    "PIN change on the reader": Operation(
        lambda card: _change(card, typed=False), pad=("1234", "1234", "1234")
    ),
}


class Rig:
    """A reader, a card that can be pulled, and the client."""

    def __init__(self, persona: str) -> None:
        self.readers = VirtualReaders()
        self.card = pulled(load_profile(persona))
        self.readers.insert(self.card)

    def run(self, operation: Operation) -> CardError | None:
        """Connect, recognise, do it; return how it failed."""
        cards = BeidCards(self.readers)
        if operation.pad is not None:
            cards = BeidCards(FakePinPadReaders(self.readers, [operation.pad]))
        try:
            with closing(cards.open(DEFAULT_NAME)) as card:
                card.recognise()
                operation.work(card)
        except CardError as error:
            return error
        return None

    def back(self) -> None:
        """Put the card in again."""
        self.card.arm(0, lost=False)
        self.readers.remove()
        self.readers.insert(self.card)


@pytest.mark.parametrize("lost", [True, False], ids=["command lost", "answer lost"])
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("persona", ["adult-1.7", "rekeyed-1.7", "adult"])
def test_a_card_pulled_at_any_command(persona: str, name: str, lost: bool) -> None:
    """CardRemoved at once, tries as before unless a wrong PIN came through, and on.

    Only when LOG OFF finds no card any more is the result already there.
    """
    operation = OPERATIONS[name]
    rig = Rig(persona)
    at = 0
    while True:
        at += 1
        rig.card.arm(at, lost=lost)
        began = time.monotonic()
        error = rig.run(operation)
        assert time.monotonic() - began < SECONDS
        if not rig.card.struck or rig.card.wire[-1] == INS.LOG_OFF:
            assert type(error) is (PinIncorrect if operation.wrong else type(None))
        else:
            assert type(error) is CardRemoved
        spent = 3 - rig.card.tries_left
        assert spent == 0 or (operation.wrong and spent == 1)
        assert rig.card.pins <= 1
        assert rig.card.wire.count(INS.INTERNAL_AUTHENTICATE) <= 1
        if not rig.card.struck:
            break
        rig.back()
        assert rig.run(OPERATIONS["authentication"]) is None  # resets the tries, too
        assert rig.card.tries_left == 3
        rig.back()
    assert at > (1 if name == "recognise" else 2)


def test_expected_is_compared_with_the_card_that_is_in() -> None:
    """The card pulled and another one put in: no VERIFY for it."""
    readers = VirtualReaders()
    first = pulled(load_profile("adult"))
    readers.insert(first)
    shown = Expected(first.profile.chip_serial, 3)
    readers.remove()
    other = pulled(load_profile("adult", applet="1.7"))
    readers.insert(other)
    with closing(BeidCards(readers).open(DEFAULT_NAME)) as card:
        assert isinstance(card, BeidCard)
        card.recognise()
        algorithm = login_algorithm(card.applet)
        digest = bytes(algorithm.digest_size)
        with pytest.raises(Exception, match="another card"):
            card.sign(Key.AUTHENTICATION, algorithm, digest, _pin(b"1234"), shown)
    assert other.pins == 0
