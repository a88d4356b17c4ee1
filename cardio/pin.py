"""The PIN as a buffer that wipes itself, and its 8-byte block; pure, no I/O."""

from __future__ import annotations

import hmac
from types import TracebackType
from typing import Self

from cardio.errors import PinFormat

MIN_DIGITS = 4
MAX_DIGITS = 12


def wipe(buffer: bytearray) -> None:
    """Overwrite a buffer with zeros."""
    buffer[:] = bytes(len(buffer))


class Pin:
    """A PIN that a person typed: takes over the buffer, wipes it at the end.

    `digits` are ASCII digits. Raises PinFormat (and wipes) for anything but 4 to 12
    of them. Never shown by repr; compared and hashed only by identity.
    """

    def __init__(self, digits: bytearray) -> None:
        self._digits = digits
        if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or any(
            not 0x30 <= digit <= 0x39 for digit in digits
        ):
            self.wipe()
            raise PinFormat("a PIN has 4 to 12 digits")

    def __repr__(self) -> str:
        return "Pin(…)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wipe()

    def __del__(self) -> None:
        """Wipe what nobody used, whichever way its owner went."""
        self.wipe()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a PIN is never serialised")

    def wipe(self) -> None:
        """Overwrite the digits; the PIN cannot be used afterwards."""
        wipe(self._digits)
        del self._digits[:]

    def same_as(self, other: Pin) -> bool:
        """Tell whether both hold the same digits, as when a new PIN is typed twice."""
        return hmac.compare_digest(self._digits, other._digits)

    def digits(self) -> bytearray:
        """Return a copy of the digits; the caller wipes it."""
        if not self._digits:
            raise PinFormat("the PIN was wiped")
        return bytearray(self._digits)

    def block(self) -> bytearray:
        """Return the 8-byte block of the manuals (2.8); the caller wipes it.

        Nibbles: 2, the number of digits, the digits, then F to the end.
        """
        count = len(self._digits)
        if not count:
            raise PinFormat("the PIN was wiped")
        block = bytearray(b"\xff" * 8)
        block[0] = 0x20 | count
        for index in range(count):
            digit = self._digits[index] & 0x0F
            position = 1 + index // 2
            if index % 2 == 0:
                block[position] = digit << 4 | 0x0F
            else:
                block[position] = block[position] & 0xF0 | digit
        return block
