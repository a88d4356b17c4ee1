"""Several readers, and cards that are none of ours, change or cannot be asked."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from agent import cli, monitor
from agent.inspection import Found, look_into, usable
from agent.monitor import Monitor, stay_of
from agent.readers import Readers, card_state
from agent.reading import LoginCertificates
from agent.service import AgentService
from agent.settings import Settings
from agent.texts import text
from agent.work import Reservations
from cardio import errors
from cardio.beid.source import BeidCards
from cardio.card import CardData, CardSource
from cardio.channel import Apdu, Channel
from cardio.display import is_hidden
from cardio.files import ATR_1_8
from cardio.pcsc import PcscReaders
from cardio.readers import ReaderSource, ReaderState, ReaderWatch
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.fake_cards import FakeForeignCard
from tests.agent.people import PORTAL, Agent, Person, running
from tests.cardio.fake_winscard import FakeWinscard, inserted
from tests.rig.transcript import RecordedCard

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))
SECONDS = 5
BUSY = errors.CardBusy()
INACTIVE = errors.CardNotActivated()
UNREADABLE = errors.CardUnreadable()
FOREIGN = errors.UnsupportedCard(b"\x3b\x00")


class Refusing:
    """Readers of which some refuse a connection, each with its own error."""

    virtual = True

    def __init__(self, inner: ReaderSource, refusals: dict[str, errors.CardError]):
        self._inner = inner
        self.refusals = refusals

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now."""
        return self._inner.readers()

    def watch(self) -> ReaderWatch:
        """Return a watch."""
        return self._inner.watch()

    def connect(self, name: str) -> Channel:
        """Connect, or refuse."""
        if name in self.refusals:
            raise self.refusals[name]
        return self._inner.connect(name)


def refusing(
    **refusals: errors.CardError,
) -> Callable[[VirtualReaders], ReaderSource]:
    """Let `Reader 0` refuse with `r0`, and so on."""
    named = {f"Reader {key[1:]}": error for key, error in refusals.items()}
    return lambda readers: Refusing(readers, named)


async def card_of(agent: Agent) -> str:
    """Return the `card` of /v1/status."""
    return str((await agent.call("GET", "/v1/status")).body["card"])


async def test_a_garbled_first_answer_is_asked_for_again() -> None:
    """The card is not taken for one of another kind until it is pulled out."""
    garbled = threading.Event()

    class Garbled(RecordedCard):
        def transmit(self, apdu: Apdu) -> bytes:
            answer = super().transmit(apdu)
            if garbled.is_set():
                return answer
            garbled.set()
            return answer[:20] + b"\x90\x00"

    async with running("", settings=ALLOWED) as agent:
        agent.readers.insert(Garbled(load_profile("adult")))
        assert (await agent.login()).body["code"] == "card-unreadable"
        assert (await agent.login()).status == 200


async def test_a_belgian_card_that_refused_once_is_asked_again() -> None:
    """By a fault of the moment; its answer to reset says that it is one of ours."""
    refusals = [b"\x6d\x00", b"\x6a\x82"]  # GET CARD DATA and SELECT

    class Refused(RecordedCard):
        def transmit(self, apdu: Apdu) -> bytes:
            answer = super().transmit(apdu)
            return refusals.pop(0) if refusals else answer

    async with running("", settings=ALLOWED) as agent:
        agent.readers.insert(Refused(load_profile("adult")))
        assert (await agent.login()).body["code"] == "unsupported-card"
        assert (await agent.login()).status == 200


async def test_a_service_that_is_stuck_is_looked_at_once_whoever_gives_up() -> None:
    """Pages that ask and go away again leave one look behind, not one each."""
    begun, go = [], threading.Event()

    class Stuck(VirtualReaders):
        def readers(self) -> tuple[ReaderState, ...]:
            begun.append(threading.current_thread())
            assert go.wait(20)
            return super().readers()

    stuck = Stuck()
    async with running("", settings=ALLOWED, through=lambda _: stuck) as agent:
        for _ in range(20):
            asked = asyncio.ensure_future(agent.call("GET", "/v1/readers"))
            async with asyncio.timeout(SECONDS):
                while not begun:
                    await asyncio.sleep(0)
            await asyncio.sleep(0.01)  # on its way to the agent
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        assert len(begun) <= 2  # the monitor's own at the start may be one
        go.set()
        assert (await agent.call("GET", "/v1/readers")).status == 200


