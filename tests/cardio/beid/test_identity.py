"""Identity and address files to the members that portals get."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio import tlv
from cardio.beid.identity import (
    Address,
    Identity,
    parse_address,
    parse_identity,
)
from cardio.errors import MalformedData

#: Every tag of ID file v5: (tag, as stored, member, value).
EVERY_TAG = [
    (0x00, b"\x00\x02", "fileVersion", "0002"),
    (0x01, b"B123456789", "cardNumber", "B123456789"),
    (0x02, bytes(range(0xF0, 0x100)), "chipNumber", bytes(range(0xF0, 0x100)).hex()),
    (0x03, b"11.03.2024", "validFrom", "2024-03-11"),
    (0x04, b"11.03.2034", "validUntil", "2034-03-11"),
    (0x05, "Liège".encode(), "issuingMunicipality", "Liège"),
    (0x06, b"71715100070", "nationalNumber", "71715100070"),
    (0x07, b"SPECIMEN", "surname", "SPECIMEN"),
    (0x08, b"Alice Geldigekaart", "givenNames", "Alice Geldigekaart"),
    (0x09, "Ï".encode(), "thirdGivenNameInitial", "Ï"),
    (0x0A, b"Belg", "nationality", "Belg"),
    (0x0B, b"Hamont-Achel", "placeOfBirth", "Hamont-Achel"),
    (0x0C, "17.MÄR.1992".encode(), "dateOfBirth", "1992-03-17"),
    (0x0D, b"W", "sex", "F"),
    (0x0E, b"Burggraaf", "nobleCondition", "Burggraaf"),
    (
        0x0F,
        b"36",
        "documentType",
        {"code": "36", "name": "foreigner card F+ (Regulation 1030/2002)"},
    ),
    (0x10, b"1", "specialStatus", {"code": "1", "name": "white cane"}),
    (0x11, b"\xab" * 48, "photoHash", "ab" * 48),
    (0x12, b"01", "duplicate", "01"),
    (0x13, b"5", "specialOrganisation", "5"),
    (0x14, b"", "memberOfFamily", True),
    (0x15, b"01.02.2016-MA", "protection", "01.02.2016-MA"),
    (0x16, b"7", "workPermitMention", "7"),
    (0x17, b"0123.456.789", "employerVatNumber1", "0123.456.789"),
    (0x18, b"0987.654.321", "employerVatNumber2", "0987.654.321"),
    (0x19, b"2024/123", "regionalFileNumber", "2024/123"),
    (0x1A, b"\xcd" * 48, "basicKeyHash", "cd" * 48),
    (0x1B, b"B", "brexitMention1", "B"),
    (0x1C, b"C", "brexitMention2", "C"),
    (0x1D, b"D", "cardAMention1", "D"),
    (0x1E, b"K", "cardAMention2", "K"),
    (0x1F, b"24.12.2023", "cardEuStartDate", "2023-12-24"),
]


def _one(tag: int, value: bytes) -> dict[str, object]:
    """Return the members of an identity file of a single field."""
    return parse_identity(tlv.encode({tag: value}) + bytes(7)).to_json()


def test_every_tag_has_its_member() -> None:
    """All 32 tags together give all 32 members, and no other."""
    data = tlv.encode({tag: stored for tag, stored, _, _ in EVERY_TAG})
    assert parse_identity(data).to_json() == {
        member: value for _, _, member, value in EVERY_TAG
    }


@pytest.mark.parametrize(("tag", "stored", "member", "value"), EVERY_TAG)
def test_a_tag_alone(tag: int, stored: bytes, member: str, value: object) -> None:
    """An absent tag has no member: a file of one tag gives one member."""
    assert _one(tag, stored) == {member: value}


@pytest.mark.parametrize(
    ("tag", "member"),
    [(tag, member) for tag, _, member, _ in EVERY_TAG if tag not in (0, 0x14)],
)
def test_an_empty_tag_is_an_empty_text(tag: int, member: str) -> None:
    """Empty on the card is empty for the portal, and not the same as absent."""
    assert _one(tag, b"") == {member: ""}


@pytest.mark.parametrize(
    ("letter", "sex"), [(b"M", "M"), (b"F", "F"), (b"V", "F"), (b"W", "F")]
)
def test_the_letters_of_three_languages_for_the_sex(letter: bytes, sex: str) -> None:
    """Dutch V and German W mean F."""
    assert _one(0x0D, letter) == {"sex": sex}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (b"1", "Belgian citizen"),
        (b"01", "Belgian citizen"),
        (b"6", "Kids card"),
        (b"06", "Kids card"),
        (b"69", "Kids card M"),
        (b"99", "unknown"),
        (b"0", "unknown"),
        (b"X", "unknown"),
    ],
)
def test_document_types_keep_their_code(code: bytes, name: str) -> None:
    """One and two digits exist for the same type; unknown codes are passed on."""
    assert _one(0x0F, code) == {"documentType": {"code": code.decode(), "name": name}}


@pytest.mark.parametrize(
    ("code", "name"), [(b"0", "none"), (b"00", "none"), (b"4", "yellow cane")]
)
def test_special_status_has_a_name(code: bytes, name: str) -> None:
    """Zero is a status with a name, not an absent one."""
    assert _one(0x10, code) == {"specialStatus": {"code": code.decode(), "name": name}}


def test_padding_inside_texts_is_taken_off() -> None:
    """Some cards pad the value itself, with spaces or zeros."""
    padded = {0x01: b"Teststraat 12   ", 0x02: b"9000\0\0", 0x03: b" Gent"}
    assert parse_address(tlv.encode(padded)).to_json() == {
        "streetAndNumber": "Teststraat 12",
        "postalCode": "9000",
        "municipality": "Gent",
    }


def test_an_address_has_no_other_members() -> None:
    """Its version is no member, unknown tags of later versions are passed over."""
    data = tlv.encode({0x00: b"\0\2", 0x03: b"Gent", 0x2A: b"later"}) + bytes(50)
    assert parse_address(data).to_json() == {"municipality": "Gent"}


def test_the_values_cannot_be_changed() -> None:
    """What was read is handed around as a value."""
    identity = parse_identity(tlv.encode({0x07: b"SPECIMEN"}))
    with pytest.raises(dataclasses.FrozenInstanceError):
        identity.surname = "OTHER"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("tag", "stored"),
    [
        (0x03, b"31.02.2020"),
        (0x03, b"2020-01-01"),
        (0x07, b"\xff\xfe"),
        (0x0C, b"01 XXX 1970"),
        (0x0D, b"?"),
        (0x0F, b"\xc3"),
        (0x1F, b"soon"),
    ],
)
def test_a_malformed_field_is_malformed_data(tag: int, stored: bytes) -> None:
    """Impossible dates, broken UTF-8 and unknown letters are not passed on."""
    with pytest.raises(MalformedData):
        _one(tag, stored)


@pytest.mark.parametrize("data", [b"", bytes(180)])
def test_an_empty_file_is_malformed(data: bytes) -> None:
    """A file without a single field proves nothing about anyone."""
    with pytest.raises(MalformedData):
        parse_identity(data)


def _parse_or_refuse(data: bytes) -> None:
    for parse in (parse_identity, parse_address):
        try:
            parsed: Identity | Address = parse(data)
        except MalformedData:
            continue
        assert isinstance(parsed.to_json(), dict)


@given(st.binary(max_size=700))
def test_random_files_are_parsed_or_malformed(data: bytes) -> None:
    """No file makes the parsers raise anything but MalformedData."""
    _parse_or_refuse(data)


@given(st.dictionaries(st.integers(0, 0x20), st.binary(max_size=16), max_size=8))
def test_random_fields_are_parsed_or_malformed(values: dict[int, bytes]) -> None:
    """Well-formed files with any values in them: the same."""
    _parse_or_refuse(tlv.encode(values))


def test_truncated_files_are_parsed_or_malformed() -> None:
    """Every beginning of a real file, as when a reader loses the rest."""
    data = tlv.encode({tag: stored for tag, stored, _, _ in EVERY_TAG})
    for length in range(len(data)):
        _parse_or_refuse(data[:length])
