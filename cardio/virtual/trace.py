"""Tells what a virtual card is asked and answers, PINs masked; no I/O of its own.

Meant for developers and for test cards: data that are no PIN are told in full.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cardio.apdu import INS, PIN_INSTRUCTIONS
from cardio.channel import Apdu, masked
from cardio.virtual.playable import Happening, PlayableCard, WrappedCard

#: Commands whose data are shown; of any other the header and a length.
_SHOWN = frozenset(INS) - PIN_INSTRUCTIONS
_CLASSES = (0x00, 0x80)


@dataclass(frozen=True)
class Exchange:
    """A command and its answer for a person to read, and how long the card took."""

    command: str
    answer: str
    seconds: float


class TracedCard(WrappedCard):
    """A card that tells of every exchange, to whoever `tell` is."""

    def __init__(self, inner: PlayableCard, tell: Callable[[Exchange], None]) -> None:
        super().__init__(inner)
        self._tell = tell

    def power_on(self) -> bytes:
        """Begin a session, and tell of it."""
        atr = super().power_on()
        self._tell(Exchange("power on", _hex(atr), 0.0))
        return atr

    def reset(self) -> bytes:
        """End the session, and tell of it."""
        atr = super().reset()
        self._tell(Exchange("reset or power off", _hex(atr), 0.0))
        return atr

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer as the card does, and tell of it."""
        command, began = shown_command(apdu), time.monotonic()
        try:
            answer = super().transmit(apdu)
        except Happening as event:
            name = type(event).__name__
            self._tell(Exchange(command, f"({name})", time.monotonic() - began))
            raise
        told = shown_answer(apdu, answer)
        self._tell(Exchange(command, told, time.monotonic() - began))
        return answer

    def around(self, card: PlayableCard) -> PlayableCard:
        """Tell of another card alike."""
        return TracedCard(card, self._tell)


def shown_command(apdu: Apdu) -> str:
    """Write a command as hex, without what may be a PIN."""
    known = len(apdu) > 4 and apdu[0] in _CLASSES and apdu[1] in _SHOWN
    return _hex(apdu) if known else masked(apdu)


def shown_answer(apdu: Apdu, answer: bytes) -> str:
    """Write an answer as hex; after a command that may hold a PIN its status alone."""
    known = len(apdu) > 1 and apdu[0] in _CLASSES and apdu[1] in _SHOWN
    return _hex(answer if known else answer[-2:])


def _hex(data: Apdu) -> str:
    return bytes(data).hex(" ").upper()
