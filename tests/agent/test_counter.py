"""A counter: whose reader is whose, and that nothing of a person outlives a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import counter, counterfile
from agent.cli import main
from agent.commands.menu import Menu
from agent.counter import settled
from agent.counterfile import ChosenReaders, ReaderNames
from agent.journal import GIVEN, PERSON, Entry, Journal
from agent.settings import Settings
from agent.texts import LANGUAGES, text
from agent.ui import Awaited, Choice, Permission, Values
from agent.ui.desktop import DesktopInterface
from cardio.apdu import INS
from cardio.virtual.profile import load_profile
from tests.agent.calls import prepared
from tests.agent.people import PORTAL, Agent, Person, running
from tests.agent.test_events import closing, ticket
from tests.agent.test_policy import administrator, decide
from tests.rig.transcript import RecordedCard

__all__ = ["administrator"]

CITIZEN, CLERK = "Reader 0", "Reader 1"
NAMED = Settings(counter=True, citizen_reader=CITIZEN, clerk_reader=CLERK)


async def _ids(agent: Agent) -> dict[str, str]:
    """Return the ids of the readers that a page is told of, by whose they are."""
    readers = (await agent.call("GET", "/v1/readers")).body["readers"]
    return {reader["whose"]: reader["id"] for reader in readers}


def _marks(person: Person) -> list[tuple[str, ...]]:
    return [question.marks for question in person.questions]


# --- whose reader --------------------------------------------------------------------


async def test_a_citizens_request_never_touches_the_clerks_card() -> None:
    """Nor what a page may ask without a question, events and what is read ahead."""
    async with running("adult", "adult-1.7", settings=NAMED) as agent:
        assert (await agent.identity("identity", "photo")).status == 200
        assert (await agent.login()).status == 200
        assert (await agent.call("GET", "/v1/status")).body["card"] == "present"
        readers = (await agent.call("GET", "/v1/readers")).body["readers"]
        assert [reader["whose"] for reader in readers] == ["citizen", "clerk"]
        async with agent.socket(await ticket(agent)) as socket:
            agent.readers.remove(CLERK)
            agent.readers.insert(agent.cards[1], CLERK)
            agent.readers.remove(CITIZEN)
            assert (await socket.receive_json()) == {"type": "card-removed"}
        # Without a citizen's card the clerk's is no substitute.
        assert (await agent.login()).body["code"] == "no-card"
        assert (await agent.identity("identity")).body["code"] == "no-card"
        assert (await agent.call("GET", "/v1/status")).body["origin"] == "ask"
        assert agent.cards[1].exchanges == []
        assert set(_marks(agent.person)) == {("citizen-card",)}


async def test_the_clerks_login_never_touches_the_citizens_card() -> None:
    """It names the clerk's reader by its id; every question says whose card it is."""
    async with running("adult", "one-try", settings=NAMED) as agent:
        assert (await agent.identity("address")).status == 200
        clerk = (await _ids(agent))["clerk"]
        await asyncio.gather(*agent.service._ahead._tasks)  # of the citizen's, by then
        before, asked = len(agent.cards[0].exchanges), len(agent.person.questions)
        assert (await agent.login(reader=clerk)).status == 200
        assert len(agent.cards[0].exchanges) == before
        assert _marks(agent.person)[asked:] == [("clerk-card",)] * 2
        agent.readers.remove(CLERK)
        assert (await agent.login(reader=clerk)).body["code"] == "no-card"
        assert len(agent.cards[0].exchanges) == before


async def test_the_clerks_card_is_for_logins_alone() -> None:
    """No page reads its identity; the card is not touched for it."""
    async with running("adult", "adult-1.7", settings=NAMED) as agent:
        assert (await agent.identity("address")).status == 200
        clerk = (await _ids(agent))["clerk"]
        answer = await agent.identity("identity", reader=clerk, lang="en")
        assert (answer.status, answer.body["code"]) == (403, "policy-denied")
        assert answer.body["title"] == text("clerk-login-only", "en")
        assert agent.cards[1].exchanges == []


async def test_after_the_clerks_login_a_page_may_do_no_more_than_before() -> None:
    """A "this once" would outlive the citizen whose turn it is."""
    async with running("", "adult", settings=NAMED) as agent:
        clerk = agent.service._readers.identify(CLERK)
        assert (await agent.login(reader=clerk)).status == 200
        assert (await agent.call("GET", "/v1/readers")).status == 403
        assert (await agent.call("GET", "/v1/status")).body["origin"] == "ask"


