"""Who may ask for what: grants of this run; pure but for the clock it is given."""

from __future__ import annotations

from collections.abc import Callable

from agent.monitor import Stay

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

    def allowed(self, origin: str, *, still_in: Callable[[Stay], bool]) -> bool:
        """Tell whether the origin has any grant; `still_in` says if a card stayed."""
        if origin in self._named:
            return True
        stay, until = self._once.get(origin, (None, 0.0))
        if stay is None:
            return False
        if self._clock() < until and still_in(stay):
            return True
        del self._once[origin]
        return False
