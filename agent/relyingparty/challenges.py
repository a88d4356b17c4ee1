"""Challenges that are good once: issued to a session, taken before anything is checked.

Pure but for the lock of `MemoryStorage`. The nonce is hashed as the text that was sent
(Web eID), so it is handled as text everywhere.
"""

from __future__ import annotations

import base64
import datetime
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from agent.relyingparty.errors import (
    ChallengeExpired,
    ChallengeMalformed,
    ChallengeNotFound,
)

#: 256 bits, 44 characters of base64: what Web eID asks for at least.
_NONCE_BYTES = 32
_NONCE_LENGTHS = range(44, 129)
_VISIBLE = range(0x21, 0x7F)

TTL = datetime.timedelta(minutes=5)


def utc_now() -> datetime.datetime:
    """Return the time now, aware of its zone."""
    return datetime.datetime.now(datetime.UTC)


def checked_nonce(nonce: object) -> str:
    """Return a nonce that an agent would accept, or raise ChallengeMalformed."""
    if (
        not isinstance(nonce, str)
        or len(nonce) not in _NONCE_LENGTHS
        or any(ord(character) not in _VISIBLE for character in nonce)
    ):
        raise ChallengeMalformed
    return nonce


@dataclass(frozen=True)
class Challenge:
    """A nonce and the time until which it may be taken."""

    nonce: str = field(repr=False)
    expires: datetime.datetime


class ChallengeStorage(Protocol):
    """Where challenges wait: here, in Redis (`redisstore`), or a portal's own place.

    Both raise ChallengeStoreUnavailable where the place gives no answer.
    """

    def put(self, owner: str, challenge: Challenge) -> None:
        """Keep a challenge for its owner in place of an earlier one."""

    def pop(self, owner: str) -> Challenge | None:
        """Remove and return the owner's challenge in one step (Redis: GETDEL)."""


class MemoryStorage:
    """Challenges in this process, at most `capacity`: the oldest goes for a new one.

    A flood of sessions therefore costs a bounded amount of memory, and shortens the
    life of waiting challenges instead of refusing newcomers.
    """

    def __init__(self, capacity: int = 20_000) -> None:
        if capacity < 1:
            raise ValueError("the capacity is at least 1")
        self._capacity = capacity
        self._waiting: OrderedDict[str, Challenge] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, owner: str, challenge: Challenge) -> None:
        """Keep a challenge for its owner in place of an earlier one."""
        with self._lock:
            self._waiting.pop(owner, None)
            while len(self._waiting) >= self._capacity:
                self._waiting.popitem(last=False)
            self._waiting[owner] = challenge

    def pop(self, owner: str) -> Challenge | None:
        """Remove and return the owner's challenge in one step."""
        with self._lock:
            return self._waiting.pop(owner, None)


class ChallengeStore:
    """Issues challenges and takes them back, each once.

    `owner` is the portal's own name for who asks: its session's identifier, never
    something that the page sends. An owner has one challenge at a time; for a second
    purpose (the chip's challenge) use a second name, such as `f"{session}/chip"`.
    """

    def __init__(
        self,
        storage: ChallengeStorage | None = None,
        *,
        ttl: datetime.timedelta = TTL,
        now: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        if ttl <= datetime.timedelta():
            raise ValueError("the time to live is positive")
        self._storage = MemoryStorage() if storage is None else storage
        self._ttl = ttl
        self._now = now

    def issue(self, owner: str) -> str:
        """Return a new nonce of 44 characters; an earlier one of this owner is void."""
        nonce = base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()
        self._storage.put(owner, Challenge(nonce, self._now() + self._ttl))
        return nonce

    def take(self, owner: str) -> str:
        """Remove the owner's nonce and return it: to be called before any check.

        Raises ChallengeNotFound, or ChallengeExpired (it is gone then as well).
        """
        challenge = self._storage.pop(owner)
        if challenge is None:
            raise ChallengeNotFound
        if self._now() >= challenge.expires:
            raise ChallengeExpired
        return challenge.nonce
