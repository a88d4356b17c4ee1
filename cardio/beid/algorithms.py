"""Which algorithm number and which digest the applets take; pure, no I/O.

Source: applet manual 1.7 table 11, applet manual 1.8 table 14. The same number means
different things to the two applets: 01 is PKCS#1 padding on 1.7, SHA-256 on 1.8.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardio.errors import UnsupportedCard


@dataclass(frozen=True)
class SignatureAlgorithm:
    """One row of the table.

    `jwa` is the name of RFC 7518, `hash_name` as hashlib knows it, `digest_size` and
    `signature_size` in bytes, `reference` the number in MSE:SET.
    """

    jwa: str
    hash_name: str
    digest_size: int
    reference: int
    signature_size: int


ES384 = SignatureAlgorithm("ES384", "sha384", 48, 0x02, 96)
RS256 = SignatureAlgorithm("RS256", "sha256", 32, 0x08, 256)

_LOGIN = {"1.7": RS256, "1.8": ES384}


def login_algorithm(applet: str) -> SignatureAlgorithm:
    """Return the algorithm of a login on this applet; UnsupportedCard where none is."""
    try:
        return _LOGIN[applet]
    except KeyError:
        reason = f"applet {applet} signs with keys that nobody accepts any more"
        raise UnsupportedCard(b"", reason) from None
