"""What must not be signed unseen is refused; what may deceive is named (SAFETY 19)."""

from __future__ import annotations

import hashlib
import io

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm

from agent.pdf.document import MAX_BYTES, NOTICES, REASONS, DocumentRefused
from agent.pdf.inspection import inspect
from agent.pdf.pages import MAX_HEIGHT, check, draw
from tests.agent.pdf.documents import (
    certified,
    dictionary,
    document,
    in_page,
)
from tests.agent.pdf.make_hazards import FOLDER, HAZARDS


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


def _files(verdict: str) -> list[str]:
    return sorted(path.stem for path in FOLDER.glob(f"{verdict}-*.pdf"))


@pytest.mark.parametrize("name", _files("refused"))
def test_what_could_deceive_is_refused(name: str) -> None:
    """Each with its reason."""
    pdf = (FOLDER / f"{name}.pdf").read_bytes()
    with pytest.raises(DocumentRefused) as refused:
        check(pdf, len(inspect(pdf).pages))
    assert name.startswith(f"refused-{refused.value.reason}-")


def test_what_is_too_large_is_refused() -> None:
    """Without a look into it."""
    with pytest.raises(DocumentRefused) as refused:
        inspect(b"%PDF-1.7\n" + bytes(MAX_BYTES))
    assert refused.value.reason == "too-large"


@pytest.mark.parametrize("name", _files("named"))
def test_what_a_person_should_know_is_named(name: str) -> None:
    """The document can be signed; the person is told, and of nothing else."""
    notices = inspect((FOLDER / f"{name}.pdf").read_bytes()).notices
    (notice,) = set(notices) - ({"signatures"} if len(notices) > 1 else set())
    assert name.startswith(f"named-{notice}-")


def test_every_hazard_is_a_file() -> None:
    """Each that can be made; and each reason and notice has one."""
    names = _files("refused") + _files("named")
    assert sorted(HAZARDS) == sorted(names)
    verdicts = [f"refused-{reason}-" for reason in REASONS if reason != "too-large"]
    verdicts += [f"named-{notice}-" for notice in NOTICES]
    for verdict in verdicts:
        assert any(name.startswith(verdict) for name in names), verdict


def test_who_signed_before_may_forbid_another_signature() -> None:
    """Ours would break that one (ISO 32000-2, 12.8.2.2)."""
    with pytest.raises(DocumentRefused) as refused:
        inspect(certified(MDPPerm.NO_CHANGES))
    assert refused.value.reason == "locked"
    assert inspect(certified(MDPPerm.FILL_FORMS)).notices == ("signatures",)


def test_a_change_after_a_signature_is_named() -> None:
    """Somebody added something that the earlier signer did not see."""
    writer = IncrementalPdfFileWriter(io.BytesIO(certified(MDPPerm.FILL_FORMS)))
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


def test_a_page_that_is_a_line_is_drawn_small() -> None:
    """However wide it is wanted: a picture has so many rows at most."""
    box = generic.ArrayObject(map(generic.FloatObject, ("0", "0", "0.001", "14400")))
    width, height, pixels = draw(document(in_page(MediaBox=box)), 0, 640)
    assert (width, height) == (1, MAX_HEIGHT)
    assert len(pixels) == 3 * MAX_HEIGHT


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
