"""The identity and address files as values; pure, no I/O.

Source: card content 1.8, ID and address file v5 (tags 00 to 1F), and its forerunners
for applets 1.0 to 1.7. Every malformed input ends as MalformedData.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TypeVar

from cardio import tlv
from cardio.beid import dates
from cardio.errors import MalformedData

T = TypeVar("T")
F = TypeVar("F", bound="_File")


@dataclass(frozen=True)
class Code:
    """A number or letter of the card with its English name."""

    code: str
    name: str


DOCUMENT_TYPES = {
    "1": "Belgian citizen",
    "2": "European Community citizen",
    "3": "non European Community citizen",
    "6": "Kids card",
    "7": "bootstrap card",
    "8": "habilitation card",
    "11": "foreigner card A",
    "12": "foreigner card B",
    "13": "foreigner card C",
    "14": "foreigner card D",
    "15": "foreigner card E",
    "16": "foreigner card E+",
    "17": "foreigner card F",
    "18": "foreigner card F+",
    "19": "European blue card H",
    "20": "foreigner card I",
    "21": "foreigner card J",
    "22": "foreigner card M",
    "23": "foreigner card N",
    "27": "foreigner card K",
    "28": "foreigner card L",
    "31": "foreigner card EU",
    "32": "foreigner card EU+",
    "33": "foreigner card A (Regulation 1030/2002)",
    "34": "foreigner card B (Regulation 1030/2002)",
    "35": "foreigner card F (Regulation 1030/2002)",
    "36": "foreigner card F+ (Regulation 1030/2002)",
    "61": "Kids card EU",
    "62": "Kids card EU+",
    "63": "Kids card A",
    "64": "Kids card B",
    "65": "Kids card K",
    "66": "Kids card L",
    "67": "Kids card F",
    "68": "Kids card F+",
    "69": "Kids card M",
}

SPECIAL_STATUSES = {
    "0": "none",
    "1": "white cane",
    "2": "extended minority",
    "3": "white cane and extended minority",
    "4": "yellow cane",
    "5": "yellow cane and extended minority",
}


def _text(value: bytes) -> str:
    """Decode UTF-8 and take the padding off (spaces and zeros at both ends)."""
    try:
        return value.decode().strip(" \0")
    except UnicodeDecodeError:
        raise MalformedData("a text that is not UTF-8") from None


def _hex(value: bytes) -> str:
    return value.hex()


def _present(_value: bytes) -> bool:
    return True


def _optional(parse: Callable[[str], str]) -> Callable[[bytes], str]:
    """Let an empty tag stay an empty text."""

    def convert(value: bytes) -> str:
        text = _text(value)
        return parse(text) if text else ""

    return convert


def _sex(text: str) -> str:
    try:
        return {"M": "M", "F": "F", "V": "F", "W": "F"}[text]
    except KeyError:
        raise MalformedData("an unknown letter for the sex") from None


def _code(names: dict[str, str]) -> Callable[[bytes], Code]:
    def convert(value: bytes) -> Code:
        code = _text(value)
        return Code(code, names.get(code.lstrip("0") or code[:1], "unknown"))

    return convert


_document_type = _code(DOCUMENT_TYPES)
_special_status = _code(SPECIAL_STATUSES)


def _tag(tag: int, convert: Callable[[bytes], T], name: str) -> T | None:
    """Declare a field: its tag, its conversion, its name in JSON."""
    return field(default=None, metadata={"tag": tag, "convert": convert, "name": name})


@dataclass(frozen=True)
class _File:
    """Base of the two files; a field is None when its tag is absent."""

    def to_json(self) -> dict[str, object]:
        """Return the members that the file has, by their names on the wire."""
        members: dict[str, object] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Code):
                named = {"code": value.code, "name": value.name}
                value = named if value.code else ""
            if value is not None:
                members[item.metadata["name"]] = value
        return members


@dataclass(frozen=True)
class Identity(_File):
    """EF(ID#RN): dates ISO 8601, binary fields in lower-case hex, texts unpadded."""

    file_version: str | None = _tag(0x00, _hex, "fileVersion")
    card_number: str | None = _tag(0x01, _text, "cardNumber")
    chip_number: str | None = _tag(0x02, _hex, "chipNumber")
    valid_from: str | None = _tag(0x03, _optional(dates.date), "validFrom")
    valid_until: str | None = _tag(0x04, _optional(dates.date), "validUntil")
    issuing_municipality: str | None = _tag(0x05, _text, "issuingMunicipality")
    national_number: str | None = _tag(0x06, _text, "nationalNumber")
    surname: str | None = _tag(0x07, _text, "surname")
    given_names: str | None = _tag(0x08, _text, "givenNames")
    third_given_name_initial: str | None = _tag(0x09, _text, "thirdGivenNameInitial")
    nationality: str | None = _tag(0x0A, _text, "nationality")
    place_of_birth: str | None = _tag(0x0B, _text, "placeOfBirth")
    date_of_birth: str | None = _tag(0x0C, _optional(dates.birth_date), "dateOfBirth")
    sex: str | None = _tag(0x0D, _optional(_sex), "sex")
    noble_condition: str | None = _tag(0x0E, _text, "nobleCondition")
    document_type: Code | None = _tag(  # noqa: RUF009
        0x0F, _document_type, "documentType"
    )
    special_status: Code | None = _tag(  # noqa: RUF009
        0x10, _special_status, "specialStatus"
    )
    photo_hash: str | None = _tag(0x11, _hex, "photoHash")
    duplicate: str | None = _tag(0x12, _text, "duplicate")
    special_organisation: str | None = _tag(0x13, _text, "specialOrganisation")
    member_of_family: bool | None = _tag(0x14, _present, "memberOfFamily")
    protection: str | None = _tag(0x15, _text, "protection")
    work_permit_mention: str | None = _tag(0x16, _text, "workPermitMention")
    employer_vat_number1: str | None = _tag(0x17, _text, "employerVatNumber1")
    employer_vat_number2: str | None = _tag(0x18, _text, "employerVatNumber2")
    regional_file_number: str | None = _tag(0x19, _text, "regionalFileNumber")
    basic_key_hash: str | None = _tag(0x1A, _hex, "basicKeyHash")
    brexit_mention1: str | None = _tag(0x1B, _text, "brexitMention1")
    brexit_mention2: str | None = _tag(0x1C, _text, "brexitMention2")
    card_a_mention1: str | None = _tag(0x1D, _text, "cardAMention1")
    card_a_mention2: str | None = _tag(0x1E, _text, "cardAMention2")
    card_eu_start_date: str | None = _tag(
        0x1F, _optional(dates.date), "cardEuStartDate"
    )


@dataclass(frozen=True)
class Address(_File):
    """EF(ID#Address)."""

    file_version: str | None = _tag(0x00, _hex, "fileVersion")
    street_and_number: str | None = _tag(0x01, _text, "streetAndNumber")
    postal_code: str | None = _tag(0x02, _text, "postalCode")
    municipality: str | None = _tag(0x03, _text, "municipality")

    def to_json(self) -> dict[str, object]:
        """Return street, postal code and municipality."""
        members = super().to_json()
        members.pop("fileVersion", None)
        return members


def _parse(kind: type[F], data: bytes) -> F:
    """Fill a file's dataclass; tags that it does not know are passed over."""
    values = tlv.parse(data)
    if not values:
        raise MalformedData("a file without any field")
    return kind(
        **{
            item.name: item.metadata["convert"](values[item.metadata["tag"]])
            for item in fields(kind)
            if item.metadata["tag"] in values
        }
    )


def parse_identity(data: bytes) -> Identity:
    """Parse EF(ID#RN) as read from the card."""
    return _parse(Identity, data)


def parse_address(data: bytes) -> Address:
    """Parse EF(ID#Address) as read from the card."""
    return _parse(Address, data)
