"""Events: who may listen, what is told to whom, and when the conversation ends."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from agent import events, sockets
from agent.events import changes
from agent.settings import Settings
from cardio.errors import ServiceUnavailable
from cardio.readers import ReaderState
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from tests.agent.people import PORTAL, Agent, Person, running
from tests.rig.transcript import RecordedCard

NAMED = Settings(allowed_origins=frozenset({PORTAL}))
OTHER = "https://other.example"


async def ticket(agent: Agent, origin: str = PORTAL) -> str:
    """Ask for a ticket."""
    answer = await agent.call("POST", "/v1/events", {}, headers={"Origin": origin})
    assert answer.status == 200
    assert set(answer.body) == {"ticket"}
    return str(answer.body["ticket"])


async def heard(socket: Any) -> dict[str, Any]:
    """Return the next message, within the time in which an event has to come."""
    async with asyncio.timeout(5):
        message: dict[str, Any] = await socket.receive_json()
        return message


async def closing(socket: Any) -> tuple[int | None, str | None]:
    """Wait for the end and return code and reason."""
    async with asyncio.timeout(5):
        while (message := await socket.receive()).type != aiohttp.WSMsgType.CLOSE:
            assert message.type == aiohttp.WSMsgType.TEXT
        return message.data, message.extra


# --- readers and cards ---------------------------------------------------------------


def _state(name: str, atr: bytes | None, insertion: int) -> ReaderState:
    return ReaderState(name, atr, insertion)


@pytest.mark.parametrize(
    ("before", "after", "happened"),
    [
        ((), (("A", None, 0),), ["reader-added"]),
        ((), (("A", b"x", 1),), ["reader-added", "card-inserted"]),
        ((("A", None, 0),), (("A", b"x", 1),), ["card-inserted"]),
        ((("A", b"x", 1),), (("A", None, 2),), ["card-removed"]),
        ((("A", b"x", 1),), (("A", b"x", 3),), ["card-removed", "card-inserted"]),
        ((("A", b"x", 1),), (), ["card-removed", "reader-removed"]),
        ((("A", None, 2),), (), ["reader-removed"]),
        ((("A", b"x", 1),), (("A", b"x", 1),), []),
        ((("A", None, 2),), (("A", None, 4),), []),
    ],
)
def test_what_happened_between_two_looks(
    before: tuple[Any, ...], after: tuple[Any, ...], happened: list[str]
) -> None:
    """A card swapped between two looks is one removed and one inserted."""
    old = tuple(_state(*state) for state in before)
    new = tuple(_state(*state) for state in after)
    assert list(changes(old, new)) == happened


async def test_readers_and_cards_are_told_without_identifiers() -> None:
    """Whoever listens hears of every change, and nothing that says whose card it is."""
    async with (
        running("adult", settings=NAMED) as agent,
        agent.socket(await ticket(agent)) as socket,
    ):
        assert socket.protocol == "eid-agent.v1"
        agent.readers.remove()
        assert await heard(socket) == {"type": "card-removed"}
        agent.readers.plug("Second")
        assert await heard(socket) == {"type": "reader-added"}
        agent.readers.insert(VirtualCard(load_profile("adult-1.7")), "Second")
        assert await heard(socket) == {"type": "card-inserted"}
        agent.readers.unplug("Second")
        assert await heard(socket) == {"type": "card-removed"}
        assert await heard(socket) == {"type": "reader-removed"}


# --- operations ----------------------------------------------------------------------


async def test_progress_and_dialogs_of_an_operation() -> None:
    """A reading: the question opens and closes, then bytes up to all of them."""
    async with (
        running("adult", settings=NAMED, person=Person()) as agent,
        agent.socket(await ticket(agent)) as socket,
    ):
        # Named on the command line, a virtual card: nothing is asked.
        assert (await agent.identity("identity", "address", "photo")).status == 200
        steps = [await heard(socket)]
        while steps[-1]["done"] != steps[-1]["total"]:
            steps.append(await heard(socket))
        assert {step["type"] for step in steps} == {"progress"}
        assert {step["operation"] for step in steps} == {"identity"}
        done = [step["done"] for step in steps]
        assert done == sorted(done)
        assert len(steps) > 10
        sizes = {
            path.name: len(data) for path, data in agent.cards[0].profile.files.items()
        }
        assert done[-1] > sizes["PHOTO"] + sizes["IDENTITY"]
        assert (await agent.login()).status == 200
        assert await heard(socket) == {"type": "dialog", "state": "opened"}
        assert await heard(socket) == {"type": "dialog", "state": "closed"}


async def test_operations_are_told_to_their_own_origin_alone() -> None:
    """Another page hears of the card, and nothing of what is asked and read."""
    both = Settings(allowed_origins=frozenset({PORTAL, OTHER}))
    async with (
        running("adult", settings=both) as agent,
        agent.socket(await ticket(agent, OTHER), origin=OTHER) as other,
    ):
        assert (await agent.login()).status == 200
        assert (await agent.identity("identity")).status == 200
        agent.readers.remove()
        assert await heard(other) == {"type": "card-removed"}


# --- who may listen ------------------------------------------------------------------


async def test_a_page_without_grant_gets_no_ticket() -> None:
    """As for `readers`; a "this once" is enough."""
    async with running("adult") as agent:
        refused = await agent.call("POST", "/v1/events", {})
        assert (refused.status, refused.body["code"]) == (403, "user-denied")
        assert (await agent.identity("identity")).status == 200
        async with agent.socket(await ticket(agent)):
            pass


async def _refused(agent: Agent, given: str, origin: str = PORTAL) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await agent.socket(given, origin=origin)
    return refusal.value.status


async def test_a_ticket_is_good_once_for_one_origin_and_a_short_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Used, foreign, invented or late: no socket."""
    both = Settings(allowed_origins=frozenset({PORTAL, OTHER}))
    async with running("adult", settings=both) as agent:
        used = await ticket(agent)
        async with agent.socket(used):
            pass
        assert await _refused(agent, used) == 403
        assert await _refused(agent, await ticket(agent), OTHER) == 403
        assert await _refused(agent, "invented") == 403
        monkeypatch.setattr(events, "TICKET_SECONDS", 0.0)
        assert await _refused(agent, await ticket(agent)) == 403


