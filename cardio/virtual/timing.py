"""How long a real card takes for a command over T=0; and a card that takes as long.

Line: each byte takes 12 elementary time units at the rate that the ATR's TA1 offers
(ISO 7816-3, 8.3), with a clock of 4 MHz and a reader that uses the offer. The times for
thinking come from two published measurements on applet 1.7: 18 ms for GET CARD DATA and
88 ms for a READ BINARY of 252 bytes, both in all. What is called an assumption below is
in no source. Orders of magnitude, not promises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from cardio.apdu import INS
from cardio.channel import Apdu
from cardio.virtual.playable import PlayableCard, WrappedCard

CLOCK_HZ: Final = 4_000_000
_ETU_A_BYTE = 12

#: Clock rate conversion and baud rate adjustment by the halves of TA1 (tables 7, 8).
_FI = {1: 372, 2: 558, 3: 744, 4: 1116, 5: 1488, 6: 1860}
_FI |= {0: 372, 9: 512, 10: 768, 11: 1024, 12: 1536, 13: 2048}
_DI = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 6: 32, 7: 64, 8: 12, 9: 20}
_DEFAULT_TA1 = 0x11

#: 18 ms for GET CARD DATA, less its 36 bytes on the line of a 1.7 card.
COMMAND_SECONDS: Final = 0.0080
#: 88 ms for 252 bytes, less their 260 bytes on that line and the time of any command.
READ_SECONDS_A_BYTE: Final = 0.0000297
#: An assumption, for RSA-2048 as for ECDSA.
SIGNATURE_SECONDS: Final = 0.300

_READS = frozenset({INS.READ_BINARY, INS.READ_RECORD})
_SIGNATURES = frozenset({INS.PSO, INS.INTERNAL_AUTHENTICATE})
#: Status words that a signature which was made begins with.
_DONE = (0x61, 0x90)


def byte_seconds(atr: bytes) -> float:
    """Return how long one byte is on the line."""
    has_ta1 = len(atr) > 2 and atr[1] & 0x10
    ta1 = atr[2] if has_ta1 else _DEFAULT_TA1
    clocks = _FI.get(ta1 >> 4, 372) / _DI.get(ta1 & 0x0F, 1)
    return _ETU_A_BYTE * clocks / CLOCK_HZ


def bytes_on_the_line(command: Apdu, answer: bytes) -> int:
    """Count the bytes of one exchange: header, procedure byte, data, status word.

    T=0 has a header of five bytes always and no Le behind data. A procedure byte
    stands before data in either direction. GET RESPONSE is an exchange of its own.
    """
    announced = command[4] if len(command) > 5 else 0
    sent = min(len(command) - 5, announced) if announced else 0
    received = len(answer) - 2
    return 5 + bool(sent or received) + sent + received + 2


def thinking_seconds(command: Apdu, answer: bytes) -> float:
    """Return how long the chip is busy with a command, the line aside."""
    ins = command[1] if len(command) > 1 else 0
    if ins in _READS:
        return COMMAND_SECONDS + READ_SECONDS_A_BYTE * (len(answer) - 2)
    if ins in _SIGNATURES and answer[-2] in _DONE:
        return SIGNATURE_SECONDS
    return COMMAND_SECONDS


def seconds(atr: bytes, command: Apdu, answer: bytes) -> float:
    """Return how long a real card and reader take from a command to its answer."""
    line = bytes_on_the_line(command, answer) * byte_seconds(atr)
    return line + thinking_seconds(command, answer)


class TimedCard(WrappedCard):
    """A card that answers no faster than a real one; its own time counts towards it.

    `clock` counts seconds; `wait` waits for some, by default until the card is pulled
    at the longest.
    """

    def __init__(
        self,
        inner: PlayableCard,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__(inner)
        self._clock = clock
        self._wait = wait

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer as the card does, when a real one would."""
        began = self._clock()
        answer = super().transmit(apdu)
        due = began + seconds(self.atr, apdu, answer)
        (self._wait or self.wait)(due - self._clock())
        return answer

    def around(self, card: PlayableCard) -> PlayableCard:
        """Make another card as slow."""
        return TimedCard(card, clock=self._clock, wait=self._wait)
