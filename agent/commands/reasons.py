"""Says why something failed in the person's language; touches nothing.

The system's own words are English or the locale's, so the usual ones have ours.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.texts import text

_KEYS = {
    errno.ENOENT: "reason-not-found",
    errno.EACCES: "reason-denied",
    errno.EPERM: "reason-denied",
    errno.EROFS: "reason-read-only",
    errno.ENOSPC: "reason-no-space",
    errno.EDQUOT: "reason-no-space",
    errno.ENOTDIR: "reason-no-folder",
    errno.EISDIR: "reason-folder",
    errno.ECONNREFUSED: "reason-nobody-listens",
    errno.EBADF: "reason-closed",
    errno.EEXIST: "reason-no-folder",  # what mkdir says of a file in its place
    errno.ENAMETOOLONG: "reason-name-too-long",
    errno.EHOSTUNREACH: "reason-unreachable",
    errno.ENETUNREACH: "reason-unreachable",
    errno.ECONNRESET: "reason-hung-up",
    errno.EPIPE: "reason-hung-up",
    errno.ETIMEDOUT: "reason-no-answer",
}


@dataclass(frozen=True)
class Words:
    """A sentence's part that the catalogues have, with the values that fill it."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Located:
    """A file or folder and what the system, or the catalogues, say of it."""

    path: Path
    problem: OSError | Words


def in_words(value: object, lang: str) -> object:
    """Return a value of a sentence as it is said in a language.

    An error keeps its own text, in which the system's words are replaced by ours.
    """
    if isinstance(value, Words):
        return text(value.key, lang, **value.values)
    if isinstance(value, Located):
        return f"{value.path}: {in_words(value.problem, lang)}"
    if not isinstance(value, Exception):
        return value
    system = _system_error(value)
    if system is None:
        return value
    ours = _ours(system, lang)
    if system is value:
        return ours
    theirs = system.strerror
    return str(value).replace(theirs, ours) if theirs else value


def _system_error(error: Exception) -> OSError | None:
    for found in (error, error.__cause__, error.__context__):
        if isinstance(found, OSError):
            return found
    return None


def _ours(error: OSError, lang: str) -> str:
    if isinstance(error, socket.gaierror):
        return text("reason-unknown-host", lang)
    if isinstance(error, TimeoutError):  # a socket's own has no number
        return text("reason-no-answer", lang)
    key = _KEYS.get(error.errno or 0)
    return text(key, lang) if key else error.strerror or str(error)
