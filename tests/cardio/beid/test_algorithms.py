"""Which algorithm a login uses."""

from __future__ import annotations

import pytest

from cardio.beid.algorithms import ES384, RS256, login_algorithm
from cardio.errors import UnsupportedCard


def test_each_signing_applet_has_its_algorithm() -> None:
    """1.8 signs SHA-384 with number 02, 1.7 SHA-256 with number 08."""
    assert login_algorithm("1.8") is ES384
    assert (ES384.jwa, ES384.digest_size, ES384.reference) == ("ES384", 48, 2)
    assert login_algorithm("1.7") is RS256
    assert (RS256.jwa, RS256.digest_size, RS256.reference) == ("RS256", 32, 8)


@pytest.mark.parametrize("applet", ["1.0", "1.1", "2.0"])
def test_older_applets_do_not_sign(applet: str) -> None:
    """RSA-1024 and SHA-1 prove nothing any more."""
    with pytest.raises(UnsupportedCard):
        login_algorithm(applet)
