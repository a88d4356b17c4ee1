"""Every way in which reader, card, person or time fails, as a page gets to know it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import openapi
from agent.errors import Problem
from agent.settings import Settings
from agent.ui import Unavailable
from cardio import errors
from cardio.apdu import INS, Response
from cardio.channel import Apdu, Channel, Wrapper
from cardio.readers import ReaderSource, ReaderState, ReaderWatch
from cardio.virtual.reader import VirtualReaders
from tests.agent.people import PORTAL, Person, running
from tests.cardio.channels import Fault, is_ins

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))

# --- a card's error by its name on the wire ------------------------------------------

CARD_ERRORS: list[tuple[errors.CardError, str, int]] = [
    (errors.CardError(), "card-unreadable", 424),
    (errors.ServiceUnavailable(), "pcsc-unavailable", 424),
    (errors.ServiceStopped(), "pcsc-unavailable", 424),
    (errors.ServiceRefused(), "pcsc-unavailable", 424),
    (errors.NoReader(), "no-reader", 424),
    (errors.SeveralReaders(("a", "b")), "card-unreadable", 424),
    (errors.NoCard(), "no-card", 424),
    (errors.UnsupportedCard(b""), "unsupported-card", 424),
    (errors.ModuleLacks(Path("x.so"), "odd"), "unsupported-card", 424),
    (errors.CardRemoved(), "card-removed", 424),
    (errors.CardReset(), "card-unreadable", 424),
    (errors.CardChanged(), "card-changed", 409),
    (errors.CardNotActivated(), "card-not-activated", 424),
    (errors.CardUnreadable(), "card-unreadable", 424),
    (errors.CardMute(), "card-unreadable", 424),
    (errors.UnexpectedStatus(0xB0, 0x6F00), "card-unreadable", 424),
    (errors.MalformedData(), "card-unreadable", 424),
    (errors.FileAbsent(), "card-unreadable", 424),
    (errors.NoCertificate(), "no-certificate", 424),
    (errors.PinError(), "card-unreadable", 424),
    (errors.CardBusy(), "busy", 409),
    (errors.ModuleUnusable(Path("x.so"), "odd"), "pcsc-unavailable", 424),
    (errors.LoginFirst(), "no-certificate", 424),
    (errors.ChipBlocked(), "card-unreadable", 424),
    (errors.PinFormat(), "user-cancelled", 409),
    (errors.NewPinRefused(), "card-unreadable", 424),
    (errors.NewPinsDiffer(), "user-cancelled", 409),
    (errors.PinEntryTimeout(), "timeout", 504),
    (errors.PinEntryCancelled(), "user-cancelled", 409),
    (errors.PinIncorrect(2), "pin-incorrect", 422),
    (errors.PinBlocked(), "pin-blocked", 423),
]


@pytest.mark.parametrize(("error", "code", "status"), CARD_ERRORS)
def test_a_cards_error_has_its_code_and_status(
    error: errors.CardError, code: str, status: int
) -> None:
    """As the API names them; a wrong PIN says how many tries are left."""
    body = Problem.from_card_error(error).to_json("en")
    assert (body["code"], body["status"]) == (code, status)
    assert body.get("triesLeft") == getattr(error, "tries_left", None)


def test_no_error_of_a_card_is_left_out_above() -> None:
    """A new type has to be given its code here, too."""
    types = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.CardError)
    }
    assert {type(error) for error, _, _ in CARD_ERRORS} == types


# --- readers and cards that fail -----------------------------------------------------


class Between:
    """A reader source that changes the way to the cards, or calls them real."""

    def __init__(
        self,
        readers: VirtualReaders,
        wrap: Callable[[Channel], Channel] = lambda channel: channel,
        *,
        virtual: bool = True,
    ) -> None:
        self._readers = readers
        self._wrap = wrap
        self.virtual = virtual

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now."""
        return self._readers.readers()

    def watch(self) -> ReaderWatch:
        """Return a watch."""
        return self._readers.watch()

    def connect(self, name: str) -> Channel:
        """Connect, through what was put between."""
        return self._wrap(self._readers.connect(name))


