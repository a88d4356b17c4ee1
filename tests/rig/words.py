"""The catalogues as they are written, read by Babel and not by our own code."""

from __future__ import annotations

import functools
from pathlib import Path

from babel.messages.pofile import read_po

import agent.texts

FOLDER = Path(agent.texts.__file__).parent / "locale"


@functools.cache
def catalogue(lang: str) -> dict[str, str]:
    """Return every sentence of one language by its key."""
    with (FOLDER / lang / "LC_MESSAGES" / "eid-agent.po").open("rb") as file:
        return {
            str(message.id): str(message.string)
            for message in read_po(file, locale=lang)
            if message.id
        }
