"""The portal's sessions: bounded, and gone when they end."""

from __future__ import annotations

from agent.demo.sessions import CAPACITY, LIFETIME, Person, Sessions


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_after_a_quarter_of_an_hour() -> None:
    """At the last second it is there, then it is gone with its data."""
    clock = Clock()
    sessions = Sessions(clock)
    key, session = sessions.open()
    clock.now = LIFETIME - 1
    assert sessions.get(key) is session
    assert sessions.seconds_left(session) == 1
    clock.now = LIFETIME
    assert sessions.get(key) is None


def test_a_closed_session_is_gone() -> None:
    """Logging out forgets the visitor; doing so twice does no harm."""
    sessions = Sessions()
    key, _session = sessions.open()
    sessions.close(key)
    sessions.close(key)
    sessions.close(None)
    assert sessions.get(key) is None


def test_a_flood_of_visitors_costs_bounded_memory() -> None:
    """The oldest session gives way to the newest."""
    sessions = Sessions()
    first, _session = sessions.open()
    for _ in range(CAPACITY):
        last, _session = sessions.open()
    assert sessions.get(first) is None
    assert sessions.get(last) is not None


def test_nobody_has_no_session() -> None:
    """A visitor without a cookie, or with an invented one, has none."""
    sessions = Sessions()
    assert sessions.get(None) is None
    assert sessions.get("") is None
    assert sessions.get("invented") is None


def test_a_session_does_not_show_its_person() -> None:
    """A session in a log line or a traceback says nothing about its visitor."""
    _key, session = Sessions().open()
    session.national_number = "90010112345"
    session.person = Person("Ann Peeters", "Kerkstraat 1", "9000 Gent", test=True)
    assert "90010112345" not in repr(session)
    assert "Peeters" not in repr(session)
