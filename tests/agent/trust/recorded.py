"""A runner that writes down what it is told to run, where the real tool cannot run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agent.trust.runner import Result


class RecordedRunner:
    """Runs nothing; keeps each command, what it was given, and the file it names."""

    def __init__(
        self, answer: Callable[[Sequence[str]], Result] = lambda _: Result(0)
    ) -> None:
        self._answer = answer
        self.commands: list[list[str]] = []
        self.as_root: list[bool] = []
        self.files: list[bytes] = []

    def run(
        self, command: Sequence[str], given: bytes = b"", *, as_root: bool = False
    ) -> Result:
        """Write it down; a temporary file is called FILE, its content is kept."""
        named = [self._named(word) for word in command]
        self.commands.append(named)
        self.as_root.append(as_root)
        return self._answer(named)

    def _named(self, word: str) -> str:
        path = Path(word)
        if not path.is_file() or not path.parent.name.startswith("eid-agent-"):
            return word
        self.files.append(path.read_bytes())
        return "FILE"
