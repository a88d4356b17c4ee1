"""Changes what a card's files seem to hold, by its answers to READ BINARY; pure.

Works around any card: the file is known by the selections that the card accepted. READ
RECORD, which no client of ours sends, still shows the true content.
"""

from __future__ import annotations

from collections.abc import Callable

from cardio.apdu import INS, SW
from cardio.channel import Apdu
from cardio.files import EF

#: File identifier, offset, number of bytes asked for, and the card's answer, to the
#: answer that is given.
Change = Callable[[int, int, int, bytes], bytes]

_OK = SW.OK.to_bytes(2, "big")
#: Far enough for content that matters in every file, and never in the padding.
_PLACE = 16
#: In the first number of an ECDSA signature and anywhere in one by RSA.
_SIGNATURE_PLACE = 20


class Selection:
    """The file that is selected, as far as commands and answers tell."""

    def __init__(self) -> None:
        self._fid: int | None = None

    def forget(self) -> None:
        """After a reset no file is selected."""
        self._fid = None

    def note(self, apdu: Apdu, answer: bytes) -> None:
        """Learn from a command and its answer."""
        if len(apdu) < 7 or apdu[1] != INS.SELECT or answer[-2:] != _OK:
            return
        by_aid = apdu[2] == 0x04
        end = 5 + apdu[4]
        self._fid = None if by_aid else int.from_bytes(apdu[end - 2 : end], "big")

    def changed(self, change: Change, apdu: Apdu, answer: bytes) -> bytes:
        """Return the answer to a READ BINARY with a change made, any other as it is."""
        is_read = len(apdu) == 5 and apdu[1] == INS.READ_BINARY and apdu[2] < 0x80
        if not is_read or self._fid is None:
            return answer
        return change(self._fid, apdu[2] << 8 | apdu[3], apdu[4] or 256, answer)


class FlippedBit:
    """One bit is wrong: at a place, or early in the first block that is read."""

    def __init__(self, place: tuple[int, int] | None = None) -> None:
        self._place = place

    def __call__(self, fid: int, offset: int, _wanted: int, answer: bytes) -> bytes:
        """Return the answer with the bit flipped, if it lies in this block."""
        size = len(answer) - 2
        if size < 1:
            return answer
        if self._place is None:
            self._place = fid, offset + min(_PLACE, size - 1)
        at = self._place[1] - offset
        if self._place[0] != fid or not 0 <= at < size:
            return answer
        return answer[:at] + bytes([answer[at] ^ 0x01]) + answer[at + 1 :]


def wrong_identity_signature() -> Change:
    """Return the change that breaks the signature in EF 4032, but not its form."""
    return FlippedBit((EF.IDENTITY_SIGNATURE.fid, _SIGNATURE_PLACE))


class OtherPhoto:
    """The photo file holds this picture."""

    def __init__(self, photo: bytes) -> None:
        self._photo = photo

    def __call__(self, fid: int, offset: int, wanted: int, answer: bytes) -> bytes:
        """Answer in the card's place, unless it refuses for a reason of its own."""
        readable = answer[-2:] in (_OK, SW.WRONG_OFFSET.to_bytes(2, "big"))
        if fid != EF.PHOTO.fid or not (readable or answer[-2] == 0x6C):
            return answer
        rest = self._photo[offset:]
        if not rest:
            return SW.WRONG_OFFSET.to_bytes(2, "big")
        if wanted > len(rest):
            return bytes([0x6C, len(rest)])
        return rest[:wanted] + _OK
