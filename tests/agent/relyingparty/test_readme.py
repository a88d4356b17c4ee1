"""The README's code for a portal does what it says, as it is printed."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agent.relyingparty as library
from agent.relyingparty import CertificateRevoked, ChallengeNotFound, PersonMismatch
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.cards import FIELDS, Card, answer
from tests.agent.relyingparty.login import ORIGIN, Attempt
from tests.agent.relyingparty.services import Services, serving

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture
def services() -> Iterator[Services]:
    """The OCSP services of the tests' PKI."""
    with serving(kinds=("ocsp",)) as running:
        yield running


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch, services: Services) -> str:
    """The code, which will run at the tests' own present, and ask these services."""
    fetcher = library.HttpFetcher([services.name], allow_private=True)
    asking = {"revocation": library.OnlineRevocation(fetcher)}
    for name, more in (("TokenValidator", asking), ("verify_identity", {})):
        at_present = functools.partial(getattr(library, name), now=pki.clock, **more)
        monkeypatch.setattr(library, name, at_present)
    (found,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return str(found)


def portal(code: str) -> dict[str, Any]:
    """Run the code as part of a portal that knows its origin and its roots."""
    names: dict[str, Any] = {"origin": ORIGIN, "trusted_cas": (pki.root().cert,)}
    exec(code, names)  # noqa: S102  (the README is ours)
    return names


def token_for(services: Services, nonce: str) -> dict[str, object]:
    """Return the token of the holder whom the services know."""
    issuer = services.ca.pair.cert
    return Attempt(services.holder, issuer=issuer, signed_nonce=nonce).token()


def test_a_login_and_a_reading(code: str, services: Services) -> None:
    """The person of the token, with the card's name and address; a nonce works once."""
    site = portal(code)
    token = token_for(services, site["challenge"]("session"))
    person = site["log_in"]("session", token)
    assert person.national_number == pki.NATIONAL_NUMBER
    card = site["read"](person, answer(Card().files()))
    assert card.same_person_as_login
    assert card.address.municipality == "Gent"
    with pytest.raises(ChallengeNotFound):
        site["log_in"]("session", token)


def test_another_persons_card_after_the_login(code: str, services: Services) -> None:
    """Is refused."""
    site = portal(code)
    nonce = site["challenge"]("session")
    person = site["log_in"]("session", token_for(services, nonce))
    other = Card(fields={**FIELDS, 0x06: b"90010112345"})
    with pytest.raises(PersonMismatch):
        site["read"](person, answer(other.files()))


def test_a_stolen_card(code: str, services: Services) -> None:
    """Does not log in."""
    services.ca.revoked.add(services.holder.cert.serial_number)
    site = portal(code)
    token = token_for(services, site["challenge"]("session"))
    with pytest.raises(CertificateRevoked):
        site["log_in"]("session", token)
