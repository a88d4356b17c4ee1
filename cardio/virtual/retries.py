"""The cardholder PIN: its block, its retry counter; touches the card's memory.

Source: applet manuals, VERIFY and CHANGE REFERENCE DATA. The PIN of a virtual card is
a test PIN and no secret.
"""

from __future__ import annotations

from cardio.apdu import SW
from cardio.virtual.command import Refused
from cardio.virtual.counters import Counters
from cardio.virtual.profile import MAX_TRIES, Profile


class RetriedPin:
    """The PIN with reference 01."""

    def __init__(self, profile: Profile, counters: Counters, *, strict: bool) -> None:
        self._personalised_block = pin_block(profile.pin)
        self._personalised_tries = profile.tries
        self._counters = counters
        self._strict = strict

    @property
    def tries_left(self) -> int:
        """How often a wrong PIN is still taken."""
        tries = self._counters.tries
        return self._personalised_tries if tries is None else tries

    @property
    def _block(self) -> bytes:
        pin = self._counters.pin
        return self._personalised_block if pin is None else pin_block(pin)

    def verify(self, block: bytes) -> None:
        """Take a PIN block as `compare`; the right one frees INTERNAL AUTHENTICATE."""
        self.compare(block)
        if self._counters.authentications:
            self._counters.authentications = 0
            self._counters.save()

    def compare(self, block: bytes) -> None:
        """Take a PIN block, or refuse it with 63Cx, 6983 when no tries are left.

        Like a chip it pays with a try first, and gives it back for the right PIN.
        """
        if self.tries_left == 0:
            raise Refused(SW.PIN_BLOCKED)
        self._counters.tries = self.tries_left - 1
        self._counters.save()
        if block != self._block:
            if self.tries_left == 0 and self._strict:
                raise Refused(SW.PIN_BLOCKED)
            raise Refused(0x63C0 | self.tries_left)
        self._counters.tries = MAX_TRIES
        self._counters.save()

    def change(self, old: bytes, new: bytes) -> None:
        """Replace the PIN for good; a new one of a wrong form costs no try.

        A memory that fails keeps the old PIN: the change is atomic.
        """
        if self.tries_left and not is_pin_block(new):
            raise Refused(SW.WRONG_DATA)
        self.compare(old)
        before, self._counters.pin = self._counters.pin, pin_of(new)
        try:
            self._counters.save()
        except OSError:
            self._counters.pin = before
            raise


def pin_block(pin: str) -> bytes:
    """Return the 8 bytes of a test PIN: 2, number of digits, digits, F to the end."""
    return bytes.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))


def pin_of(block: bytes) -> str:
    """Return the digits of a test PIN; the inverse of `pin_block`."""
    nibbles = block.hex()
    return nibbles[2 : 2 + int(nibbles[1], 16)]


def is_pin_block(block: bytes) -> bool:
    """Tell whether 8 bytes are the block of a PIN of 4 to 12 digits."""
    nibbles = block.hex().upper()
    count = int(nibbles[1], 16)
    digits, filler = nibbles[2 : 2 + count], nibbles[2 + count :]
    return (
        nibbles[0] == "2"
        and 4 <= count <= 12
        and digits.isdecimal()
        and set(filler) == {"F"}
    )
