"""Whether certificates still hold: the interface, and its default; no I/O yet."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

from cryptography import x509

from agent.relyingparty.errors import RevocationUnavailable


class RevocationChecker(Protocol):
    """Finds out whether a certificate was revoked."""

    def check(
        self, chain: Sequence[x509.Certificate], moment: datetime.datetime
    ) -> None:
        """Return when nothing in the chain is revoked at `moment`.

        `chain` runs from the holder's certificate to the anchor and was validated
        before, so that addresses in it may be asked. Raises CertificateRevoked, or
        RevocationUnavailable when the answer cannot be had.
        """


class OnlineRevocation:
    """The default: asks online. Not built yet, so it refuses every certificate."""

    def check(
        self, chain: Sequence[x509.Certificate], moment: datetime.datetime
    ) -> None:
        """Raise RevocationUnavailable."""
        raise RevocationUnavailable(
            "asking online (OCSP, CRL) is not built yet; revocation=None chooses to"
            " accept certificates without asking, and the result says so"
        )


#: The default of every validator.
ONLINE = OnlineRevocation()
