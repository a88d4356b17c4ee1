"""The card's TLV form: lengths beyond 254, padding, damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio import tlv
from cardio.errors import MalformedData

fields = st.dictionaries(st.integers(1, 255), st.binary(max_size=800), max_size=8)


@given(fields, st.integers(0, 60))
def test_what_was_encoded_is_parsed_again(
    written: dict[int, bytes], padding: int
) -> None:
    """Every length survives, and zero padding behind the fields is passed over."""
    assert tlv.parse(tlv.encode(written) + bytes(padding)) == written


@pytest.mark.parametrize(
    ("length", "octets"), [(254, "FE"), (255, "FF00"), (256, "FF01"), (510, "FFFF00")]
)
def test_long_lengths_continue_after_ff(length: int, octets: str) -> None:
    """Each FF stands for 255 and continues (card content 6.1)."""
    encoded = bytes.fromhex("05" + octets) + bytes(length)
    assert tlv.parse(encoded) == {5: bytes(length)}
    assert tlv.encode({5: bytes(length)}) == encoded


def test_a_file_may_begin_with_its_version() -> None:
    """Tag 00 is a field at the very start, padding anywhere else."""
    data = bytes.fromhex("0002 0002 010141 0000 FF17")
    assert tlv.parse(data) == {0: b"\0\2", 1: b"A"}


def test_a_file_of_zeros_has_no_fields() -> None:
    """An empty file is padding from its first byte."""
    assert tlv.parse(bytes(117)) == {}


@pytest.mark.parametrize(
    "data", ["0105AABB", "01", "01FF", "01FFFF", "010141010142", "010141FF20"]
)
def test_damage_is_malformed(data: str) -> None:
    """Cut-off values and lengths, and tags that stand twice, are refused."""
    with pytest.raises(MalformedData):
        tlv.parse(bytes.fromhex(data))


@given(st.binary(max_size=300), fields)
def test_the_version_stands_before_the_other_fields(
    version: bytes, written: dict[int, bytes]
) -> None:
    """Tag 00 in front survives, too; a file of zeros alone would be padding."""
    data = tlv.encode({0: version, **written})
    assert tlv.parse(data) == ({0: version, **written} if any(data) else {})


@given(st.binary(max_size=600))
def test_random_bytes_are_parsed_or_malformed(data: bytes) -> None:
    """No input makes the parser raise anything else, or hang."""
    try:
        tlv.parse(data)
    except MalformedData:
        return


@pytest.mark.parametrize(
    ("head", "length"),
    [
        ("3003AABBCC", 5),
        ("307F", 129),
        ("308180", 131),
        ("30820100", 260),
        ("3083010000", 65541),
    ],
)
def test_der_lengths(head: str, length: int) -> None:
    """The whole length counts the header, short and long forms."""
    assert tlv.der_length(bytes.fromhex(head)) == length


def _der_head(tag: int, length: int, octets: int) -> bytes:
    """Write tag and length with so many octets for the length; 0: the short form."""
    if not octets:
        return bytes([tag, length])
    return bytes([tag, 0x80 | octets]) + length.to_bytes(octets, "big")


@given(st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 4), st.binary())
def test_every_definite_der_length_is_read(
    tag: int, length: int, octets: int, content: bytes
) -> None:
    """Any tag, any length of up to four octets, whatever stands behind it."""
    length %= 1 << 8 * octets if octets else 0x80
    head = _der_head(tag, length, octets)
    assert tlv.der_length(head + content) == len(head) + length


@pytest.mark.parametrize("first", [0x80, 0x85, 0x86, 0x88, 0xC0, 0xFE, 0xFF])
@given(tag=st.integers(0, 255), content=st.binary(min_size=127))
def test_no_other_der_length_is_read(first: int, tag: int, content: bytes) -> None:
    """Indefinite, more than four octets, reserved: refused, though enough follows."""
    with pytest.raises(MalformedData):
        tlv.der_length(bytes([tag, first]) + content)


@given(st.integers(0, 255), st.integers(1, 4), st.data())
def test_a_der_length_that_is_cut_off_is_refused(
    tag: int, octets: int, data: st.DataObject
) -> None:
    """With any of its octets missing."""
    head = _der_head(tag, 1, octets)
    with pytest.raises(MalformedData):
        tlv.der_length(head[: data.draw(st.integers(0, len(head) - 1))])


@pytest.mark.parametrize("head", ["", "30", "3080", "3082", "308201", "3085", "30FF"])
def test_other_der_headers_are_malformed(head: str) -> None:
    """Indefinite, reserved and cut-off lengths are refused."""
    with pytest.raises(MalformedData):
        tlv.der_length(bytes.fromhex(head))
