"""What one running agent was told on its command line; a value, touches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent import __version__


@dataclass(frozen=True)
class Settings:
    """Settings of one run.

    `allowed_origins` come from --allow-origin, `timestamp_url` is the service for the
    documents that a page has signed; `documents` serves openapi.json and
    client.js; `test_cards` lets virtual cards alone be used: of any other one neither
    data nor PIN are asked; `counter`: a desk where many people's cards are read, so
    that nothing is remembered of anybody, and the names that the command line has for
    the citizens' reader there and for the clerk's own; `data_dir` is where the agent
    keeps what outlives it (None: nowhere). A question stays open for `dialog_seconds`,
    a whole request for `operation_seconds`, unless the person asks for more time.
    """

    lang: str = "en"
    allowed_origins: frozenset[str] = frozenset()
    timestamp_url: str | None = None
    developer: bool = False
    demo: bool = False
    test_cards: bool = False
    counter: bool = False
    citizen_reader: str | None = None
    clerk_reader: str | None = None
    data_dir: Path | None = None
    version: str = __version__
    dialog_seconds: float = 120.0
    operation_seconds: float = 240.0

    @property
    def documents(self) -> bool:
        """True where the description and the JavaScript client are served."""
        return self.developer or self.demo
