"""Documents made for the tests, harmless and not."""

from __future__ import annotations

import io
from collections.abc import Callable

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

Dictionary = generic.DictionaryObject

TEXT = b"BT /F1 24 Tf 72 700 Td (Ik blijf op de wachtlijst) Tj ET"


def dictionary(**members: object) -> Dictionary:
    """Return a PDF dictionary; a name is written as "/Name"."""
    return Dictionary(
        {
            pdf_name(f"/{key}"): pdf_name(value)
            if isinstance(value, str) and value.startswith("/")
            else value
            for key, value in members.items()
        }
    )


def document(
    change: Callable[[PdfFileWriter, Dictionary], None] = lambda *_: None,
    *,
    pages: int = 2,
    font: Dictionary | None = None,
    title: str = "Verklaring",
) -> bytes:
    """Return a document; `change` may spoil it, given the writer and the first page."""
    writer = PdfFileWriter()
    used = writer.add_object(
        font or dictionary(Type="/Font", Subtype="/Type1", BaseFont="/Helvetica")
    )
    first: Dictionary | None = None
    for _ in range(pages):
        contents = writer.add_object(generic.StreamObject(stream_data=TEXT))
        resources = dictionary(Font=dictionary(F1=used))
        page = PageObject(
            contents=contents, media_box=(0, 0, 595, 842), resources=resources
        )
        writer.insert_page(page)
        first = first or page
    writer.set_info(dictionary(Title=pdf_string(title)))
    assert first is not None
    change(writer, first)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def script() -> Dictionary:
    """Return an action that runs JavaScript."""
    return dictionary(S="/JavaScript", JS=pdf_string("app.alert(1)"))


def in_root(**members: object) -> Callable[[PdfFileWriter, Dictionary], None]:
    """Return what puts members into the catalogue."""

    def change(writer: PdfFileWriter, _page: Dictionary) -> None:
        writer.root.update(dictionary(**members))

    return change


def in_page(**members: object) -> Callable[[PdfFileWriter, Dictionary], None]:
    """Return what puts members into the first page."""

    def change(_writer: PdfFileWriter, page: Dictionary) -> None:
        page.update(dictionary(**members))

    return change


def annotation(**members: object) -> Callable[[PdfFileWriter, Dictionary], None]:
    """Return what adds an annotation to the first page."""
    box = generic.ArrayObject(map(generic.NumberObject, (0, 0, 10, 10)))
    found = dictionary(Type="/Annot", Rect=box, **members)
    return in_page(Annots=generic.ArrayObject([found]))


def external_stream(writer: PdfFileWriter, page: Dictionary) -> None:
    """Let the contents of a page come from another file."""
    stream = generic.StreamObject(
        dictionary(F=pdf_string("/etc/passwd")), stream_data=b""
    )
    page[pdf_name("/Contents")] = writer.add_object(stream)


def from_elsewhere(key: str) -> Callable[[PdfFileWriter, Dictionary], None]:
    """Return what adds a form whose content is imported from another file."""

    def change(writer: PdfFileWriter, page: Dictionary) -> None:
        members = {key: dictionary(F=pdf_string("other.pdf"))}
        form = dictionary(Type="/XObject", Subtype="/Form", **members)
        placed = writer.add_object(generic.StreamObject(form, stream_data=b""))
        page[pdf_name("/Resources")][pdf_name("/XObject")] = dictionary(X=placed)

    return change


def counted(pages: int) -> Callable[[PdfFileWriter, Dictionary], None]:
    """Return what lets the tree of pages say another number of them."""

    def change(writer: PdfFileWriter, _page: Dictionary) -> None:
        writer.root["/Pages"][pdf_name("/Count")] = generic.NumberObject(pages)

    return change


def endless_pages(writer: PdfFileWriter, _page: Dictionary) -> None:
    """Let the tree of pages hang below itself."""
    root = writer.root.raw_get("/Pages")
    root.get_object()["/Kids"].append(root)


def encrypted() -> bytes:
    """Return a document that wants a password."""
    writer = PdfFileWriter()
    writer.encrypt("owner", "user")
    contents = writer.add_object(generic.StreamObject(stream_data=TEXT))
    writer.insert_page(PageObject(contents=contents, media_box=(0, 0, 595, 842)))
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()
