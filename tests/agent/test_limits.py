"""How often a site may ask: what a portal never feels, and what a flood does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent import limits
from agent.errors import Problem
from agent.limits import Limits
from agent.settings import Settings
from tests.agent.people import PORTAL, Answer, Person, running

OTHER = "https://other.example"


class FakeClock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


def _wait(call: Callable[[str], None], origin: str = PORTAL) -> int:
    """Return how long a call has to wait, 0 when it may go on."""
    try:
        call(origin)
    except Problem as problem:
        return problem.retry_after or -1
    return 0


def test_a_portals_own_pace_is_never_limited(clock: FakeClock) -> None:
    """A status each second for an hour; a reading with a yes every three seconds."""
    site = Limits(clock)
    for _ in range(3600):
        clock.now += 1
        assert _wait(site.call) == 0
    for _ in range(1000):
        clock.now += 3
        assert _wait(site.begin) == 0
        site.agreed(PORTAL)


def test_what_the_person_agrees_to_counts_against_nobody(clock: FakeClock) -> None:
    """However fast they are."""
    site = Limits(clock)
    for _ in range(10_000):
        assert _wait(site.begin) == 0
        site.agreed(PORTAL)


def test_a_flood_waits_and_others_do_not(clock: FakeClock) -> None:
    """The wait that is told is enough, and one second less is not."""
    site = Limits(clock)
    assert [_wait(site.begin) for _ in range(20)] == [0] * 20
    wait = _wait(site.begin)
    assert wait == 3
    assert _wait(site.begin, OTHER) == 0
    assert _wait(site.call) == 0
    clock.now += wait - 1
    assert _wait(site.begin) == 1
    clock.now += 1
    assert _wait(site.begin) == 0
    assert _wait(site.begin) == 3


def test_waits_grow_with_each_refusal_and_a_consent_ends_them(
    clock: FakeClock,
) -> None:
    """1, 5, 30 minutes from the third in a row on."""
    site = Limits(clock)
    waits = []
    for _ in range(6):
        assert _wait(site.begin) == 0
        site.refused(PORTAL)
        waits.append(_wait(site.begin))
        clock.now += waits[-1]
    assert waits == [0, 0, 60, 300, 1800, 1800]
    assert _wait(site.begin) == 0
    site.agreed(PORTAL)
    for _ in range(2):
        site.refused(PORTAL)
    assert _wait(site.begin) == 0


def test_so_many_origins_are_remembered_and_those_that_wait_the_longest(
    clock: FakeClock,
) -> None:
    """A site cannot have its wait forgotten by names of its own making."""
    site = Limits(clock)
    for _ in range(3):
        site.refused(PORTAL)
    for number in range(10 * limits.MAX_ORIGINS):
        assert _wait(site.begin, f"https://n{number}.example") == 0
    assert _wait(site.begin) == 60
    assert len(site._sites) == limits.MAX_ORIGINS
    for number in range(2 * limits.MAX_ORIGINS):
        for _ in range(3):
            site.refused(f"https://w{number}.example")
    assert len(site._sites) == limits.MAX_ORIGINS
    for _ in range(20):
        _wait(site.begin, OTHER)
    assert _wait(site.begin, OTHER) == 3  # who comes new is remembered, too


def test_a_clock_that_goes_back_gives_nothing(clock: FakeClock) -> None:
    """Nor does it take anything."""
    site = Limits(clock)
    for _ in range(20):
        site.begin(PORTAL)
    clock.now -= 500
    assert _wait(site.begin) > 0
    clock.now += 503
    assert _wait(site.begin) == 0


# --- at the running agent ------------------------------------------------------------


def _refused(answer: Answer) -> int:
    assert (answer.status, answer.body["code"]) == (429, "too-many-requests")
    assert answer.headers["Retry-After"] == str(answer.body["retryAfter"])
    assert answer.headers["Access-Control-Allow-Origin"] == PORTAL
    return int(answer.body["retryAfter"])


@pytest.mark.parametrize("person", [Person(agrees=False), Person(closes=True)])
async def test_a_portal_that_asks_in_a_loop_reaches_the_person_three_times(
    monkeypatch: pytest.MonkeyPatch, person: Person
) -> None:
    """Then it waits, whatever it asks; other sites do not, nor does a yes."""
    clock = FakeClock()
    person = Person(agrees=person.agrees, closes=person.closes)
    async with running("one-try", person=person) as agent:
        monkeypatch.setattr(agent.service._limits, "_clock", clock)
        for _ in range(3):
            assert (await agent.identity("identity")).status in (403, 409)
        before = len(agent.cards[0].exchanges)
        for _ in range(20):
            assert _refused(await agent.identity("identity")) == 60
            assert _refused(await agent.login()) == 60
        assert len(person.questions) == 3
        assert len(agent.cards[0].exchanges) == before  # nor is the card looked at
        body = {"include": ["identity"]}
        headers = {"Origin": OTHER}
        answer = await agent.call("POST", "/v1/identity", body, headers=headers)
        assert answer.body["code"] != "too-many-requests"
        clock.now += 60
        person.agrees, person.closes = True, False
        assert (await agent.identity("identity")).status == 200
        person.agrees = False
        assert (await agent.identity("identity")).body["code"] == "user-denied"
        assert (await agent.identity("identity")).body["code"] == "user-denied"


async def test_a_loop_without_a_card_is_slowed_down() -> None:
    """Twenty at once, then one every three seconds."""
    async with running("") as agent:
        for _ in range(20):
            assert (await agent.login()).body["code"] == "no-card"
        assert _refused(await agent.login()) <= 3


async def test_a_flood_of_small_calls_is_slowed_down_and_a_login_is_not() -> None:
    """The limits of status and of logins are apart."""
    async with running("adult") as agent:
        answers = [await agent.call("GET", "/v1/status") for _ in range(400)]
        codes = [answer.status for answer in answers]
        assert codes[:200] == [200] * 200
        assert 429 in codes
        assert _refused(next(a for a in answers if a.status == 429)) == 1
        assert (await agent.login()).status == 200


async def test_many_readings_that_the_person_agrees_to_are_no_flood() -> None:
    """Nor are many logins."""
    async with running("adult", settings=Settings()) as agent:
        for _ in range(30):
            assert (await agent.identity("address")).status == 200
            assert (await agent.login()).status == 200


async def test_readings_that_bother_nobody_are_no_flood() -> None:
    """A site of --allow-origin and a virtual card, as in a developer's tests."""
    named = Settings(allowed_origins=frozenset({PORTAL}))
    async with running("adult", settings=named) as agent:
        for _ in range(30):
            assert (await agent.identity("address")).status == 200
