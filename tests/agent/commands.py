"""Runs a command of the program in this process, with cards of the test's own."""

from __future__ import annotations

import pytest

from agent import cli
from agent.commands import card, change_pin, verify
from cardio.card import CardSource


def run_on(
    source: CardSource, monkeypatch: pytest.MonkeyPatch, action: str, *options: str
) -> int:
    """Run `card ACTION` on these cards; return the exit code."""
    for module in (card, change_pin, verify):
        monkeypatch.setattr(module, "card_source", lambda _: source)
    return cli.main(["card", action, "--lang", "en", *options])
