"""The targets, by name; imports nothing of the project, so that the fuzzer can first
see to it that every import is instrumented.

A target is a function of bytes in the module named here. It returns whatever the bytes
are; any exception that leaves it is a crash. What is documented to be raised, and only
that, it catches itself, and it asserts what has to hold of what was accepted.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).resolve().parents[2] / "fixtures" / "corpus"

#: Seconds of fuzzing in all, in `test` and in `test --full`.
SHORT, LONG = 60, 1200

#: Largest input. Nothing that is parsed needs more to take every path.
MAX_LENGTH = 8192


@dataclass(frozen=True)
class Target:
    """A function to fuzz; `share` is its part of the time, beside the others' parts."""

    name: str
    module: str
    share: int = 1
    #: A mutator of the target's own: module and function.
    mutator: tuple[str, str] | None = None

    def function(self) -> Callable[[bytes], None]:
        """Import the target."""
        function: Callable[[bytes], None] = getattr(
            importlib.import_module(self.module), self.name.replace("-", "_")
        )
        return function

    def own_mutator(self) -> Callable[..., Any] | None:
        """Import the mutator, None where the fuzzer's own will do."""
        if self.mutator is None:
            return None
        module, name = self.mutator
        mutator: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return mutator

    def seeds(self) -> list[Path]:
        """Return the target's part of the corpus; the planted bug has none."""
        return sorted((SEEDS / self.name).glob("*"))


_MEMBERS = ("tests.fuzz.mutators", "mutate_member")
_COMMANDS = ("tests.fuzz.mutators", "mutate_command")

TARGETS = {
    target.name: target
    for target in (
        Target("tlv", "tests.fuzz.files"),
        Target("der-length", "tests.fuzz.files"),
        Target("identity-file", "tests.fuzz.files", 3),
        Target("address-file", "tests.fuzz.files"),
        Target("response", "tests.fuzz.commands"),
        Target("masked", "tests.fuzz.commands"),
        Target("card-data", "tests.fuzz.commands"),
        Target("pin", "tests.fuzz.commands"),
        Target("virtual-card", "tests.fuzz.commands", 4, _COMMANDS),
        Target("identity-request", "tests.fuzz.requests", 2, _MEMBERS),
        Target("authenticate-request", "tests.fuzz.requests", 1, _MEMBERS),
        Target("gate", "tests.fuzz.requests"),
        Target("language", "tests.fuzz.requests"),
        Target("one-line", "tests.fuzz.requests"),
        Target("origin", "tests.fuzz.stored"),
        Target("policy-file", "tests.fuzz.stored", 1, _MEMBERS),
        Target("stored-origins", "tests.fuzz.stored", 1, _MEMBERS),
        Target("journal-line", "tests.fuzz.stored"),
        Target("certificate", "tests.fuzz.portal", 2),
        Target("token", "tests.fuzz.portal", 3, _MEMBERS),
        Target("issued-certificate", "tests.fuzz.portal", 4),
        Target("answer", "tests.fuzz.portal", 3, _MEMBERS),
        Target("signed-files", "tests.fuzz.portal", 3),
    )
}


def divided(seconds: int) -> dict[str, int]:
    """Return how many whole seconds each target has of so many in all."""
    shares = sum(target.share for target in TARGETS.values())
    given, before, answer = 0, 0, {}
    for target in TARGETS.values():
        given += target.share
        until = seconds * given // shares
        answer[target.name] = max(1, until - before)
        before = until
    return answer


#: A bug on purpose, by which the tests see that the fuzzer finds one.
PLANTED = Target("planted", "tests.fuzz.planted")
