"""Commands and answers as a T=0 card sees them, and refusals; pure, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from cardio.apdu import SW


class Refused(Exception):
    """Ends a command with a status word; never leaves the virtual card."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


@dataclass(frozen=True)
class Command:
    """Header and data. `p3` is the fifth byte; T=0 sends 00 where an APDU has none."""

    cla: int
    ins: int
    p1: int
    p2: int
    p3: int
    data: bytes

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Command:
        """Take an APDU of any case apart; Refused with 6700 when it is none.

        Five bytes are a case 2 command, or one with an empty data field. T=0 has no
        place for the Le of a case 4 command: one byte more than Lc says is passed over.
        """
        if len(apdu) < 4:
            raise Refused(SW.WRONG_LENGTH)
        p3 = apdu[4] if len(apdu) > 4 else 0
        data = apdu[5:]
        if data and (p3 == 0 or len(data) not in (p3, p3 + 1)):
            raise Refused(SW.WRONG_LENGTH)
        cla, ins, p1, p2 = apdu[:4]
        return cls(cla, ins, p1, p2, p3, data[:p3])

    @property
    def p1_p2(self) -> int:
        """Both parameters as one number."""
        return self.p1 << 8 | self.p2

    @property
    def le(self) -> int:
        """The length that a case 2 command asks for: 00 stands for 256."""
        return self.p3 or 256

    def expect(self, p1_p2: int, otherwise: SW = SW.WRONG_OFFSET) -> None:
        """Refuse other parameters; 6B00 is called wrong offset for READ BINARY."""
        if self.p1_p2 != p1_p2:
            raise Refused(otherwise)

    def body(self, *lengths: int) -> bytes:
        """Return the data field; 6700 if it has none of these lengths (default: any).

        A command of five bytes announces data in its fifth that did not come.
        """
        length = len(self.data)
        if length != self.p3 or (lengths and length not in lengths):
            raise Refused(SW.WRONG_LENGTH)
        return self.data


class Outbox:
    """Data that wait for GET RESPONSE, since T=0 sends nothing back with a case 4."""

    def __init__(self) -> None:
        self._data = b""

    def clear(self) -> None:
        """Forget what was not fetched."""
        self._data = b""

    def send(self, data: bytes, count: int = 0) -> bytes:
        """Answer with the first `count` bytes and announce the rest by 61xx."""
        self._data = data[count:]
        if not self._data:
            return data + bytes.fromhex("9000")
        return data[:count] + bytes([0x61, min(len(self._data), 256) & 0xFF])

    def fetch(self, length: int) -> bytes:
        """Answer GET RESPONSE; one that asks for too much may be repeated."""
        if not self._data:
            raise Refused(SW.CONDITIONS_OF_USE)
        if length > len(self._data):
            raise Refused(0x6C00 | len(self._data))
        return self.send(self._data, length)
