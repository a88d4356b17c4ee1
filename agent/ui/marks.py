"""What stands before every question: test card, special run, program; pure."""

from __future__ import annotations

from collections.abc import Iterable

from agent.host.peers import UNKNOWN
from agent.texts import text
from agent.words import quoted


def marks(
    lang: str, *, virtual: bool, run: Iterable[str], program: str | None
) -> list[str]:
    """Return the marks as sentences, each with a space behind it.

    `run` names texts that say what is special about it; `program` is what connected,
    where that is no known browser.
    """
    words = [text(mark, lang) for mark in [*(["test-card"] if virtual else []), *run]]
    if program is not None:
        key = "asks-unknown" if program == UNKNOWN else "asks-program"
        words.append(text(key, lang, program=quoted(program)))
    return words
