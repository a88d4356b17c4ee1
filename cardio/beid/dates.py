"""Dates as the card writes them, to ISO 8601; pure, no I/O.

Source: card content 6.2 (birth date: `DD mmmm YYYY` in Dutch and French, `DD.mmm.YYYY`
in German; other dates `DD.MM.YYYY`) and the variants that issued cards carry: two
spaces, a dot followed by a space, missing day or month.
"""

from __future__ import annotations

import datetime
import re

from cardio.errors import MalformedData

#: Beginnings of month names in the three languages, upper case.
_MONTHS = {
    "JAN": 1,
    "FEB": 2,
    "FEV": 2,
    "FÉV": 2,
    "MAA": 3,
    "MAR": 3,
    "MÄR": 3,
    "MRZ": 3,
    "APR": 4,
    "AVR": 4,
    "MEI": 5,
    "MAI": 5,
    "JUN": 6,
    "JUIN": 6,
    "JUL": 7,
    "JUIL": 7,
    "AUG": 8,
    "AOU": 8,
    "AOÛ": 8,
    "SEP": 9,
    "OKT": 10,
    "OCT": 10,
    "NOV": 11,
    "DEC": 12,
    "DÉC": 12,
    "DEZ": 12,
}


def birth_date(text: str) -> str:
    """Return `YYYY-MM-DD`, or `YYYY-MM` or `YYYY` where the card knows no more."""
    parts = [part for part in re.split(r"[ .]+", text.strip().upper()) if part]
    if not 1 <= len(parts) <= 3 or not re.fullmatch(r"[0-9]{4}", parts[-1]):
        raise MalformedData("a birth date of an unknown form")
    year = parts[-1]
    days = [part for part in parts[:-1] if re.fullmatch(r"[0-9]{1,2}", part)]
    months = [part for part in parts[:-1] if part not in days]
    if len(months) > 1 or len(days) > 1 or (days and not months):
        raise MalformedData("a birth date of an unknown form")
    if not months:
        return year
    month = _month(months[0])
    if not days or int(days[0]) == 0:
        return f"{year}-{month:02}"
    return _checked(int(year), month, int(days[0]))


def _month(name: str) -> int:
    month = _MONTHS.get(name[:4]) or _MONTHS.get(name[:3])
    if month is None:
        raise MalformedData("a birth date with an unknown month")
    return month


def date(text: str) -> str:
    """Return `YYYY-MM-DD` for `DD.MM.YYYY`."""
    match = re.fullmatch(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})", text)
    if match is None:
        raise MalformedData("a date of an unknown form")
    day, month, year = map(int, match.groups())
    return _checked(year, month, day)


def _checked(year: int, month: int, day: int) -> str:
    try:
        return datetime.date(year, month, day).isoformat()
    except ValueError:
        raise MalformedData("a day that is in no calendar") from None
