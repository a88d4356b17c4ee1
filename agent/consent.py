"""Who may ask for what: grants of this run; pure but for the clock it is given."""

from __future__ import annotations

from collections.abc import Callable

from agent.monitor import Stay
from cardio.readers import ReaderState

#: Seconds for which "this once" also answers which readers there are.
ONCE_SECONDS = 600.0


class Grants:
    """Origins that the command line named, and those the person allowed once."""

    def __init__(self, named: frozenset[str], clock: Callable[[], float]) -> None:
        self._named = named
        self._clock = clock
        self._once: dict[str, tuple[Stay, float]] = {}

    def named(self, origin: str) -> bool:
        """Tell whether --allow-origin names the origin."""
        return origin in self._named

    def allow_once(self, origin: str, stay: Stay) -> None:
        """Remember a "this once": until the card goes or ten minutes have passed."""
        self._once[origin] = (stay, self._clock() + ONCE_SECONDS)

    def allowed(self, origin: str) -> bool:
        """Tell whether the origin has any grant."""
        if origin in self._named:
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
