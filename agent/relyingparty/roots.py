"""Belgium's root certificates, known by their SHA-256 alone; pure.

The certificates themselves come from a card or from the portal; none is shipped.
Source: the Federal PKI's published fingerprints.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes

#: Belgium Root CA3, CA4, CA4 issued again under its key, CA6.
BELGIAN_ROOTS = frozenset(
    {
        "a8d14e945e3e5156bcae5e39737cf6a1b1f51028bbbf982f50ce5f4c05568b4d",
        "c3fbf37259af0954eeea4282dd1c7226a54e7150f7c29a2c495ba34dbfe09ca0",
        "702dd5c1a093cf0a9d71fadd9bf9a7c5857d89fb73b716e867228b3c2beb968f",
        "9c872bc979a7c09a58d4a274c199e5cb16cfa9b9618d98bc9a9988e984b8495c",
    }
)
#: Belgium Root CA2: genuine, and history (SHA-1, ended in 2021).
HISTORIC_ROOTS = frozenset(
    {"9f9744463be13714754e1a3becf98c08cc205e4ab32028f4e2830c4a1b2775b8"}
)


def is_belgian(root: x509.Certificate) -> bool:
    """Tell whether a certificate is one of Belgium's roots in use."""
    return root.fingerprint(hashes.SHA256()).hex() in BELGIAN_ROOTS


def is_historic(root: x509.Certificate) -> bool:
    """Tell whether a certificate is a root of Belgium's whose time is over."""
    return root.fingerprint(hashes.SHA256()).hex() in HISTORIC_ROOTS
