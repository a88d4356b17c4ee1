"""Who may ask for what: grants, and what the administrator's policy makes of them.

Pure but for the clock and the two looks at what is stored that it is given.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.monitor import Stay
from agent.origins import ALWAYS_DATA, Grant, Stored
from agent.policy import Policy
from cardio.readers import ReaderState

#: Seconds for which "this once" also answers which readers there are.
ONCE_SECONDS = 600.0


class Grants:
    """Origins that command line, file or policy name, and those allowed once."""

    def __init__(
        self,
        named: frozenset[str],
        clock: Callable[[], float],
        stored: Callable[[], Stored] = lambda: Stored(b""),
        policy: Callable[[], Policy] = Policy,
        *,
        remembers: bool = False,
    ) -> None:
        """`named` come from --allow-origin; `stored` and `policy` say what counts now.

        `remembers` lets an "always" count: never in counter mode, nor where no notice
        can be shown of its use.
        """
        self._named = named
        self._clock = clock
        self._stored = stored
        self._policy = policy
        self._remembers = remembers
        self._once: dict[str, tuple[Stay, float]] = {}
        self._known: frozenset[str] = frozenset()

    def named(self, origin: str) -> bool:
        """Tell whether --allow-origin names the origin, and counts."""
        policy = self._policy()
        return origin in self._named and policy.own_grants and policy.allow_origin

    def denied(self, origin: str) -> bool:
        """Tell whether the policy refuses the origin."""
        granted = self.named(origin) or bool(self._own(origin))
        return self._policy().denies(origin, granted=granted)

    def lasting(self, origin: str) -> bool:
        """Tell whether the origin has a grant that no card's going ends."""
        return not self.denied(origin) and self._lasts(origin)

    def _lasts(self, origin: str) -> bool:
        return self._listed(origin) or bool(self._own(origin))

    def _listed(self, origin: str) -> bool:
        """Tell whether command line or policy name the origin."""
        return self.named(origin) or origin in self._policy().allow

    def unasked(self, origin: str, capability: str) -> bool:
        """Tell whether command or policy spare the question about a virtual card."""
        if self.denied(origin):
            return False
        return self._listed(origin) or any(
            grant.card is None and grant.capability == capability
            for grant in self._own(origin)
        )

    def _own(self, origin: str) -> tuple[Grant, ...]:
        """Return the stored grants of an origin; one that was revoked loses all."""
        grants = self._stored().grants
        known = frozenset(grant.origin for grant in grants)
        for revoked in self._known - known:
            self._once.pop(revoked, None)
        self._known = known
        if not self._policy().own_grants:
            return ()
        return tuple(
            grant
            for grant in grants
            if grant.origin == origin and (grant.card is None or self._remembers)
        )

    # --- "always" --------------------------------------------------------------------

    def may_last(self, data: tuple[str, ...]) -> bool:
        """Tell whether "always" exists here for these data: for a photo never."""
        here = self._remembers and self._policy().own_grants
        return here and set(data) <= set(ALWAYS_DATA)

    def always(self, origin: str, data: tuple[str, ...], chip_serial: bytes) -> bool:
        """Tell whether the person allowed exactly these data of this card for always.

        `data` in the API's order.
        """
        if self.denied(origin) or not self.may_last(data) or not chip_serial:
            return False
        card = self._stored().mark(chip_serial)
        return any(
            (grant.capability, grant.data, grant.card) == ("identity", data, card)
            for grant in self._own(origin)
        )

    # --- "this once" -----------------------------------------------------------------

    def allow_once(self, origin: str, stay: Stay) -> None:
        """Remember a "this once": until the card goes or ten minutes have passed."""
        self._once[origin] = (stay, self._clock() + ONCE_SECONDS)

    def end_once(self) -> None:
        """End each "this once": the next person's turn begins."""
        self._once.clear()

    def allowed(self, origin: str) -> bool:
        """Tell whether the origin has any grant, and the policy does not refuse it."""
        if self.denied(origin):
            return False
        if self._lasts(origin):
            return True
        _, until = self._once.get(origin, (None, 0.0))
        if self._clock() < until:
            return True
        self._once.pop(origin, None)
        return False

    def readers_are(self, states: tuple[ReaderState, ...]) -> None:
        """End each "this once" whose card is gone.

        For good: a reader that comes back counts its cards anew.
        """
        for origin, (stay, _) in list(self._once.items()):
            if stay.ended(states):
                del self._once[origin]
