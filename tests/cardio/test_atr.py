"""Which answers to reset count as Belgian."""

from __future__ import annotations

import pytest

from cardio.atr import looks_belgian


@pytest.mark.parametrize(
    ("atr", "belgian"),
    [
        ("3B9894400AA503010101AD1310", True),
        ("3B9813400AA503010101AD1311", True),
        ("3B989440FFA503010101AD1310", True),
        ("3B7F96000080318065B085040120120FFF829000", True),
        ("3B7F96000080318065B085040120120FFF829001", False),
        ("3B9813400AA503010101AD13", False),
        ("3BFE1800008031FE4580318066409093065B0000C1", False),
        ("", False),
    ],
)
def test_belgian_answers_to_reset(atr: str, belgian: bool) -> None:
    """The published ATRs and their family, and nothing near them."""
    assert looks_belgian(bytes.fromhex(atr)) is belgian
