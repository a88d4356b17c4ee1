"""Which card is in which reader, as `/v1/readers` says it; touches the card source."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass

from cardio.card import Card, CardData, CardSource
from cardio.errors import CardError
from cardio.files import EF
from cardio.readers import ReaderState


@dataclass(frozen=True)
class Found:
    """One reader and what recognition made of its card.

    `card` is None for an empty reader and for a card that is no Belgian eID; then
    `error` says why. `signing` tells that the card has keys and a certificate to log
    in with.
    """

    state: ReaderState
    card: CardData | None = None
    signing: bool = False
    error: CardError | None = None

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


def look_into(source: CardSource, state: ReaderState) -> Found:
    """Recognise the card in one reader; never sends anything that costs a try."""
    if state.atr is None:
        return Found(state)
    try:
        with open_card(source, state.name) as card, card.transaction():
            data = card.recognise()
            signing = card.signs and card.has_certificate(EF.AUTHENTICATION)
            return Found(state, data, signing)
    except CardError as error:
        return Found(state, error=error)


def look_into_all(source: CardSource) -> tuple[Found, ...]:
    """Recognise the cards in all readers; ServiceUnavailable."""
    return tuple(look_into(source, state) for state in source.readers())
