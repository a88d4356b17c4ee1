"""Pages as bitmaps, drawn by PDFium; touches no file."""

from __future__ import annotations

import pypdfium2
from pypdfium2 import raw

from agent.pdf.document import DocumentRefused

#: Of one bitmap: 4 bytes each in the library, 3 in what is handed out.
MAX_PIXELS = 16_000_000
MAX_WIDTH = 4_000
#: A page that is a line is not drawn row by row for a minute.
MAX_HEIGHT = 20_000


def check(pdf: bytes, pages: int) -> None:
    """Want PDFium to read a document as it stands, with so many pages.

    Where it finds the cross-references broken it looks for objects by itself, and
    would show others than who reads by them. DocumentRefused.
    """
    try:
        document = pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        raise DocumentRefused("damaged") from error
    try:
        whole = raw.FPDF_DocumentHasValidCrossReferenceTable(document)
        if not whole or len(document) != pages:
            raise DocumentRefused("damaged")
    finally:
        document.close()


def draw(pdf: bytes, number: int, width: int) -> tuple[int, int, bytes]:
    """Return width, height and pixels (RGB, row by row) of a page, counted from 0.

    With annotations and form values as a reader shows them. DocumentRefused for a page
    that cannot be drawn.
    """
    try:
        document = pypdfium2.PdfDocument(pdf)
        try:
            document.init_forms()
            page = document[number]
            # The library rounds up.
            scale = (min(width, MAX_WIDTH) - 0.01) / page.get_width()
            if page.get_width() * page.get_height() * scale * scale > MAX_PIXELS:
                scale = (MAX_PIXELS / (page.get_width() * page.get_height())) ** 0.5
            scale = min(scale, (MAX_HEIGHT - 0.01) / page.get_height())
            bitmap = page.render(scale=scale, may_draw_forms=True, rev_byteorder=True)
            rows = memoryview(bitmap.buffer).cast("B")
            stride, channels = bitmap.stride, bitmap.n_channels
            pixels = bytearray(bitmap.width * bitmap.height * 3)
            for row in range(bitmap.height):
                line = bytes(
                    rows[row * stride : row * stride + bitmap.width * channels]
                )
                at = row * bitmap.width * 3
                for channel in range(3):
                    end = at + bitmap.width * 3
                    pixels[at + channel : end : 3] = line[channel::channels]
            return bitmap.width, bitmap.height, bytes(pixels)
        finally:
            document.close()
    except (pypdfium2.PdfiumError, IndexError, ZeroDivisionError) as error:
        raise DocumentRefused("damaged") from error
