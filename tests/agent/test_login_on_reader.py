"""A login whose PIN is typed on the keys of the reader, played by a scripted one."""

from __future__ import annotations

import pytest

from agent.errors import STATUS
from agent.texts import LANGUAGES
from agent.ui import Login
from agent.ui.terminal import TerminalInterface
from cardio.card import PinEntry
from tests.agent.people import Person, running
from tests.cardio.fake_pinpad import CANCELLED, LENGTH, PARAMETER, TIMEOUT, Typed


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
