"""A request that may ask the person, from its admission on; a value, pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent.counter import Whose
from agent.monitor import Stay


@dataclass
class Attempt:
    """One request that may ask the person; `data` are names of what it is after.

    `lang` is the language of its questions, `reader` the id of the reader that it
    names. `program` connected, where it is no known browser. At a counter `whose` card
    it is about, and in which `turn` the card was found.
    """

    origin: str
    call: str
    data: tuple[str, ...]
    lang: str
    reader: str | None = None
    program: str | None = None
    asked: bool = False
    virtual: bool = False
    whose: Whose | None = None
    turn: int = 0
    stay: Stay | None = None
