"""The PIN: its block, what is refused, and that nothing of it stays behind."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio.errors import PinFormat
from cardio.pin import Pin

digits = st.text("0123456789", min_size=4, max_size=12)


@pytest.mark.parametrize(
    ("pin", "block"),
    [
        ("1234", "241234FFFFFFFFFF"),
        ("12345", "2512345FFFFFFFFF"),
        ("123456", "26123456FFFFFFFF"),
        ("123456789012", "2C123456789012FF"),
    ],
)
def test_block_is_that_of_the_manuals(pin: str, block: str) -> None:
    """ISO 9564 format 2, the examples of the manuals (2.8)."""
    assert Pin(bytearray(pin.encode())).block().hex().upper() == block


@given(digits)
def test_the_block_of_every_pin(typed: str) -> None:
    """Nibble by nibble: 2, the number of digits, the digits, F to the end (2.8)."""
    nibbles = Pin(bytearray(typed.encode())).block().hex()
    assert len(nibbles) == 16
    assert nibbles[0] == "2"
    assert int(nibbles[1], 16) == len(typed)
    assert nibbles[2:].rstrip("f") == typed


@given(st.binary(max_size=16).filter(lambda typed: not _is_pin(typed)))
def test_bytes_that_are_no_pin_are_refused_and_wiped(typed: bytes) -> None:
    """Whatever was typed: no block, and nothing of it in the buffer or the message."""
    buffer = bytearray(typed)
    with pytest.raises(PinFormat, match="4 to 12 digits"):
        Pin(buffer)
    assert not any(buffer)


def _is_pin(typed: bytes) -> bool:
    return 4 <= len(typed) <= 12 and set(typed) <= set(b"0123456789")


@pytest.mark.parametrize(
    "typed",
    ["", "123", "1234567890123", "12a4", "12 4", "\uff11\uff12\uff13\uff14", "-123"],
)
def test_what_is_no_pin_is_refused_and_wiped(typed: str) -> None:
    """3 or 13 digits and letters never become a block, and do not stay in memory."""
    buffer = bytearray(typed.encode())
    with pytest.raises(PinFormat) as caught:
        Pin(buffer)
    assert not any(buffer)
    assert typed not in str(caught.value) or not typed


@given(digits)
def test_leaving_the_block_wipes_the_digits(typed: str) -> None:
    """At the end of `with` the typed buffer holds no digit, whatever happened."""
    buffer = bytearray(typed.encode())
    with pytest.raises(ZeroDivisionError), Pin(buffer):
        raise ZeroDivisionError
    assert not any(buffer)


def test_a_wiped_pin_makes_no_block() -> None:
    """A PIN that was used up cannot be sent as an empty one."""
    pin = Pin(bytearray(b"1234"))
    pin.wipe()
    with pytest.raises(PinFormat):
        pin.block()


def test_a_pin_is_not_shown_copied_or_stored() -> None:
    """Neither repr nor pickle nor copy gives the digits away."""
    pin = Pin(bytearray(b"8642"))
    assert "8642" not in f"{pin} {pin!r}"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(pin)


@given(digits, digits)
def test_two_pins_are_the_same_by_their_digits(one: str, other: str) -> None:
    """How a new PIN that was typed twice is compared; wiping makes them unlike."""
    first, again = Pin(bytearray(one.encode())), Pin(bytearray(one.encode()))
    assert first.same_as(again)
    assert first.same_as(Pin(bytearray(other.encode()))) == (one == other)
    again.wipe()
    assert not first.same_as(again)
