"""The commands, one module each; here what they share: failing, speaking, sources."""

from __future__ import annotations

import sys
from pathlib import Path

from cardio.readers import ReaderSource


class Failure(Exception):
    """A command failed: one sentence that says what to do; exit code 1."""

    exit_code = 1


class Usage(Exception):
    """A command was called wrongly; exit code 2."""

    exit_code = 2


def say(text: str) -> None:
    """Write a sentence to standard error."""
    sys.stderr.write(f"eid-agent: {text}\n")
    sys.stderr.flush()


def answer(text: str) -> None:
    """Write a result to standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def card_source(where: str) -> ReaderSource:
    """Return the readers that `--card` names; Usage when it names none."""
    kind, _, rest = where.partition(":")
    if where == "pcsc":
        return _pcsc()
    if kind == "virtual":
        return virtual_source(rest)
    if kind == "pkcs11":
        raise Usage("--card pkcs11: is not built yet; use --card pcsc")
    raise Usage(f"--card takes pcsc or virtual[:PERSONA], not {where!r}")


def _pcsc() -> ReaderSource:
    try:
        from cardio.pcsc import PcscReaders
    except ImportError as error:
        raise Failure(
            "the smart card library is missing; install it with "
            "`pip install 'eid-agent[card]'`"
        ) from error
    return PcscReaders()


def virtual_source(persona: str, *, pin: str | None = None) -> ReaderSource:
    """Return one virtual reader with a persona's card, or a folder's, in it."""
    from cardio.virtual.card import VirtualCard
    from cardio.virtual.personas import DEFAULT_PERSONA
    from cardio.virtual.profile import ProfileError, load_profile
    from cardio.virtual.reader import VirtualReaders

    try:
        profile = load_profile(persona or DEFAULT_PERSONA, pin=pin)
    except ProfileError as error:
        raise Usage(str(error)) from None
    readers = VirtualReaders()
    readers.insert(VirtualCard(profile))
    return readers


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet; Failure when it is, or cannot be written."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise Failure(f"{path} is there already; name another file") from None
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from None
