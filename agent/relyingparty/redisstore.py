"""Challenges in Redis, for a portal of several servers; network, by the library redis.

Not imported by the package: `from agent.relyingparty.redisstore import RedisStorage`
needs the extra `relyingparty-redis`.
"""

from __future__ import annotations

import datetime
import hashlib

import redis

from agent.relyingparty.challenges import Challenge, utc_now
from agent.relyingparty.errors import ChallengeStoreUnavailable

_MILLISECOND = datetime.timedelta(milliseconds=1)


class RedisStorage:
    """Keeps challenges in Redis 6.2 or newer; for `ChallengeStore(RedisStorage(...))`.

    `client` should have a `socket_timeout`, else a login waits as long as Redis does.
    `prefix` begins each key; behind it stands a hash, so that no session's identifier
    can be read there. Redis forgets a challenge at its end by itself.
    """

    def __init__(self, client: redis.Redis, *, prefix: str = "eid-challenge:") -> None:
        self._client = client
        self._prefix = prefix

    def put(self, owner: str, challenge: Challenge) -> None:
        """Keep a challenge for its owner in place of an earlier one.

        Raises ChallengeStoreUnavailable.
        """
        # By a length of time: the two clocks need not agree.
        left = max(1, (challenge.expires - utc_now()) // _MILLISECOND)
        value = f"{challenge.expires.isoformat()} {challenge.nonce}"
        try:
            self._client.set(self._key(owner), value, px=left)
        except redis.RedisError:
            raise ChallengeStoreUnavailable from None

    def pop(self, owner: str) -> Challenge | None:
        """Remove and return the owner's challenge in one step (GETDEL).

        A repetition after a lost answer finds nothing, and so refuses. Raises
        ChallengeStoreUnavailable.
        """
        try:
            value = self._client.getdel(self._key(owner))
        except redis.RedisError:
            raise ChallengeStoreUnavailable from None
        if value is None:
            return None
        try:
            text = value.decode() if isinstance(value, bytes) else str(value)
            expires, _, nonce = text.partition(" ")
            return Challenge(nonce, datetime.datetime.fromisoformat(expires))
        except ValueError:  # not written by us
            return None

    def _key(self, owner: str) -> str:
        return self._prefix + hashlib.sha256(owner.encode()).hexdigest()
