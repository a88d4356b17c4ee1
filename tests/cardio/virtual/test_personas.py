"""The invented people: numbers that add up, texts that fit, dates that last."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from cardio.virtual.persona import national_number
from cardio.virtual.personas import CATALOGUE, PERSONAS

NAMES = pytest.mark.parametrize("name", CATALOGUE)

#: Most characters and bytes of a field (card content, table of the identity file).
LIMITS = {
    0x05: (42, 47),
    0x07: (62, 90),
    0x08: (52, 75),
    0x09: (3, 3),
    0x0A: (50, 65),
    0x0B: (40, 60),
    0x0C: (12, 12),
    0x0D: (1, 1),
    0x0E: (21, 30),
    0x0F: (2, 2),
    0x10: (1, 1),
    0x12: (2, 2),
    0x13: (1, 1),
    0x14: (0, 0),
    0x15: (13, 13),
    0x16: (1, 1),
    0x17: (13, 13),
    0x18: (13, 13),
    0x19: (18, 18),
    0x1B: (1, 1),
    0x1C: (1, 1),
    0x1D: (1, 1),
    0x1E: (1, 1),
    0x1F: (10, 10),
}
ADDRESS_LIMITS = {1: 60, 2: 4, 3: 47}
MONTHS = {
    "07 MAAR 1985": "850307",
    "03 JUIN 1979": "790603",
    "17.MÄR.1992": "920317",
    "15 SEPT 1990": "900915",
    "28 FEB  2004": "040228",
    "21 DEC  1981": "811221",
    "13.AUG. 1996": "960813",
    "19 NOV  1974": "741119",
    "05 FEV  1968": "680205",
    "26.FEB. 1986": "860226",
    "13.MÄR.1986": "860313",
    "18 MAAR 1986": "860318",
    "06 JUIN 1986": "860606",
}


def test_the_names() -> None:
    """The personas that users may name."""
    assert set(PERSONAS) == {
        "adult",
        "adult-1.7",
        "foreigner",
        "kids",
        "long-names",
        "expired",
        "one-try",
        "blocked",
        "rekeyed-1.7",
    }
    assert {name for name in CATALOGUE if not name.startswith("document-")} == {
        *PERSONAS,
        "not-activated",
    }


@NAMES
def test_national_number(name: str) -> None:
    """Check digits by the century of birth; odd for men, even for women."""
    persona = CATALOGUE[name]
    number = persona.national_number
    assert re.fullmatch(r"\d{11}", number)
    century = "2" if persona.birth.year >= 2000 else ""
    assert (int(century + number[:9]) + int(number[9:])) % 97 == 0
    assert (persona.identity[0x0D] == "M") is (int(number[6:9]) % 2 == 1)
    assert number[:6] == f"{persona.birth:%y%m%d}"


@pytest.mark.parametrize(
    ("birth", "order", "number"),
    [
        ("1985-07-30", 33, "85073003328"),
        ("2017-07-30", 33, "17073003384"),
        ("1998-08-21", 0, "98082100029"),
    ],
)
def test_known_national_numbers(birth: str, order: int, number: str) -> None:
    """Numbers that circulate as examples come out right."""
    day = datetime.fromisoformat(birth).date()
    assert national_number(day, order) == number


@NAMES
def test_written_birth_date(name: str) -> None:
    """The birth date as the card writes it is the one of the national number."""
    persona = CATALOGUE[name]
    written = persona.identity[0x0C]
    if name == "kids":
        assert written == f"09 OKT  {persona.birth.year}"
    else:
        number = persona.national_number[:6]
        assert MONTHS.get(written) == number or name.startswith("document-")
        assert MONTHS.get(written, number) == number
    assert len(written.encode()) == 12


#: Months by the town that issued the card: Dutch, French, German with its dot.
LANGUAGES = {
    "Leuven": "JAN FEB MAAR APR MEI JUN JUL AUG SEP OKT NOV DEC",
    "Namur": "JAN FEV MARS AVR MAI JUIN JUIL AOUT SEPT OCT NOV DEC",
    "Eupen": "JAN. FEB. MÄR. APR. MAI. JUN. JUL. AUG. SEP. OKT. NOV. DEZ.",
}


@pytest.mark.parametrize("name", [n for n in CATALOGUE if n.startswith("document-")])
def test_written_birth_dates_of_documents(name: str) -> None:
    """Day, month in the card's language, year; German has dots in place of blanks."""
    persona = CATALOGUE[name]
    town, born = persona.identity[0x05], persona.birth
    month = LANGUAGES[town].split()[born.month - 1]
    mark = "." if town == "Eupen" else " "
    assert persona.identity[0x0C].replace(" ", "") == (
        f"{born.day:02}{mark}{month}{born.year}".replace(" ", "")
    )
    assert persona.identity[0x0C][2] == mark


@NAMES
def test_card_number(name: str) -> None:
    """Twelve digits with their remainder by 97; foreigners have B and nine digits."""
    number = CATALOGUE[name].identity[0x01]
    if CATALOGUE[name].foreigner:
        assert re.fullmatch(r"B\d{9}", number)
    else:
        assert re.fullmatch(r"\d{12}", number)
        assert int(number[:10]) % 97 == int(number[10:])


@NAMES
def test_texts_fit(name: str) -> None:
    """No field is longer than the documents allow."""
    persona = CATALOGUE[name]
    for tag, (characters, size) in LIMITS.items():
        text = persona.identity.get(tag, "")
        assert len(text) <= characters
        assert len(text.encode()) <= size
    for tag, size in ADDRESS_LIMITS.items():
        assert len(persona.address[tag].encode()) <= size


def test_long_names_are_as_long_as_can_be() -> None:
    """The persona for layouts fills each text field, in characters and in bytes."""
    persona = PERSONAS["long-names"]
    for tag in (0x05, 0x07, 0x08, 0x0A, 0x0B, 0x0E):
        text = persona.identity[tag]
        assert (len(text), len(text.encode())) == LIMITS[tag]
    assert len(persona.identity[0x09].encode()) == 3
    assert len(persona.address[1].encode()) == 60
    assert len(persona.address[3].encode()) == 47
    assert " " in persona.surname
    assert "'" in persona.surname


def test_kinds_of_card() -> None:
    """Document types, the child's age, the foreigner's tags, the tries."""
    types = {name: one.identity[0x0F] for name, one in PERSONAS.items()}
    assert types.pop("kids") == "6"
    assert types.pop("foreigner") == "36"
    assert set(types.values()) == {"1"}
    age = datetime.now(UTC).year - PERSONAS["kids"].birth.year
    assert age < 12
    assert not PERSONAS["kids"].certificates
    assert set(PERSONAS["foreigner"].identity) >= set(range(0x12, 0x20)) - {0x1A}
    assert {n: p.tries for n, p in PERSONAS.items() if p.tries != 3} == {
        "one-try": 1,
        "blocked": 0,
    }
