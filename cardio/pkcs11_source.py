"""The slots of a PKCS#11 module as readers: `CardSource`; no I/O of its own.

C_WaitForSlotEvent is not used: without end it would keep the module's one thread to
itself, and the official module lacks it on Linux and macOS. The slots are looked at
every second instead, which sends the card nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cardio.beid.beside import Beside
from cardio.card import Card
from cardio.errors import CardError, CardMute, NoCard, NoReader, ServiceUnavailable
from cardio.pkcs11 import CALL_SECONDS, Slot, Token, load
from cardio.pkcs11_card import Pkcs11Card, Signatures
from cardio.pkcs11_objects import OFFICIAL_MANUFACTURER
from cardio.readers import VIRTUAL_OF_WINDOWS, ReaderState

#: Seconds between two looks at the slots.
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class _Stay:
    """What is known of one slot: is a token in, which, with a PIN pad, since when."""

    present: bool
    serial: bytes = b""
    pin_pad: bool = False
    insertion: int = 0


class Pkcs11Cards:
    """The slots of a module; implements `CardSource`.

    `beside` reaches the cards through PC/SC, for the tries left and for what a module
    leaves behind; without it only the official module signs. `hardware` leaves out
    slots that no card could be put into. Raises ModuleUnusable.

    `insertion` changes when a token comes or goes, or is found to be another one; the
    same card, out and in again within a second, passes for not having moved.
    """

    virtual = False

    def __init__(
        self, path: Path, beside: Beside | None, *, hardware: bool = True
    ) -> None:
        self._module = load(path)
        self._beside = beside
        self._hardware = hardware
        self._stays: dict[str, _Stay] = {}
        self._signatures = Signatures()

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the slots now; ServiceUnavailable, CardBusy.

        While somebody may be typing a PIN in the module's dialog: as they were before.
        """
        if not self._signatures.under_way:
            try:
                self._module.lane.run(self._look, CALL_SECONDS)
            except CardMute:
                raise ServiceUnavailable("the module does not answer") from None
        return tuple(
            ReaderState(
                name, b"" if stay.present else None, stay.insertion, stay.pin_pad
            )
            for name, stay in self._stays.items()
        )

    def watch(self) -> Pkcs11Watch:
        """Return a new watch on the slots, to be used by one thread."""
        return Pkcs11Watch(self)

    def open(
        self,
        name: str,
        *,
        stop: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Card:
        """Open a session with the token in a slot, as `CardSource` has it."""
        lane = self._module.lane
        return Pkcs11Card(
            lane,
            self._opened(name),
            official=self._module.manufacturer == OFFICIAL_MANUFACTURER,
            beside=self._beside,
            signatures=self._signatures,
            stop=stop,
            progress=progress,
        )

    def _opened(self, name: str) -> Token:
        """Open a session; one that comes too late for its caller is closed again."""
        came: list[Token] = []
        try:
            self._module.lane.run(lambda: came.append(self._open(name)), CALL_SECONDS)
        except CardMute:

            def close() -> None:
                for token in came:
                    token.close()

            self._module.lane.leave(close)
            raise
        return came[0]

    # --- in the module's thread ------------------------------------------------------

    def _slots(self) -> dict[str, Slot]:
        """Return the slots by name; of several for one reader the one with a token."""
        found: dict[str, Slot] = {}
        for slot in self._module.slots():
            if slot.name.startswith(VIRTUAL_OF_WINDOWS):
                continue
            if self._hardware and not slot.hardware:
                continue
            known = found.get(slot.name)
            if known is None or (slot.present and not known.present):
                found[slot.name] = slot
        return found

    def _look(self) -> None:
        """Take note of what came and went; only a new token is asked who it is."""
        stays: dict[str, _Stay] = {}
        for name, slot in self._slots().items():
            known = self._stays.get(name)
            moved = known is None or known.present != slot.present
            stays[name] = _entered(known, slot) if moved or known is None else known
        self._stays = stays

    def _open(self, name: str) -> Token:
        slot = self._slots().get(name)
        if slot is None:
            raise NoReader(name)
        if not slot.present:
            raise NoCard(name)
        token = slot.open()
        known = self._stays.get(name)
        if known is not None and known.present and known.serial != token.info.serial:
            self._stays = {**self._stays, name: _entered(known, slot)}
        return token


def _entered(known: _Stay | None, slot: Slot) -> _Stay:
    insertion = 0 if known is None else known.insertion + 1 & 0xFFFF
    if not slot.present:
        return _Stay(present=False, insertion=insertion)
    try:
        info = slot.info()
    except CardError:  # another kind of card; opening it will say so
        return _Stay(present=True, insertion=insertion)
    return _Stay(True, info.serial, info.protected_path, insertion)


class Pkcs11Watch:
    """Looks at the slots every second; implements `ReaderWatch`."""

    def __init__(self, source: Pkcs11Cards) -> None:
        self._source = source
        self._stop = threading.Event()
        self._reported: tuple[ReaderState, ...] | None = None

    def wait(self) -> tuple[ReaderState, ...] | None:
        """Block until something changed; the first call returns at once."""
        pause = 0.0 if self._reported is None else LOOK_SECONDS
        while not self._stop.wait(pause):
            pause = LOOK_SECONDS
            try:
                found = self._source.readers()
            except ServiceUnavailable:
                found = ()
            except CardError:  # the module is busy, which says nothing of the slots
                continue
            if found != self._reported:
                self._reported = found
                return found
        return None

    def cancel(self) -> None:
        """Make `wait` return None, from any thread."""
        self._stop.set()
