"""The README's code for a portal does what it says, as it is printed."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

import agent.relyingparty as library
from agent.relyingparty import ChallengeNotFound, PersonMismatch, RevocationUnavailable
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.cards import FIELDS, Card, answer
from tests.agent.relyingparty.login import ORIGIN, Attempt

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> str:
    """The code, which will run at the tests' own present."""
    for name in ("TokenValidator", "verify_identity"):
        at_present = functools.partial(getattr(library, name), now=pki.clock)
        monkeypatch.setattr(library, name, at_present)
    (found,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return str(found)


def portal(code: str) -> dict[str, Any]:
    """Run the code as part of a portal that knows its origin and its roots."""
    names: dict[str, Any] = {"origin": ORIGIN, "trusted_cas": (pki.root().cert,)}
    exec(code, names)  # noqa: S102  (the README is ours)
    return names


def test_a_login_and_a_reading(code: str) -> None:
    """The person of the token, with the card's name and address; a nonce works once."""
    site = portal(code)
    token = Attempt(signed_nonce=site["challenge"]("session")).token()
    person = site["log_in"]("session", token)
    assert person.national_number == pki.NATIONAL_NUMBER
    card = site["read"](person, answer(Card().files()))
    assert card.same_person_as_login
    assert card.address.municipality == "Gent"
    with pytest.raises(ChallengeNotFound):
        site["log_in"]("session", token)


def test_another_persons_card_after_the_login(code: str) -> None:
    """Is refused."""
    site = portal(code)
    nonce = site["challenge"]("session")
    person = site["log_in"]("session", Attempt(signed_nonce=nonce).token())
    other = Card(fields={**FIELDS, 0x06: b"90010112345"})
    with pytest.raises(PersonMismatch):
        site["read"](person, answer(other.files()))


def test_why_revocation_is_switched_off(code: str) -> None:
    """Left out, nobody can log in, as the README says."""
    site = portal(code.replace(", revocation=None", ""))
    token = Attempt(signed_nonce=site["challenge"]("session")).token()
    with pytest.raises(RevocationUnavailable):
        site["log_in"]("session", token)
