"""How the agent asks a person: the questions as values, the interface that asks them.

Whoever implements `UserInterface` shows one question at a time. Every method raises
`Cancelled` when the person closes the question, `Unavailable` when none can be shown,
and ends the question when its task is cancelled.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from cardio.card import PinEntry
from cardio.pin import Pin


class Cancelled(Exception):
    """The person closed the question without an answer."""


class Unavailable(Exception):
    """No question can be shown here, so nobody can be asked."""


class Permission(enum.Enum):
    """What a person answers to a site that asks for data."""

    DENY = "deny"
    ONCE = "once"
    ALWAYS = "always"


@dataclass(frozen=True)
class Consent:
    """May this site have these data? `data` holds parts: identity, address, photo.

    `lasting` says that "always" may be offered. Here and below `virtual` marks a test
    card, `marks` names texts that say what is special about this run, and `program` is
    what connected, where that is no known browser: a name fit to be shown, UNKNOWN of
    `agent.host.peers` where it has none.
    """

    site: str
    data: tuple[str, ...]
    purpose: str | None
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    lasting: bool = False
    program: str | None = None


@dataclass(frozen=True)
class AlwaysUsed:
    """A site gets these data because the person once answered "always"."""

    site: str
    data: tuple[str, ...]
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    program: str | None = None


@dataclass(frozen=True)
class Login:
    """The PIN for a login at this site; `tries_left` None where the card won't say."""

    site: str
    tries_left: int | None
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    program: str | None = None


@dataclass(frozen=True)
class PinChange:
    """The PIN of the card in a reader is to be changed, by the person's own wish."""

    reader: str
    tries_left: int | None
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Which of several readers; `options` are their names.

    `virtual` says that all of them hold test cards, `test_cards` which ones do.
    """

    site: str
    options: tuple[str, ...]
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    test_cards: tuple[bool, ...] = ()
    program: str | None = None


class UserInterface(Protocol):
    """Asks the person at this computer."""

    @property
    def notice(self) -> Callable[[AlwaysUsed], Awaitable[None]] | None:
        """What shows, without a question, that an "always" is used.

        None where nothing can show it: there no "always" counts (SAFETY 13 and 22).
        """

    async def consent(self, question: Consent) -> Permission:
        """Return what the person allows; ALWAYS only where `lasting` is set."""

    async def last_try(self, question: Login) -> bool:
        """Return whether the person wants to use what is, or may be, the last try."""

    async def login_pin(self, question: Login) -> Pin:
        """Return the PIN that the person typed, 4 to 12 digits."""

    async def login_elsewhere(self, question: Login, entry: PinEntry) -> bool:
        """Return whether the person goes on to type the PIN where `entry` says."""

    def login_over(self, question: Login, reason: str | None) -> None:
        """Show at once what became of a login, without waiting for anybody.

        `reason` is the sentence that says why it failed, None for one that did not.
        """

    async def choose(self, question: Choice) -> int:
        """Return the index of the option that the person chose."""
