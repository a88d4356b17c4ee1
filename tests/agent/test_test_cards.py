"""A test card is called one, and no other card is, on whatever road they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.errors import Problem
from agent.inspection import look_into
from agent.protocol import AuthenticateRequest, IdentityRequest
from agent.service import AgentService
from agent.settings import Settings
from agent.ui import Choice
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.calls import prepared
from tests.agent.fake_cards import FakeGenuineCard
from tests.agent.people import NONCE, PORTAL, Person
from tests.rig.transcript import RecordedCard

IDENTITY = IdentityRequest(("identity",))
LOGIN = AuthenticateRequest(NONCE)


class FakePcscReaders(VirtualReaders):
    """Readers of which nobody said that they are virtual, as a PC/SC service's are."""

    virtual = False


@asynccontextmanager
async def serving(
    *cards: VirtualCard, test_cards: bool = False, allowed: bool = False
) -> AsyncIterator[tuple[AgentService, Person]]:
    """Run the service with each card in a reader of its own."""
    names = [f"Reader {number}" for number in range(len(cards))]
    readers = FakePcscReaders(*names)
    for name, card in zip(names, cards, strict=True):
        readers.insert(card, name)
    person = Person()
    origins = frozenset({PORTAL} if allowed else ())
    settings = Settings(test_cards=test_cards, allowed_origins=origins)
    service = AgentService(BeidCards(readers), person, settings)
    service.start()
    try:
        yield service, person
    finally:
        await service.close()


def genuine(persona: str = "adult") -> FakeGenuineCard:
    """Return a card without the mark."""
    return FakeGenuineCard(load_profile(persona))


def marked(persona: str = "adult") -> RecordedCard:
    """Return a virtual card as it is."""
    return RecordedCard(load_profile(persona))


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_every_question_of_a_virtual_card_is_marked(persona: str) -> None:
    """In any reader; it costs no command more than a genuine card does."""
    cards = {True: marked(persona), False: genuine(persona)}
    for virtual, card in cards.items():
        async with serving(card) as (service, person):
            await service.identity(PORTAL, IDENTITY, "en")
            await service.authenticate(PORTAL, LOGIN, "en")
            assert [question.virtual for question in person.questions] == [virtual] * 2
            assert (await service.status(PORTAL))["virtual"] is virtual
    commands = [[one.command for one in card.exchanges] for card in cards.values()]
    assert commands[0] == commands[1]


async def test_the_card_that_was_chosen_decides() -> None:
    """One genuine card and one test card: the choice names which is which."""
    for option in (0, 1):
        async with serving(genuine(), marked("adult-1.7")) as (service, person):
            person.option = option
            await service.identity(PORTAL, IDENTITY, "en")
            choice, consent = person.questions
            assert isinstance(choice, Choice)
            assert (choice.virtual, choice.test_cards) == (False, (False, True))
            assert consent.virtual is bool(option)
            assert (await service.status(PORTAL))["virtual"]


async def test_where_test_cards_count_no_other_is_used() -> None:
    """A genuine card is asked for neither data nor PIN, and nothing is read of it."""
    card = genuine()
    async with serving(card, test_cards=True, allowed=True) as (service, person):
        with pytest.raises(Problem, match="only test cards"):
            await service.identity(PORTAL, IDENTITY, "en")
        with pytest.raises(Problem, match="only test cards"):
            await service.authenticate(PORTAL, LOGIN, "en")
        status = await service.status(PORTAL)
        assert (status["card"], status["virtual"]) == ("unsupported", False)
        assert (await service.readers(PORTAL))["readers"][0]["card"] is None  # type: ignore[index]
    assert person.questions == []
    assert card.count(INS.VERIFY) == 0


async def test_where_test_cards_count_the_test_card_is_used_without_a_question() -> (
    None
):
    """The genuine one beside it is not even offered."""
    card = genuine()
    async with serving(card, marked("adult-1.7"), test_cards=True) as (service, one):
        await service.authenticate(PORTAL, LOGIN, "en")
        assert [question.virtual for question in one.questions] == [True]
    assert card.count(INS.VERIFY) == 0


async def test_where_test_cards_count_no_other_is_read_ahead() -> None:
    """While an allowed page is open; the test card beside it is."""
    alone = genuine()
    readers = VirtualReaders("Reader")
    readers.insert(alone)
    look_into(BeidCards(readers), readers.readers()[0])
    card, test = genuine(), marked("adult-1.7")
    async with serving(card, test, test_cards=True, allowed=True) as (service, _):
        await service.status(PORTAL)
        async with asyncio.timeout(10):
            while not prepared(service):
                await asyncio.sleep(0.005)
    assert [one.ins for one in card.exchanges] == [one.ins for one in alone.exchanges]
    assert test.count(INS.READ_BINARY) > alone.count(INS.READ_BINARY)
