"""Makes the cards of one run, which all behave alike; touches the folder of `state`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters, FileCounters
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.playable import PlayableCard
from cardio.virtual.profile import Profile
from cardio.virtual.timing import TimedCard


@dataclass
class CardMaker:
    """How the cards of this run behave.

    A card has its counters by its chip number, so that they last through the run when
    the same card is put in again; with `state` they survive restarts.
    """

    strict: bool = False
    real_speed: bool = False
    state: Path | None = None
    _counters: dict[bytes, Counters] = field(default_factory=dict)

    def make(self, profile: Profile, fault: Fault | None = None) -> PlayableCard:
        """Return the card; OSError, DamagedCounters where `state` cannot be used."""
        card: PlayableCard = FaultyCard(self._bare(profile), fault, make=self._bare)
        return TimedCard(card) if self.real_speed else card

    def _bare(self, profile: Profile) -> VirtualCard:
        return VirtualCard(
            profile, strict=self.strict, counters=self.counters(profile.chip_serial)
        )

    def counters(self, chip_serial: bytes) -> Counters:
        """Return what the chip of this number remembers."""
        if chip_serial not in self._counters:
            self._counters[chip_serial] = (
                Counters()
                if self.state is None
                else FileCounters(self.state, chip_serial)
            )
        return self._counters[chip_serial]
