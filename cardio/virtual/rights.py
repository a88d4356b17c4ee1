"""What a verified PIN allows: once, just before, mixed; pure, no I/O.

Source: applet manuals 5.1 (PIN verification modes). A VERIFY is pending until the next
command shows what it was for: a non-repudiation signature uses it up, anything else
turns it into the lasting right for the authentication key.
"""

from __future__ import annotations


class Rights:
    """The PIN rights of one session with the card.

    `window` is the number of other commands that may stand between VERIFY and a
    non-repudiation signature: 0 up to applet 1.7, 1 on 1.8.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._lasting = False
        self._pending: int | None = None

    @property
    def verified(self) -> bool:
        """Whether the PIN opens a file now, and what the status query tells."""
        return self._lasting or self._pending is not None

    def drop(self) -> None:
        """Reset, LOG OFF, a wrong PIN: nothing is allowed any more."""
        self._lasting = False
        self._pending = None

    def grant(self) -> None:
        """Take a good VERIFY; the one before, if still pending, becomes lasting."""
        self._settle()
        self._pending = self._window

    def pass_command(self) -> None:
        """Count a command that is neither a VERIFY nor a signature."""
        if self._pending == 0:
            self._settle()
        elif self._pending is not None:
            self._pending -= 1

    def use_once(self) -> bool:
        """Tell whether the authentication key may sign."""
        self._settle()
        return self._lasting

    def use_just_before(self) -> bool:
        """Tell whether the non-repudiation key may sign, and use the VERIFY up."""
        allowed = self._pending is not None
        self._pending = None
        return allowed

    def _settle(self) -> None:
        if self._pending is not None:
            self._lasting = True
            self._pending = None
