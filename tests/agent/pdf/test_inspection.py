"""What must not be signed unseen is refused; what may deceive is named (SAFETY 19)."""

from __future__ import annotations

import hashlib
import io

import pytest
from asn1crypto import keys, x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.signers import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko_certvalidator.registry import SimpleCertificateStore

from agent.pdf.document import MAX_BYTES, DocumentRefused
from agent.pdf.inspection import inspect
from agent.pdf.pages import draw
from cardio.files import EF, Key
from cardio.virtual.profile import load_profile
from tests.agent.pdf.documents import (
    annotation,
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


def _named(value: bytes | str) -> str:
    """Return what a case is called: documents are never the same twice."""
    return "pdf" if isinstance(value, bytes) else value


def test_a_plain_document_is_described() -> None:
    """Title, pages, size and fingerprint of exactly these bytes."""
    pdf = document()
    told = inspect(pdf)
    assert told.title == "Verklaring"
    assert told.pages == ((595.0, 842.0), (595.0, 842.0))
    assert told.size == len(pdf)
    assert told.sha256 == hashlib.sha256(pdf).hexdigest()
    assert (told.signatures, told.notices) == (0, ())


def test_a_page_that_is_turned_or_cut_is_measured_as_shown() -> None:
    """/Rotate and /CropBox count."""
    box = generic.ArrayObject(map(generic.NumberObject, (10, 20, 210, 120)))
    pdf = document(in_page(Rotate=generic.NumberObject(90), CropBox=box), pages=1)
    assert inspect(pdf).pages == ((100.0, 200.0),)


_OPENS = in_root(OpenAction=dictionary(S="/Launch", F=pdf_string("x")))
#: A link to a page of the Web that goes on to a script.
_LONG_WAY = dictionary(S="/URI", Next=generic.ArrayObject([script()]))
#: The same names, written otherwise (ISO 32000-2, 7.3.5).
_ESCAPED_NAME = document(
    annotation(Subtype="/Link", A=dictionary(S="/JavaScriptXX"))
).replace(b"/JavaScriptXX", b"/J#61vaScript")
_ESCAPED_KEY = document(
    annotation(Subtype="/Link", A=dictionary(S="/XX", XJSXXX=pdf_string("1")))
).replace(b"/XJSXXX", b"/#4a#53")
_DRAWN_ANEW = dictionary(NeedAppearances=generic.BooleanObject(True))
_NEXT = in_root(OpenAction=dictionary(S="/GoTo", Next=script()))


@pytest.mark.parametrize(
    ("pdf", "reason"),
    [
        (b"", "no-pdf"),
        (b"GIF89a" + document(), "no-pdf"),
        (document() + b"<script>", "damaged"),
        (document()[:-300] + b"\n%%EOF\n", "damaged"),
        (b"%PDF-1.7\n%%EOF\n", "damaged"),
        (b"%PDF-1.7\n" + bytes(MAX_BYTES), "too-large"),
        (encrypted(), "encrypted"),
        (document(in_root(OpenAction=script())), "actions"),
        (document(annotation(Subtype="/Link", A=script())), "javascript"),
        (document(in_root(Names=dictionary(JavaScript=dictionary()))), "javascript"),
        (document(in_root(AcroForm=dictionary(XFA=pdf_string("x")))), "xfa"),
        (document(_OPENS), "actions"),
        (document(_NEXT), "actions"),
        (document(in_page(AA=dictionary(O=dictionary(S="/URI")))), "actions"),
        (document(annotation(Subtype="/Link", A=dictionary(S="/Launch"))), "actions"),
        (document(external_stream), "external"),
        (document(from_elsewhere("Ref")), "external"),
        (document(from_elsewhere("OPI")), "external"),
        (document(annotation(Subtype="/RichMedia")), "actions"),
        (document(annotation(Subtype="/3D")), "actions"),
        (document(counted(1)), "damaged"),
        (document(counted(3)), "damaged"),
        (document(endless_pages), "too-complex"),
        (document(annotation(Subtype="/Link", A=_LONG_WAY)), "javascript"),
        (_ESCAPED_NAME, "javascript"),
        (_ESCAPED_KEY, "javascript"),
    ],
    ids=_named,
)
def test_what_could_deceive_is_refused(pdf: bytes, reason: str) -> None:
    """Each with its reason."""
    with pytest.raises(DocumentRefused) as refused:
        inspect(pdf)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("pdf", "notice"),
    [
        (document(in_root(OCProperties=dictionary())), "layers"),
        (
            document(in_root(Names=dictionary(EmbeddedFiles=dictionary()))),
            "attachments",
        ),
        (document(annotation(Subtype="/FileAttachment")), "attachments"),
        (document(in_root(AcroForm=_DRAWN_ANEW)), "form-values"),
        (
            document(annotation(Subtype="/Widget", FT="/Tx", V=pdf_string("1000"))),
            "form-values",
        ),
        (
            document(font=dictionary(Type="/Font", Subtype="/TrueType", BaseFont="/X")),
            "fonts",
        ),
    ],
    ids=_named,
)
def test_what_a_person_should_know_is_named(pdf: bytes, notice: str) -> None:
    """The document can be signed; the person is told."""
    assert inspect(pdf).notices == (notice,)


def _certified(permissions: MDPPerm) -> bytes:
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


def test_who_signed_before_may_forbid_another_signature() -> None:
    """Ours would break that one (ISO 32000-2, 12.8.2.2)."""
    with pytest.raises(DocumentRefused) as refused:
        inspect(_certified(MDPPerm.NO_CHANGES))
    assert refused.value.reason == "locked"
    assert inspect(_certified(MDPPerm.FILL_FORMS)).notices == ("signatures",)


def test_a_change_after_a_signature_is_named() -> None:
    """Somebody added something that the earlier signer did not see."""
    writer = IncrementalPdfFileWriter(io.BytesIO(_certified(MDPPerm.FILL_FORMS)))
    writer.set_info(dictionary(Title=pdf_string("Andere")))
    changed = io.BytesIO()
    writer.write(changed)
    told = inspect(changed.getvalue())
    assert told.notices == ("changed-after-signature", "signatures")


def test_bytes_that_are_wrong_anywhere_never_crash_it() -> None:
    """One byte at a time: refused, or described as what it then is."""
    pdf = document(pages=1)
    for position in range(0, len(pdf), 7):
        spoilt = bytearray(pdf)
        spoilt[position] ^= 0x55
        try:
            told = inspect(bytes(spoilt))
        except DocumentRefused:
            continue
        assert told.sha256 == hashlib.sha256(spoilt).hexdigest()


def test_a_page_is_drawn_as_wide_as_asked() -> None:
    """White paper, black letters."""
    width, height, pixels = draw(document(), 1, 300)
    assert width == 300
    assert len(pixels) == width * height * 3
    assert pixels[:3] == b"\xff\xff\xff"
    assert min(pixels) < 64


def test_a_page_that_is_not_there_is_refused() -> None:
    """No exception of the library reaches anybody."""
    with pytest.raises(DocumentRefused):
        draw(document(), 7, 300)
