"""Identity and address as a person reads them; reads the catalogues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.texts import shown_date, text
from agent.words import one_line

#: What says something to a person, in the order in which it is shown.
ORDER = (
    "surname",
    "givenNames",
    "thirdGivenNameInitial",
    "nobleCondition",
    "sex",
    "dateOfBirth",
    "placeOfBirth",
    "nationality",
    "nationalNumber",
    "streetAndNumber",
    "postalCode",
    "municipality",
    "documentType",
    "cardNumber",
    "validFrom",
    "validUntil",
    "issuingMunicipality",
)

_DATES = frozenset({"validFrom", "validUntil", "dateOfBirth", "cardEuStartDate"})
#: What says nothing to a person: shown, after all that does.
TECHNICAL = frozenset({"chipNumber", "photoHash", "basicKeyHash", "fileVersion"})

#: How the English names of families of cards begin; a letter follows.
_FAMILIES = {
    "foreigner card ": "document-foreigner",
    "European blue card ": "document-blue",
    "Kids card ": "document-kids",
}
_SINGLE = frozenset({"1", "2", "3", "6", "7", "8"})
_STATUSES = frozenset("012345")


def shown_values(data: Mapping[str, object], lang: str) -> Iterator[tuple[str, str]]:
    """Yield each member's name and its value in words.

    `data` is `identity` or `address` as the API gives it. Every member that leaves is
    shown, whatever it says. KeyError for one that has no label.
    """
    places = {name: place for place, name in enumerate(ORDER)}
    for name in sorted(data, key=lambda name: places.get(name, len(places))):
        text(f"label-{name}", lang)  # KeyError; a test goes through all members
        yield name, said(name, data[name], lang) or text("value-empty", lang)


def said(name: str, value: object, lang: str) -> str:
    """Return one member's value in words; empty where the card has an empty text."""
    if isinstance(value, Mapping):
        code, english = str(value["code"]), str(value["name"])
        if name == "specialStatus":
            return one_line(_special_status(code, lang))
        return one_line(document_type(code, english, lang))
    if value is True:
        return text("value-yes", lang)
    if value and name in _DATES:
        return one_line(shown_date(str(value), lang))
    if name == "sex" and value in ("M", "F"):
        return text(f"sex-{value}", lang)
    return one_line(str(value))


def document_type(code: str, name: str, lang: str) -> str:
    """Return what the code of a document type says; `name` is its English name."""
    if lang == "en":
        return name
    for beginning, key in _FAMILIES.items():
        if name.startswith(beginning):
            letter = name.removeprefix(beginning).partition(" ")[0]
            return text(key, lang, letter=letter)
    number = code.lstrip("0")
    if number in _SINGLE:
        return text(f"document-{number}", lang)
    return text("document-unknown", lang, code=code)


def _special_status(code: str, lang: str) -> str:
    number = code.lstrip("0") or code[:1]
    if number in _STATUSES:
        return text(f"special-status-{number}", lang)
    return text("document-unknown", lang, code=code)
