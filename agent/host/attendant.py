"""What a system tells of the session: sleep and screen lock; touches nothing."""

from __future__ import annotations

from typing import Protocol


class Attendant(Protocol):
    """Is told, on the event loop, when nobody can be at the screen."""

    def leave(self) -> None:
        """The person goes: what waits for them ends."""

    def lock(self, *, locked: bool) -> None:
        """The screen is locked from now on, or is not."""

    def sleep(self, *, asleep: bool) -> None:
        """The computer is about to sleep, or woke, or stayed awake after all."""

    def look(self) -> None:
        """The clocks may show that the computer slept."""

    async def settled(self) -> None:
        """Return when no card is in use any more, so that the sleep may come."""
