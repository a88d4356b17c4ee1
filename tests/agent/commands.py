"""Runs a command of the program in this process, with cards of the test's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> Iterator[None]:
    """Have these lines, and then the end of input, on standard input."""
    read, write = os.pipe()
    os.write(write, "".join(f"{line}\n" for line in lines).encode())
    os.close(write)
    with os.fdopen(read) as stdin, monkeypatch.context() as patched:
        patched.setattr("sys.stdin", stdin)
        yield
        for thread in threading.enumerate():
            if thread.name == "terminal":
                thread.join(5)
