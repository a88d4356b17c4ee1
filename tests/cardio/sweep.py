"""A card that something befalls at any one command, before or after it was done."""

from __future__ import annotations

from collections.abc import Callable

from cardio.apdu import INS, PIN_INSTRUCTIONS
from cardio.channel import Apdu
from cardio.virtual.counters import Counters
from cardio.virtual.playable import Happening, Pulled, ResetByOther
from cardio.virtual.profile import Profile
from tests.rig.transcript import RecordedCard


class Struck(RecordedCard):
    """Meets `event` at the `at`-th command (from 1; 0: never).

    `lost` is the command itself; else it is carried out and its answer is lost.
    """

    def __init__(
        self,
        profile: Profile,
        event: type[Happening],
        *,
        counters: Counters | None = None,
    ) -> None:
        super().__init__(profile, counters=counters)
        self._event = event
        #: What else happens at that moment.
        self.meanwhile: Callable[[], None] = lambda: None
        self.arm(0, lost=False)

    def arm(self, at: int, *, lost: bool) -> None:
        """Count from here and be struck at the given command."""
        self.at, self.lost = at, lost
        #: Instructions on the wire since then, lost ones included.
        self.wire: list[int] = []
        #: PINs among them.
        self.pins = 0

    @property
    def seen(self) -> int:
        """How many commands came."""
        return len(self.wire)

    @property
    def struck(self) -> bool:
        """True once it has happened."""
        return 0 < self.at <= self.seen

    @property
    def chip_asked(self) -> bool:
        """True when the chip was asked by the moment at which it happened."""
        return INS.INTERNAL_AUTHENTICATE in self.wire[: self.at]

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer, unless it is the one command."""
        self.wire.append(apdu[1])
        self.pins += apdu[1] in PIN_INSTRUCTIONS and len(apdu) > 5
        if self.seen != self.at:
            return super().transmit(apdu)
        self.meanwhile()
        if not self.lost:
            super().transmit(apdu)
        raise self._event


def pulled(profile: Profile) -> Struck:
    """Return a card that a hand takes out of its reader."""
    return Struck(profile, Pulled)


def reset(profile: Profile) -> Struck:
    """Return a card that another program resets."""
    return Struck(profile, ResetByOther)
