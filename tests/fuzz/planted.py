"""A parser with a bug on purpose: three comparisons, one behind the other."""

from __future__ import annotations


def planted(data: bytes) -> None:
    """Fail for one beginning in sixteen million, found only by way of coverage."""
    if data[:1] == b"\x7b" and data[1:2] == b"\xc3" and data[2:3] == b"\x5e":
        raise RuntimeError("the planted bug")
