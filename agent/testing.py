"""For a portal's own tests: an agent with a virtual card and a scripted person.

    from agent.testing import eid_agent  # in conftest.py: a fixture of pytest

    def test_login(eid_agent, page):
        eid_agent.person.types("9999", "1234")  # else the person agrees and types 1234

The card is always one in this process, and nothing else can be given. Needs pytest
(extra `testing`). No other module imports it, no command and no entry point starts
it, and what citizens install leaves it out (SAFETY 22). Touches loopback and a
temporary folder; the agent runs in a thread of its own, beside any kind of test.
"""

from __future__ import annotations

import asyncio
import enum
import threading
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509

from agent import certs, host, tls
from agent.server import serve
from agent.service import AgentService
from agent.settings import Settings
from agent.ui import (
    AskedAtOnce,
    Cancelled,
    Choice,
    Consent,
    Draw,
    Login,
    Outcome,
    Permission,
    Review,
)
from cardio.beid.source import BeidCards
from cardio.card import PinEntry
from cardio.pin import Pin
from cardio.virtual import pki
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.profile import DEFAULT_PIN, load_profile
from cardio.virtual.reader import VirtualReaders
from cardio.virtual.settings import is_pin

__all__ = ["AgentUnderTest", "Question", "ScriptedPerson", "eid_agent", "run_agent"]

T = TypeVar("T")
#: What a person is asked; a `Login` with `signing` set is a signature's.
Question = Consent | Login | Choice | Review

#: Seconds for what is a matter of milliseconds.
_PATIENCE = 30.0


@enum.unique
class _Move(enum.Enum):
    """What a person does at a question."""

    AGREE = enum.auto()
    REFUSE = enum.auto()
    CLOSE = enum.auto()
    PULL = enum.auto()
    THINK = enum.auto()


class ScriptedPerson(AskedAtOnce):
    """Agrees to every question and types 1234, but for what a test says before.

    Each of `consents`, `refuses`, `closes`, `pulls_card` and `thinks` is about one
    question, in the order of the calls; each PIN of `types` about one PIN, and
    `strikes_out` about one list of documents. They may be called from any thread.
    `questions` and `outcomes` hold what was asked and told.
    """

    #: As in a terminal: nothing can show that an "always" is used, so there is none.
    notice = None

    def __init__(self, readers: VirtualReaders) -> None:
        self.questions: list[Question] = []
        self.outcomes: list[Outcome] = []
        self._readers = readers
        self._moves: deque[_Move] = deque()
        self._pins: deque[str] = deque()
        self._struck: deque[frozenset[int]] = deque()
        self._news = threading.Condition()

    # --- the script ------------------------------------------------------------------

    def consents(self) -> None:
        """Agree to the next question: for a yes before a no."""
        self._moves.append(_Move.AGREE)

    def refuses(self) -> None:
        """Say no to the next question: `user-denied`.

        At a PIN, and by striking out all documents of a list, `user-cancelled`.
        """
        self._moves.append(_Move.REFUSE)

    def closes(self) -> None:
        """Close the next question without an answer: `user-cancelled`."""
        self._moves.append(_Move.CLOSE)

    def pulls_card(self) -> None:
        """Pull the card while the next question is open: `card-removed`."""
        self._moves.append(_Move.PULL)

    def thinks(self) -> None:
        """Leave the next question open until the request ends by itself."""
        self._moves.append(_Move.THINK)

    def types(self, *pins: str) -> None:
        """Type these PINs at the next questions for one; ValueError for no PIN."""
        for pin in pins:
            if not is_pin(pin):
                raise ValueError("a PIN has 4 to 12 digits")
        self._pins.extend(pins)

    def strikes_out(self, *documents: int) -> None:
        """Leave these documents, counted from 0, out of the next review."""
        self._struck.append(frozenset(documents))

    def asked(self, count: int = 1) -> Question:
        """Wait until `count` questions were asked, and return the last of them.

        TimeoutError after 30 seconds.
        """
        with self._news:
            if not self._news.wait_for(lambda: len(self.questions) >= count, _PATIENCE):
                raise TimeoutError(f"{len(self.questions)} questions were asked")
        return self.questions[count - 1]

    # --- what the agent asks ---------------------------------------------------------

    async def consent(self, question: Consent) -> Permission:
        """Agree this once, or not."""
        agreed = await self._moved(question)
        return Permission.ONCE if agreed else Permission.DENY

    async def last_try(self, question: Login) -> bool:
        """Agree to use the last try, or not."""
        return await self._moved(question)

    async def login_pin(self, question: Login) -> Pin:
        """Type a PIN."""
        if not await self._moved(question):
            raise Cancelled
        pin = self._pins.popleft() if self._pins else DEFAULT_PIN
        return Pin(bytearray(pin.encode()))

    async def login_elsewhere(self, question: Login, entry: PinEntry) -> bool:
        """Agree; a virtual reader has no keys, so that nobody asks."""
        return await self._moved(question)

    async def choose(self, question: Choice) -> int:
        """Choose the first reader."""
        if not await self._moved(question):
            raise Cancelled
        return 0

    async def review(self, question: Review, draw: Draw) -> tuple[bool, ...]:
        """Sign all documents that the script does not strike out."""
        agreed = await self._moved(question)
        struck = self._struck.popleft() if self._struck else frozenset[int]()
        return tuple(
            agreed and at not in struck for at in range(len(question.documents))
        )

    def ended(self, outcome: Outcome) -> None:
        """Take note of how a request ended."""
        self.outcomes.append(outcome)

    async def _moved(self, question: Question) -> bool:
        """Do what the script says; whether that is a yes."""
        move = self._moves.popleft() if self._moves else _Move.AGREE
        with self._news:
            self.questions.append(question)
            self._news.notify_all()
        if move is _Move.CLOSE:
            raise Cancelled
        if move is _Move.PULL:
            self._readers.remove()
        if move in (_Move.PULL, _Move.THINK):
            await asyncio.Event().wait()  # the agent closes the question
        return move is not _Move.REFUSE


