"""Identity and address in words: every member has a label, values are words."""

from __future__ import annotations

from dataclasses import fields

import pytest

from agent.texts import LANGUAGES
from agent.values import TECHNICAL, shown_values
from cardio.beid.identity import (
    DOCUMENT_TYPES,
    SPECIAL_STATUSES,
    Address,
    Code,
    Identity,
)
from tests.rig.words import catalogue

FILES = (Identity, Address)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("file", FILES)
def test_every_member_that_can_leave_is_shown(
    file: type[Identity | Address], lang: str
) -> None:
    """One line each, with a label of its own, whatever the card says."""
    data = file(**{item.name: "1" for item in fields(file)}).to_json()
    shown = dict(shown_values(data, lang))
    assert shown.keys() == data.keys()
    labels = [catalogue(lang)[f"label-{name}"] for name in shown]
    assert len(set(labels)) == len(labels)
    assert all(shown.values())


def test_a_member_without_a_label_is_not_passed_over() -> None:
    """It would leave without having been shown."""
    with pytest.raises(KeyError):
        list(shown_values({"shoeSize": "42"}, "en"))


@pytest.mark.parametrize(
    ("lang", "name", "value", "words"),
    [
        ("nl", "dateOfBirth", "1985-03-07", "07/03/1985"),
        ("de", "validUntil", "2032-03-07", "07.03.2032"),
        ("fr", "dateOfBirth", "1960-05", "05/1960"),
        ("de", "cardEuStartDate", "1960", "1960"),
        ("nl", "sex", "F", "vrouw"),
        ("de", "sex", "M", "männlich"),
        ("fr", "memberOfFamily", True, "oui"),
        ("nl", "nobleCondition", "", "niet ingevuld"),
        (
            "fr",
            "documentType",
            {"code": "1", "name": "Belgian citizen"},
            "citoyen belge",
        ),
        ("nl", "specialStatus", {"code": "01", "name": "white cane"}, "witte stok"),
        ("en", "specialStatus", {"code": "0", "name": "none"}, "none"),
        ("en", "specialStatus", {"code": "9", "name": "unknown"}, "unknown kind (9)"),
        ("nl", "surname", "a\u202eb", "a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_a_value_is_said_in_the_persons_words(
    lang: str, name: str, value: object, words: str
) -> None:
    """Dates in the usual form; sex, yes, kinds and statuses as words."""
    assert dict(shown_values({name: value}, lang)) == {name: words}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_status_of_the_manuals_has_words(lang: str) -> None:
    """And no two the same."""
    said = {
        dict(shown_values({"specialStatus": vars(Code(code, name))}, lang))[
            "specialStatus"
        ]
        for code, name in SPECIAL_STATUSES.items()
    }
    assert len(said) == len(SPECIAL_STATUSES)


def test_names_come_first_and_what_is_technical_has_no_place_among_them() -> None:
    """As a person would look them over, not as the card has them."""
    data = Identity(
        file_version="05",
        card_number="592",
        surname="Voorbeeld",
        document_type=Code("1", DOCUMENT_TYPES["1"]),
        photo_hash="00",
    ).to_json()
    names = [name for name, _ in shown_values(data, "nl")]
    assert names[0] == "surname"
    assert set(names[-2:]) == {"photoHash", "fileVersion"} <= TECHNICAL
