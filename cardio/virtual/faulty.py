"""A card with one fault, around any virtual card; waits where the fault is slowness.

A fault that ends by happening (`removed`, `garbage`, ...) is spent then, and the card
works again. The command at which it happens never reaches the card, so that no fault
costs a try.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from cardio.apdu import SW
from cardio.channel import Apdu
from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.content import (
    Change,
    FlippedBit,
    OtherPhoto,
    Selection,
    wrong_identity_signature,
)
from cardio.virtual.faults import Fault
from cardio.virtual.personas import PERSONAS
from cardio.virtual.playable import (
    PlayableCard,
    Pulled,
    ResetByOther,
    Silence,
    WrappedCard,
)
from cardio.virtual.profile import Profile, load_profile

SLOW_SECONDS = 1.0

#: No status word at its end, and no length that a command of ours asks for.
_GARBAGE = bytes.fromhex("00FF5AA500FF13")
_WRONG_SW = bytes.fromhex("6F00")
_EEPROM_SW = SW.MEMORY_FAILURE.to_bytes(2, "big")
#: Faults that stay until they are taken away.
_LASTING = frozenset({"slow", "flipped-bit", "wrong-rrn-signature", "other-photo"})

_Act = Callable[[Apdu], bytes]


@dataclass
class _Armed:
    """A fault, what it does, and the commands since it was set."""

    fault: Fault
    act: _Act
    commands: int = 0


class FaultyCard(WrappedCard):
    """A card that has a fault, or gets one by `arm`.

    `make` makes the card that another one is swapped for, `slow_seconds` is by how much
    a slow answer is late.
    """

    def __init__(
        self,
        inner: PlayableCard,
        fault: Fault | None = None,
        *,
        make: Callable[[Profile], PlayableCard] = VirtualCard,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        super().__init__(inner)
        self._make = make
        self._slow_seconds = slow_seconds
        self._selection = Selection()
        self._silent = False
        self.arm(fault)

    def arm(self, fault: Fault | None) -> None:
        """Have this fault from now on, and no other; None: no fault. Any thread."""
        self._armed = None if fault is None else _Armed(fault, self._act(fault.name))

    @property
    def fault(self) -> Fault | None:
        """The fault that is to come or lasts; None once it is spent."""
        armed = self._armed
        return None if armed is None else armed.fault

    def power_on(self) -> bytes:
        """Begin a session; a mute card speaks again."""
        self._forget()
        return super().power_on()

    def reset(self) -> bytes:
        """End the session; a mute card speaks again."""
        self._forget()
        return super().reset()

    def _forget(self) -> None:
        self._silent = False
        self._selection.forget()

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer as the card does, but for the fault. Raises Happening."""
        if self._silent:
            raise Silence
        armed = self._armed
        if armed is None:
            return self._forward(apdu)
        armed.commands += 1
        if armed.commands < armed.fault.at:
            return self._forward(apdu)
        if armed.fault.name not in _LASTING and self._armed is armed:
            self._armed = None
        return armed.act(apdu)

    def around(self, card: PlayableCard) -> PlayableCard:
        """Wrap another card, which has no fault yet."""
        return FaultyCard(card, make=self._make, slow_seconds=self._slow_seconds)

    def _forward(self, apdu: Apdu) -> bytes:
        answer = super().transmit(apdu)
        self._selection.note(apdu, answer)
        return answer

    # --- the faults ------------------------------------------------------------------

    def _act(self, name: str) -> _Act:
        """Return what a fault does; all that takes time is made ready here."""
        acts: dict[str, Callable[[], _Act]] = {
            "removed": lambda: _pulled_for(None),
            "mute": lambda: self._silence_after(None),
            "garbage": lambda: lambda _apdu: _GARBAGE,
            "slow": lambda: self._late,
            "wrong-sw": lambda: lambda _apdu: _WRONG_SW,
            "flipped-bit": lambda: self._reading(FlippedBit()),
            "wrong-rrn-signature": lambda: self._reading(wrong_identity_signature()),
            "other-photo": lambda: self._reading(OtherPhoto(_photo_unlike(self))),
            "eeprom-error": lambda: self._silence_after(_EEPROM_SW),
            "reset": lambda: _reset_by_other,
            "swapped": lambda: _pulled_for(self._successor()),
        }
        return acts[name]()

    def _successor(self) -> PlayableCard:
        return self.around(self._make(_person_unlike(self)))

    def _silence_after(self, last_words: bytes | None) -> _Act:
        def act(_apdu: Apdu) -> bytes:
            self._silent = True
            if last_words is None:
                raise Silence
            return last_words

        return act

    def _late(self, apdu: Apdu) -> bytes:
        self.wait(self._slow_seconds)
        return self._forward(apdu)

    def _reading(self, change: Change) -> _Act:
        def act(apdu: Apdu) -> bytes:
            return self._selection.changed(change, apdu, self._forward(apdu))

        return act


def _pulled_for(successor: PlayableCard | None) -> _Act:
    def act(_apdu: Apdu) -> NoReturn:
        raise Pulled(successor)

    return act


def _reset_by_other(_apdu: Apdu) -> NoReturn:
    raise ResetByOther


def _person_unlike(card: PlayableCard) -> Profile:
    serial = card.profile.chip_serial
    return _another(card.profile, lambda other: other.chip_serial != serial)


def _photo_unlike(card: PlayableCard) -> bytes:
    photo = card.profile.files.get(EF.PHOTO)
    other = _another(card.profile, lambda other: other.files[EF.PHOTO] != photo)
    return other.files[EF.PHOTO]


def _another(profile: Profile, fits: Callable[[Profile], bool]) -> Profile:
    """Return a persona's card that fits, of the same applet if there is one.

    The same applet has the same ATR, so that only a look at the chip tells them apart.
    """
    alike = {
        name: load_profile(name, applet=profile.applet)
        for name, persona in PERSONAS.items()
        if profile.applet in persona.applets
    }
    for other in alike.values():
        if fits(other):
            return other
    return next(other for other in map(load_profile, PERSONAS) if fits(other))
