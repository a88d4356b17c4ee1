"""The agent's sentences in nl, fr, de and en; reads the TOML catalogues beside it."""

from __future__ import annotations

import functools
import importlib.resources
import tomllib

LANGUAGES = ("nl", "fr", "de", "en")


@functools.cache
def catalogue(lang: str) -> dict[str, str]:
    """Return every sentence of one language by its key."""
    file = importlib.resources.files(__name__) / f"{lang}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def text(key: str, lang: str, **values: object) -> str:
    """Return a sentence; English where the language is not one of ours."""
    chosen = catalogue(lang if lang in LANGUAGES else "en")
    return chosen[key].format_map(values)


def shown_date(iso: str, lang: str) -> str:
    """Return a date of ISO 8601, as 1960, 1960-05 or 1960-05-21, in the usual form."""
    year, *rest = iso.split("-")
    if not rest:
        return year
    if len(rest) == 1:
        return text("date-month", lang, year=year, month=rest[0])
    return text("date-day", lang, year=year, month=rest[0], day=rest[1])


def tries_left(tries: int | None, lang: str) -> object:
    """Return a number of tries, None for an unknown one, as a sentence has it."""
    return text("tries-unknown", lang) if tries is None else tries
