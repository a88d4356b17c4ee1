"""Decodes one picture in a process of its own, which never sees a PIN (SAFETY 18).

Standard input has the JPEG file, standard output gets width and height, four bytes each
(big-endian), and the bitmap, three bytes a pixel. Before it decodes, the process gives
up opening files and connections, and all but little memory and time.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys

from agent import host
from agent.ui.bitmap import Bitmap
from agent.ui.process import environment

#: The photo of a card has 140 by 200 pixels; other cards' may be larger.
MAX_PIXELS = 512 * 512
_MAX_FILE = 64 * 1024
_SECONDS = 10.0
_MEMORY = 512 * 1024 * 1024
_COMMAND = (sys.executable, "-P", "-m", "agent.ui.picture")


async def decode(jpeg: bytes) -> Bitmap | None:
    """Return a picture, decoded by a child; None for what is none."""
    child = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        async with asyncio.timeout(_SECONDS):
            told, _ = await child.communicate(jpeg)
    except TimeoutError:
        return None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    width, height = int.from_bytes(told[:4]), int.from_bytes(told[4:8])
    pixels = told[8:]
    if not pixels or width * height > MAX_PIXELS or len(pixels) != width * height * 3:
        return None
    return Bitmap(width, height, pixels)


def main() -> int:
    """Decode what comes in; exit code 1 for what is no picture."""
    from PIL import Image

    host.keep_memory_private()
    jpeg = sys.stdin.buffer.read(_MAX_FILE + 1)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    Image.preinit()  # what it imports must be there before files cannot be opened
    host.confine(_MEMORY, int(_SECONDS))
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if image.width * image.height > MAX_PIXELS or len(jpeg) > _MAX_FILE:
                return 1
            bitmap = image.convert("RGB")
    except Exception:  # whatever a decoder raises on what it cannot read
        return 1
    head = bitmap.width.to_bytes(4) + bitmap.height.to_bytes(4)
    sys.stdout.buffer.write(head + bitmap.tobytes())
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
