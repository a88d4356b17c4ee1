"""Photos are decoded apart, and what is none of them harms nobody."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from agent.ui import picture
from cardio.files import EF
from cardio.virtual.profile import load_profile
from tests.agent.program import ROOT


def _jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), 200).save(file, "JPEG")
    return file.getvalue()


async def test_the_photo_of_a_card_becomes_a_bitmap() -> None:
    """As Pillow sees it here, pixel by pixel."""
    photo = load_profile("adult").files[EF.PHOTO]
    bitmap = await picture.decode(photo)
    assert bitmap is not None
    with Image.open(io.BytesIO(photo)) as image:
        assert (bitmap.width, bitmap.height) == image.size
        assert bitmap.pixels == image.convert("RGB").tobytes()


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\xff\xd8\xff\xe0 no picture",
        _jpeg(16, 16)[:-40],
        _jpeg(4000, 4000),
        _jpeg(16, 16) + bytes(100_000),
        b"\x89PNG\r\n\x1a\n" + bytes(50),
    ],
    ids=["empty", "garbage", "cut off", "huge", "long", "another format"],
)
async def test_what_is_no_photo_is_none(file: bytes) -> None:
    """Nothing is shown of it; the site would get it all the same, as it is."""
    assert await picture.decode(file) is None


@pytest.mark.skipif(sys.platform == "win32", reason="nothing confines it on Windows")
def test_the_decoder_can_open_nothing(tmp_path: Path) -> None:
    """No file, no connection, once it begins to decode."""
    code = (
        "import socket\n"
        "from agent import host\n"
        "host.confine(1 << 29, 5)\n"
        "for work in (lambda: socket.socket(), lambda: open({!r}, 'w')):\n"
        "    try:\n"
        "        work()\n"
        "    except OSError:\n"
        "        print('refused', flush=True)\n"
    ).format(str(tmp_path / "file"))
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.split() == ["refused", "refused"]
