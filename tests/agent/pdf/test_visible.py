"""Signatures that are seen on a page: where, upright, with every letter of a name."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pypdfium2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from agent import cli
from agent.commands import sign as command
from agent.pdf.appearance import Appearance
from agent.pdf.document import CORNERS, Visible
from agent.pdf.inspection import inspect
from agent.pdf.pages import draw
from agent.pdf.signing import Order, sign
from cardio.beid.source import BeidCards
from cardio.files import EF, Key
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.pdf.documents import document, in_page
from tests.agent.pdf.test_process import der, said_by_pdfsig
from tests.agent.test_last_moment import pins_sent
from tests.rig.transcript import RecordedCard

ADULT = load_profile("adult")
#: Dutch, French, German; and of neighbours who live in Belgium, too.
NAMES = (
    "Zoë d'Hoore-Çelik, André Lefèvre dit Œuvre, Jürgen Groß",
    "Łukasz Żółć, Ștefan Țăranu, Šárka Nováková, Győző Ördög, Þór Æsir",
    "Nguyễn Thị Hồng, Ġużeppi Ħal, Ānanda Ģirts, İpek Ağaoğlu",
    "Αλέξανδρος, Світлана Ґудзь",
)


async def signed(pdf: bytes, visible: Visible) -> bytes:
    """Return a document that an adult has signed so that it is seen."""
    key = ADULT.keys[Key.NON_REPUDIATION]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    chain = (der(ADULT, EF.CA), der(ADULT, EF.ROOT))

    async def sign_raw(data: bytes) -> bytes:
        return key.sign(data, ec.ECDSA(hashes.SHA384()))

    async def stamp(_: bytes) -> bytes:
        raise AssertionError

    own = der(ADULT, EF.SIGNATURE)
    order = Order(own, chain, "sha384_ecdsa", visible=visible)
    return await sign(pdf, order, sign_raw, stamp)


def changed(before: bytes, after: bytes) -> set[tuple[int, int]]:
    """Return where the first page looks otherwise than it did: columns and rows."""
    width, _, was = draw(before, 0, 595)
    _, _, is_now = draw(after, 0, 595)
    assert len(was) == len(is_now)
    places = (at // 3 for at in range(0, len(was), 3) if was[at] != is_now[at])
    return {(place % width, place // width) for place in places}


def edges(places: set[tuple[int, int]]) -> tuple[int, int, int, int]:
    """Return the left, right, top and bottom edge of what is there."""
    columns, rows = zip(*places, strict=True)
    return min(columns), max(columns), min(rows), max(rows)


def test_every_letter_of_a_name_is_there() -> None:
    """Of the Latin, Greek and Cyrillic ones; the document carries the font."""
    drawn = pypdfium2.PdfDocument(Appearance(NAMES)._drawn)
    try:
        said = drawn[0].get_textpage().get_text_range()
    finally:
        drawn.close()
    assert said.split("\r\n") == list(NAMES)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
async def test_it_stands_upright_in_its_corner(turned: int, corner: str) -> None:
    """Of the page as it is shown, however that is turned; and nothing else changes."""
    box = generic.ArrayObject(map(generic.NumberObject, (100, 50, 600, 700)))
    pdf = document(in_page(Rotate=generic.NumberObject(turned), CropBox=box), pages=1)
    after = await signed(pdf, Visible(0, corner, ("Signed by Zoë d'Hoore", "today")))
    width, height, _ = draw(pdf, 0, 595)
    places = changed(pdf, after)
    left, right, top, bottom = edges(places)
    assert (left < width / 8) == corner.endswith("left")
    assert (right > width * 7 / 8) == corner.endswith("right")
    assert (top < height / 8) == corner.startswith("top")
    assert (bottom > height * 7 / 8) == corner.startswith("bottom")
    # The second line is the shorter one.
    middle = (top + bottom) / 2
    inside = {
        row for column, row in places if (left + right * 2) / 3 < column < right - 4
    }
    assert any(top + 4 < row < middle for row in inside)
    assert not any(middle < row < bottom - 4 for row in inside)


async def test_on_the_page_that_was_named(tmp_path: Path) -> None:
    """The others stay as they are; it is a signature like any."""
    pdf = document(pages=3)
    after = await signed(pdf, Visible(1, "bottom-right", ("Signed by Zoë",)))
    for page in (0, 2):
        assert draw(pdf, page, 300) == draw(after, page, 300)
    assert draw(pdf, 1, 300) != draw(after, 1, 300)
    assert inspect(after).notices == ("signatures",)
    assert "Signature is Valid." in said_by_pdfsig(after, tmp_path)


async def test_it_fits_a_page_that_is_small() -> None:
    """Smaller, with a margin, so that nothing of it is cut off."""
    box = generic.ArrayObject(map(generic.NumberObject, (0, 0, 100, 60)))
    pdf = document(in_page(MediaBox=box), pages=1)
    lines = ("Signed by somebody with a long name indeed",) * 3
    after = await signed(pdf, Visible(0, "top-left", lines))
    left, right, top, bottom = edges(changed(pdf, after))
    width, height, _ = draw(pdf, 0, 595)
    assert 0 < left < right < width - 1
    assert 0 < top < bottom < height - 1


async def test_two_that_are_seen_leave_each_other_valid(tmp_path: Path) -> None:
    """The second one draws on a page that the first one signed."""
    once = await signed(document(), Visible(0, "bottom-left", ("One",)))
    twice = await signed(once, Visible(0, "bottom-right", ("Two",)))
    root = PdfFileReader(io.BytesIO(twice))
    roots = [each for each in _embedded(root) if each.self_signed != "no"]
    for signature in root.embedded_signatures:
        context = ValidationContext(trust_roots=roots, allow_fetching=False)
        status = await async_validate_pdf_signature(signature, context)
        assert status.bottom_line
    assert said_by_pdfsig(twice, tmp_path).count("Signature is Valid.") == 2


def _embedded(reader: PdfFileReader) -> list[object]:
    return list(reader.embedded_signatures[0].other_embedded_certs)


# --- the command ---------------------------------------------------------------------


def _words(folder: Path, *options: str) -> list[str]:
    (folder / "a.pdf").write_bytes(document())
    words = ["sign", str(folder / "a.pdf"), "-o", str(folder / "b.pdf")]
    return [*words, "--lang", "en", *options]


def _put(monkeypatch: pytest.MonkeyPatch) -> RecordedCard:
    card = RecordedCard(ADULT)
    readers = VirtualReaders("Reader")
    readers.insert(card)
    monkeypatch.setattr(command, "card_source", lambda _: BeidCards(readers))
    return card


def test_a_person_asks_for_one_that_is_seen(
    monkeypatch: pytest.MonkeyPatch, keyboard: int, tmp_path: Path
) -> None:
    """On the last page unless told otherwise; a test card is called one there, too."""
    _put(monkeypatch)
    drawn: list[Visible] = []
    real = Visible
    monkeypatch.setattr(
        "agent.pdf.document.Visible", lambda *a: drawn.append(real(*a)) or drawn[-1]
    )
    os.write(keyboard, b"1234\n")
    assert cli.main(_words(tmp_path, "--visible", "--reason", "I agree")) == 0
    before, after = ((tmp_path / name).read_bytes() for name in ("a.pdf", "b.pdf"))
    assert draw(before, 0, 300) == draw(after, 0, 300)
    assert draw(before, 1, 300) != draw(after, 1, 300)
    (one,) = drawn
    assert one.lines[0] == "[TEST CARD] Signed by Lotte Voorbeeld"
    assert one.lines[1].endswith(" UTC")
    assert one.lines[2:] == ("I agree",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--visible", "--page", "3"], "There is no page 3; the document has 2."),
        (["--page", "1"], "add --visible"),
        (["--corner", "top-left"], "add --visible"),
    ],
)
def test_a_place_that_does_not_exist_is_said_before_the_pin(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: list[str],
    words: str,
) -> None:
    """Nothing is signed somewhere else instead."""
    card = _put(monkeypatch)
    assert cli.main(_words(tmp_path, *options)) == 2
    assert words in capsys.readouterr().err
    assert pins_sent(card) == 0