@pytest.mark.parametrize("call", ["login", "identity"])
async def test_other_readers_are_not_used(call: str) -> None:
    """Neither by themselves nor by their id."""
    async with running("", "adult", "adult-1.7", settings=NAMED) as agent:
        third = agent.service._readers.identify("Reader 2")
        answer = await (
            agent.login(reader=third)
            if call == "login"
            else agent.identity("identity", reader=third)
        )
        assert answer.body["code"] == "no-reader"
        assert agent.cards[1].exchanges == []


# --- naming them ---------------------------------------------------------------------


class Clerk(Person):
    """Says which reader is whose, by names."""

    def __init__(self, *names: str, **more: Any) -> None:
        super().__init__(**more)
        self.names = list(names)

    async def choose(self, question: Choice) -> int:
        await self._hear(question)
        return question.options.index(self.names.pop(0))

    def named(self) -> list[str | None]:
        """Return for whom a reader was asked."""
        return [one.naming for one in self.questions if isinstance(one, Choice)]


async def test_whose_reader_is_whose_is_asked_once(tmp_path: Path) -> None:
    """At the first request, and for later runs. Readers of a kind differ by slot."""
    settings = Settings(counter=True, data_dir=tmp_path)
    person = Clerk("Reader 1", "Reader 0")
    cards = ("one-try", "adult", "adult-1.7")
    async with running(*cards, person=person, settings=settings) as agent:
        assert (await agent.identity("identity")).status == 200
        assert (await agent.identity("identity")).status == 200
        assert person.named() == ["citizen", "clerk"]
        citizen, clerk = person.questions[:2]
        assert isinstance(citizen, Choice)
        assert isinstance(clerk, Choice)
        assert citizen.options == ("Reader 0", "Reader 1", "Reader 2")
        assert clerk.options[:2] == ("Reader 0", "Reader 2")
        assert agent.cards[0].exchanges == agent.cards[2].exchanges == []
    again = Clerk()
    async with running(*cards, person=again, settings=settings) as agent:
        assert (await agent.identity("identity")).status == 200
        assert again.named() == []
        clerk_id = (await _ids(agent))["clerk"]
        assert (await agent.login(reader=clerk_id)).status == 200
        assert agent.cards[0].count(INS.VERIFY) == 1
    assert (tmp_path / counterfile.FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_a_clerk_may_have_no_reader(lang: str) -> None:
    """That is an answer, too, in every language."""
    person = Clerk("Reader 0", text("counter-no-clerk-reader", lang))
    settings = Settings(counter=True)
    async with running("adult", "one-try", person=person, settings=settings) as agent:
        assert (await agent.identity("address", lang=lang)).status == 200
        assert (await agent.login()).status == 200
        assert list(await _ids(agent)) == ["citizen"]
        assert person.named() == ["citizen", "clerk"]


async def test_who_closes_the_choice_is_asked_again(tmp_path: Path) -> None:
    """Nothing is kept, and no card is touched."""
    person = Person(closes=True)
    settings = Settings(counter=True, data_dir=tmp_path)
    async with running("adult", "one-try", person=person, settings=settings) as agent:
        assert (await agent.login()).body["code"] == "user-cancelled"
        assert (await agent.login()).body["code"] == "user-cancelled"
        assert len(person.questions) == 2
        assert all(card.exchanges == [] for card in agent.cards)
    assert not (tmp_path / counterfile.FILE).exists()


async def test_a_choice_that_cannot_be_stored_holds_for_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes nothing does not have the clerk asked for ever."""

    def full(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr("agent.host.write_private", full)
    person = Clerk("Reader 0", "Reader 1")
    settings = Settings(counter=True, data_dir=tmp_path)
    async with running("adult", "one-try", person=person, settings=settings) as agent:
        assert (await agent.login()).status == 200
        assert (await agent.login()).status == 200
        assert person.named() == ["citizen", "clerk"]


async def test_a_missing_reader_is_named_to_sites_that_may_know_it() -> None:
    """Another one does not take its place. A stranger's site learns no name."""
    known = Settings(
        counter=True,
        allowed_origins=frozenset({PORTAL}),
        citizen_reader='Desk "7" 00 00',
    )
    async with running("adult", settings=known) as agent:
        answer = await agent.login(lang="en")
        assert answer.body["code"] == "no-reader"
        assert "Desk '7' 00 00" in answer.body["title"]
        other = {"Origin": "https://other.example"}
        body = {"include": ["identity"], "lang": "en"}
        stranger = await agent.call("POST", "/v1/identity", body, headers=other)
        assert stranger.body["code"] == "no-reader"
        assert "Desk" not in str(stranger.body)
        assert "citizens' cards" in stranger.body["title"]
        assert agent.cards[0].exchanges == []


class AtWindows(Person):
    """Can wait for a reader; takes note of what is wanted, and shows values."""

    patient = True

    def __init__(self) -> None:
        super().__init__()
        self.wanted: asyncio.Queue[Awaited] = asyncio.Queue()

    async def awaited(self, question: Awaited) -> None:
        self.wanted.put_nowait(question)
        await asyncio.Event().wait()

    async def values(self, question: Values) -> bool:
        return True

    def working(self, done: int, total: int) -> None:
        pass


async def test_a_missing_reader_is_named_to_the_person() -> None:
    """It goes on once it is there, and not with another one."""
    person = AtWindows()
    settings = Settings(counter=True, citizen_reader="Desk 7")
    async with running("adult", person=person, settings=settings) as agent:
        request = asyncio.create_task(agent.identity("address"))
        wanted = await person.wanted.get()
        assert (wanted.reason, wanted.reader) == ("no-reader", "Desk 7")
        assert wanted.marks == ("citizen-card",)
        agent.readers.plug("Desk 7")
        wanted = await person.wanted.get()
        assert (wanted.reason, wanted.reader) == ("no-card", None)
        agent.readers.insert(RecordedCard(load_profile("adult-1.7")), "Desk 7")
        assert (await request).status == 200
        assert agent.cards[0].exchanges == []


def test_a_reader_is_of_one_person_alone() -> None:
    """The first source that names it decides; a later one does not turn it round."""
    policy = ReaderNames("a", None)
    assert settled(policy, ReaderNames("b", "a")) == ReaderNames("a", None)
    assert settled(policy, ReaderNames("b", "c")) == ReaderNames("a", "c")
    assert settled(ReaderNames(None, "a"), ReaderNames("a", "b")) == ReaderNames(
        None, "a"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b'{"citizenReader":1,"clerkReader":null}', b"[" * 9000],
)
def test_a_damaged_choice_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """The person is asked again."""
    (tmp_path / counterfile.FILE).write_bytes(content)
    (tmp_path / counterfile.FILE).chmod(0o600)
    assert ChosenReaders(tmp_path).now() == ReaderNames()