async def test_what_nobody_foresaw_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cards that come and go are told all the same."""
    monkeypatch.setattr(monitor, "_AGAIN_SECONDS", 0)
    failed = threading.Event()

    class Failing(VirtualReaders):
        def watch(self) -> ReaderWatch:
            watch = super().watch()
            wait = watch.wait

            def failing() -> tuple[ReaderState, ...] | None:
                if not failed.is_set():
                    failed.set()
                    raise RuntimeError
                return wait()

            watch.wait = failing  # type: ignore[method-assign]
            return watch

    reported = asyncio.Event()
    readers = Failing()
    watching = Monitor(BeidCards(readers), lambda *_: reported.set())
    watching.start()
    try:
        assert await asyncio.to_thread(failed.wait, SECONDS)
        async with asyncio.timeout(SECONDS):
            while not reported.is_set():
                readers.insert(RecordedCard(load_profile("kids")))
                readers.remove()
                await asyncio.sleep(0)
    finally:
        watching.close()


async def test_a_service_that_never_starts_opens_nothing_at_the_readers() -> None:
    """It is made before its port is had; where there is none it ends unheard."""

    class Unwatched(VirtualReaders):
        def watch(self) -> ReaderWatch:
            raise AssertionError("nobody follows these readers")

    service = AgentService(BeidCards(Unwatched()), Person(), Settings())
    await service.close()


def test_a_kept_refusal_does_not_grow() -> None:
    """It is raised for each request, and forgets through what it went."""
    refused = Found(ReaderState("Reader", b"\x3b", 0, False), error=FOREIGN)
    for _ in range(3):
        with pytest.raises(errors.UnsupportedCard):
            usable([refused])
    assert len(list(traceback.walk_tb(FOREIGN.__traceback__))) <= 2


# --- cards that are none of ours -----------------------------------------------------


async def test_an_unknown_card_is_asked_once_in_its_stay() -> None:
    """Status, readers and login after that send it nothing, and say what it is."""
    card = FakeForeignCard()
    async with running("", settings=ALLOWED) as agent:
        agent.readers.insert(card)
        assert await card_of(agent) == "unsupported"
        asked = len(card.exchanges)
        assert asked
        for _ in range(3):
            assert await card_of(agent) == "unsupported"
            listed = (await agent.call("GET", "/v1/readers")).body["readers"]
            assert [reader["card"] for reader in listed] == [None]
            assert (await agent.login()).body["code"] == "unsupported-card"
        assert len(card.exchanges) == asked
        agent.readers.remove()
        agent.readers.insert(RecordedCard(load_profile("kids")))  # no reading ahead
        assert await card_of(agent) == "present"
        agent.readers.remove()
        agent.readers.insert(card)
        assert await card_of(agent) == "unsupported"
        assert len(card.exchanges) == 2 * asked


@pytest.mark.parametrize("error", [BUSY, errors.CardMute(), UNREADABLE])
async def test_a_card_that_could_not_be_asked_is_asked_again(
    error: errors.CardError,
) -> None:
    """Busy, silent and unreadable pass: without being put in anew it is known."""
    refusals = {"Reader 0": error}
    through = lambda readers: Refusing(readers, refusals)  # noqa: E731
    async with running("adult", through=through, settings=ALLOWED) as agent:
        code = errors_code(error)
        assert (await agent.login()).body["code"] == code
        assert await card_of(agent) == "present"  # by its answer to reset
        refusals.clear()
        assert (await agent.login()).status == 200


def errors_code(error: errors.CardError) -> str:
    """Return the code of a card's error."""
    return "busy" if isinstance(error, errors.CardBusy) else "card-unreadable"


@asynccontextmanager
async def following(
    source: CardSource, told: Callable[[], None] = lambda: None
) -> AsyncIterator[Monitor]:
    """Follow readers while the block runs."""
    follower = Monitor(source, lambda _before, _after: told())
    follower.start()
    try:
        yield follower
    finally:
        follower.close()


async def test_an_unknown_card_is_no_card_that_was_found() -> None:
    """What is read ahead is read of Belgian cards alone."""
    readers = VirtualReaders("A", "B")
    readers.insert(FakeForeignCard(), "A")
    readers.insert(RecordedCard(load_profile()), "B")
    async with following(BeidCards(readers)) as follower:
        states = readers.readers()
        for state in states:
            follower.look(state)
        assert [found.state.name for found in follower.found()] == ["B"]
        assert isinstance(follower.look(states[0]).error, errors.UnsupportedCard)


