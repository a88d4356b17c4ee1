"""What a person has to know of the card is shown, also where nothing was asked."""

from __future__ import annotations

import pytest

from agent.ui import Outcome
from tests.agent.people import Person, running


class Explained(Person):
    """Keeps what was shown of requests that asked nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.explained: list[Outcome] = []

    async def explain(self, outcome: Outcome) -> None:
        """Take note of it."""
        self.explained.append(outcome)


@pytest.mark.parametrize(
    ("persona", "code", "words"),
    [
        ("blocked", "pin-blocked", "population service"),
        ("expired", "certificate-expired", "new card"),
        ("kids", "no-certificate", "municipality"),
    ],
)
async def test_a_card_that_cannot_log_in_is_explained(
    persona: str, code: str, words: str
) -> None:
    """Once a request, with what to do next."""
    person = Explained()
    async with running(persona, person=person) as agent:
        assert (await agent.login()).body["code"] == code
    (outcome,) = person.explained
    assert outcome.code == code
    assert words in outcome.reason
    assert person.questions == []


async def test_what_the_page_can_say_by_itself_opens_no_window() -> None:
    """An empty reader, in the terminal, is the page's to tell."""
    person = Explained()
    async with running("", person=person) as agent:
        assert (await agent.login()).body["code"] == "no-card"
    assert person.explained == []


async def test_behind_a_locked_screen_no_window_opens() -> None:
    """Nobody would see it; the page has its answer."""
    person = Explained()
    async with running("blocked", person=person) as agent:
        agent.service.attendance.lock(locked=True)
        assert (await agent.login()).body["code"] == "pin-blocked"
    assert person.explained == []
