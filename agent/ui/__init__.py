"""How the agent asks a person: the questions as values, the interface that asks them.

A `UserInterface` opens a `Conversation` for each request, which shows one question at a
time. Every question raises `Cancelled` when the person closes it, `Unavailable` when
none can be shown, and ends when its task is cancelled.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, Self

from agent.ui.bitmap import Bitmap
from cardio.card import PinEntry
from cardio.pin import Pin


class Cancelled(Exception):
    """The person closed the question without an answer."""


class Unavailable(Exception):
    """No question can be shown here, so nobody can be asked."""


class ScreenMissing(Exception):
    """The screen is not there on which the question has to be shown."""


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
class Signing:
    """What a PIN signs: number `number` of `count`.

    `name` is the site's word for it, `document` describes in one line what the agent
    has seen of it; None for a hash, whose document nobody here can see (SAFETY 20).
    `qualified`: the signature is equal to a handwritten one (SAFETY 25).
    """

    name: str | None
    document: str | None
    number: int = 1
    count: int = 1
    qualified: bool = False


@dataclass(frozen=True)
class Login:
    """The PIN for a login at this site, or for a signature where `signing` is set.

    `tries_left` None where the card won't say.

    `wrong` says that the PIN before was wrong; `expires` is the last day (ISO 8601) of
    a certificate that soon expires.
    """

    site: str
    tries_left: int | None
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    program: str | None = None
    wrong: bool = False
    expires: str | None = None
    signing: Signing | None = None


@dataclass(frozen=True)
class PinChange:
    """The PIN of the card in a reader is to be changed, by the person's own wish."""

    reader: str
    tries_left: int | None
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class AskedPinChange(PinChange):
    """The same by a site's wish, which sees neither PIN."""

    site: str = ""
    program: str | None = None


@dataclass(frozen=True)
class FileSigning:
    """The card in a reader is to sign a file, by the person's own wish.

    `name` is the file's; what else there is to know of it was shown before.
    """

    name: str
    reader: str
    tries_left: int | None
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Which of several readers; `options` are their names.

    `virtual` says that all of them hold test cards, `test_cards` which ones do.
    `naming` is "citizen" or "clerk" where a counter is told once whose reader is whose.
    """

    site: str
    options: tuple[str, ...]
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    test_cards: tuple[bool, ...] = ()
    program: str | None = None
    naming: str | None = None


@dataclass(frozen=True)
class Awaited:
    """A card that can be used is wanted; `reason` is the code of what is in the way.

    `reader` is a reader that is missing, where only that one will do.
    """

    site: str
    reason: str
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    program: str | None = None
    reader: str | None = None


@dataclass(frozen=True)
class Values:
    """May these very values leave? `identity` and `address` as the API's objects.

    None where they were not asked for or the card has none; `photo` is the JPEG file.
    """

    site: str
    data: tuple[str, ...]
    identity: Mapping[str, object] | None = field(repr=False)
    address: Mapping[str, object] | None = field(repr=False)
    photo: bytes | None = field(repr=False)
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    program: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a request ended, for a person who was asked something.

    `code` is "given", "unwanted" (done, for a page that no longer waits) or a
    problem's; `reason` says in the person's language why nothing was given, `data`
    names what was.
    """

    site: str
    call: str
    code: str
    reason: str
    data: tuple[str, ...]
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    program: str | None = None


@dataclass(frozen=True)
class Reviewed:
    """A document as a person is shown it before it is signed; `name` is the site's."""

    name: str
    title: str
    pages: tuple[tuple[float, float], ...]
    size: int
    sha256: str
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Review:
    """Which of these documents shall be signed? `reason` in the site's words."""

    site: str
    documents: tuple[Reviewed, ...]
    reason: str | None
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    program: str | None = None


#: Draws a page: document and page counted from 0, width in pixels. None: it cannot be.
Draw = Callable[[int, int, int], Awaitable[Bitmap | None]]