# --- the policy ----------------------------------------------------------------------


async def test_the_policys_readers_go_before_all_others(administrator: Path) -> None:
    """Before the command line's, and at once when the policy changes."""
    async with running("adult", "adult-1.7", "", settings=NAMED) as agent:
        assert (await agent.identity("identity")).status == 200
        decide(administrator, citizenReader="Reader 2", clerkReader="Reader 0")
        before = len(agent.cards[0].exchanges)
        assert (await agent.identity("identity")).body["code"] == "no-card"
        assert len(agent.cards[0].exchanges) == before
        assert agent.cards[1].exchanges == []


async def test_an_agent_that_remembers_is_refused_where_a_counter_is_wanted(
    administrator: Path,
) -> None:
    """`mode` counts at the next start; until then every site is refused."""
    async with running("adult") as agent:
        decide(administrator, mode="counter", allow=[PORTAL])
        assert (await agent.login()).body["code"] == "policy-denied"
        assert (await agent.call("GET", "/v1/status")).body["origin"] == "denied"
    settings = Settings(counter=True)
    async with running("adult", settings=settings) as agent:
        assert (await agent.login()).status == 200


async def test_a_login_without_a_pin_pad_is_refused_where_one_is_required(
    administrator: Path,
) -> None:
    """Before anybody is asked, the clerk's own too; identity goes on."""
    decide(administrator, requirePinPad=True)
    async with running("adult", "adult", settings=NAMED) as agent:
        for reader in (CITIZEN, CLERK):
            members = {"reader": agent.service._readers.identify(reader), "lang": "en"}
            answer = await agent.login(**members)
            assert (answer.status, answer.body["code"]) == (403, "policy-denied")
            assert answer.body["title"] == text("pin-pad-required", "en")
        assert agent.person.questions == []
        assert (await agent.identity("address")).status == 200
    async with running("adult", settings=NAMED, on_reader=[("1234",)]) as agent:
        assert (await agent.login()).status == 200


