"""Whether an origin may ask anything now, and what its questions have to show.

Joins grants, policy and the settings of the run; asks nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.attempt import Attempt
from agent.consent import Grants
from agent.errors import Problem
from agent.policy import Policy
from agent.settings import Settings
from cardio.readers import ReaderState

_NOT_ASKED = (
    "nobody was asked by this call: it is open to a site after an identity request or a"
    " login that the person agreed to, until the card goes or ten minutes are over"
)


class Access:
    """Who is let in, and as what."""

    def __init__(
        self,
        settings: Settings,
        grants: Grants,
        policy: Callable[[], Policy],
        states: Callable[[], Awaitable[tuple[ReaderState, ...]]],
    ) -> None:
        """`policy` says what the administrator decided now, `states` the readers."""
        self._developer = settings.developer
        self._demo = settings.demo
        self._counter = settings.counter
        self._grants = grants
        self._policy = policy
        self._states = states

    def may_use_http(self, origin: str) -> bool:
        """Tell whether a page of this machine may ask without HTTPS."""
        developing = self._developer and self._policy().developer
        return self._demo or developing or self._grants.lasting(origin)

    def denied(self, origin: str) -> bool:
        """Tell whether the administrator's policy refuses the origin, or this mode."""
        policy = self._policy()
        # One that was started before it became a counter's remembers people.
        forbidden = not policy.counter_mode if self._counter else policy.counter
        return forbidden or self._grants.denied(origin)

    def want_not_denied(self, origin: str) -> None:
        """Refuse whom `denied` names; `policy-denied`."""
        if self.denied(origin):
            raise Problem("policy-denied")

    async def granted(self, origin: str) -> bool:
        """Tell whether the origin has a grant, looking whether its card is still in."""
        if self._grants.lasting(origin):
            return True
        if not self._grants.allowed(origin):
            return False
        try:
            self._grants.readers_are(await self._states())
        except Problem:  # nobody can tell whether the card is in
            return False
        return self._grants.allowed(origin)

    async def want_granted(self, origin: str) -> None:
        """Refuse an origin without a grant, where nobody is asked; `user-denied`."""
        if not await self.granted(origin):
            raise Problem("user-denied", _NOT_ASKED)

    def marks(self, attempt: Attempt) -> tuple[str, ...]:
        """Return what every question has to show of this run (safety rule 22).

        At a counter that is also whose card it is about.
        """
        named = self._grants.named(attempt.origin)
        marks = ["developer-run"] if self._developer else []
        marks += ["named-origin"] if named else []
        return (*marks, *([attempt.whose.value] if attempt.whose is not None else []))
