"""Birth dates as issued cards write them, and the other dates."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio.beid import dates
from cardio.errors import MalformedData

_NAMES = {
    "fr": "JAN FEV MARS AVR MAI JUIN JUIL AOUT SEPT OCT NOV DEC",
    "nl": "JAN FEB MAAR APR MEI JUN JUL AUG SEP OKT NOV DEC",
    "de": "JAN FEB MÄR APR MAI JUN JUL AUG SEP OKT NOV DEZ",
}


@pytest.mark.parametrize("language", sorted(_NAMES))
def test_every_month_of_every_language(language: str) -> None:
    """The three languages' names, in their own separators (card content 6.2)."""
    form = "07.{}.1981" if language == "de" else "07 {} 1981"
    for number, name in enumerate(_NAMES[language].split(), 1):
        assert dates.birth_date(form.format(name)) == f"1981-{number:02}-07"


@given(
    st.dates(),
    st.sampled_from(sorted(_NAMES)),
    st.sampled_from([" ", "  ", ".", ". "]),
    st.booleans(),
)
def test_every_day_in_every_language(
    day: datetime.date, language: str, separator: str, short: bool
) -> None:
    """Any day of the calendar, with each separator, is the same day in ISO 8601."""
    name = _NAMES[language].split()[day.month - 1]
    number = f"{day.day}" if short else f"{day.day:02}"
    written = separator.join([number, name, f"{day.year:04}"])
    assert dates.birth_date(written) == day.isoformat()
    assert dates.birth_date(written.lower()) == day.isoformat()


@given(st.dates(), st.sampled_from(sorted(_NAMES)), st.sampled_from(["", "00"]))
def test_a_birth_date_without_its_day(
    day: datetime.date, language: str, missing: str
) -> None:
    """Month and year stay, nothing is guessed; the year alone, too."""
    name = _NAMES[language].split()[day.month - 1]
    assert dates.birth_date(f"{missing} {name} {day.year:04}") == day.isoformat()[:7]
    assert dates.birth_date(f"{day.year:04}") == f"{day.year:04}"


@given(st.dates())
def test_every_other_date(day: datetime.date) -> None:
    """`DD.MM.YYYY`, any day of the calendar."""
    assert dates.date(f"{day.day:02}.{day.month:02}.{day.year:04}") == day.isoformat()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("01 JAN 1971", "1971-01-01"),
        ("1 JAN 1971", "1971-01-01"),
        ("21 DEC  1981", "1981-12-21"),
        ("13.AUG. 1996", "1996-08-13"),
        ("22.DEZ. 1997", "1997-12-22"),
        ("17.MÄR.1992", "1992-03-17"),
        ("17.mär.1992", "1992-03-17"),
        ("01 jan 1971", "1971-01-01"),
        ("29 FEV  2000", "2000-02-29"),
        ("1962", "1962"),
        ("       1962", "1962"),
        ("   MEI  1960", "1960-05"),
        ("00 MEI 1960", "1960-05"),
        (".MAI.1960", "1960-05"),
    ],
)
def test_the_forms_of_real_cards(written: str, meant: str) -> None:
    """Two spaces, dots with spaces, one digit, missing day or month."""
    assert dates.birth_date(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "30 FEB 1971",
        "32 JAN 1971",
        "01 XYZ 1971",
        "01 JAN 71",
        "² JAN 1971",
        "01 JAN 1971 X",
        "01 01 1971",
        "JAN FEB 1971",
        "01 JAN ١٩٧١",
        "9" * 5000 + " JAN 1971",
    ],
)
def test_other_birth_dates_are_malformed(written: str) -> None:
    """What is no day of a calendar is never guessed at."""
    with pytest.raises(MalformedData):
        dates.birth_date(written)


@given(st.text(max_size=14) | st.from_regex(r"[0-9]{2}[ .][A-Z]{3}[ .]{1,2}[0-9]{4}"))
def test_any_text_is_a_date_or_malformed(text: str) -> None:
    """No text makes either parser raise anything else."""
    for parse in (dates.birth_date, dates.date):
        try:
            parse(text)
        except MalformedData:
            continue


@pytest.mark.parametrize(
    "written", ["1.1.2020", "2020-01-01", "31.02.2020", "01.01.20", "01.01.2020x", ""]
)
def test_dates_have_one_form(written: str) -> None:
    """Validity and registration are `DD.MM.YYYY` and nothing else."""
    assert dates.date("24.12.2031") == "2031-12-24"
    with pytest.raises(MalformedData):
        dates.date(written)
