"""Which card is in which reader, as `/v1/readers` says it; touches the card source."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from cardio.atr import looks_belgian
from cardio.card import Card, CardData, CardSource
from cardio.display import one_line
from cardio.errors import (
    CardBusy,
    CardError,
    CardNotActivated,
    CardReset,
    CardUnreadable,
    NoCard,
    ServiceUnavailable,
    UnsupportedCard,
)
from cardio.files import EF
from cardio.readers import ReaderState

T = TypeVar("T")

#: Where no card can be used, the first of these that is there says why.
_REASONS: tuple[type[CardError] | tuple[type[CardError], ...], ...] = (
    ServiceUnavailable,
    CardBusy,
    CardNotActivated,
    (CardUnreadable, CardReset),
    UnsupportedCard,
)


@dataclass(frozen=True)
class Found:
    """One reader and what recognition made of its card.

    `card` is None for an empty reader and for a card that is no Belgian eID; then
    `error` says why. `signing` tells that the card has keys and a certificate to log
    in with, `files` that identity, address and photo can be read on this road, `active`
    that its certificates are activated.
    """

    state: ReaderState
    card: CardData | None = None
    signing: bool = False
    files: bool = True
    active: bool = True
    error: CardError | None = None

    @property
    def belgian(self) -> bool:
        """True for a Belgian card, and for what looks like one and cannot be asked."""
        if self.card is not None:
            return True
        untold = (CardBusy, CardNotActivated, CardReset, CardUnreadable)
        return isinstance(self.error, untold) and looks_belgian(self.state.atr or b"")

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
            "name": one_line(self.state.name),
            "pinPad": self.state.pin_pad,
            "card": card,
        }


def reader_id(name: str, salt: bytes) -> str:
    """Return an opaque name for a reader, good for as long as the salt lives."""
    return hashlib.sha256(salt + name.encode(errors="surrogatepass")).hexdigest()[:16]


def on_card(
    source: CardSource,
    name: str,
    work: Callable[[Card], T],
    *,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
) -> T:
    """Read from the card in a reader, in one transaction.

    Begun again once when another program reset the card: never with a PIN in `work`.
    `stop` and `progress` are `CardSource.open`'s.
    """

    def once() -> T:
        opened = source.open(name, stop=stop, progress=progress)
        with closing(opened) as card, card.transaction():
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
        signing, active = False, True
        try:
            signing = card.signs and card.has_certificate(EF.AUTHENTICATION)
        except CardNotActivated:  # Belgian all the same; whoever reads it is told
            active = False
        return Found(state, data, signing, card.has_files, active)

    try:
        return on_card(source, state.name, work)
    except CardError as error:
        # Kept for the card's stay: what it was raised through is not.
        return Found(state, error=error.with_traceback(None))


def look_into_all(source: CardSource) -> tuple[Found, ...]:
    """Recognise the cards in all readers; ServiceUnavailable."""
    return tuple(look_into(source, state) for state in source.readers())


def usable(found: Sequence[Found]) -> list[Found]:
    """Return the readers with a Belgian card; else raise why there is none.

    Of several reasons the one that a person can best do something about is given. Cards
    that are not activated are returned, too, unless another program keeps a card.
    """
    cards = [reader for reader in found if reader.card is not None]
    if any(reader.active for reader in cards):
        return cards
    errors = [reader.error for reader in found if reader.error is not None]
    reason = min(errors, key=_rank, default=NoCard())
    if cards and not isinstance(reason, CardBusy):
        return cards  # whoever reads one is told
    raise reason.with_traceback(None)  # each raising adds to it, and it is kept


def _rank(error: CardError) -> int:
    """Return how early this reason comes before others."""
    ranks = (rank for rank, kind in enumerate(_REASONS) if isinstance(error, kind))
    return next(ranks, len(_REASONS))
