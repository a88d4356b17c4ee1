"""Raw bytes to a virtual card, straight from the manuals' tables; no client between."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import Profile, load_profile

APPLETS = ("1.7", "1.8")

V_GOOD = "0020000108 241234FFFFFFFFFF"
V_BAD = "0020000108 249999FFFFFFFFFF"
STATUS = "0020000100"
LOG_OFF = "80E60000"
CARD_DATA = "80E400001C"
SELECT_APPLET = "00A4040C0F A00000003029057000AD13100101FF"


@functools.cache
def profile(applet: str, name: str = "adult") -> Profile:
    """Return a persona's card, loaded once."""
    return load_profile(name, applet=applet)


class Wire:
    """A card, and what it answers in hex: `61xx` is followed only by `fetch`."""

    def __init__(
        self,
        personalised_for: str,
        *,
        strict: bool = False,
        counters: Any = None,
        name: str = "adult",
        **changes: Any,
    ) -> None:
        self.profile = replace(profile(personalised_for, name), **changes)
        self.card = VirtualCard(self.profile, strict=strict, counters=counters)

    @classmethod
    def of(cls, made: Profile, *, strict: bool = False) -> Wire:
        """Return a wire to a card that is no persona's."""
        wire = cls.__new__(cls)
        wire.profile = made
        wire.card = VirtualCard(made, strict=strict)
        return wire

    def send(self, apdu: str) -> str:
        """Send one command, return data and status word as one hex string."""
        return self.card.transmit(bytes.fromhex(apdu)).hex().upper()

    def status(self, apdu: str) -> str:
        """Send one command, return its status word."""
        return self.send(apdu)[-4:]

    def fetch(self, apdu: str) -> bytes:
        """Send one command and GET RESPONSE as long as data are announced."""
        answer = self.send(apdu)
        data = answer[:-4]
        while answer[-4:-2] == "61":
            answer = self.send(f"00C00000{answer[-2:]}")
            data += answer[:-4]
        assert answer[-4:] == "9000", answer
        return bytes.fromhex(data)


def mse(algorithm: int, key: int = 0x82) -> str:
    """Return MSE:SET."""
    return f"002241B605 0480{algorithm:02X}84{key:02X}"


def pso(data: bytes) -> str:
    """Return PSO:COMPUTE DIGITAL SIGNATURE."""
    return f"002A9E9A{len(data):02X}{data.hex()}"


def select(path: str) -> str:
    """Return SELECT by path; the path is given in hex."""
    return f"00A4080C{len(path) // 2:02X}{path}"
