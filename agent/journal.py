"""What was shared and signed, with whom and when; touches one file and its lock.

One line of JSON each, for its owner alone, for 13 months. Names of data, never values.
Every writer holds the lock, so that lines of two do not mix; a line that cannot be read
is kept as it is and counted.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import host
from agent.exclusive import exclusive
from agent.origins import end

_log = logging.getLogger(__name__)

FILE = "journal.jsonl"
_LOCK = "journal.lock"
#: The outcome of what was really given; others are codes of problems, or CANCELLED.
GIVEN = "given"
#: The page, or Ctrl-C, ended it before it was given.
CANCELLED = "cancelled"
#: In place of a call: a person who was served at a counter.
PERSON = "person"
#: Bytes beyond which the oldest lines go, and what is kept then.
MAX_BYTES = 2 * 1024 * 1024
_KEPT_BYTES = MAX_BYTES * 3 // 4


@dataclass(frozen=True)
class Entry:
    """What a site got or wanted; `data` are names. `program` connected, if known."""

    origin: str
    call: str
    data: tuple[str, ...]
    outcome: str
    program: str | None = None

    def to_json(self, now: datetime.datetime) -> dict[str, object]:
        """Return the line's object."""
        members: dict[str, object] = {
            "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "origin": self.origin,
            "call": self.call,
            "data": list(self.data),
            "outcome": self.outcome,
        }
        return members if self.program is None else members | {"program": self.program}


@dataclass(frozen=True)
class Contents:
    """A journal that was read.

    `entries` are objects as written: of a call (`time`), of a day's count (`day`).
    `bad` are the numbers, from 1, of lines that cannot be read; `dropped` is how many
    lines went for want of room.
    """

    entries: tuple[dict[str, Any], ...] = ()
    bad: tuple[int, ...] = ()
    dropped: int = 0


@dataclass
class _Line:
    """A line as it stands, and what it says, None where that cannot be read."""

    raw: bytes
    entry: dict[str, Any] | None = field(init=False)

    def __post_init__(self) -> None:
        self.entry = _parse(self.raw)

    def day(self) -> datetime.date | None:
        """Return its day, None where there is none."""
        if self.entry is None or "dropped" in self.entry:
            return None
        return _day(self.entry)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Journal:
    """The journal of a data folder; None: nothing is kept."""

    def __init__(self, folder: Path | None, *, counts_only: bool = False) -> None:
        """`counts_only`: how much of what on which day, and no site (counter mode)."""
        self._folder = folder
        self._counts_only = counts_only
        self._pruned: datetime.date | None = None

    def add(self, entry: Entry) -> None:
        """Write one down. A disk that takes nothing is logged and stops nobody."""
        if self._folder is None:
            return
        try:
            with exclusive(self._folder / _LOCK):
                self._add(self._folder / FILE, entry)
        except OSError as error:
            _log.error("the journal cannot be written: %s", type(error).__name__)

    def _add(self, path: Path, entry: Entry) -> None:
        now = _now()
        if self._counts_only:
            _count(path, entry, now.date())
        else:
            _append(path, entry.to_json(now))
        if self._pruned != now.date() or path.stat().st_size > MAX_BYTES:
            _prune(path, now.date())
            self._pruned = now.date()

    def people(self) -> int:
        """Return how many people were served today; OSError."""
        today = _now().date().isoformat()
        return sum(
            entry["count"]
            for entry in self.read().entries
            if (entry.get("day"), entry["call"]) == (today, PERSON)
        )

    def read(self) -> Contents:
        """Return what is in it, without what is too old; OSError."""
        if self._folder is None:
            return Contents()
        lines, today = _lines(self._folder / FILE), _now().date()
        bad = tuple(n for n, line in enumerate(lines, 1) if line.entry is None)
        entries = [line.entry for line in lines if line.entry and _kept(line, today)]
        return Contents(
            tuple(entry for entry in entries if "dropped" not in entry),
            bad,
            sum(entry.get("dropped", 0) for entry in entries),
        )

    def erase(self) -> None:
        """Overwrite and remove it; OSError. Without a journal there is nothing to do.

        What a disk keeps of old blocks, a copy or a backup is beyond this.
        """
        if self._folder is None or not (self._folder / FILE).exists():
            return
        with exclusive(self._folder / _LOCK):
            host.wipe_private(self._folder / FILE)


# --- lines ----------------------------------------------------------------------------


def _parse(raw: bytes) -> dict[str, Any] | None:
    """Read a line that we wrote; None for anything else."""
    try:
        entry = json.loads(raw)
        if not isinstance(entry, dict) or not _as_written(entry):
            return None
        if "dropped" not in entry:
            _day(entry)
    except (ValueError, RecursionError):
        return None
    return entry


def _as_written(entry: dict[str, Any]) -> bool:
    """Tell whether an object has the members of one of the three kinds of line."""
    match entry:
        case {"dropped": int(count)}:
            return count > 0
        case {"day": str(), "call": str(), "outcome": str(), "count": int()}:
            return True
        case {
            "time": str(),
            "origin": str(),
            "call": str(),
            "data": list(data),
            "outcome": str(),
        }:
            return all(isinstance(name, str) for name in data)
        case _:
            return False


def _day(entry: dict[str, Any]) -> datetime.date:
    """Return the day of an entry; ValueError."""
    if "day" in entry:
        return datetime.date.fromisoformat(entry["day"])
    return datetime.datetime.strptime(entry["time"], "%Y-%m-%dT%H:%M:%SZ").date()


def _kept(line: _Line, today: datetime.date) -> bool:
    """Tell whether a line is not too old; one that cannot be read stays."""
    day = line.day()
    return day is None or today < end(day)


def _lines(path: Path) -> list[_Line]:
    try:
        data = host.read_private(path)
    except FileNotFoundError:
        return []
    return [_Line(raw) for raw in data.split(b"\n") if raw]


def _raw(entry: dict[str, object]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode()


def _append(path: Path, entry: dict[str, object]) -> None:
    """Add a line behind what is there, even if that ends in the middle of one."""
    host.append_private(path, _raw(entry) + b"\n", apart=b"\n")


def _count(path: Path, entry: Entry, today: datetime.date) -> None:
    """Add one to the day's count of a call with this outcome."""
    key: dict[str, object] = {
        "day": today.isoformat(),
        "call": entry.call,
        "outcome": entry.outcome,
    }
    lines = _lines(path)
    for line in lines:
        if line.entry is not None and key.items() <= line.entry.items():
            line.raw = _raw(key | {"count": line.entry["count"] + 1})
            _write(path, lines)
            return
    _append(path, key | {"count": 1})


def _prune(path: Path, today: datetime.date) -> None:
    """Drop what is too old, and the oldest of what is too much, which is counted."""
    lines = _lines(path)
    kept = [line for line in lines if _kept(line, today)]
    dropped = [line for line in kept if line.entry and "dropped" in line.entry]
    count = sum(line.entry["dropped"] for line in dropped if line.entry)
    size = sum(len(line.raw) + 1 for line in kept)
    if size > MAX_BYTES:
        kept = [line for line in kept if line not in dropped]
        while size > _KEPT_BYTES:
            size -= len(kept.pop(0).raw) + 1
            count += 1
        kept.insert(0, _Line(_raw({"dropped": count})))
    if len(kept) != len(lines):
        _write(path, kept)


def _write(path: Path, lines: Iterable[_Line]) -> None:
    host.write_private(path, b"".join(line.raw + b"\n" for line in lines))
