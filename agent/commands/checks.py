"""What the commands that judge by checks share; touches the files of CAs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509

from agent.checks import Check, is_valid
from agent.commands import Usage
from agent.texts import shown_date, text
from agent.words import one_line

#: No CA file comes near this.
_MAX_CA_FILE = 1 << 20
_DATES = {"begin", "end"}
_MARKS = {True: "mark-true", False: "mark-false", None: "mark-none"}


def load_cas(path: Path) -> list[x509.Certificate]:
    """Return the CAs of a file, PEM (one or several) or DER; Usage."""
    from agent.relyingparty.trust import Anchors

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_CA_FILE)
    except OSError as error:
        raise Usage("cli-ca-unreadable", path=path, reason=error) from None
    try:
        if b"-----BEGIN" in data:
            cas = x509.load_pem_x509_certificates(data)
        else:
            cas = [x509.load_der_x509_certificate(data)]
        Anchors(cas)  # refuses what can be no anchor
    except ValueError:
        raise Usage("cli-ca-file", path=path) from None
    return cas


def detail(check: Check, lang: str, values: Mapping[str, str] | None = None) -> str:
    """Return what a check found; `values` instead of its own."""
    values = check.result.values if values is None else values
    return one_line(text(f"found-{check.result.reason}", lang, **values))


def _for_people(check: Check, lang: str) -> str:
    values = dict(check.result.values)
    for name in _DATES & values.keys():
        values[name] = shown_date(values[name], lang)
    return detail(check, lang, values)


def shown(checks: Sequence[Check], lang: str) -> list[str]:
    """Return a line for each check: whether it holds, which it is, what was found."""
    marks = [text(_mark(check), lang) for check in checks]
    width = max(map(len, marks))
    lines = []
    for mark, check in zip(marks, checks, strict=True):
        label, found = text(f"check-{check.name}", lang), _for_people(check, lang)
        said = text("labelled", lang, label=label, value=found)
        lines.append(f"{mark:{width}}  {said}")
    return lines


def _mark(check: Check) -> str:
    return _MARKS[check.ok] if check.applies else "mark-not-applicable"


def verdict(checks: Sequence[Check]) -> str:
    """Return what follows from all of them: wrong, open, test or valid."""
    if any(check.ok is False for check in checks):
        return "wrong"
    if not is_valid(checks):
        return "open"
    test = any(check.result.reason == "root-test" for check in checks)
    return "test" if test else "valid"