def _answering(
    hits: Callable[[Apdu], bool], answer: str
) -> Callable[[VirtualReaders], ReaderSource]:
    """Let cards answer these commands with this, always."""
    return lambda readers: Between(
        readers, lambda channel: Fault(channel, hits, answer, times=10**6)
    )


@pytest.mark.parametrize(
    ("hits", "answer", "code"),
    [
        (lambda _: True, "6A82", "unsupported-card"),
        (is_ins(INS.READ_BINARY), "6F00", "card-unreadable"),
        (is_ins(INS.READ_BINARY), "9000", "card-unreadable"),
        (is_ins(INS.READ_BINARY), "6985", "card-not-activated"),
    ],
)
@pytest.mark.parametrize("call", ["identity", "authenticate"])
async def test_a_card_that_fails_is_named(
    hits: Callable[[Apdu], bool], answer: str, code: str, call: str
) -> None:
    """Neither of our cards, an answer out of place, no bytes, not activated."""
    async with running("adult", through=_answering(hits, answer)) as agent:
        if call == "identity":
            got = await agent.identity("identity")
        else:
            got = await agent.login()
        assert (got.status, got.body["code"]) == (424, code)
        assert got.body["operation"] == call
        assert "raw" not in got.body
        assert agent.cards[0].tries_left == 3


async def test_a_reader_that_vanishes_during_a_question_closes_it() -> None:
    """The reader is unplugged with its card; no try is spent."""
    person = Person(thinks=True)
    async with running("adult", person=person) as agent:
        login = asyncio.create_task(agent.login())
        await person.asked.wait()
        agent.readers.unplug("Reader 0")
        answer = await asyncio.wait_for(login, 5)
        assert (answer.status, answer.body["code"]) == (424, "card-removed")
        assert person.left.is_set()
        assert agent.cards[0].tries_left == 3


class Unplugging(Wrapper):
    """The reader is unplugged when the second part of a file is asked for."""

    def __init__(self, inner: Channel, readers: VirtualReaders) -> None:
        super().__init__(inner)
        self._readers = readers

    def transmit(self, apdu: Apdu) -> Response:
        """Pass on, but for that."""
        if apdu[1] == INS.READ_BINARY and bytes(apdu[2:4]) != b"\0\0":
            self._readers.unplug("Reader 0")
        return self.inner.transmit(apdu)


async def test_a_reader_that_vanishes_during_a_read_gives_no_data() -> None:
    """What was read so far is not given; the next call finds no reader."""

    def through(readers: VirtualReaders) -> ReaderSource:
        return Between(readers, lambda channel: Unplugging(channel, readers))

    async with running("adult", through=through) as agent:
        answer = await agent.identity("photo", "identity")
        assert (answer.status, answer.body["code"]) == (424, "card-removed")
        assert "raw" not in answer.body
        assert (await agent.identity("identity")).body["code"] == "no-reader"


# --- the person and the time ---------------------------------------------------------


class Absent(Person):
    """Nobody can be asked."""

    async def consent(self, question: Any) -> Any:
        """There is no terminal and no window."""
        raise Unavailable

    async def login_pin(self, question: Any) -> Any:
        """There is no terminal and no window."""
        raise Unavailable


class Broken(Person):
    """The interface has a bug, whose message could hold anything."""

    async def consent(self, question: Any) -> Any:
        """Fail with somebody's data."""
        raise RuntimeError("85073003328")


async def test_where_nobody_can_be_asked_the_page_is_told() -> None:
    """424, for data and for a login."""
    async with running("adult", person=Absent()) as agent:
        for answer in (await agent.identity("identity"), await agent.login()):
            assert (answer.status, answer.body["code"]) == (424, "no-user-interface")
        assert agent.cards[0].tries_left == 3