async def test_one_origin_pushes_out_no_tickets_of_another() -> None:
    """Each origin has so many of its own."""
    both = Settings(allowed_origins=frozenset({PORTAL, OTHER}))
    async with running("adult", settings=both) as agent:
        given = await ticket(agent)
        own = [await ticket(agent, OTHER) for _ in range(40)]
        async with agent.socket(given):
            pass
        assert await _refused(agent, own[0], OTHER) == 403
        async with agent.socket(own[-1], origin=OTHER):
            pass


async def test_a_ticket_outlives_no_consent() -> None:
    """The card was pulled between ticket and socket."""
    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        given = await ticket(agent)
        agent.readers.remove()
        assert (await agent.call("GET", "/v1/readers")).status == 403
        assert await _refused(agent, given) == 403


async def test_no_ticket_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Used or refused; and what is normal is no warning."""
    async with running("adult", settings=NAMED) as agent:
        given = await ticket(agent)
        async with agent.socket(given):
            pass
        assert await _refused(agent, given) == 403
    assert given not in caplog.text
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


async def test_the_gate_stands_before_the_socket() -> None:
    """A bad host or origin is refused as ever; a request that is no upgrade is 400."""
    async with running("adult", settings=NAMED) as agent:
        given = await ticket(agent)
        assert await _refused(agent, given, "http://portal.example") == 403
        plain = await agent.call("GET", "/v1/events", headers={"X-EID-Agent": "1"})
        assert (plain.status, plain.body["code"]) == (400, "invalid-request")
        async with agent.socket(given):  # the refusals did not use it up
            pass


async def test_eight_sockets_in_all() -> None:
    """The ninth is too many; a place that is left is free again."""
    async with running("adult", settings=NAMED) as agent:
        open_ones = [
            await agent.socket(await ticket(agent)) for _ in range(events.MAX_SOCKETS)
        ]
        assert await _refused(agent, await ticket(agent)) == 429
        agent.readers.remove()  # all of them hear it
        for socket in open_ones:
            assert await heard(socket) == {"type": "card-removed"}
        await open_ones.pop().close()
        async with agent.socket(await ticket(agent)):
            pass


async def test_no_origin_keeps_all_places_to_itself() -> None:
    """Its oldest page leaves for another origin's first one, for no second one."""
    both = Settings(allowed_origins=frozenset({PORTAL, OTHER}))
    async with running("adult", settings=both) as agent:
        open_ones = [
            await agent.socket(await ticket(agent)) for _ in range(events.MAX_SOCKETS)
        ]
        async with agent.socket(await ticket(agent, OTHER), origin=OTHER) as other:
            assert await closing(open_ones[0]) == (1013, "crowded")
            assert await _refused(agent, await ticket(agent, OTHER), OTHER) == 429
            agent.readers.remove()
            assert await heard(other) == {"type": "card-removed"}
            for socket in open_ones[1:]:
                assert await heard(socket) == {"type": "card-removed"}


