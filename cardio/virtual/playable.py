"""What a virtual reader can play as a card, and the base of wrappers; no I/O.

`cardio.virtual.reader` plays a card in this process, `cardio.virtual.vpcd` in the PC/SC
daemon's virtual reader. What befalls a card besides answering reaches them as a
`Happening`, which each acts out in its own way and never lets through.
"""

from __future__ import annotations

import threading
from typing import Protocol

from cardio.channel import Apdu
from cardio.virtual.profile import Profile


class PlayableCard(Protocol):
    """A card for a virtual reader, which gives it one command at a time."""

    @property
    def profile(self) -> Profile:
        """What it was personalised with."""

    @property
    def atr(self) -> bytes:
        """The answer to reset."""

    @property
    def tries_left(self) -> int:
        """The PIN's retry counter."""

    def power_on(self) -> bytes:
        """Begin a session, in a reader anew; returns the answer to reset."""

    def reset(self) -> bytes:
        """End the session: selection and rights are gone. Returns the ATR."""

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer any bytes: data and a status word. Raises Happening."""

    def pulled(self) -> None:
        """Learn, from any thread, that the card was taken out: no wait goes on."""


class Happening(Exception):
    """What a reader has to act out where a card gives no answer to hand on."""


class Silence(Happening):
    """The card does not answer, now or later, before it is reset or pulled."""


class Pulled(Happening):
    """A hand takes the card out and, if there is a `successor`, puts that one in."""

    def __init__(self, successor: PlayableCard | None = None) -> None:
        super().__init__("the card is pulled")
        self.successor = successor


class ResetByOther(Happening):
    """Another program resets the card before the command; the card expects `reset`."""


class WrappedCard:
    """Hands everything on to another card; base of what adds one thing to it."""

    def __init__(self, inner: PlayableCard) -> None:
        self.inner = inner
        self._out = threading.Event()

    @property
    def profile(self) -> Profile:
        """What the card was personalised with."""
        return self.inner.profile

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        return self.inner.atr

    @property
    def tries_left(self) -> int:
        """The PIN's retry counter."""
        return self.inner.tries_left

    def power_on(self) -> bytes:
        """Begin a session; returns the answer to reset."""
        self._out.clear()
        return self.inner.power_on()

    def reset(self) -> bytes:
        """End the session; returns the answer to reset."""
        return self.inner.reset()

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer as the card does; a card that takes its place is wrapped alike."""
        try:
            return self.inner.transmit(apdu)
        except Pulled as event:
            if event.successor is not None:
                event.successor = self.around(event.successor)
            raise

    def around(self, card: PlayableCard) -> PlayableCard:
        """Wrap another card as this one is."""
        return card

    def pulled(self) -> None:
        """End what waits here and in the card."""
        self._out.set()
        self.inner.pulled()

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the card is in its reader."""
        if seconds > 0:
            self._out.wait(seconds)