async def test_a_card_that_left_while_it_was_looked_at_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its removal was told before there was anything to forget."""
    readers = VirtualReaders()
    readers.insert(RecordedCard(load_profile()))
    (state,) = readers.readers()
    told = threading.Event()

    def slow(source: CardSource, state: ReaderState) -> Found:
        found = look_into(source, state)
        readers.remove()
        for number in range(100):  # the first look at the readers is told to nobody
            readers.plug(f"Another {number}")
            if told.wait(SECONDS / 100):
                return found
        raise AssertionError("no change was told")

    monkeypatch.setattr(monitor, "look_into", slow)
    async with following(BeidCards(readers), told.set) as follower:
        found = await asyncio.to_thread(follower.look, state)
        assert found.card is not None
        assert follower.remembered(state) is None
        assert follower.found() == ()
        follower.hold(stay_of(found), LoginCertificates(b"", b""))
        assert follower.held(stay_of(found)) is None


# --- readers with names of their own choice ------------------------------------------

EVIL = "A\x1b[2J\n\u202e\u200b\udcff" + "x" * 300


async def test_a_readers_name_acts_on_nothing_where_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To pages, in the list, as JSON, and where several are named: one short line."""
    readers = VirtualReaders(EVIL, EVIL + "2")
    for name in (EVIL, EVIL + "2"):
        readers.insert(RecordedCard(load_profile()), name)
    source = BeidCards(readers)
    async with running(source=source, settings=ALLOWED) as agent:
        listed = (await agent.call("GET", "/v1/readers")).body["readers"]
        assert len({reader["id"] for reader in listed}) == 2
        shown = [reader["name"] for reader in listed]
        assert (await agent.login(reader=listed[1]["id"])).status == 200
    monkeypatch.setattr("agent.commands.card.card_source", lambda _: source)
    commands = (["list"], ["list", "--json"], ["read"], ["read", "--json"])
    exact = [[], [], [], ["--reader", EVIL]]
    codes = [
        cli.main(["card", *command, *more])
        for command, more in zip(commands, exact, strict=True)
    ]
    assert codes == [0, 0, 1, 0]
    said = capsys.readouterr()
    shown += [*said.out.splitlines(), *said.err.splitlines()]
    assert len(shown) == 2 + 2 + 1 + 1 + 1
    assert not any(is_hidden(character) for line in shown for character in line)
    assert "x" * 201 not in "".join(shown)


# --- several readers -----------------------------------------------------------------


def reader(error: errors.CardError | None, *, active: bool = True) -> Found:
    """Return a reader whose card failed, or with a card (None)."""
    state = ReaderState("R", ATR_1_8, 1)
    if error is not None:
        return Found(state, error=error)
    return Found(state, CardData(b"", "1.8", 15), active=active)


ORDER = (BUSY, INACTIVE, UNREADABLE, FOREIGN, errors.CardRemoved())


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_reason_that_helps_most_comes_first(first: int) -> None:
    """Whatever the order of the readers; empty ones beside them say nothing."""
    rest = list(ORDER[first:])
    for errs in (rest, rest[::-1]):
        found = [Found(ReaderState("E", None, 0)), *map(reader, errs)]
        with pytest.raises(type(ORDER[first])):
            usable(found)


def test_no_card_at_all_is_no_card() -> None:
    """Empty readers alone."""
    with pytest.raises(errors.NoCard):
        usable([Found(ReaderState("E", None, 0))])


def test_a_card_that_can_be_used_makes_the_others_not_matter() -> None:
    """One that is not activated is used, unless the right one may be the busy one."""
    good, inactive = reader(None), reader(None, active=False)
    assert usable([reader(BUSY), good, reader(FOREIGN)]) == [good]
    assert usable([inactive, good]) == [inactive, good]
    assert usable([inactive, reader(UNREADABLE)]) == [inactive]
    with pytest.raises(errors.CardBusy):
        usable([inactive, reader(BUSY)])


async def test_a_page_hears_of_the_card_that_is_busy() -> None:
    """Not of the bank card in the first reader."""
    async with running("", "adult", through=refusing(r1=BUSY)) as agent:
        agent.readers.insert(FakeForeignCard(), "Reader 0")
        answer = await agent.identity("identity")
        assert (answer.status, answer.body["code"]) == (409, "busy")


