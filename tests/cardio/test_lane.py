"""One thread for a library that bears no second one: turns, limits, late ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from cardio.errors import CardBusy, CardMute, NoCard
from cardio.lane import Lane

SHORT = 0.05
LONG = 10.0


def hanging() -> tuple[Callable[[], str], threading.Event, threading.Event]:
    """Return work that hangs, the event that lets it go, and one that says it began."""
    release, began = threading.Event(), threading.Event()

    def work() -> str:
        began.set()
        release.wait(LONG)
        return "late"

    return work, release, began


def test_a_call_returns_or_raises_what_the_work_does() -> None:
    """All of it in one thread, which is not the caller's."""
    lane = Lane("test")
    threads = {lane.run(threading.get_ident, LONG) for _ in range(3)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads

    def fail() -> None:
        raise NoCard("none")

    with pytest.raises(NoCard):
        lane.run(fail, LONG)
    assert lane.run(lambda: 1, LONG) == 1


def test_a_hanging_call_is_given_up_and_others_are_refused_at_once() -> None:
    """Until it ends by itself; then the lane serves again."""
    lane = Lane("test")
    work, release, _ = hanging()
    with pytest.raises(CardMute):
        lane.run(work, SHORT)
    ran: list[int] = []
    with pytest.raises(CardMute):
        lane.run(lambda: ran.append(1), LONG)
    release.set()
    assert lane._late is not None
    lane._late.result(LONG)
    assert lane.run(lambda: 2, LONG) == 2
    assert not ran


def test_what_had_not_begun_in_time_never_runs() -> None:
    """A login that somebody gave up waiting for must not come later."""
    lane = Lane("test")
    work, release, began = hanging()
    first = threading.Thread(target=lambda: lane.run(work, LONG))
    first.start()
    assert began.wait(LONG)
    ran: list[int] = []
    with pytest.raises(CardBusy):
        lane.run(lambda: ran.append(1), SHORT)
    release.set()
    first.join(LONG)
    lane.run(lambda: None, LONG)
    assert not ran


def test_what_is_left_to_the_thread_runs_after_a_hanging_call() -> None:
    """As the end of a session, which nobody waits for: none stays open for ever."""
    lane = Lane("test")
    work, release, _ = hanging()
    with pytest.raises(CardMute):
        lane.run(work, SHORT)
    ran = threading.Event()
    lane.leave(ran.set)
    assert not ran.is_set()
    release.set()
    assert ran.wait(LONG)


def test_a_timeout_of_the_work_itself_is_not_the_lanes() -> None:
    """TimeoutError from within comes out as it is."""
    lane = Lane("test")

    def work() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        lane.run(work, LONG)
