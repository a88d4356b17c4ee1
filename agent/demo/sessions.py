"""The portal's sessions, in memory only; no I/O.

A session begins with the first login attempt and ends after a quarter of an hour, or
when the person logs out. Its data go with it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LIFETIME = 15 * 60
"""Seconds from the start of a session to its end."""

CAPACITY = 1000
"""Sessions kept at once; the oldest gives way."""


@dataclass(frozen=True)
class Person:
    """What the portal keeps of a card: verified, and no more than it shows."""

    name: str
    street: str
    municipality: str
    test: bool

    def to_json(self) -> dict[str, object]:
        """Return the members that the page shows."""
        return {
            "name": self.name,
            "street": self.street,
            "municipality": self.municipality,
            "test": self.test,
        }


@dataclass(frozen=True)
class Receipt:
    """What a candidate confirmed and when (ISO 8601, UTC)."""

    number: str
    at: str

    def to_json(self) -> dict[str, object]:
        """Return the members that the page shows."""
        return {"number": self.number, "at": self.at}


@dataclass
class Session:
    """One visitor; `ends` is in seconds of the store's clock."""

    ends: float
    national_number: str | None = field(default=None, repr=False)
    person: Person | None = field(default=None, repr=False)
    receipt: Receipt | None = None


class Sessions:
    """Sessions by the random key in the visitor's cookie."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def open(self) -> tuple[str, Session]:
        """Start a session under a new key."""
        self._expire()
        while len(self._sessions) >= CAPACITY:
            del self._sessions[next(iter(self._sessions))]
        key = secrets.token_urlsafe(32)
        session = Session(ends=self._clock() + LIFETIME)
        self._sessions[key] = session
        return key, session

    def get(self, key: str | None) -> Session | None:
        """Find a session that has not ended."""
        self._expire()
        return self._sessions.get(key) if key else None

    def seconds_left(self, session: Session) -> int:
        """Return the whole seconds that a session still has."""
        return max(0, int(session.ends - self._clock()))

    def close(self, key: str | None) -> None:
        """Forget a session and everything in it."""
        if key:
            self._sessions.pop(key, None)

    def _expire(self) -> None:
        now = self._clock()
        ended = [key for key, item in self._sessions.items() if item.ends <= now]
        for key in ended:
            del self._sessions[key]
