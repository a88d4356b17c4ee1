"""One card of every document that foreigners get; pure data, no I/O.

Source: card content, table of document types (tag 0F), and ID file v5, tags 12 to 1F.
The personas are called `document-` and the letters on the card, `-1030` behind them for
the layout of Regulation (EC) 1030/2002.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cardio.virtual.persona import YEAR, Persona, day, person

_BOTH = ("1.8", "1.7")
_VALID = (day(f"{YEAR - 2}-05-04"), day(f"{YEAR + 3}-05-04"))
_VALID_FOR_KIDS = (day(f"{YEAR - 1}-05-04"), day(f"{YEAR + 2}-05-04"))
#: Tags that foreigners' cards have, with what stands there when nothing is to be said.
#: 14 (member of family) says it by being there.
_EMPTY: Mapping[int, str] = {
    0x12: "0",
    **dict.fromkeys((0x13, 0x15, 0x16, 0x17, 0x18, 0x19), ""),
    **dict.fromkeys((0x1B, 0x1C, 0x1D, 0x1E, 0x1F), ""),
}
_DUPLICATE = {0x12: "01"}
_OLD_BLUE_CARD, _RESEARCHER = {0x13: "4"}, {0x13: "5"}
_FAMILY = {0x14: ""}
_PROTECTED = {0x15: "20.06.2016-TN"}
_WORK_UNLIMITED, _WORK_LIMITED, _NO_WORK = {0x16: "7"}, {0x16: "8"}, {0x16: "9"}
#: VAT numbers in form, of nobody.
_EMPLOYER = {0x17: "0000.000.097"}
_EMPLOYERS = {**_EMPLOYER, 0x18: "0000.000.196"}
_REGIONAL_FILE = {0x19: "TEST/2021/00000001"}
_WITHDRAWAL, _PERMANENT_STAY = {0x1B: "B"}, {0x1C: "C"}
_SEASONAL, _PUPIL, _AU_PAIR = {0x1D: "A"}, {0x1D: "E"}, {0x1D: "H"}
_MOBILITY = {0x1E: "K"}
_SINCE = {0x1F: f"01.06.{YEAR - 6}"}


@dataclass(frozen=True)
class _Document:
    """Code of tag 0F, name on the card, and what its tags from 12 on say.

    `certificates`: A for authentication, S for non-repudiation.
    """

    code: int
    label: str
    says: Mapping[int, str]
    applets: tuple[str, ...] = ("1.8",)
    certificates: str = "AS"


_TABLE = (
    _Document(11, "A", _RESEARCHER | _PROTECTED | _WORK_LIMITED | _AU_PAIR, _BOTH),
    _Document(12, "B", _PROTECTED | _WORK_UNLIMITED, _BOTH),
    _Document(13, "C", _WORK_UNLIMITED, _BOTH),
    _Document(14, "D", _PROTECTED | _WORK_UNLIMITED, _BOTH),
    _Document(15, "E", {}, _BOTH),
    _Document(16, "E+", _DUPLICATE, _BOTH),
    _Document(17, "F", _FAMILY, _BOTH),
    _Document(18, "F+", _FAMILY | _DUPLICATE, _BOTH),
    _Document(19, "H", _OLD_BLUE_CARD | _WORK_LIMITED | _EMPLOYERS, _BOTH),
    _Document(20, "I", _WORK_LIMITED | _EMPLOYER | _REGIONAL_FILE, _BOTH),
    _Document(21, "J", _WORK_LIMITED | _EMPLOYERS | _REGIONAL_FILE, _BOTH),
    _Document(22, "M", _WITHDRAWAL | _PERMANENT_STAY),
    _Document(23, "N", _WORK_LIMITED),
    _Document(27, "K", _WORK_UNLIMITED),
    _Document(28, "L", _PROTECTED | _WORK_UNLIMITED),
    _Document(31, "EU", _SINCE),
    _Document(32, "EU+", _SINCE | _DUPLICATE),
    _Document(33, "A 1030", _WORK_LIMITED | _SEASONAL | _MOBILITY),
    _Document(34, "B 1030", _PROTECTED | _WORK_UNLIMITED),
    _Document(35, "F 1030", _FAMILY),
    _Document(36, "F+ 1030", _FAMILY | _DUPLICATE),
    # Children from six on may get the authentication certificate.
    _Document(61, "kids EU", _SINCE, certificates="A"),
    _Document(62, "kids EU+", _SINCE, certificates=""),
    _Document(63, "kids A", _NO_WORK | _PUPIL, certificates="A"),
    _Document(64, "kids B", _PROTECTED | _NO_WORK, certificates=""),
    _Document(65, "kids K", _NO_WORK, certificates=""),
    _Document(66, "kids L", _NO_WORK, certificates=""),
    _Document(67, "kids F", _FAMILY, certificates=""),
    _Document(68, "kids F+", _FAMILY, certificates=""),
    _Document(69, "kids M", _WITHDRAWAL, certificates=""),
)
_FIRST_KIDS_CODE = 61


@dataclass(frozen=True)
class _Place:
    """Where a card was issued, and so the language of its texts."""

    months: str
    man_or_woman: str
    municipality: str
    postal_code: str
    street: str
    nationality: str
    form: str = "{day:02} {month:<4} {year}"


_PLACES = (
    _Place(
        "JAN FEB MAAR APR MEI JUN JUL AUG SEP OKT NOV DEC",
        "MV",
        "Leuven",
        "3000",
        "Toonbeeldstraat",
        "Japan",
    ),
    _Place(
        "JAN FEV MARS AVR MAI JUIN JUIL AOUT SEPT OCT NOV DEC",
        "MF",
        "Namur",
        "5000",
        "Rue du Modèle",
        "Japon",
    ),
    _Place(
        "JAN. FEB. MÄR. APR. MAI. JUN. JUL. AUG. SEP. OKT. NOV. DEZ.",
        "MW",
        "Eupen",
        "4700",
        "Musterweg",
        "Japan",
        form="{day:02}.{month}{year:>{width}}",
    ),
)
#: The birth date has 12 bytes on issued cards, a blank before the year if need be.
_DATE_BYTES = 12


def _written(birth: datetime.date, place: _Place) -> str:
    """Return a birth date as the card has it: 07 MAAR 1985, 13.AUG. 1996."""
    month = place.months.split()[birth.month - 1]
    width = _DATE_BYTES - len(f"00.{month}".encode())
    return place.form.format(
        day=birth.day, month=month, year=birth.year, width=max(width, 4)
    )


def _name(label: str) -> str:
    return "document-" + label.lower().replace("+", "-plus").replace(" ", "-")


def _make(document: _Document) -> Persona:
    """Put the card together; code by code another birthday, language and sex."""
    code = document.code
    child = code >= _FIRST_KIDS_CODE
    birth = day(f"{YEAR - 8 if child else 1986}-01-02") + datetime.timedelta(5 * code)
    place = _PLACES[code % len(_PLACES)]
    persona = person(
        _name(document.label),
        card=f"B{10_000 + code:09}",
        birth=birth,
        written=_written(birth, place),
        sex=place.man_or_woman[code // 3 % 2],
        surname=f"Specimen {document.label}",
        given="Kiyo Akira",
        nationality=place.nationality,
        birthplace="Ōsaka",
        issued_at=place.municipality,
        address=(f"{place.street} {code}", place.postal_code, place.municipality),
        valid=_VALID_FOR_KIDS if child else _VALID,
        applets=document.applets,
        document=str(code),
        more={**_EMPTY, **document.says},
        certificates="A" in document.certificates,
        foreigner=True,
        photo="child.jpg" if child else "adult.jpg",
    )
    return replace(persona, non_repudiation="S" in document.certificates)


#: One persona for each document, in the order of their codes.
DOCUMENTS: tuple[Persona, ...] = tuple(map(_make, _TABLE))
