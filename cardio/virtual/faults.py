"""The faults that a virtual card can have, by name; pure data, no I/O.

`NAME:N` means: at the Nth command from the moment on at which the fault was set, the
first one unless N is given. `cardio.virtual.faulty` plays them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FAULTS = (
    "removed",  # pulled out before it answers
    "mute",  # no answer until it is reset or pulled out
    "garbage",  # one answer that has no form
    "slow",  # from there on every answer comes a second late
    "wrong-sw",  # one command is refused with 6F00, which no manual gives
    "flipped-bit",  # one bit of the next file that is read is wrong, and stays so
    "wrong-rrn-signature",  # the signature over the identity file is wrong
    "other-photo",  # the photo is another card's
    "eeprom-error",  # one answer 6581, then none until it is reset
    "reset",  # another program resets it: rights and selection are gone
    "swapped",  # pulled out, and another person's put in
)

_FORM = re.compile(r"([a-z-]+)(?::([1-9][0-9]{0,5}))?", re.ASCII)


class UnknownFault(ValueError):
    """A text that names no fault; the message names those that there are."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is no NAME or NAME:N with N from 1 to 999999;"
            f" the names are {', '.join(FAULTS)}"
        )


@dataclass(frozen=True)
class Fault:
    """One fault of FAULTS, at the `at`-th command (counted from 1)."""

    name: str
    at: int = 1

    def __post_init__(self) -> None:
        if self.name not in FAULTS or self.at < 1:
            raise UnknownFault(str(self))

    def __str__(self) -> str:
        return f"{self.name}:{self.at}"

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `NAME` or `NAME:N`; UnknownFault."""
        found = _FORM.fullmatch(text)
        if found is None or found[1] not in FAULTS:
            raise UnknownFault(text)
        return cls(found[1], int(found[2] or 1))
