"""Which card is in which reader, as `/v1/readers` says it; touches the card source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from cardio.atr import looks_belgian
from cardio.card import Card, CardData, CardSource
from cardio.errors import CardBusy, CardError, CardNotActivated, CardReset
from cardio.files import EF
from cardio.readers import ReaderState

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """One reader and what recognition made of its card.

    `card` is None for an empty reader and for a card that is no Belgian eID; then
    `error` says why. `signing` tells that the card has keys and a certificate to log
    in with, `files` that identity, address and photo can be read on this road.
    """

    state: ReaderState
    card: CardData | None = None
    signing: bool = False
    files: bool = True
    error: CardError | None = None

    @property
    def in_use(self) -> bool:
        """True for what looks like a Belgian card that another program keeps."""
        atr = self.state.atr
        return isinstance(self.error, CardBusy) and looks_belgian(atr or b"")

    def to_json(self, salt: bytes) -> dict[str, object]:
        """Return the reader as an object of `/v1/readers`."""
        card: dict[str, object] | None = None
        if self.card is not None:
            card = {
                "kind": "belgian-eid",
                "applet": self.card.applet,
                "signing": self.signing,
            }
        return {
            "id": reader_id(self.state.name, salt),
            "name": self.state.name,
            "pinPad": self.state.pin_pad,
            "card": card,
        }


def reader_id(name: str, salt: bytes) -> str:
    """Return an opaque name for a reader, good for as long as the salt lives."""
    return hashlib.sha256(salt + name.encode()).hexdigest()[:16]


def open_card(source: CardSource, name: str) -> closing[Card]:
    """Connect to the card in a reader; the `with` block ends the connection."""
    return closing(source.open(name))


def on_card(source: CardSource, name: str, work: Callable[[Card], T]) -> T:
    """Read from the card in a reader, in one transaction.

    Begun again once when another program reset the card: never with a PIN in `work`.
    """

    def once() -> T:
        with open_card(source, name) as card, card.transaction():
            return work(card)

    try:
        return once()
    except CardReset:
        return once()


def look_into(source: CardSource, state: ReaderState) -> Found:
    """Recognise the card in one reader; never sends anything that costs a try."""
    if state.atr is None:
        return Found(state)

    def work(card: Card) -> Found:
        data = card.recognise()
        try:
            signing = card.signs and card.has_certificate(EF.AUTHENTICATION)
        except CardNotActivated:  # Belgian all the same; whoever reads it is told
            signing = False
        return Found(state, data, signing, card.has_files)

    try:
        return on_card(source, state.name, work)
    except CardError as error:
        return Found(state, error=error)


def look_into_all(source: CardSource) -> tuple[Found, ...]:
    """Recognise the cards in all readers; ServiceUnavailable."""
    return tuple(look_into(source, state) for state in source.readers())