class Conversation(Protocol):
    """Asks the person at this computer what one request wants to know."""

    #: True where a person may mend things in the middle: put a card in, look at the
    #: values before they leave, type a PIN again. Else each of these ends the request.
    patient: bool

    @property
    def closed(self) -> bool:
        """True once the person closed what is shown, also while the card works."""

    @property
    def crashed(self) -> bool:
        """True once what is shown has gone though nobody closed it."""

    async def until_closed(self) -> None:
        """Return once the person closed what is shown while nothing is asked."""

    def show_on(self, screen: int | str) -> None:
        """Show what follows on a screen, by number from 1 or by name; ScreenMissing.

        Each question, too, raises ScreenMissing where the screen is not there.
        """

    async def consent(self, question: Consent) -> Permission:
        """Return what the person allows; ALWAYS only where `lasting` is set."""

    async def last_try(self, question: Login) -> bool:
        """Return whether the person wants to use what is, or may be, the last try."""

    async def login_pin(self, question: Login) -> Pin:
        """Return the PIN that the person typed, 4 to 12 digits."""

    async def login_elsewhere(self, question: Login, entry: PinEntry) -> bool:
        """Return whether the person goes on to type the PIN where `entry` says."""

    async def choose(self, question: Choice) -> int:
        """Return the index of the option that the person chose."""

    async def awaited(self, question: Awaited) -> None:
        """Ask for a card until the task is cancelled, since the readers changed."""

    async def values(self, question: Values) -> bool:
        """Return whether the person lets these values leave."""

    async def review(self, question: Review, draw: Draw) -> tuple[bool, ...]:
        """Return which documents shall be signed, after the person could see them."""

    async def change_last_try(self, question: PinChange) -> bool:
        """Return whether what is, or may be, the last try may be used."""

    async def change_on_reader(self, question: PinChange) -> bool:
        """Return whether the PINs will be typed on the reader."""

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Return the old PIN and the new one, which differ."""

    def working(self, done: int, total: int) -> None:
        """Show how much of a card is read, in bytes; (0, 0) while it signs."""

    def ended(self, outcome: Outcome) -> None:
        """Show how the request ended; nobody waits until it is read.

        After the end of the conversation, too, where the card was still at work then.
        """

    async def explain(self, outcome: Outcome) -> None:
        """Show the end of a request with nothing asked, or its window closed."""


class UserInterface(Protocol):
    """Asks the person at this computer."""

    @property
    def notice(self) -> Callable[[AlwaysUsed], Awaitable[None]] | None:
        """What shows, without a question, that an "always" is used.

        None where nothing can show it: there no "always" counts (SAFETY 13 and 22).
        """

    def conversation(
        self, more_time: Callable[[], bool], seconds: float
    ) -> AbstractAsyncContextManager[Conversation]:
        """Return what asks for one request.

        A question stays open for `seconds`. `more_time` is called when the person
        wishes for as many again; True where they were given.
        """

    def warm(self) -> None:
        """Get ready for a question that may come soon."""

    def forget(self) -> None:
        """Close what tells how a request ended: the next person's turn begins."""

    def close(self) -> None:
        """Close what is open: the agent ends."""


class AskedAtOnce:
    """What interfaces share that ask a question and have the answer, no more."""

    patient = False
    closed = False
    crashed = False

    @asynccontextmanager
    async def conversation(
        self, more_time: Callable[[], bool], seconds: float
    ) -> AsyncIterator[Self]:
        """Ask for one request."""
        yield self

    def warm(self) -> None:
        """Be ready anyhow."""

    def forget(self) -> None:
        """Leave nothing open anyhow."""

    def close(self) -> None:
        """Leave nothing open anyhow."""

    async def until_closed(self) -> None:
        """Show nothing that could be closed."""
        await asyncio.Event().wait()

    def show_on(self, screen: int | str) -> None:
        """Be on no screen that could be chosen."""
        raise ScreenMissing

    async def awaited(self, question: Awaited) -> None:
        """Not asked here."""
        raise Unavailable

    async def values(self, question: Values) -> bool:
        """Not asked here."""
        raise Unavailable

    async def review(self, question: Review, draw: Draw) -> tuple[bool, ...]:
        """Sign all: each is described where its PIN is asked."""
        return (True,) * len(question.documents)

    async def change_last_try(self, question: PinChange) -> bool:
        """Not asked here."""
        raise Unavailable

    async def change_on_reader(self, question: PinChange) -> bool:
        """Not asked here."""
        raise Unavailable

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Not asked here."""
        raise Unavailable

    def working(self, done: int, total: int) -> None:
        """Show nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Show nothing."""

    async def explain(self, outcome: Outcome) -> None:
        """Show nothing: the page says it."""
