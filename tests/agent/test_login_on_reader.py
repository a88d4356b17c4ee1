"""A login whose PIN is typed on the keys of the reader, played by a scripted one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.errors import STATUS
from agent.texts import LANGUAGES
from agent.ui import Login
from agent.ui.terminal import TerminalInterface
from cardio.apdu import INS
from cardio.beid.source import BeidCards
from cardio.card import PinEntry
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.people import NONCE, Agent, Person, running
from tests.cardio.fake_pinpad import (
    CANCELLED,
    LENGTH,
    PARAMETER,
    TIMEOUT,
    FakePinPadReaders,
    Typed,
)
from tests.rig.transcript import RecordedCard


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_the_pin_is_asked_on_the_reader_alone(persona: str, strict: bool) -> None:
    """One question, which is no PIN question; the token is as good as any other."""
    person = Person(pin=b"0000")  # would be wrong if it were asked here
    async with running(
        persona, person=person, strict=strict, on_reader=[("1234",)]
    ) as agent:
        answer = await agent.login()
        assert answer.status == 200
        assert answer.body["format"] == "web-eid:1.0"
        assert len(person.elsewhere) == len(person.questions) == 1
        question = person.questions[0]
        assert isinstance(question, Login)
        assert question.tries_left == 3


async def test_readers_say_that_they_have_keys() -> None:
    """`pinPad` of `/v1/readers`."""
    async with running("adult", on_reader=[("1234",)]) as agent:
        assert (await agent.login()).status == 200
        body = (await agent.call("GET", "/v1/readers")).body
        assert [reader["pinPad"] for reader in body["readers"]] == [True]


@pytest.mark.parametrize(
    ("typed", "code", "left"),
    [
        (TIMEOUT, "timeout", 3),
        (CANCELLED, "user-cancelled", 3),
        (LENGTH, "user-cancelled", 3),
        (PARAMETER, "card-unreadable", 3),
        (("9999",), "pin-incorrect", 2),
    ],
)
async def test_what_happens_on_the_reader_has_a_code(
    typed: Typed, code: str, left: int
) -> None:
    """Nothing is asked a second time, and only a wrong PIN costs a try."""
    async with running("adult", on_reader=[typed, ("1234",)]) as agent:
        answer = await agent.login()
        assert (answer.status, answer.body["code"]) == (STATUS[code], code)
        assert agent.cards[0].tries_left == left
        assert len(agent.person.elsewhere) == 1
        assert (await agent.login()).status == 200  # and the next one works


async def test_a_refusal_asks_nothing_on_the_reader() -> None:
    """n to the question: the script of the reader is not touched."""
    person = Person(agrees=False)
    async with running("adult", person=person, on_reader=[]) as agent:
        answer = await agent.login()
        assert answer.body["code"] == "user-denied"


async def test_the_last_try_needs_its_own_step_there_too() -> None:
    """First the question about the last try, then the one about the reader."""
    async with running("one-try", on_reader=[("1234",)]) as agent:
        assert (await agent.login()).status == 200
        assert agent.person.last_tries == len(agent.person.elsewhere) == 1
        assert len(agent.person.questions) == 2


#: Windows' numbers of the languages, as readers with a display take them (wLangId).
LANGUAGE_NUMBERS = {"nl": 0x0813, "fr": 0x080C, "de": 0x0407, "en": 0x0409}


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_the_reader_prompts_in_the_language_of_the_request(lang: str) -> None:
    """From the body's `lang` or Accept-Language down to the reader's bytes."""
    readers = VirtualReaders()
    readers.insert(RecordedCard(load_profile("adult")))
    pads = FakePinPadReaders(readers, [("1234",), ("1234",)])
    async with running(source=BeidCards(pads)) as agent:
        assert (await agent.login(lang=lang)).status == 200
        body, headers = {"challengeNonce": NONCE}, {"Accept-Language": lang}
        answer = await agent.call("POST", "/v1/authenticate", body, headers=headers)
        assert answer.status == 200
    assert pads.languages() == [LANGUAGE_NUMBERS[lang]] * 2


# --- a reader through which the tries of a 1.7 card cannot be asked ------------------


@asynccontextmanager
async def through_gempc(
    card: RecordedCard, person: Person, *typed: Typed
) -> AsyncIterator[tuple[Agent, VirtualReaders]]:
    """Run an agent whose one reader swallows the status query (SAFETY 4)."""
    readers = VirtualReaders("Gemalto GemPC Pinpad 00 00")
    readers.insert(card)
    source = BeidCards(FakePinPadReaders(readers, typed))
    async with running(person=person, source=source) as agent:
        yield agent, readers


async def test_what_may_be_the_last_try_needs_its_own_step() -> None:
    """No way to see how many are left: asked first; n leaves the reader alone."""
    card = RecordedCard(load_profile("one-try", applet="1.7"))
    person = Person(agrees=False)
    async with through_gempc(card, person, ("1234",)) as (agent, _):
        assert (await agent.login()).body["code"] == "user-denied"
        assert (person.last_tries, person.elsewhere) == (1, [])
        assert card.count(INS.VERIFY) == 0
        person.agrees = True
        assert (await agent.login()).status == 200
        assert (person.last_tries, len(person.elsewhere)) == (2, 1)
    asked = [question for question in person.questions if isinstance(question, Login)]
    assert [question.tries_left for question in asked] == [None] * 3


async def test_the_last_try_is_known_from_what_the_card_answered() -> None:
    """63C1 to the PIN before; then none is left and nothing more is asked."""
    card = RecordedCard(load_profile("adult-1.7"))
    person, wrong = Person(), ("9999",)
    async with through_gempc(card, person, wrong, wrong, wrong) as (agent, readers):
        codes = [(await agent.login()).body["code"] for _ in range(3)]
        assert codes == ["pin-incorrect", "pin-incorrect", "pin-blocked"]
        asked = [one.tries_left for one in person.questions if isinstance(one, Login)]
        # Two left is not believed: another program may have spent one since.
        assert asked == [None, None, None, None, 1, 1]
        assert (await agent.login()).body["code"] == "pin-blocked"
        assert (len(person.questions), card.count(INS.VERIFY)) == (6, 3)
        readers.remove()
        readers.insert(RecordedCard(load_profile("long-names", applet="1.7")))
        person.agrees = False
        assert (await agent.login()).body["code"] == "user-denied"
        question = person.questions[-1]
        assert isinstance(question, Login)
        assert question.tries_left is None  # nothing is known of the new card


async def test_a_right_pin_makes_the_tries_unknown_again() -> None:
    """The one try that was left is not the last any more."""
    card = RecordedCard(load_profile("adult-1.7"))
    person = Person()
    typed: list[Typed] = [("9999",), ("9999",), ("1234",), ("1234",)]
    async with through_gempc(card, person, *typed) as (agent, _):
        statuses = [(await agent.login()).status for _ in range(4)]
    assert statuses == [422, 422, 200, 200]
    asked = [one.tries_left for one in person.questions if isinstance(one, Login)]
    assert asked == [None, None, None, None, 1, 1, None, None]


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_the_terminal_says_that_it_may_be_the_last_try(
    lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown is not called one; both go by the same strong word."""
    shown: list[str] = []
    interface = TerminalInterface(shown.append)
    monkeypatch.setattr(interface._keyboard, "read_line", lambda: bytearray(b"y"))
    for tries in (None, 1):
        question = Login("https://portal.example", tries, lang, True)
        assert await interface.last_try(question)
    maybe, last = (words for words in shown if words.endswith("[y/n] "))
    assert maybe != last
    strong = {"nl": "LAATSTE", "fr": "DERNIER", "de": "LETZTE", "en": "LAST"}[lang]
    assert strong in maybe
    assert strong in last


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_the_terminal_sends_the_person_to_the_reader(
    lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Site, tries and the reader are named; it is no PIN prompt."""
    shown: list[str] = []
    interface = TerminalInterface(shown.append)
    lines = [bytearray(b"y")]
    monkeypatch.setattr(interface._keyboard, "read_line", lambda: lines.pop())
    question = Login("https://portal.example", 2, lang, True)
    assert await interface.login_elsewhere(question, PinEntry.READER)
    words = shown[0]
    assert "portal.example" in words
    assert "2" in words
    assert words.endswith("[y/n] ")
    assert "PIN: " not in words