def test_the_command_line_hears_of_it_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence is that of the busy card."""
    readers = VirtualReaders("Reader 0", "Reader 1")
    readers.insert(FakeForeignCard(), "Reader 0")
    readers.insert(RecordedCard(load_profile()), "Reader 1")
    source = BeidCards(refusing(r1=BUSY)(readers))
    monkeypatch.setattr("agent.commands.card.card_source", lambda _: source)
    assert cli.main(["card", "pin-status", "--lang", "en"]) == 1
    assert text("busy", "en") in capsys.readouterr().err


async def test_a_reader_in_use_hides_no_other_one() -> None:
    """It is busy itself, the card beside it is found, and status says so."""
    readers = VirtualReaders("A", "B")
    readers.insert(RecordedCard(load_profile()), "A")
    source, reservations = BeidCards(readers), Reservations()
    async with following(source) as follower:
        looked = Readers(source, follower, reservations, test_cards=False)
        with reservations.ahead("A"):
            found = await looked.look_into_all()
            assert isinstance(found[0].error, errors.CardBusy)
            assert card_state(found) == "present"  # by its answer to reset
            readers.insert(RecordedCard(load_profile("kids")), "B")
            found = await looked.look_into_all()
            assert [one.card is not None for one in found] == [False, True]


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (BUSY, "card-in-use"),
        (errors.CardMute(), "card-mute"),
        (UNREADABLE, "card-illegible"),
        (errors.CardReset(), "card-illegible"),
        (INACTIVE, "card-inactive"),
        (FOREIGN, "card-unknown"),
        (errors.CardRemoved(), "card-empty"),
    ],
)
def test_the_list_says_what_a_card_is_or_does(
    error: errors.CardError,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A card that cannot be asked is not called one of another kind."""
    readers = VirtualReaders("Reader 0")
    readers.insert(RecordedCard(load_profile()))
    source = BeidCards(refusing(r0=error)(readers))
    monkeypatch.setattr("agent.commands.card.card_source", lambda _: source)
    assert cli.main(["card", "list", "--lang", "en"]) == 0
    assert capsys.readouterr().out == f"Reader 0: {text(key, 'en')}\n"


def test_the_list_says_that_a_card_is_not_activated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Beside what it is."""
    arguments = ["--card", "virtual:not-activated", "--lang", "en"]
    assert cli.main(["card", "list", *arguments]) == 0
    assert "(applet 1.8) that is not activated yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda readers: readers.remove("Reader 1"), "card-removed"),
        (lambda readers: readers.unplug("Reader 1"), "card-removed"),
        (
            lambda readers: readers.insert(RecordedCard(load_profile()), "Reader 2"),
            "card-changed",
        ),
    ],
)
async def test_a_choice_ends_when_its_cards_change(
    change: Callable[[VirtualReaders], None], code: str
) -> None:
    """Numbers that mean other readers now are not waited for; an empty one may go."""
    person = Person(thinks=True)
    async with running("adult", "kids", "", "", person=person) as agent:
        asked = asyncio.create_task(agent.identity("identity"))
        await asyncio.wait_for(person.asked.wait(), SECONDS)
        agent.readers.unplug("Reader 3")
        agent.readers.plug("Reader 4")
        assert not (await asyncio.wait([asked], timeout=0.1))[0]
        change(agent.readers)
        answer = await asyncio.wait_for(asked, SECONDS)
        assert answer.body["code"] == code
        assert person.left.is_set()


@pytest.mark.parametrize("lost", [False, True], ids=["reader", "service"])
async def test_a_reader_that_is_back_at_once_brings_nothing_of_its_card_with_it(
    monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """After a sleep: name and count are those of before, the card may be another."""
    winscard = FakeWinscard(monkeypatch, {"A": inserted(1)})
    readers = PcscReaders()
    changes: asyncio.Queue[None] = asyncio.Queue()
    async with following(BeidCards(readers), lambda: changes.put_nowait(None)) as one:
        assert await asyncio.to_thread(winscard.called, "wait-begins", 1)
        found = Found(readers.readers()[0], CardData(b"", "1.8", 15), signing=True)
        monkeypatch.setattr(monitor, "look_into", lambda *_: found)
        one.look(found.state)
        one.hold(stay_of(found), LoginCertificates(b"holder", b"issuer"))
        assert one.held(stay_of(found)) is not None
        if lost:
            winscard.wake_with(winscard.SERVICE_STOPPED)
        else:
            winscard.wake(gone={"A"})
        for _ in range(2):  # away, and back
            await asyncio.wait_for(changes.get(), SECONDS)
        assert readers.readers() == (found.state,)
        assert one.held(stay_of(found)) is None
        assert one.found() == ()


class FakeSleeper(RecordedCard):
    """A card that becomes another one without its reader noticing.

    As after a sleep of the computer, in which the card was changed.
    """

    other: RecordedCard | None = None

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """Answer as the card that is there."""
        if self.other is not None:
            return self.other.transmit(apdu)
        return super().transmit(apdu)


async def test_a_card_changed_unnoticed_is_looked_at_anew() -> None:
    """The first request says so; what was kept of the earlier card is gone."""
    card, other = FakeSleeper(load_profile()), RecordedCard(load_profile("one-try"))
    person = Person()
    async with running("", person=person) as agent:
        agent.readers.insert(card)
        assert (await agent.login()).status == 200
        card.other = other
        asked = len(person.questions)
        answer = await agent.login()
        assert (answer.status, answer.body["code"]) == (409, "card-changed")
        assert len(person.questions) == asked
        assert (await agent.login()).status == 200
        assert other.tries_left == 3  # it was asked for its last try, and had it right
