"""The bytes of each command, by the tables of the applet manuals (chapter 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio import apdu
from cardio.apdu import Response
from cardio.errors import MalformedData
from cardio.files import APPLET_AID


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (apdu.select_path(0xDF01, 0x4031), "00A4080C04DF014031"),
        (apdu.select_aid(APPLET_AID), "00A4040C0FA00000003029057000AD13100101FF"),
        (apdu.read_binary(0x1FC, 256), "00B001FC00"),
        (apdu.read_binary(0x7FFF, 1), "00B07FFF01"),
        (apdu.get_card_data(), "80E400001C"),
        (apdu.get_card_data(extended=True), "80E400011F"),
        (apdu.get_response(256), "00C0000000"),
        (apdu.get_response(0x60), "00C0000060"),
        (
            apdu.verify(bytearray.fromhex("241234FFFFFFFFFF")),
            "0020000108241234FFFFFFFFFF",
        ),
        (apdu.verify_status(), "0020000100"),
        (
            apdu.change_reference_data(
                bytearray.fromhex("241234FFFFFFFFFF"),
                bytearray.fromhex("2512345FFFFFFFFF"),
            ),
            "0024000110241234FFFFFFFFFF2512345FFFFFFFFF",
        ),
        (apdu.mse_set(0x02, 0x82), "002241B6050480028482"),
        (apdu.pso_cds(bytes(48)), "002A9E9A30" + "00" * 48),
        (apdu.log_off(), "80E60000"),
    ],
)
def test_commands_have_the_bytes_of_the_manuals(
    command: bytes | bytearray, expected: str
) -> None:
    """Each command builder gives exactly the documented bytes."""
    assert bytes(command).hex().upper() == expected


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0x8000, 1), (0, 0), (0, 257)])
def test_read_binary_refuses_what_no_header_can_say(offset: int, length: int) -> None:
    """Offsets beyond 7FFF and lengths beyond 256 do not exist under T=0."""
    with pytest.raises(ValueError, match="READ BINARY"):
        apdu.read_binary(offset, length)


def test_verify_takes_a_whole_block_only() -> None:
    """A block of another length would be counted as a wrong PIN by the card."""
    with pytest.raises(ValueError, match="8 bytes"):
        apdu.verify(bytearray(7))
    for old, new in ((7, 8), (8, 9)):
        with pytest.raises(ValueError, match="8 bytes"):
            apdu.change_reference_data(bytearray(old), bytearray(new))


@pytest.mark.parametrize(
    ("sw", "tries"),
    [(0x63C3, 3), (0x63C0, 0), (0x6983, 0), (0x9000, None), (0x6982, None)],
)
def test_tries_left_reads_the_status_word(sw: int, tries: int | None) -> None:
    """63Cx holds x tries, 6983 none; every other status tells nothing."""
    assert apdu.tries_left(sw) == tries


@given(st.binary(max_size=300))
def test_any_answer_is_a_response_or_malformed(raw: bytes) -> None:
    """Garbage from a card ends as MalformedData, never as another exception."""
    try:
        response = Response.from_bytes(raw)
    except MalformedData:
        return
    assert bytes(response) == raw


def test_a_response_does_not_show_its_data() -> None:
    """Logs and assertion messages may show a response, never card data."""
    assert repr(Response(b"secret", 0x9000)) == "Response(6 bytes, 9000)"
