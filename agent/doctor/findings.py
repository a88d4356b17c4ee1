"""What was found: state, what it means, what to do; as text and as JSON; pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.texts import shown_date, text
from agent.words import quoted


class State(enum.Enum):
    """How it stands with one thing; `PROBLEM` alone makes the whole not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


#: The lines of the page, in its order.
LINES = (
    "version",
    "release",
    "agent",
    "port",
    "certificate",
    "connection",
    "trust",
    "permission",
    "browser-policy",
    "confined",
    "proxy",
    "policy",
    "data",
    "clock",
    "windows",
    "service",
    "driver",
    "vpcd",
    "reader",
    "card",
    "card-certificate",
    "pin",
    "software",
)

_OK = """
version data-good release-current release-unasked release-off agent-running port-free
port-own certificate-good connection-own trust-yes permission-clean browser-policy-none
browser-policy-good confined-none proxy-none policy-none policy-good clock-good
windows-good service-good driver-good vpcd-none reader-good card-good
card-certificate-good pin-good software-none software-other
"""
_WARNING = """
data-origins data-journal release-newer release-refused release-unreachable port-outside
port-shared port-other-agent certificate-none certificate-ends trust-nowhere
permission-unread browser-policy-unread confined-found proxy-used windows-none
windows-screen vpcd-open reader-gempc reader-spr card-certificate-ends
card-certificate-none pin-few
"""
_PROBLEM = """
agent-absent agent-silent agent-folder port-taken certificate-ended certificate-early
certificate-damaged connection-intercepted connection-failed trust-no
permission-blocked browser-policy-malformed browser-policy-blocks proxy-localhost
policy-malformed clock-behind service-library service-absent service-stopped
service-refused service-mute service-module driver-missing driver-unseen reader-none
card-none card-mute card-unknown card-busy card-inactive card-illegible card-old
card-certificate-ended card-certificate-early pin-blocked
"""
_UNKNOWN = "trust-unknown pin-unknown failed"

#: Every code and its state.
STATES = {
    code: state
    for state, codes in (
        (State.OK, _OK),
        (State.WARNING, _WARNING),
        (State.PROBLEM, _PROBLEM),
        (State.UNKNOWN, _UNKNOWN),
    )
    for code in codes.split()
}

#: Values that name no person, computer, site or chip: what a bundle may hold.
_NAMES = "version python system port free applet tries count store why software newest"
_SHARED = frozenset(_NAMES.split())
_LEFT_OUT = "…"


@dataclass(frozen=True)
class Phrase:
    """A value that the catalogues have words for, with what fills them."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One line of the page.

    `code` names what was found, for programs and for the sentences; `values` fill
    these. Those named `date` are of ISO 8601.
    """

    line: str
    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """How it stands."""
        return STATES[self.code]

    def detail(self, lang: str) -> str:
        """Return what was found and what it means, in one line."""
        return text(f"doctor-{self.code}", lang, **self._said(lang))

    def remedy(self, lang: str) -> str | None:
        """Return what to do, in one line; None where it is well."""
        if self.state is State.OK:
            return None
        return text(f"doctor-do-{self.code}", lang, **self._said(lang))

    def _said(self, lang: str) -> dict[str, object]:
        return {name: _shown(name, value, lang) for name, value in self.values.items()}

    def shared(self) -> Finding:
        """Return it without anything that tells whose computer, site or card it is."""
        values = {name: _to_share(name, value) for name, value in self.values.items()}
        return Finding(self.line, self.code, values)


def found(code: str, **values: object) -> Finding:
    """Return a finding in the line that its code begins with."""
    line = max((line for line in LINES if f"{code}-".startswith(f"{line}-")), key=len)
    return Finding(line, code, values)


def failed(line: str, error: Exception) -> Finding:
    """Return that a line could not be looked at."""
    return Finding(line, "failed", {"error": type(error).__name__})


def _shown(name: str, value: object, lang: str) -> object:
    """Return a value as a sentence has it; foreign words stay in one line."""
    if isinstance(value, Phrase):
        filled = {key: quoted(str(each)) for key, each in value.values.items()}
        return text(value.key, lang, **filled)
    if name == "date":
        return shown_date(str(value), lang)
    return quoted(str(value))


def _to_share(name: str, value: object) -> object:
    if name == "reader":
        return model(str(value))
    return value if name in _SHARED else _LEFT_OUT


def model(reader: str) -> str:
    """Return a reader's name without what can tell one from another of its model.

    The service puts the serial number in brackets; a word with a longer number in it
    is taken for one, too.
    """
    words = re.split(r"[(\[]", reader)[0].split()
    kept = [word for word in words if word.isascii() and not re.search(r"\d{5}", word)]
    return " ".join(kept) or _LEFT_OUT


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings as the page has them."""
    return sorted(findings, key=lambda one: LINES.index(one.line))


def works(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing was found that keeps sites from the card."""
    return all(one.state is not State.PROBLEM for one in findings)


def lines(findings: Sequence[Finding], lang: str) -> list[str]:
    """Return the page: a line for each finding, one more for what to do, a verdict."""
    marks = [text(f"doctor-state-{one.state.value}", lang) for one in findings]
    width = max(map(len, marks), default=0)
    page = []
    for mark, one in zip(marks, findings, strict=True):
        label = text(f"doctor-line-{one.line}", lang)
        said = text("labelled", lang, label=label, value=one.detail(lang))
        page.append(f"{mark:{width}}  {said}")
        if (remedy := one.remedy(lang)) is not None:
            page.append(f"{'':{width}}  -> {remedy}")
    return [*page, verdict(findings, lang)]


def verdict(findings: Sequence[Finding], lang: str) -> str:
    """Return what follows from all of them."""
    count = sum(one.state is State.PROBLEM for one in findings)
    if count:
        return text("doctor-verdict-problem", lang, count=count)
    doubts = any(one.state is not State.OK for one in findings)
    return text("doctor-verdict-doubt" if doubts else "doctor-verdict-ok", lang)


def to_json(findings: Sequence[Finding], lang: str) -> dict[str, object]:
    """Return the page for programs: `works`, and each finding."""
    return {
        "works": works(findings),
        "findings": [
            {
                "line": one.line,
                "code": one.code,
                "state": one.state.value,
                "detail": one.detail(lang),
                "remedy": one.remedy(lang),
            }
            for one in findings
        ],
    }
