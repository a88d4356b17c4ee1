"""Every failure that the HTTP API names: code, status, sentence from the catalogues.

A `Problem` becomes an `application/problem+json` answer (RFC 9457). The two tables here
are the only places where a code gets its status, and a card's error its code.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

from agent.texts import text, tries_left
from agent.words import quoted
from cardio import errors as card

T = TypeVar("T")

#: Code to HTTP status. Never 408 or 425, which browsers repeat by themselves.
STATUS = {
    "invalid-request": 400,
    "origin-refused": 403,
    "host-refused": 421,
    "policy-denied": 403,
    "user-denied": 403,
    "user-cancelled": 409,
    "other-user": 403,
    "busy": 409,
    "no-user-interface": 424,
    "pcsc-unavailable": 424,
    "no-reader": 424,
    "no-card": 424,
    "unsupported-card": 424,
    "card-removed": 424,
    "card-unreadable": 424,
    "card-not-activated": 424,
    "card-changed": 409,
    "no-certificate": 424,
    "certificate-expired": 424,
    "certificate-mismatch": 409,
    "document-refused": 422,
    "timestamp-unavailable": 424,
    "pin-incorrect": 422,
    "pin-blocked": 423,
    "timeout": 504,
    "too-large": 413,
    "too-many-requests": 429,
    "method-not-allowed": 405,
    "not-found": 404,
    "internal-error": 500,
}

#: The first type that fits decides, so the special ones stand before their bases.
_CODES: tuple[tuple[type[card.CardError], str], ...] = (
    (card.ServiceUnavailable, "pcsc-unavailable"),
    (card.ModuleUnusable, "pcsc-unavailable"),
    (card.NoReader, "no-reader"),
    (card.NoCard, "no-card"),
    (card.CardBusy, "busy"),
    (card.UnsupportedCard, "unsupported-card"),
    (card.CardRemoved, "card-removed"),
    (card.CardChanged, "card-changed"),
    (card.CardNotActivated, "card-not-activated"),
    (card.NoCertificate, "no-certificate"),
    (card.PinBlocked, "pin-blocked"),
    (card.PinIncorrect, "pin-incorrect"),
    # What a person did, or did not do, on the keys of the reader.
    (card.PinEntryTimeout, "timeout"),
    (card.PinEntryCancelled, "user-cancelled"),
    (card.NewPinsDiffer, "user-cancelled"),
    (card.PinFormat, "user-cancelled"),
    (card.CardError, "card-unreadable"),
)

#: The sentence of `unsupported-card` where the PKCS#11 module is in the way.
MODULE_LACKS = "module-lacks"
#: The sentence of `pin-incorrect` where the next wrong PIN blocks.
LAST_TRY_LEFT = "pin-incorrect-last"


class Problem(Exception):
    """A failure with a stable code; `detail` is for developers, never personal data.

    `tries_left`, `operation` (the call's name) and `retry_after` (seconds, where the
    wait is known) are given where they apply; `sentence` names another sentence of the
    catalogues than the code does.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        tries_left: int | None = None,
        operation: str | None = None,
        retry_after: int | None = None,
        sentence: str | None = None,
        reader: str | None = None,
    ) -> None:
        super().__init__(detail or code)
        self.code = code
        self.status = STATUS[code]
        self.detail = detail
        self.tries_left = tries_left
        self.operation = operation
        self.retry_after = retry_after
        #: The key of the sentence for a person, where the code's own says too little.
        self.sentence = sentence or code
        #: The reader that the sentence is about, where who asks may know its name.
        self.reader = reader
        #: The language that the request asked for, where one did.
        self.lang: str | None = None

    @classmethod
    def from_card_error(cls, error: card.CardError) -> Problem:
        """Return what a card's failure is called on the wire."""
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        tries = error.tries_left if isinstance(error, card.PinIncorrect) else None
        # An ATR stays here: what other cards a person has is not the site's to know.
        detail = error.reason if isinstance(error, card.UnsupportedCard) else ""
        # Neither does the module's path; that another card will not help is said.
        sentence = MODULE_LACKS if isinstance(error, card.ModuleLacks) else None
        if tries == 1:
            sentence = LAST_TRY_LEFT
        return cls(code, detail, tries_left=tries, sentence=sentence)

    def title(self, lang: str) -> str:
        """Return the sentence for a person: what happened and what to do next."""
        reader = "" if self.reader is None else f' "{quoted(self.reader)}"'
        tries = tries_left(self.tries_left, lang)
        return text(self.sentence, lang, tries=tries, reader=reader)

    def to_json(self, lang: str) -> dict[str, object]:
        """Return the body of the answer."""
        body: dict[str, object] = {
            "type": "about:blank",
            "title": self.title(lang),
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.tries_left is not None:
            body["triesLeft"] = self.tries_left
        if self.operation is not None:
            body["operation"] = self.operation
        if self.retry_after is not None:
            body["retryAfter"] = self.retry_after
        return body


def raised_at(error: Exception) -> str:
    """Return where an error was raised, for a log; its words may be personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    return ", ".join(f"{frame.filename}:{frame.lineno}" for frame in frames[-3:])


def as_problem(work: Callable[[], T]) -> T:
    """Run work on a card and let its failure become a problem."""
    try:
        return work()
    except card.CardError as error:
        raise Problem.from_card_error(error) from error
