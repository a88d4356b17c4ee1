"""How often a site may ask, and how long one that was refused waits; pure.

The clock is given. A page's own requests and a person's pace never reach these limits.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from agent.errors import Problem

#: Origins that are remembered; the one that asked longest ago is forgotten first.
MAX_ORIGINS = 256
#: Refusals by the person in a row, after which a site waits.
REFUSALS = 3
#: Seconds of waiting after the third refusal, the fourth, and each further one.
WAITS = (60.0, 300.0, 1800.0)
#: Seconds for which a site that had a person asked to change the PIN may not again.
CHANGE_SECONDS = 600.0


class Bucket:
    """Tokens that come back with time (a token bucket), counted in seconds."""

    def __init__(self, size: int, seconds: float, now: float) -> None:
        """`size` tokens at most, and one more after so many seconds."""
        self._each = seconds
        self._most = size * seconds
        self._level = self._most
        self._since = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or take none and return how long to wait, in s."""
        self._level = min(self._most, self._level + max(0.0, now - self._since))
        self._since = now
        if self._level < self._each:
            return self._each - self._level
        self._level -= self._each
        return 0.0

    def give_back(self) -> None:
        """Put a token back that did not count after all."""
        self._level = min(self._most, self._level + self._each)


class _Site:
    """What is remembered of one origin."""

    def __init__(self, now: float) -> None:
        # Calls that ask nobody anything, and those that may ask the person.
        self.calls = Bucket(200, 0.05, now)
        self.operations = Bucket(20, 3.0, now)
        self.refusals = 0
        self.waits_until = 0.0
        self.changes_from = 0.0


class Limits:
    """The limits of all origins; `too-many-requests` with the seconds to wait."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sites: OrderedDict[str, _Site] = OrderedDict()

    def call(self, origin: str) -> None:
        """Count a call that asks nobody anything: `too-many-requests`."""
        now = self._clock()
        _want_none(self._site(origin, now).calls.take(now))

    def begin(self, origin: str) -> None:
        """Count an operation that may ask the person: `too-many-requests`."""
        now = self._clock()
        site = self._site(origin, now)
        _want_none(site.waits_until - now)
        _want_none(site.operations.take(now))

    def agreed(self, origin: str) -> None:
        """Learn that the person agreed: that operation counts against nobody."""
        self._site(origin, self._clock()).refusals = 0
        self.spared(origin)

    def spared(self, origin: str) -> None:
        """Learn that an operation bothers nobody: a virtual card, and no question."""
        self._site(origin, self._clock()).operations.give_back()

    def may_change(self, origin: str) -> None:
        """Refuse a site that had the PIN's change asked about: `too-many-requests`."""
        now = self._clock()
        _want_none(self._site(origin, now).changes_from - now)

    def changes(self, origin: str) -> None:
        """Learn that a person is asked to change the PIN for this site."""
        now = self._clock()
        self._site(origin, now).changes_from = now + CHANGE_SECONDS

    def refused(self, origin: str) -> None:
        """Learn that the person refused, or closed the question."""
        now = self._clock()
        site = self._site(origin, now)
        site.refusals += 1
        beyond = site.refusals - REFUSALS
        if beyond >= 0:
            site.waits_until = now + WAITS[min(beyond, len(WAITS) - 1)]

    def _site(self, origin: str, now: float) -> _Site:
        site = self._sites.get(origin)
        if site is None:
            site = self._sites[origin] = _Site(now)
        self._sites.move_to_end(origin)
        while len(self._sites) > MAX_ORIGINS:
            del self._sites[self._to_forget(now)]
        return site

    def _to_forget(self, now: float) -> str:
        """Return who asked longest ago; of those who wait only where all others do."""
        *others, _newest = self._sites.items()
        idle = (
            name
            for name, site in others
            if max(site.waits_until, site.changes_from) <= now
        )
        return next(idle, others[0][0])


def _want_none(seconds: float) -> None:
    """Refuse while there are seconds to wait."""
    if seconds > 0:
        raise Problem("too-many-requests", retry_after=math.ceil(seconds))
