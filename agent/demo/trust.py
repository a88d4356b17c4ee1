"""Decides whom the demo's portal trusts for one run: TEST or Belgium, never both.

Belgium's roots are known by their SHA-256 alone; the certificate itself comes from the
card that is in the reader at the start, and counts only if it has such a fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from agent.inspection import look_into, on_card
from agent.relyingparty.roots import is_belgian
from cardio.beid.certificates import parse_certificate
from cardio.card import Card, CardSource
from cardio.errors import CardError
from cardio.files import EF
from cardio.virtual import pki


class ForeignRoot(Exception):
    """The card's root is neither a pinned Belgian one nor that of the test cards."""


@dataclass(frozen=True)
class Trust:
    """The roots that count, and whether they are TEST ones."""

    roots: tuple[x509.Certificate, ...]
    test: bool


def test_trust() -> Trust:
    """Trust the virtual cards' own test PKI."""
    return Trust(pki.test_roots(), test=True)


def _root(card: Card) -> x509.Certificate:
    card.recognise()
    return parse_certificate(card.read_certificate(EF.ROOT))


def trust_for(source: CardSource) -> Trust | None:
    """Return the trust that fits the Belgian card in a reader, None without one.

    Raises ForeignRoot for a card of neither: the test PIN must not be typed for it.
    """
    for state in source.readers():
        if look_into(source, state).card is None:
            continue
        try:
            root = on_card(source, state.name, _root)
        except CardError:
            continue
        if is_belgian(root):
            return Trust((root,), test=False)
        if root not in pki.test_roots():
            raise ForeignRoot
        return test_trust()
    return None
