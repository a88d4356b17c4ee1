"""A card that is pulled out at any one command, before or after it was carried out."""

from __future__ import annotations

from cardio.apdu import PIN_INSTRUCTIONS
from cardio.channel import Apdu
from cardio.virtual.profile import Profile
from cardio.virtual.reader import VirtualReaders
from tests.rig.transcript import RecordedCard


class Pulled(RecordedCard):
    """Pulled out of its virtual reader at the `at`-th command (from 1; 0: never).

    `lost` is the command itself; else it is carried out and its answer is lost.
    """

    def __init__(self, profile: Profile, readers: VirtualReaders) -> None:
        super().__init__(profile)
        self._readers = readers
        self.at = 0
        self.lost = False
        self.seen = 0
        #: PINs on the wire since `arm`, lost ones included.
        self.pins = 0

    def arm(self, at: int, *, lost: bool) -> None:
        """Count from here and go at the given command."""
        self.seen, self.at, self.lost, self.pins = 0, at, lost, 0

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer, unless it is the one command."""
        self.seen += 1
        self.pins += apdu[1] in PIN_INSTRUCTIONS and len(apdu) > 5
        if self.seen != self.at:
            return super().transmit(apdu)
        self._readers.remove()
        return b"\x6f\x00" if self.lost else super().transmit(apdu)
