"""`eid-agent doctor`: what works and what does not, each with what to do about it.

Looks and changes nothing. With `--online` it asks the network for a release, and keeps
what it says. With `--bundle` it writes one file, after that was shown and agreed to.
Exit code 0 when no problem was found, else 1.

JSON: `works`, and `findings` with `line`, `code`, `state` (ok, warning, problem or
unknown), `detail` and `remedy` (null where it is well).
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.commands import Failure, answer, card_source, data_dir, need_new, write_new
from agent.doctor import findings, look
from agent.doctor.findings import Finding, State
from agent.texts import text
from agent.trust import stores
from agent.trust.runner import SystemRunner
from agent.words import quoted
from cardio.card import CardSource

_WORST_FIRST = (State.PROBLEM, State.WARNING, State.UNKNOWN, State.OK)
#: A zip's own time stamp, which would tell nothing and be no one's.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def main(options: argparse.Namespace) -> int:
    """Show the page, and put it into a file where that was asked."""
    if options.bundle is not None:
        need_new(options.bundle)  # before the person reads it all and agrees
    source = _source(options.card)
    folder = data_dir(options.data_dir)
    found = look.examine(place(folder, source, online=options.online))
    if options.bundle is not None:
        _bundle(found, options.bundle, options.lang)
    elif options.json:
        answer(json.dumps(findings.to_json(found, options.lang), ensure_ascii=False))
    else:
        for line in findings.lines(found, options.lang):
            answer(line)
    return 0 if findings.works(found) else 1


def for_a_window(folder: Path, source: CardSource, lang: str) -> list[str]:
    """Return the page's lines: the verdict, problems, doubts, then what is well."""
    found = look.examine(place(folder, lambda: source))
    found.sort(key=lambda one: _WORST_FIRST.index(one.state))
    *lines, verdict = findings.lines(found, lang)
    return [verdict, *(" ".join(line.split()) for line in lines)]


def place(
    folder: Path, source: Callable[[], CardSource], *, online: bool = False
) -> look.Place:
    """Return what is looked at: this user, on this computer, now."""
    here = stores.here(SystemRunner(attended=False))
    now = datetime.datetime.now(datetime.UTC)
    return look.Place(folder, here.home, here.of_user(), source, now, online=online)


def _source(where: str) -> Callable[[], CardSource]:
    """Return what makes the readers that `--card` names; Usage when it names none."""
    if where != "pcsc":
        made = card_source(where)
        return lambda: made
    return _pcsc


def _pcsc() -> CardSource:
    """Return the readers of PC/SC; ImportError where the library is missing."""
    try:
        return card_source("pcsc")
    except Failure as failure:
        raise ImportError from failure


def _bundle(found: Sequence[Finding], path: Path, lang: str) -> None:
    """Show what a file for support would hold, and write it once the person agrees."""
    shared = [one.shared() for one in found]
    page = "\n".join(findings.lines(shared, lang))
    answer(text("doctor-bundle", lang))
    answer(page)
    sys.stdout.write(text("doctor-bundle-write", lang, path=quoted(str(path))))
    sys.stdout.flush()
    if sys.stdin is None or sys.stdin.readline().strip() != "y":
        raise Failure("user-cancelled")
    # In English, too: whoever helps may speak another language than the person.
    as_json = json.dumps(findings.to_json(shared, "en"), ensure_ascii=False, indent=1)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in (("doctor.txt", page), ("doctor.json", as_json)):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            archive.writestr(entry, content + "\n", zipfile.ZIP_DEFLATED)
    write_new(path, data.getvalue())
