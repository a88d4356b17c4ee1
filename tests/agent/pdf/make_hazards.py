"""Makes the files in `hazards`: `python -m tests.agent.pdf.make_hazards`.

Each is called by what becomes of it, `refused` or `named`, by the reason or the notice,
and by what is in it. Files, so that they can be opened with any reader to see what it
makes of them, and so that none changes unnoticed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PdfFileWriter
from pyhanko.sign.fields import MDPPerm

from tests.agent.pdf.documents import (
    Dictionary,
    annotation,
    certified,
    counted,
    dictionary,
    document,
    encrypted,
    endless_pages,
    external_stream,
    from_elsewhere,
    in_page,
    in_root,
    script,
)

FOLDER = Path(__file__).with_name("hazards")

_RECT = generic.ArrayObject(map(generic.NumberObject, (0, 0, 10, 10)))
_RUN = dictionary(S="/Launch", F=pdf_string("x"))
#: A link to a page of the Web that goes on to a script.
_LONG_WAY = dictionary(S="/URI", Next=generic.ArrayObject([script()]))
_TRUE = generic.BooleanObject(True)


def _link(action: Dictionary) -> bytes:
    return document(annotation(Subtype="/Link", A=action))


def _annotated(**members: object) -> bytes:
    return document(annotation(**members))


def _rooted(**members: object) -> bytes:
    return document(in_root(**members))


# --- cross-references ----------------------------------------------------------------


def _entry(number: int, change: Callable[[int], int]) -> bytes:
    """Return a document whose table of cross-references errs about one object."""
    pdf = document(stream_xrefs=False)
    table = pdf.rindex(b"\nxref\n")
    entry = list(re.finditer(rb"(\d{10}) 00000 n", pdf[table:]))[number]
    start = table + entry.start()
    return pdf[:start] + b"%010d" % change(int(entry[1])) + pdf[start + 10 :]


def _swapped() -> bytes:
    """Return a document whose table takes two objects for each other."""
    pdf = document(stream_xrefs=False)
    table = pdf.rindex(b"\nxref\n")
    one, other = re.findall(rb"\d{10} 00000 n", pdf[table:])[3:5]
    changed = pdf[table:].replace(one, b"!").replace(other, one).replace(b"!", other)
    return pdf[:table] + changed


def _trailer(member: bytes) -> bytes:
    """Return a document with a member more in its trailer."""
    pdf = document(stream_xrefs=False)
    place = pdf.rindex(b"startxref\n") + len(b"startxref\n")
    here = pdf[place:].split()[0]
    return pdf.replace(b"trailer\n<<\n", b"trailer\n<<\n" + member % here + b"\n")


def _start(offset: int) -> bytes:
    """Return a document whose last line points beside its table."""
    pdf = document(stream_xrefs=False)
    place = pdf.rindex(b"startxref\n") + len(b"startxref\n")
    here = int(pdf[place:].split()[0])
    return pdf[:place] + b"%d\n%%%%EOF\n" % (here + offset)


def _hybrid() -> bytes:
    """Return a document with objects that old readers do not see (7.5.8.4)."""
    pdf = document(stream_xrefs=False)
    table = pdf.rindex(b"\nxref\n") + 1
    trailer = pdf.rindex(b"startxref\n")
    size = int(re.findall(rb"/Size (\d+)", pdf)[-1])
    entries = b"\1%c%c\0" % divmod(table, 256)
    hidden = (
        b"%d 0 obj\n<</Type/XRef/Size %d/W[1 2 1]/Index[%d 1]/Length 4>>stream\n"
        b"%s\nendstream\nendobj\n" % (size, size + 1, size, entries)
    )
    rest = pdf[table:trailer].replace(b"<<\n", b"<<\n/XRefStm %d\n" % table)
    rest = rest.replace(b"/Size %d" % size, b"/Size %d" % (size + 1))
    moved = table + len(hidden)
    return pdf[:table] + hidden + rest + b"startxref\n%d\n%%%%EOF\n" % moved


def _short_lines() -> bytes:
    """Return a document with another page, found only without its table.

    Its lines are a byte too short: some readers take them, others look for objects.
    """
    pdf = document(stream_xrefs=False, pages=1)
    table = pdf.rindex(b"xref\n", 0, pdf.rindex(b"startxref"))
    start = pdf.rindex(b" 0 obj", 0, pdf.index(b"Ik blijf"))
    content = pdf[pdf.rindex(b"\n", 0, start) + 1 : pdf.index(b"endobj", start) + 7]
    other = content.replace(b"Ik blijf", b"Ik ga   ")
    lines = pdf[table:].replace(b" n \n", b" n\n").replace(b" f \n", b" f\n")
    moved = b"startxref\n%d\n" % (table + len(other))
    return pdf[:table] + other + lines.replace(b"startxref\n%d\n" % table, moved)


def _twice() -> bytes:
    """Return a document whose table has two places for one object."""
    pdf = document(stream_xrefs=False)
    place = re.findall(rb"\d{10} 00000 n", pdf)[0]
    return pdf.replace(b"trailer\n", b"3 1\n" + place + b" \ntrailer\n")


def _twice_in_stream() -> bytes:
    """Return the same with a stream of cross-references (7.5.8.2)."""
    pdf, places = b"%PDF-1.7\n", []
    for number, made in enumerate(
        (
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        ),
        1,
    ):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, made)
    entries = b"".join(b"\1%c%c" % divmod(place, 256) for place in [*places, places[2]])
    return pdf + (
        b"4 0 obj\n<</Type/XRef/Size 5/Root 1 0 R/W[1 2 0]/Index[1 3 3 1]/Length %d>>"
        b"stream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n"
        % (len(entries), entries, len(pdf))
    )


# --- what is in the document ---------------------------------------------------------


def _font(**members: object) -> bytes:
    return document(font=dictionary(**members))


def _composed(writer: PdfFileWriter, page: Dictionary) -> None:
    """Let the font be one whose letters are in another one, which is not there."""
    system = dictionary(
        Registry=pdf_string("Adobe"),
        Ordering=pdf_string("Identity"),
        Supplement=generic.NumberObject(0),
    )
    letters = dictionary(
        Type="/Font", Subtype="/CIDFontType2", BaseFont="/X", CIDSystemInfo=system
    )
    page["/Resources"]["/Font"][pdf_name("/F1")] = dictionary(
        Type="/Font",
        Subtype="/Type0",
        BaseFont="/X",
        Encoding="/Identity-H",
        DescendantFonts=generic.ArrayObject([writer.add_object(letters)]),
    )


def _associated(writer: PdfFileWriter, page: Dictionary) -> None:
    """Let a file belong to a page (14.13)."""
    content = writer.add_object(generic.StreamObject(stream_data=b"x"))
    file = dictionary(Type="/Filespec", F=pdf_string("a.txt"), EF=dictionary(F=content))
    page[pdf_name("/AF")] = generic.ArrayObject([file])


def _inherited(writer: PdfFileWriter, page: Dictionary) -> None:
    """Let what kind of field it is stand above it (12.7.4.1)."""
    parent = dictionary(FT="/Tx", T=pdf_string("f"))
    above = writer.add_object(parent)
    field = dictionary(
        Type="/Annot",
        Subtype="/Widget",
        Parent=above,
        T=pdf_string("k"),
        V=pdf_string("1000"),
        Rect=_RECT,
    )
    kids = generic.ArrayObject([writer.add_object(field)])
    parent[pdf_name("/Kids")] = kids
    writer.root[pdf_name("/AcroForm")] = dictionary(Fields=generic.ArrayObject([above]))
    page[pdf_name("/Annots")] = kids


def _crypt(writer: PdfFileWriter, page: Dictionary) -> None:
    """Let the contents of a page be encrypted for themselves (7.4.10)."""
    stream = generic.StreamObject(dictionary(Filter="/Crypt"), encoded_data=b"x")
    page[pdf_name("/Contents")] = writer.add_object(stream)


def _in_object_stream(writer: PdfFileWriter, page: Dictionary) -> None:
    """Let the script stand where nobody reads it who looks at the bytes."""
    action = writer.add_object(script(), obj_stream=writer.prepare_object_stream())
    link = dictionary(Type="/Annot", Subtype="/Link", Rect=_RECT, A=action)
    page[pdf_name("/Annots")] = generic.ArrayObject([link])


def _later(change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """Return a document that somebody changed after it was signed."""
    writer = IncrementalPdfFileWriter(io.BytesIO(certified(MDPPerm.FILL_FORMS)))
    change(writer)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _another_page(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    content = generic.StreamObject(stream_data=b"BT /F1 24 Tf (Ik betaal) Tj ET")
    page[pdf_name("/Contents")] = writer.add_object(content)
    writer.update_container(page)


def _another_title(writer: IncrementalPdfFileWriter) -> None:
    writer.set_info(dictionary(Title=pdf_string("Andere")))


HAZARDS: dict[str, Callable[[], bytes]] = {
    "refused-no-pdf-empty": lambda: b"",
    "refused-no-pdf-a-picture-before-it": lambda: b"GIF89a" + document(),
    "refused-damaged-a-page-of-the-web-behind-it": lambda: document() + b"<script>",
    "refused-damaged-cut-off": lambda: document()[:-300] + b"\n%%EOF\n",
    "refused-damaged-nothing-in-it": lambda: b"%PDF-1.7\n%%EOF\n",
    "refused-damaged-xref-object-elsewhere": lambda: _entry(2, lambda at: at + 3),
    "refused-damaged-xref-beyond-the-end": lambda: _entry(2, lambda at: at + 10**6),
    "refused-damaged-xref-two-objects-swapped": _swapped,
    "refused-damaged-xref-start-beside-it": lambda: _start(1),
    "refused-damaged-xref-in-a-ring": lambda: _trailer(b"/Prev %s"),
    "refused-damaged-xref-two-of-them": _hybrid,
    "refused-damaged-xref-lines-too-short": _short_lines,
    "refused-damaged-xref-two-places": _twice,
    "refused-damaged-xref-two-places-in-a-stream": _twice_in_stream,
    "refused-damaged-fewer-pages-counted": lambda: document(counted(1)),
    "refused-damaged-more-pages-counted": lambda: document(counted(3)),
    "refused-too-complex-pages-in-a-ring": lambda: document(endless_pages),
    "refused-encrypted-whole": encrypted,
    "refused-encrypted-one-page": lambda: document(_crypt),
    "refused-javascript-link": lambda: _link(script()),
    "refused-javascript-after-a-link": lambda: _link(_LONG_WAY),
    "refused-javascript-by-name": lambda: _rooted(
        Names=dictionary(JavaScript=dictionary())
    ),
    "refused-javascript-bookmark": lambda: _rooted(
        Outlines=dictionary(First=dictionary(Title=pdf_string("x"), A=script()))
    ),
    "refused-javascript-in-an-object-stream": lambda: document(_in_object_stream),
    # The same names, written otherwise (7.3.5).
    "refused-javascript-name-escaped": lambda: _link(
        dictionary(S="/JavaScriptXX")
    ).replace(b"/JavaScriptXX", b"/J#61vaScript"),
    "refused-javascript-key-escaped": lambda: _link(
        dictionary(S="/XX", XJSXXX=pdf_string("1"))
    ).replace(b"/XJSXXX", b"/#4a#53"),
    "refused-xfa-form": lambda: _rooted(AcroForm=dictionary(XFA=pdf_string("x"))),
    "refused-actions-opening-script": lambda: _rooted(OpenAction=script()),
    "refused-actions-opening-program": lambda: _rooted(OpenAction=_RUN),
    "refused-actions-opening-website": lambda: _rooted(
        OpenAction=dictionary(S="/URI", URI=pdf_string("http://site.example/"))
    ),
    "refused-actions-opening-then-script": lambda: _rooted(
        OpenAction=dictionary(S="/GoTo", Next=script())
    ),
    "refused-actions-page-turned": lambda: document(
        in_page(AA=dictionary(O=dictionary(S="/URI")))
    ),
    "refused-actions-document-closed": lambda: _rooted(
        AA=dictionary(WC=dictionary(S="/URI"))
    ),
    "refused-actions-field-entered": lambda: _annotated(
        Subtype="/Widget", FT="/Tx", AA=dictionary(Fo=dictionary(S="/URI"))
    ),
    "refused-actions-program": lambda: _link(_RUN),
    "refused-actions-form-sent": lambda: _link(dictionary(S="/SubmitForm")),
    "refused-actions-data-fetched": lambda: _link(dictionary(S="/ImportData")),
    "refused-actions-embedded-document": lambda: _link(dictionary(S="/GoToE")),
    "refused-actions-rich-media": lambda: _annotated(Subtype="/RichMedia"),
    "refused-actions-3d": lambda: _annotated(Subtype="/3D"),
    "refused-actions-movie": lambda: _annotated(Subtype="/Movie"),
    "refused-actions-sound": lambda: _annotated(Subtype="/Sound"),
    "refused-actions-screen": lambda: _annotated(Subtype="/Screen"),
    "refused-external-stream": lambda: document(external_stream),
    "refused-external-page": lambda: document(from_elsewhere("Ref")),
    "refused-external-print": lambda: document(from_elsewhere("OPI")),
    "refused-locked-by-who-signed-before": lambda: certified(MDPPerm.NO_CHANGES),
    "named-layers-declared": lambda: _rooted(OCProperties=dictionary()),
    "named-layers-printed-alone": lambda: _annotated(
        Subtype="/FreeText", F=generic.NumberObject(4 + 32)
    ),
    "named-layers-annotation": lambda: _annotated(
        Subtype="/Text", OC=dictionary(Type="/OCMD")
    ),
    "named-fonts-not-there": lambda: _font(
        Type="/Font", Subtype="/TrueType", BaseFont="/X"
    ),
    "named-fonts-without-a-type": lambda: _font(Subtype="/Type1", BaseFont="/X"),
    "named-fonts-composed": lambda: document(_composed),
    "named-attachments-by-name": lambda: _rooted(
        Names=dictionary(EmbeddedFiles=dictionary())
    ),
    "named-attachments-annotation": lambda: _annotated(Subtype="/FileAttachment"),
    "named-attachments-of-a-page": lambda: document(_associated),
    "named-attachments-portfolio": lambda: _rooted(Collection=dictionary()),
    "named-form-values-filled": lambda: _annotated(
        Subtype="/Widget", FT="/Tx", V=pdf_string("1000")
    ),
    "named-form-values-kind-above": lambda: document(_inherited),
    "named-form-values-drawn-anew": lambda: _rooted(
        AcroForm=dictionary(NeedAppearances=_TRUE)
    ),
    "named-signatures-one": lambda: certified(MDPPerm.FILL_FORMS),
    "named-changed-after-signature-page": lambda: _later(_another_page),
    "named-changed-after-signature-title": lambda: _later(_another_title),
}


def main() -> None:
    """Write every file anew."""
    for old in FOLDER.glob("*.pdf"):
        old.unlink()
    for name, make in HAZARDS.items():
        (FOLDER / f"{name}.pdf").write_bytes(make())


if __name__ == "__main__":
    main()