# --- the end -------------------------------------------------------------------------


async def test_a_consent_that_ends_with_the_card_ends_the_socket() -> None:
    """After the page was told why."""
    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        async with agent.socket(await ticket(agent)) as socket:
            agent.readers.remove()
            assert await heard(socket) == {"type": "card-removed"}
            assert await closing(socket) == (1008, "consent-ended")
        refused = await agent.call("POST", "/v1/events", {})
        assert refused.status == 403


async def test_the_next_card_is_not_told_to_a_page_of_the_last_one() -> None:
    """Card and reader change within one look; nothing is read ahead for that page."""
    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        next_card = RecordedCard(load_profile("foreigner"))
        async with agent.socket(await ticket(agent)) as socket:
            with agent.readers._change():
                agent.readers.remove()
                agent.readers.insert(next_card)
            assert await heard(socket) == {"type": "card-removed"}
            assert await closing(socket) == (1008, "consent-ended")
        assert next_card.exchanges == []


async def test_a_consent_does_not_come_back_with_its_reader() -> None:
    """A reader that was unplugged counts its cards anew, so the numbers agree again."""
    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        agent.service._readers_changed(agent.readers.readers(), ())
        refused = await agent.call("GET", "/v1/readers")
        assert (refused.status, refused.body["code"]) == (403, "user-denied")


async def test_a_consent_survives_a_service_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is told meanwhile; nobody said that the card is gone."""

    def stuck() -> tuple[ReaderState, ...]:
        raise ServiceUnavailable

    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        async with agent.socket(await ticket(agent)) as socket:
            with monkeypatch.context() as away:
                away.setattr(agent.readers, "readers", stuck)
                assert (await agent.call("GET", "/v1/readers")).status == 403
            assert (await agent.call("GET", "/v1/readers")).status == 200
            agent.readers.remove()
            assert await heard(socket) == {"type": "card-removed"}


async def test_a_socket_asks_no_readers_while_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing polls the card's service while it is there."""
    monkeypatch.setattr(sockets, "_PING_SECONDS", 0.1)
    monkeypatch.setattr(sockets, "_LOOK_SECONDS", 0.1)
    looks = 0

    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        still_listens = agent.service.still_listens
        often = asyncio.Event()

        def count(listener: events.Listener) -> bool:
            nonlocal looks
            looks += 1
            if looks == 10:
                often.set()
            return still_listens(listener)

        async with agent.socket(await ticket(agent)) as socket:
            monkeypatch.setattr(agent.service, "still_listens", count)
            monkeypatch.setattr(agent.readers, "readers", lambda: pytest.fail("polled"))
            answering = asyncio.ensure_future(socket.receive())  # pings, too
            await asyncio.wait_for(often.wait(), 5)
            answering.cancel()


async def test_what_is_over_after_ten_minutes_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not the next card either."""
    async with running("adult") as agent:
        assert (await agent.identity("identity")).status == 200
        async with agent.socket(await ticket(agent)) as socket:
            await agent.call("GET", "/v1/readers")  # the first look is over
            monkeypatch.setattr(agent.service._grants, "_clock", lambda: float("inf"))
            agent.readers.remove()
            async with asyncio.timeout(5):
                message = await socket.receive()
            assert message.type == aiohttp.WSMsgType.CLOSE
            assert message.extra == "consent-ended"


async def test_a_page_without_calls_is_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """30 minutes, here none."""
    monkeypatch.setattr(sockets, "_LOOK_SECONDS", 0.01)
    async with (
        running("adult", settings=NAMED) as agent,
        agent.socket(await ticket(agent)) as socket,
    ):
        monkeypatch.setattr("agent.announcer.IDLE_SECONDS", 0.0)
        assert await closing(socket) == (1000, "idle")


async def test_a_page_that_talks_is_sent_away() -> None:
    """There is nothing to say to the agent here."""
    async with (
        running("adult", settings=NAMED) as agent,
        agent.socket(await ticket(agent)) as socket,
    ):
        await socket.send_str("hello")
        assert (await closing(socket))[0] == 1000


async def test_a_page_that_takes_no_message_is_sent_away() -> None:
    """Its place in the audience holds so many messages and no more."""
    listener = events.Listener(PORTAL)
    for _ in range(1000):
        listener.tell({"type": "progress"})
    assert listener.ended == "slow"
    count = 0
    while await listener.next() is not None:
        count += 1
    assert count < 300
