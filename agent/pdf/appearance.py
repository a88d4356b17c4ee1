"""What a visible signature looks like: lines of text in a frame, in a page's corner.

PDFium sets the text in a font that the document then carries: DejaVu Sans, with the
letters of Europe's names. A letter that it lacks is an empty box. Reads the font's file
when it is imported. Source: ISO 32000-2, 12.5.5 (appearance streams).
"""

from __future__ import annotations

import ctypes
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pypdfium2
from pyhanko.pdf_utils.generic import (
    ArrayObject,
    DictionaryObject,
    NumberObject,
    pdf_name,
)
from pyhanko.pdf_utils.reader import PdfFileReader
from pypdfium2 import raw

_FONT = files("agent.pdf").joinpath("fonts/DejaVuSans-European.ttf").read_bytes()
#: All in points (1/72 inch).
_SIZE = 9.0
_LINE = 13.0
_PADDING = 5.0
_FRAME = 0.5
_MARGIN = 24.0

#: By how a page is turned clockwise: where its shown axes point to on the page itself.
_AXES = {
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}

#: Left, low, right and high, in points.
Box = tuple[int, int, int, int]


class Appearance:
    """A frame with lines of text, that pyHanko takes for a style of its own."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._drawn, self._width, self._height = _draw(lines)
        self._turned = 0

    def place(
        self,
        left: float,
        low: float,
        right: float,
        high: float,
        turned: int,
        corner: str,
    ) -> Box:
        """Return where it stands on a page: left, low, right and high, in points.

        The first four are the part of the page that is shown, in points; `turned` is by
        how many degrees, clockwise; `corner` is one of CORNERS. It stands upright for
        who looks at the page, and is smaller where the page is too small.
        """
        self._turned = turned if turned in _AXES else 0
        across, down = right - left, high - low
        if self._turned % 180:
            across, down = down, across
        margin = min(_MARGIN, across / 10, down / 10)
        scale = min(
            1.0,
            (across - 2 * margin) / self._width,
            (down - 2 * margin) / self._height,
        )
        width, height = scale * self._width, scale * self._height
        vertical, horizontal = corner.split("-")
        x = margin if horizontal == "left" else across - margin - width
        y = margin if vertical == "bottom" else down - margin - height
        a, b, c, d = _AXES[self._turned]
        # The origin of what is shown is one of the four corners of the page's part.
        from_x = left if a + c > 0 else right
        from_y = low if b + d > 0 else high
        xs = sorted(
            (from_x + a * x + c * y, from_x + a * (x + width) + c * (y + height))
        )
        ys = sorted(
            (from_y + b * x + d * y, from_y + b * (x + width) + d * (y + height))
        )
        return round(xs[0]), round(ys[0]), round(xs[1]), round(ys[1])

    def create_stamp(self, writer: Any, _box: Any, _params: Any) -> _Stamp:
        """Return it for a document that is written."""
        return _Stamp(writer, self._drawn, _AXES[self._turned])


@dataclass
class _Stamp:
    writer: Any
    drawn: bytes
    axes: tuple[int, int, int, int]

    def apply_appearance(self, annotation: DictionaryObject) -> None:
        """Let an annotation look so."""
        page = PdfFileReader(io.BytesIO(self.drawn))
        form = self.writer.import_page_as_xobject(page)
        form.get_object()["/Matrix"] = ArrayObject(
            map(NumberObject, (*self.axes, 0, 0))
        )
        looks = {pdf_name("/N"): form}
        annotation["/AP"] = DictionaryObject(looks)  # type: ignore[no-untyped-call]


def _draw(lines: Sequence[str]) -> tuple[bytes, float, float]:
    """Return a document of one page with framed lines, its width and its height."""
    document = pypdfium2.PdfDocument.new()
    try:
        buffer = (ctypes.c_ubyte * len(_FONT)).from_buffer_copy(_FONT)
        kind = raw.FPDF_FONT_TRUETYPE
        font = raw.FPDFText_LoadFont(document, buffer, len(_FONT), kind, 1)
        texts = [_text(document, font, line) for line in lines]
        width = max(map(_width, texts)) + 2 * _PADDING
        height = len(lines) * _LINE + 2 * _PADDING
        page = document.new_page(width, height)
        frame = raw.FPDFPageObj_CreateNewRect(
            _FRAME, _FRAME, width - 2 * _FRAME, height - 2 * _FRAME
        )
        raw.FPDFPageObj_SetStrokeColor(frame, 0, 0, 0, 255)
        raw.FPDFPageObj_SetStrokeWidth(frame, _FRAME)
        raw.FPDFPath_SetDrawMode(frame, raw.FPDF_FILLMODE_NONE, 1)
        raw.FPDFPage_InsertObject(page, frame)
        for number, text in enumerate(texts, 1):
            # The letters stand on a line a quarter of it from below.
            y = height - _PADDING - number * _LINE + _LINE / 4
            raw.FPDFPageObj_Transform(text, 1, 0, 0, 1, _PADDING, y)
            raw.FPDFPage_InsertObject(page, text)
        raw.FPDFPage_GenerateContent(page)
        written = io.BytesIO()
        document.save(written)
        return written.getvalue(), width, height
    finally:
        document.close()


def _text(document: Any, font: Any, line: str) -> Any:
    text = raw.FPDFPageObj_CreateTextObj(document, font, _SIZE)
    encoded = ctypes.create_string_buffer(line.encode("utf-16-le") + b"\0\0")
    raw.FPDFText_SetText(text, ctypes.cast(encoded, raw.FPDF_WIDESTRING))
    return text


def _width(text: Any) -> float:
    left, low, right, high = (ctypes.c_float() for _ in range(4))
    raw.FPDFPageObj_GetBounds(text, left, low, right, high)
    return right.value
