"""Documents made for the tests, harmless and not."""

from __future__ import annotations

import io
from collections.abc import Callable

from asn1crypto import keys, x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.signers import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko_certvalidator.registry import SimpleCertificateStore

from cardio.files import EF, Key
from cardio.virtual.profile import load_profile

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
    stream_xrefs: bool = True,
) -> bytes:
    """Return a document; `change` may spoil it, given the writer and the first page."""
    writer = PdfFileWriter(stream_xrefs=stream_xrefs)
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


def certified(permissions: MDPPerm) -> bytes:
    """Return a document whose first signer said what may change."""
    profile = load_profile("adult")
    key = profile.keys[Key.NON_REPUDIATION].private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    signer = SimpleSigner(
        signing_cert=x509.Certificate.load(profile.files[EF.SIGNATURE]),
        signing_key=keys.PrivateKeyInfo.load(key),
        cert_registry=SimpleCertificateStore(),
    )
    metadata = PdfSignatureMetadata(
        field_name="first", certify=True, docmdp_permissions=permissions
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(document()))
    return bytes(sign_pdf(writer, metadata, signer).getvalue())
