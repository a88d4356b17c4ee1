"""Challenges: 256 bits, good once, for five minutes, for one session."""

from __future__ import annotations

import base64
import datetime
import threading

import pytest

from agent.relyingparty import (
    ChallengeExpired,
    ChallengeNotFound,
    ChallengeStore,
    MemoryStorage,
)
from tests.agent.relyingparty import pki


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = pki.NOW

    def __call__(self) -> datetime.datetime:
        return self.time


def test_a_nonce_has_256_bits_in_44_characters_and_never_repeats() -> None:
    """Web eID's agents refuse fewer than 44 characters."""
    store = ChallengeStore()
    nonces = {store.issue(f"session {number}") for number in range(50)}
    assert len(nonces) == 50
    for nonce in nonces:
        assert len(nonce) == 44
        assert len(base64.b64decode(nonce, validate=True)) == 32


def test_a_nonce_is_good_once() -> None:
    """The second use finds nothing, whatever became of the first."""
    store = ChallengeStore()
    nonce = store.issue("session")
    assert store.take("session") == nonce
    with pytest.raises(ChallengeNotFound):
        store.take("session")


def test_a_nonce_belongs_to_one_session() -> None:
    """Nobody takes the challenge of another session."""
    store = ChallengeStore()
    store.issue("a")
    with pytest.raises(ChallengeNotFound):
        store.take("b")


def test_a_new_nonce_voids_the_earlier_one() -> None:
    """One challenge a session: the last page that was opened counts."""
    store = ChallengeStore()
    first, second = store.issue("session"), store.issue("session")
    assert store.take("session") == second != first


@pytest.mark.parametrize(
    ("ttl", "age", "good"),
    [
        (None, 299, True),
        (None, 300, False),
        (60, 59, True),
        (60, 60, False),
    ],
)
def test_a_nonce_lives_for_its_time(ttl: int | None, age: int, good: bool) -> None:
    """Five minutes unless the portal says otherwise."""
    clock = Clock()
    store = ChallengeStore(now=clock)
    if ttl is not None:
        store = ChallengeStore(now=clock, ttl=datetime.timedelta(seconds=ttl))
    nonce = store.issue("session")
    clock.time += datetime.timedelta(seconds=age)
    if good:
        assert store.take("session") == nonce
        return
    with pytest.raises(ChallengeExpired):
        store.take("session")
    with pytest.raises(ChallengeNotFound):  # and it is gone, not only refused
        store.take("session")


def test_a_flood_of_sessions_stays_bounded() -> None:
    """The oldest go; the newest visitor can still log in."""
    storage = MemoryStorage(capacity=100)
    store = ChallengeStore(storage)
    last = [store.issue(f"session {number}") for number in range(1000)][-1]
    assert len(storage) == 100
    assert store.take("session 999") == last
    with pytest.raises(ChallengeNotFound):
        store.take("session 0")


def test_reissuing_at_capacity_pushes_nobody_out() -> None:
    """A session that asks again replaces its own challenge, not another's."""
    store = ChallengeStore(MemoryStorage(capacity=2))
    nonce = store.issue("a")
    store.issue("b")
    store.issue("b")
    assert store.take("a") == nonce


def test_of_many_threads_one_gets_the_nonce() -> None:
    """Two requests with one token cannot both find the challenge."""
    store = ChallengeStore()
    store.issue("session")
    barrier = threading.Barrier(16)
    outcomes: list[bool] = []

    def take() -> None:
        barrier.wait()
        try:
            store.take("session")
        except ChallengeNotFound:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 15 + [True]


def test_a_challenge_does_not_show_its_nonce() -> None:
    """A store that is logged gives nothing away."""

    class Spy(MemoryStorage):
        seen = ""

        def put(self, owner: str, challenge: object) -> None:
            self.seen = repr(challenge)

    spy = Spy()
    assert ChallengeStore(spy).issue("session") not in spy.seen


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_time_to_live_is_positive(seconds: int) -> None:
    """A store that could never give anything back is a mistake."""
    with pytest.raises(ValueError, match="positive"):
        ChallengeStore(ttl=datetime.timedelta(seconds=seconds))
    with pytest.raises(ValueError, match="capacity"):
        MemoryStorage(0)
