"""`eid-agent journal [erase]`: what was shared; touches its file."""

from __future__ import annotations

import argparse
import json
from typing import Any

from agent.commands import Failure, answer, data_dir, say
from agent.commands.reasons import Located
from agent.errors import STATUS
from agent.journal import CANCELLED, FILE, GIVEN, PERSON, Contents, Journal
from agent.texts import text
from agent.words import one_line, origin_line

_CALLS = (
    "identity",
    "authenticate",
    "signing-certificate",
    "sign",
    "sign-pdf",
    "change-pin",
)
_DATA = ("identity", "address", "photo", "certificate", "signature", "documents")


def main(options: argparse.Namespace) -> int:
    """Show the journal, or erase it."""
    folder = data_dir(options.data_dir)
    journal = Journal(folder)
    try:
        if options.what == "erase":
            journal.erase()
            return 0
        contents = journal.read()
    except OSError as error:
        raise Failure("journal-unusable", reason=Located(folder, error)) from None
    _show(options, contents)
    lines = ", ".join(map(str, contents.bad))
    if contents.bad:
        say(text("journal-bad", options.lang, path=folder / FILE, lines=lines))
    return 0


def _show(options: argparse.Namespace, contents: Contents) -> None:
    if options.json:
        found: dict[str, object] = {
            "entries": contents.entries,
            "badLines": contents.bad,
            "dropped": contents.dropped,
        }
        answer(json.dumps(found, indent=1))
        return
    for line in lines(contents, options.lang):
        answer(line)


def lines(contents: Contents, lang: str) -> list[str]:
    """Return the journal in words, the oldest entry first."""
    said = [_line(entry, lang) for entry in contents.entries]
    if contents.dropped:
        said.insert(0, text("journal-dropped", lang, count=contents.dropped))
    return said if contents.entries else [*said, text("journal-empty", lang)]


def _line(entry: dict[str, Any], lang: str) -> str:
    """Return an entry as one line; what the file says is shown as foreign text."""
    call = _word(f"call-{entry['call']}", entry["call"], _CALLS, lang)
    outcome = entry["outcome"]
    words = text("journal-given", lang) if outcome == GIVEN else one_line(outcome)
    if outcome in STATUS or outcome == CANCELLED:
        words = text("journal-refused", lang, code=outcome)
    if "day" in entry and entry["call"] == PERSON:
        words = text("journal-people", lang, count=entry["count"])
        return f"{entry['day']}  {words}"
    if "day" in entry:
        return f"{entry['day']}  {call}  {words}  x {entry['count']}"
    data = ", ".join(
        _word(f"shared-{name}", name, _DATA, lang) for name in entry["data"]
    )
    who = origin_line(entry["origin"])
    if isinstance(program := entry.get("program"), str):
        who = f"{who} ({one_line(program)})"
    what = f"{call}: {data}" if data else call
    return f"{entry['time']}  {who}  {what}  {words}"


def _word(key: str, name: str, known: tuple[str, ...], lang: str) -> str:
    return text(key, lang) if name in known else one_line(name)
