"""A scripted person and a running agent over plain HTTP, for the endpoint's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from agent.server import serve
from agent.service import AgentService
from agent.settings import Settings
from agent.ui import (
    AlwaysUsed,
    AskedAtOnce,
    Cancelled,
    Choice,
    Consent,
    Login,
    Outcome,
    Permission,
)
from cardio.beid.source import BeidCards
from cardio.card import CardSource, PinEntry
from cardio.pin import Pin
from cardio.readers import ReaderSource
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.cardio.fake_pinpad import FakePinPadReaders, Typed
from tests.rig.transcript import RecordedCard

PORTAL = "https://portal.example"
NONCE = "n" * 44


@dataclass
class Person(AskedAtOnce):
    """Answers questions as told; keeps them, and can be made to think for ever."""

    pin: bytes = b"1234"
    agrees: bool = True
    closes: bool = False
    option: int = 0
    thinks: bool = False
    questions: list[Consent | Login | Choice] = field(default_factory=list)
    told: list[Outcome] = field(default_factory=list)
    last_tries: int = 0
    elsewhere: list[PinEntry] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    #: As a terminal: no "always".
    notice: Any = None

    async def _hear(self, question: Consent | Login | Choice) -> None:
        self.questions.append(question)
        self.asked.set()
        if self.closes:
            raise Cancelled
        if self.thinks:
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()

    async def consent(self, question: Consent) -> Permission:
        """Agree or not, this once."""
        await self._hear(question)
        return Permission.ONCE if self.agrees else Permission.DENY

    async def last_try(self, question: Login) -> bool:
        """Agree or not to use the last try."""
        self.last_tries += 1
        await self._hear(question)
        return self.agrees

    async def login_pin(self, question: Login) -> Pin:
        """Type the PIN."""
        await self._hear(question)
        return Pin(bytearray(self.pin))

    async def login_elsewhere(self, question: Login, entry: PinEntry) -> bool:
        """Agree or not to type the PIN in another place."""
        self.elsewhere.append(entry)
        await self._hear(question)
        return self.agrees

    def ended(self, outcome: Outcome) -> None:
        """Take note of how a request ended."""
        self.told.append(outcome)

    async def choose(self, question: Choice) -> int:
        """Choose a reader."""
        await self._hear(question)
        return self.option


class FakeWindows(Person):
    """A person at windows: answers "always" and sees notices; no window is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[AlwaysUsed] = []
        self.notice = self._notice

    async def _notice(self, used: AlwaysUsed) -> None:
        self.notices.append(used)

    async def consent(self, question: Consent) -> Permission:
        """Agree for always, whether that was offered or not."""
        await self._hear(question)
        return Permission.ALWAYS


@dataclass
class Answer:
    """Status, headers and JSON body of one answer."""

    status: int
    headers: dict[str, str]
    body: Any


class Agent:
    """A running agent with a virtual card, and a way to call it."""

    def __init__(
        self,
        readers: VirtualReaders,
        cards: list[RecordedCard],
        person: Person,
        port: int,
        session: Any,
        service: AgentService,
    ) -> None:
        self.service = service
        self.cards = cards
        self.readers = readers
        self.person = person
        self.port = port
        self._session = session

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Call as the portal's page would, with headers changed or left out (None)."""
        sent: dict[str, Any] = {"Origin": PORTAL, "X-EID-Agent": "1"}
        sent |= headers or {}
        sent = {name: value for name, value in sent.items() if value is not None}
        options: dict[str, Any] = {"headers": sent}
        if raw is not None:
            options["data"] = raw
            sent.setdefault("Content-Type", "application/json")
        elif body is not None:
            options["json"] = body
        url = f"http://localhost:{self.port}{path}"
        async with self._session.request(method, url, **options) as response:
            kind = response.content_type
            parsed = await response.json(content_type=None) if "json" in kind else None
            return Answer(response.status, dict(response.headers), parsed)

    def socket(self, ticket: str, *, origin: str = PORTAL) -> Any:
        """Open the WebSocket of events, as a browser would."""
        return self._session.ws_connect(
            f"http://localhost:{self.port}/v1/events",
            protocols=("eid-agent.v1", f"ticket.{ticket}"),
            headers={"Origin": origin},
        )

    async def login(self, **members: Any) -> Answer:
        """Ask for a login."""
        body = {"challengeNonce": NONCE, **members}
        return await self.call("POST", "/v1/authenticate", body)

    async def identity(self, *include: str, **members: Any) -> Answer:
        """Ask for data."""
        body = {"include": list(include), **members}
        return await self.call("POST", "/v1/identity", body)


@asynccontextmanager
async def running(
    *personas: str,
    person: Person | None = None,
    settings: Settings | None = None,
    strict: bool = False,
    on_reader: Sequence[Typed] | None = None,
    source: CardSource | None = None,
    through: Callable[[VirtualReaders], ReaderSource] = lambda readers: readers,
) -> AsyncIterator[Agent]:
    """Run an agent with a reader for each persona ("" for an empty reader).

    With `on_reader` the readers have keys, and these are what is typed on them.
    `through` puts something between the agent and the readers, `source` another source
    of cards in place of them.
    """
    names = [f"Reader {number}" for number in range(len(personas))]
    readers = VirtualReaders(*names) if names else VirtualReaders()
    cards: list[RecordedCard] = []
    for name, persona in zip(names, personas, strict=True):
        if persona:
            cards.append(RecordedCard(load_profile(persona), strict=strict))
            readers.insert(cards[-1], name)
    someone = person or Person()
    played = through(readers)
    if on_reader is not None:
        played = FakePinPadReaders(readers, on_reader)
    cards_of = source or BeidCards(played)
    service = AgentService(cards_of, someone, settings or Settings())
    listening = await serve(service, None, None)
    try:
        async with aiohttp.ClientSession() as session:
            yield Agent(readers, cards, someone, listening.port, session, service)
    finally:
        await listening.close()