async def test_a_bug_is_an_internal_error_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the answer nor the log holds the message, and the agent goes on."""
    async with running("adult", person=Broken()) as agent:
        answer = await agent.identity("identity")
        assert (answer.status, answer.body["code"]) == (500, "internal-error")
        assert answer.body["operation"] == "identity"
        assert "RuntimeError" in caplog.text
        assert "85073003328" not in caplog.text + str(answer.body)
        assert (await agent.login()).status == 200


@pytest.mark.parametrize("limit", ["dialog_seconds", "operation_seconds"])
async def test_a_question_that_nobody_answers_ends(limit: str) -> None:
    """The question closes, the reader is free again, no try is spent."""
    person = Person(thinks=True)
    settings = replace(Settings(), **{limit: 1.0})
    async with running("adult", person=person, settings=settings) as agent:
        answer = await asyncio.wait_for(agent.login(), 10)
        assert (answer.status, answer.body["code"]) == (504, "timeout")
        assert person.left.is_set()
        person.thinks = False
        assert (await agent.login()).status == 200
        assert agent.cards[0].tries_left == 3


async def test_a_card_that_is_not_virtual_needs_consent_all_the_same() -> None:
    """--allow-origin spares a real card's owner no question about their data."""

    def through(readers: VirtualReaders) -> ReaderSource:
        return Between(readers, virtual=False)

    async with running("adult", settings=ALLOWED, through=through) as agent:
        assert (await agent.identity("identity", "address")).status == 200
        [question] = agent.person.questions
        assert question.data == ("identity", "address")  # type: ignore[union-attr]
        agent.person.agrees = False
        assert (await agent.identity("identity")).body["code"] == "user-denied"


async def test_one_question_in_all_whatever_the_reader() -> None:
    """While one site is asked about its card, another reader's login is `busy`."""
    person = Person(thinks=True)
    both = running("adult", "adult-1.7", person=person, settings=ALLOWED)
    async with both as agent:
        readers = (await agent.call("GET", "/v1/readers")).body["readers"]
        ids = [reader["id"] for reader in readers]
        first = asyncio.create_task(agent.login(reader=ids[0]))
        await person.asked.wait()
        answer = await asyncio.wait_for(agent.login(reader=ids[1]), 5)
        assert (answer.status, answer.body["code"]) == (409, "busy")
        assert len(person.questions) == 1
        first.cancel()
        await asyncio.wait_for(person.left.wait(), 5)
        person.thinks = False
        assert (await agent.login(reader=ids[1])).status == 200


# --- which call it was ---------------------------------------------------------------


async def test_a_problem_names_the_call_it_comes_from() -> None:
    """Behind the gate; what fails at the gate or at no call names none."""
    async with running("") as agent:
        named = [
            (await agent.login(), "authenticate"),
            (await agent.identity("identity"), "identity"),
            (await agent.identity("everything"), "identity"),
            (await agent.call("POST", "/v1/identity", raw=b" " * 70000), "identity"),
            (await agent.call("GET", "/v1/readers"), "readers"),
            (await agent.call("POST", "/v1/events", {}), "events"),
        ]
        for answer, operation in named:
            assert answer.status >= 400
            assert answer.body["operation"] == operation
        gate = {"Origin": "http://portal.example"}
        for answer in (
            await agent.call("GET", "/v1/status", headers=gate),
            await agent.call("GET", "/v1/nothing"),
        ):
            assert answer.status >= 400
            assert "operation" not in answer.body
    schema = openapi.description("test")["components"]["schemas"]["Problem"]
    allowed = schema["properties"]["operation"]["enum"]
    assert {operation for _, operation in named} <= set(allowed)


def test_a_wait_is_given_where_it_is_known() -> None:
    """In whole seconds; no member where nobody knows."""
    body = Problem("too-many-requests", retry_after=600).to_json("en")
    assert body["retryAfter"] == 600
    assert "retryAfter" not in Problem("busy").to_json("en")
