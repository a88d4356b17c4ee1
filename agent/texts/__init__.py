"""The agent's sentences in nl, fr, de and en; reads the gettext catalogues beside it.

Each sentence has a key, which is its `msgid`. `locale/LANG/LC_MESSAGES/eid-agent.po` is
where it is written, the `.mo` beside it is what is read; docs/development.md says how
one is made from the other.
"""

from __future__ import annotations

import functools
import gettext
import importlib.resources

LANGUAGES = ("nl", "fr", "de", "en")


@functools.cache
def _translations(lang: str) -> gettext.NullTranslations:
    folder = importlib.resources.files(__name__) / "locale" / lang / "LC_MESSAGES"
    with (folder / "eid-agent.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def text(key: str, lang: str, **values: object) -> str:
    """Return a sentence; English where the language is not one of ours.

    KeyError where no sentence has the key.
    """
    said = _translations(lang if lang in LANGUAGES else "en").gettext(key)
    if said == key:
        raise KeyError(key)
    return said.format_map(values)


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
