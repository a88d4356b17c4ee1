"""Which answers to reset belong to Belgian cards; pure, no I/O.

A hint only: recognition is by GET CARD DATA. Source: card content 2.3 (both versions)
and the registration values of the official minidriver.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardio.files import ATR_1_8


@dataclass(frozen=True)
class AtrPattern:
    """An ATR with a mask: bits that are 0 in the mask may have any value."""

    atr: bytes
    mask: bytes

    def matches(self, atr: bytes) -> bool:
        """Tell whether the ATR has this pattern, its length included."""
        return len(atr) == len(self.atr) and all(
            seen & mask == wanted & mask
            for seen, wanted, mask in zip(atr, self.atr, self.mask, strict=True)
        )


BELGIAN = (
    # Applets 1.0, 1.1 and 1.7: one family, which differs in speed and version nibble.
    AtrPattern(
        bytes.fromhex("3B98004000A503010101AD1310"),
        bytes.fromhex("FFFF00FF00FFFFFFFFFFFFFFF0"),
    ),
    AtrPattern(ATR_1_8, b"\xff" * len(ATR_1_8)),
)


def looks_belgian(atr: bytes) -> bool:
    """Tell whether a card with this ATR is probably a Belgian eID."""
    return any(pattern.matches(atr) for pattern in BELGIAN)
