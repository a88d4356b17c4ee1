"""Virtual cards that pass for other ones; no real one of these can be had here."""

from __future__ import annotations

from dataclasses import replace

from cardio.apdu import INS
from cardio.channel import Apdu
from cardio.virtual.profile import load_profile
from tests.rig.transcript import RecordedCard


class FakeGenuineCard(RecordedCard):
    """A virtual card that says of itself what a chip of applet 1.7 says."""

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer with a chip's own bytes in the card data."""
        answer = super().transmit(apdu)
        if apdu[1] == INS.GET_CARD_DATA and len(answer) > 2:
            return answer[:17] + bytes.fromhex("36012501") + answer[21:]
        return answer


class FakeForeignCard(RecordedCard):
    """A card of another family, which understands no command of ours."""

    def __init__(self) -> None:
        atr = bytes.fromhex("3B6500002063CB6800")
        super().__init__(replace(load_profile(), atr=atr))

    def transmit(self, apdu: Apdu) -> bytes:
        """Refuse everything."""
        super().transmit(apdu)
        return bytes.fromhex("6D00")
