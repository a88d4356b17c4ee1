"""Identity and address as a person reads them: labels and words; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.texts import catalogue
from agent.words import one_line


def shown_values(data: Mapping[str, object], lang: str) -> Iterator[tuple[str, str]]:
    """Yield the key of each member's label and its value in words.

    `data` is `identity` or `address` as the API gives it. Every member that leaves is
    shown, whatever it says.
    """
    known = catalogue(lang)
    for name, value in data.items():
        key = f"label-{name}"
        if key not in known:
            raise KeyError(name)  # a test goes through all members
        yield key, _said(value)


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return one_line(f"{value['name']} ({value['code']})")
    return one_line(str(value))