async def test_without_the_citizens_screen_nobody_is_asked(
    administrator: Path,
) -> None:
    """A terminal is on no screen that can be chosen. The clerk's login is not meant."""
    decide(administrator, citizenScreen=2)
    async with running("adult", "adult", settings=NAMED) as agent:
        for ask in (agent.login(lang="en"), agent.identity("address", lang="en")):
            answer = await ask
            assert (answer.status, answer.body["code"]) == (403, "policy-denied")
            assert answer.body["title"] == text("screen-missing", "en")
        assert agent.person.questions == []
        assert agent.cards[0].exchanges == []
        clerk = agent.service._readers.identify(CLERK)
        assert (await agent.login(reader=clerk)).status == 200


# --- a turn's end --------------------------------------------------------------------

ENDS = ["pulled", "next person", "screen locked", "two idle minutes"]


async def _end_turn(agent: Agent, how: str) -> None:
    if how == "pulled":
        agent.readers.remove(CITIZEN)
    elif how == "next person":
        agent.service.next_person()
    elif how == "screen locked":
        agent.service.attendance.lock(locked=True)
        agent.service.attendance.lock(locked=False)


@asynccontextmanager
async def _served(
    how: str, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[tuple[Agent, Any]]:
    """Run an agent with a page that listens and a citizen who logged in."""
    if how == "two idle minutes":
        monkeypatch.setattr(counter, "IDLE_SECONDS", 0.3)
    named = Settings(
        counter=True, citizen_reader=CITIZEN, clerk_reader=CLERK, **settings
    )
    async with running("adult", "adult-1.7", settings=named) as agent:
        assert (await agent.login()).status == 200
        assert prepared(agent.service)
        async with agent.socket(await ticket(agent)) as socket:
            yield agent, socket


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("listed", [False, True], ids=["once", "listed"])
async def test_everything_of_a_person_ends_with_their_turn(
    how: str, listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates, recognition, "this once", and sockets, of a listed site too."""
    listed_ones = frozenset({PORTAL} if listed else ())
    async with _served(how, monkeypatch, allowed_origins=listed_ones) as (
        agent,
        socket,
    ):
        await _end_turn(agent, how)
        reasons = {(1000, "next-person"), (1008, "consent-ended")}
        assert await closing(socket) in reasons
        assert not prepared(agent.service)
        assert agent.service._monitor.found() == ()
        told = (await agent.call("GET", "/v1/status")).body["origin"]
        assert told == ("allowed" if listed else "ask")


@pytest.mark.parametrize("how", ["next person", "screen locked", "two idle minutes"])
async def test_a_card_that_stays_in_is_not_read_ahead_again(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that comes back learns that a card is in, and no more is read of it."""
    listed = frozenset({PORTAL})
    async with _served(how, monkeypatch, allowed_origins=listed) as (agent, socket):
        await _end_turn(agent, how)
        await closing(socket)
        read = agent.cards[0].count(INS.READ_BINARY)
        assert (await agent.call("GET", "/v1/status")).body["card"] == "present"
        async with agent.socket(await ticket(agent)):
            assert (await agent.call("GET", "/v1/readers")).status == 200
            await agent.service._reservations.idle()
        # Recognition looks whether there is a certificate: one command.
        assert agent.cards[0].count(INS.READ_BINARY) == read + 1
        assert not prepared(agent.service)


@pytest.mark.parametrize("call", ["login", "identity"])
async def test_the_next_person_ends_an_open_question(call: str) -> None:
    """As `timeout`: nobody refused it. No end is shown to whoever comes next."""
    person = Person(thinks=True)
    async with running("adult", "adult", person=person, settings=NAMED) as agent:
        ask = agent.login() if call == "login" else agent.identity("identity")
        request = asyncio.create_task(ask)
        await person.asked.wait()
        agent.service.next_person()
        answer = await request
        assert (answer.status, answer.body["code"]) == (504, "timeout")
        assert person.left.is_set()
        assert person.told == []
        assert agent.cards[0].count(INS.VERIFY) == 0


async def test_the_trays_menu_ends_a_turn_and_counts_people(tmp_path: Path) -> None:
    """At a counter alone there is "next person", and how many were served today."""
    settings = Settings(counter=True, citizen_reader=CITIZEN, data_dir=tmp_path)
    async with running("adult", "", settings=settings) as agent:
        menu = Menu(agent.service, DesktopInterface(), lambda: None, None)
        agent.service.watch(menu.changed)
        assert (await agent.login()).status == 200
        assert prepared(agent.service)
        menu.do("next")
        assert not prepared(agent.service)
        async with asyncio.timeout(5):
            while menu._people != 1:  # read in a thread
                await asyncio.sleep(0)
        assert "people served: 1" in menu._state().lines()
        assert "next" in menu._state().offered
        await menu.close()
    async with running("adult") as agent:
        menu = Menu(agent.service, DesktopInterface(), lambda: None, None)
        assert "next" not in menu._state().offered


async def test_a_turn_does_not_end_while_a_question_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The two minutes begin when the last request is over."""
    monkeypatch.setattr(counter, "IDLE_SECONDS", 0.05)
    thinking = asyncio.Event()

    class Slow(Person):
        async def consent(self, question: Any) -> Permission:
            await thinking.wait()
            return await super().consent(question)

    async with running("adult", person=Slow(), settings=NAMED) as agent:
        request = asyncio.create_task(agent.identity("identity"))
        before = agent.service._turns.number
        await asyncio.sleep(0.2)  # longer than a turn may be idle
        assert agent.service._turns.number == before
        thinking.set()
        assert (await request).status == 200
        assert [one.code for one in agent.person.told] == ["given"]


async def test_away_from_a_counter_nothing_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A person's own computer keeps what it always kept."""
    monkeypatch.setattr(counter, "IDLE_SECONDS", 0.0)
    async with running("adult") as agent:
        assert (await agent.login()).status == 200
        async with agent.socket(await ticket(agent)) as socket:
            assert (await agent.call("GET", "/v1/status")).status == 200
            agent.service.next_person()
            await asyncio.sleep(0.1)
            assert not socket.closed
            assert prepared(agent.service)


# --- people served -------------------------------------------------------------------


async def test_people_are_counted_without_names(tmp_path: Path) -> None:
    """Each who was given something, once for each stay of the card; not the clerk."""
    settings = Settings(
        counter=True, data_dir=tmp_path, citizen_reader=CITIZEN, clerk_reader=CLERK
    )
    async with running("adult", "adult", settings=settings) as agent:
        card = agent.cards[0]
        for _ in range(3):
            assert (await agent.identity("identity")).status == 200
            assert (await agent.login()).status == 200
            agent.readers.remove(CITIZEN)
            agent.readers.insert(card, CITIZEN)
        agent.person.agrees = False
        assert (await agent.identity("identity")).status == 403
        clerk = agent.service._readers.identify(CLERK)
        agent.person.agrees = True
        assert (await agent.login(reader=clerk)).status == 200
        assert agent.service.people_served() == 3
    people = [one for one in Journal(tmp_path).read().entries if one["call"] == PERSON]
    assert [sorted(one) for one in people] == [["call", "count", "day", "outcome"]]
    assert people[0]["count"] == 3


def test_the_journal_shows_people_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a day, with the number and nothing else."""
    book = Journal(tmp_path, counts_only=True)
    for _ in range(2):
        book.add(Entry("", PERSON, (), GIVEN))
    assert main(["journal", "--data-dir", str(tmp_path), "--lang", "en"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split("  ")[1:] == ["people served: 2"]


# --- the command line ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--citizen-reader", "a"), "--citizen-reader goes only with --mode counter"),
        (("--clerk-reader", "a"), "--clerk-reader goes only with --mode counter"),
        (
            ("--mode", "counter", "--citizen-reader", "a", "--clerk-reader", "a"),
            "must be different ones",
        ),
    ],
)
def test_names_of_readers_that_make_no_sense_are_wrong_usage(
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, before anything is started."""
    data = ("--data-dir", str(tmp_path), "--lang", "en", "--card", "virtual")
    assert main(["run", *data, *options]) == 2
    assert words in capsys.readouterr().err
