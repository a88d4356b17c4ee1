"""Looks through a document for what must not be signed unseen (SAFETY 19); pure.

Everything that can be reached from the trailer is looked at, once. References: ISO
32000-2, 7.5 (file structure), 12.6 (actions), 12.7 (forms), 8.11 (optional content).
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.xref import (
    XRefEntry,
    parse_xref_stream,
    parse_xref_table,
    read_object_header,
)
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    DiffResult,
    ModificationLevel,
)

from agent.pdf.document import MAX_BYTES, DocumentRefused, Inspection
from agent.words import one_line

#: Beyond these a document is not what a portal gives a person to sign.
MAX_OBJECTS = 200_000
MAX_PAGES = 2_000
#: No page lies deeper in the tree.
_MAX_DEPTH = 64

_WHITE = b" \t\r\n\f\0"
#: Actions that reach beyond the document or run code, whoever starts them.
_REACHING = ("/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToE")
#: Streams whose content, or another one, comes from a file (7.3.8, 8.10.4, 14.11.7).
_ELSEWHERE = ("/F", "/Ref", "/OPI")
#: Annotations that play what no page shows, or run code of their own (12.5.6.16 to 18,
#: 13.6, 13.7).
_PLAYING = ("/RichMedia", "/3D", "/Movie", "/Sound", "/Screen")
#: The flag of an annotation that is not shown (12.5.3).
_NO_VIEW = 1 << 5
#: What fonts are called whose own type is left out, as readers allow.
_FONTS = ("/Type1", "/MMType1", "/TrueType", "/CIDFontType0", "/CIDFontType2")
_STANDARD_14 = ("/Courier", "/Helvetica", "/Times", "/Symbol", "/ZapfDingbats")


def inspect(pdf: bytes) -> Inspection:
    """Return what there is to say of a document; DocumentRefused."""
    _check_frame(pdf)
    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=True)
        if reader.encrypted or "/Encrypt" in reader.trailer_view:
            raise DocumentRefused("encrypted")
        if reader.xrefs.hybrid_xrefs_present:  # two documents in one
            raise DocumentRefused("damaged")
        _check_places(reader)
        return _Look(reader).inspection(pdf)
    except DocumentRefused:
        raise
    except Exception as error:  # whatever a library raises on what it cannot read
        raise DocumentRefused("damaged") from error


def _check_frame(pdf: bytes) -> None:
    """Want a file that is a PDF from its first byte to its last."""
    if len(pdf) > MAX_BYTES:
        raise DocumentRefused("too-large")
    if not pdf.startswith(b"%PDF-"):
        raise DocumentRefused("no-pdf")
    if not pdf.rstrip(_WHITE).endswith(b"%%EOF"):
        raise DocumentRefused("damaged")


def _check_places(reader: PdfFileReader) -> None:
    """Want each object to have one place in a section of cross-references.

    Of two places one reader takes the first, and another the last.
    """
    for revision in range(reader.xrefs.total_revisions):
        places = Counter(entry.idnum for entry in _entries(reader, revision))
        if any(count > 1 for count in places.values()):
            raise DocumentRefused("damaged")


def _entries(reader: PdfFileReader, revision: int) -> Iterator[XRefEntry]:
    section = reader.xrefs.get_xref_container_info(revision)
    stream = reader.stream
    stream.seek(section.start_location)
    if section.stream_ref is None:
        return parse_xref_table(stream, strict=True)
    read_object_header(stream, strict=True)  # type: ignore[no-untyped-call]
    container = generic.TrailerReference(reader)  # type: ignore[no-untyped-call]
    found = generic.StreamObject.read_from_stream(stream, container)
    return parse_xref_stream(found, strict=True)


class _Look:
    """One look through a document."""

    def __init__(self, reader: PdfFileReader) -> None:
        self._reader = reader
        self._notices: set[str] = set()

    def inspection(self, pdf: bytes) -> Inspection:
        """Look at everything and say what was found."""
        root = self._reader.root
        self._check_catalogue(root)
        for found in self._dictionaries():
            self._check(found)
        signatures = self._reader.embedded_signatures
        if signatures:
            self._notices.add("signatures")
            self._check_earlier(signatures, pdf)
        return Inspection(
            _title(self._reader),
            tuple(self._pages()),
            len(pdf),
            hashlib.sha256(pdf).hexdigest(),
            len(signatures),
            tuple(sorted(self._notices)),
        )

    def _check_catalogue(self, root: generic.DictionaryObject) -> None:
        opening = _get(root, "/OpenAction")
        runs = isinstance(opening, generic.DictionaryObject) and (
            _get(opening, "/S") != "/GoTo" or "/Next" in opening
        )
        if runs:
            raise DocumentRefused("actions")
        if "/OCProperties" in root:
            self._notices.add("layers")
        if "/AF" in root or "/Collection" in root:
            self._notices.add("attachments")
        form = _get(root, "/AcroForm")
        if isinstance(form, generic.DictionaryObject) and "/XFA" in form:
            raise DocumentRefused("xfa")
        if isinstance(form, generic.DictionaryObject) and _get(
            form, "/NeedAppearances"
        ):
            self._notices.add("form-values")  # drawn anew by each reader
        names = _get(root, "/Names")
        if isinstance(names, generic.DictionaryObject):
            if "/JavaScript" in names:
                raise DocumentRefused("javascript")
            if "/EmbeddedFiles" in names:
                self._notices.add("attachments")

    def _check(self, found: generic.DictionaryObject) -> None:
        """Refuse what runs or comes from elsewhere; note what may deceive."""
        kind, action = _get(found, "/Type"), _get(found, "/S")
        subtype = _get(found, "/Subtype")
        if "/JS" in found or action == "/JavaScript":
            raise DocumentRefused("javascript")
        if "/XFA" in found:
            raise DocumentRefused("xfa")
        if "/AA" in found or action in _REACHING:
            raise DocumentRefused("actions")
        if isinstance(found, generic.StreamObject):
            if any(key in found for key in _ELSEWHERE):
                raise DocumentRefused("external")
            filters = _get(found, "/Filter") or ()
            if "/Crypt" in ([filters] if isinstance(filters, str) else list(filters)):
                raise DocumentRefused("encrypted")
        if subtype in _PLAYING:
            raise DocumentRefused("actions")
        if kind == "/Font" or subtype in _FONTS:
            self._check_font(found)
        if kind in ("/OCG", "/OCMD") or "/OC" in found:
            self._notices.add("layers")
        if "/Rect" in found and int(_get(found, "/F") or 0) & _NO_VIEW:
            self._notices.add("layers")  # printed all the same
        if "/EF" in found or kind == "/EmbeddedFile" or subtype == "/FileAttachment":
            self._notices.add("attachments")
        if "/V" in found and _field_type(found) not in (None, "/Sig"):
            self._notices.add("form-values")

    def _check_font(self, font: generic.DictionaryObject) -> None:
        if _get(font, "/Subtype") in ("/Type0", "/Type3"):
            return  # made of others, or drawn in the document itself
        described = _get(font, "/FontDescriptor")
        if isinstance(described, generic.DictionaryObject) and any(
            key in described for key in ("/FontFile", "/FontFile2", "/FontFile3")
        ):
            return
        if not str(_get(font, "/BaseFont")).startswith(_STANDARD_14):
            self._notices.add("fonts")

    def _is_changed(self, signature: Any, pdf: bytes) -> bool:
        """Tell whether more was added than what shows that a signature holds."""
        signature.coverage = signature.evaluate_signature_coverage()
        found = signature.evaluate_modifications(DEFAULT_DIFF_POLICY)
        if (
            not isinstance(found, DiffResult)
            or found.modification_level > ModificationLevel.LTA_UPDATES
        ):
            return True
        _, _, begin, length = map(int, signature.byte_range)
        signed = PdfFileReader(io.BytesIO(pdf[: begin + length]), strict=True)
        # A title may be changed, but is shown. It stands in one place, or in two.
        return not _titles(self._reader) <= _titles(signed)

    def _check_earlier(self, signatures: list[Any], pdf: bytes) -> None:
        """Say so where the document was changed after its last signature."""
        last = max(signatures, key=lambda signature: signature.signed_revision)
        newest = self._reader.xrefs.total_revisions - 1
        if last.signed_revision < newest and self._is_changed(last, pdf):
            self._notices.add("changed-after-signature")
        for signature in signatures:
            for reference in _get(signature.sig_object, "/Reference") or ():
                method = _get(reference.get_object(), "/TransformParams")
                forbids = isinstance(method, generic.DictionaryObject) and (
                    _get(method, "/P") == 1
                )
                if forbids:
                    raise DocumentRefused("locked")

    def _dictionaries(self) -> Iterator[generic.DictionaryObject]:
        """Yield every dictionary and stream that can be reached, once."""
        seen: set[tuple[int, int]] = set()
        count = 0
        waiting: list[Any] = [self._reader.trailer_view]
        while waiting:
            here = waiting.pop()
            if isinstance(here, generic.IndirectObject):
                place = (here.idnum, here.generation)
                if place in seen:
                    continue
                seen.add(place)
                here = here.get_object()  # type: ignore[no-untyped-call]
            count += 1
            if count > MAX_OBJECTS:
                raise DocumentRefused("too-complex")
            if isinstance(here, generic.DictionaryObject):
                yield here
                waiting += [here.raw_get(key) for key in here]
            elif isinstance(here, generic.ArrayObject):
                waiting += [here.raw_get(index) for index in range(len(here))]

    def _pages(self) -> Iterator[tuple[float, float]]:
        """Yield width and height of each page, as it is shown."""
        count = int(self._reader.root["/Pages"]["/Count"])
        if not 1 <= count <= MAX_PAGES:
            raise DocumentRefused("too-complex" if count > 0 else "damaged")
        leaves = list(self._leaves(self._reader.root["/Pages"]))
        if len(leaves) != count:  # some would be hidden from who counts
            raise DocumentRefused("damaged")
        for leaf in leaves:
            yield _size(leaf)

    def _leaves(self, root: Any) -> Iterator[Any]:
        """Yield every page that hangs in the tree, whatever the counts say."""
        waiting, seen = [root], 0
        while waiting:
            here = waiting.pop()
            seen += 1
            if seen > 2 * MAX_PAGES + _MAX_DEPTH:
                raise DocumentRefused("too-complex")
            kids = _get(here, "/Kids")
            if kids is None:
                yield here
            else:
                waiting += [kids[at] for at in range(len(kids))][::-1]


def _title(reader: PdfFileReader) -> str:
    return _words(reader.document_meta_view.title)


def _titles(reader: PdfFileReader) -> set[str]:
    info = _get(reader.trailer_view, "/Info") or {}
    return {_title(reader), _words(info.get("/Title"))} - {""}


def _words(title: Any) -> str:
    return one_line(str(getattr(title, "value", title) or ""))


def _size(page: Any) -> tuple[float, float]:
    left, low, right, high, turned = shown_part(page)
    size = right - left, high - low
    return size[::-1] if turned % 180 else size


def shown_part(page: Any) -> tuple[float, float, float, float, int]:
    """Return what of a page is shown: left, low, right, high, and how it is turned.

    In points of the page's own, and degrees clockwise. DocumentRefused.
    """
    box, turned = None, 0
    here: Any = page
    for _ in range(_MAX_DEPTH):
        box = box or _get(here, "/CropBox") or _get(here, "/MediaBox")
        turned = turned or int(_get(here, "/Rotate") or 0)
        above = _get(here, "/Parent")
        if not isinstance(above, generic.DictionaryObject):
            break
        here = above
    if box is None or len(box) != 4:
        raise DocumentRefused("damaged")
    left, low, right, high = (float(each) for each in box)
    low, high = sorted((low, high))
    left, right = sorted((left, right))
    return left, low, right, high, turned % 360


def _field_type(field: generic.DictionaryObject) -> Any:
    """Return what kind of field this is, be it by what stands above it."""
    here: Any = field
    for _ in range(_MAX_DEPTH):
        if not isinstance(here, generic.DictionaryObject):
            break
        if "/FT" in here:
            return _get(here, "/FT")
        here = _get(here, "/Parent")
    return None


def _get(here: Any, key: str) -> Any:
    """Return a member, its reference followed; None where there is none."""
    return here[key] if key in here else None  # noqa: SIM401  (get does not follow)
