"""Commands with a PIN that was typed on this computer, as buffers to wipe; pure."""

from __future__ import annotations

from cardio import apdu
from cardio.pin import Pin, wipe


def verify(pin: Pin | None) -> bytearray | None:
    """Return VERIFY with the PIN; None where the reader makes the command."""
    if pin is None:
        return None
    block = pin.block()
    try:
        return apdu.verify(block)
    finally:
        wipe(block)


def change(old: Pin | None, new: Pin | None) -> bytearray | None:
    """Return CHANGE REFERENCE DATA with both; None where the reader makes it."""
    if old is None or new is None:
        return None
    blocks: list[bytearray] = []
    try:
        blocks.append(old.block())
        blocks.append(new.block())
        return apdu.change_reference_data(*blocks)
    finally:
        for block in blocks:
            wipe(block)