class AgentUnderTest:
    """A running agent, its virtual reader and the person before it."""

    def __init__(
        self,
        person: ScriptedPerson,
        readers: VirtualReaders,
        port: int,
        files: tls.Files,
    ) -> None:
        self.person = person
        #: Where it listens: a page that uses `eid-agent-client` finds it by itself.
        self.port = port
        #: The CA of its certificate, in PEM: for browsers and clients to trust.
        self.ca_file: Path = files.ca
        #: Its certificate, for what pins keys (Chromium's switches).
        self.certificate: x509.Certificate = files.leaf_certificate()
        self._readers = readers

    @property
    def url(self) -> str:
        """`https://localhost:PORT`."""
        return f"https://localhost:{self.port}"

    @property
    def trusted_cas(self) -> tuple[x509.Certificate, ...]:
        """Roots of the personas' cards: for a portal under test, with `allow_test`."""
        return pki.test_roots()

    def insert_card(
        self, card: str | Path = "adult", *, fault: Fault | None = None
    ) -> None:
        """Put a persona's card, or that of a card folder, in place of the one there.

        With a `fault` of `cardio.virtual.faults` it misbehaves: `Fault("removed", 9)`
        is pulled at the ninth command. ProfileError where there is no such card.
        """
        inserted = VirtualCard(load_profile(card))
        self._readers.remove()
        self._readers.insert(FaultyCard(inserted, fault))

    def remove_card(self) -> None:
        """Pull the card."""
        self._readers.remove()


@contextmanager
def run_agent(
    card: str | Path = "adult", *, port: int | None = None, lang: str = "en"
) -> Iterator[AgentUnderTest]:
    """Run an agent with a persona's card, or that of a card folder.

    `port` None: the first free one of those that pages try, so that two of them at once
    can be told apart by their ports alone; 0: any. Pages on http loopback origins are
    let in. ProfileError, `PortTaken` and `PortRefused` of `agent.connections`.
    """
    readers = VirtualReaders()
    readers.insert(VirtualCard(load_profile(card)))
    person = ScriptedPerson(readers)
    settings = Settings(lang=lang, developer=True, test_cards=True)
    with tls.temporary() as name, _event_loop() as run:
        folder = Path(name) / "tls"
        host.make_private_dir(folder)
        (files,) = tls.store(certs.issue(), folder)

        async def start() -> Any:
            service = AgentService(BeidCards(readers), person, settings)
            return await serve(service, files.context(), port)

        listening = run(start())
        try:
            yield AgentUnderTest(person, readers, listening.port, files)
        finally:
            run(listening.close())


@pytest.fixture
def eid_agent() -> Iterator[AgentUnderTest]:
    """Run an agent with the card of `adult` for one test."""
    with run_agent() as agent:
        yield agent


class _Run:
    """Runs coroutines on a loop in another thread, one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)


@contextmanager
def _event_loop() -> Iterator[_Run]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="eid-agent", daemon=True)
    thread.start()
    run = _Run(loop)
    try:
        yield run
    finally:
        run(loop.shutdown_default_executor())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
