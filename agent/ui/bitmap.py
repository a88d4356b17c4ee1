"""A picture that was decoded or drawn elsewhere; a value, touches nothing."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bitmap:
    """Three bytes a pixel (red, green, blue), row by row."""

    width: int
    height: int
    pixels: bytes = field(repr=False)
