"""What the commands share: failing, speaking, card sources; touches the streams."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.texts import text

if TYPE_CHECKING:
    from cardio.card import CardSource


class Failure(Exception):
    """A command failed: one sentence that says what to do; exit code 1.

    `key` names the sentence in the catalogues, `values` fill it.
    """

    exit_code = 1

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def sentence(self, lang: str) -> str:
        """Return what happened and what to do, in a language."""
        return text(self.key, lang, **self.values)


class Usage(Failure):
    """A command was called wrongly; exit code 2."""

    exit_code = 2


def say(sentence: str) -> None:
    """Write a sentence to standard error, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"eid-agent: {sentence}\n")
        sys.stderr.flush()


def answer(result: str) -> None:
    """Write a result to standard output, at once; Failure, BrokenPipeError."""
    try:
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure("cli-output", reason=error.strerror) from None


def card_source(where: str) -> CardSource:
    """Return the readers that `--card` names; Usage when it names none."""
    kind, _, rest = where.partition(":")
    if where == "pcsc":
        return _pcsc()
    if kind == "virtual":
        return virtual_source(rest)
    if kind == "pkcs11":
        return _pkcs11(rest)
    raise Usage("cli-card", value=repr(where))


def _pcsc() -> CardSource:
    try:
        from cardio.beid.source import BeidCards
        from cardio.pcsc import PcscReaders
    except ImportError as error:
        raise Failure("cli-no-pyscard") from error
    return BeidCards(PcscReaders())


def _pkcs11(path: str) -> CardSource:
    """Return the slots of a module; without a path, of the first that is installed."""
    from cardio.errors import ModuleUnusable
    from cardio.pkcs11_places import installed

    found = (Path(path),) if path else installed()
    if not found:
        raise Failure("cli-pkcs11-none")
    if not found[0].is_file():
        raise Usage("cli-pkcs11", reason=f"{found[0]}: {os.strerror(errno.ENOENT)}")
    try:
        from cardio.beid.beside import Beside
        from cardio.pcsc import PcscReaders
        from cardio.pkcs11_source import Pkcs11Cards
    except ImportError as error:
        raise Failure("cli-no-pyscard") from error
    try:
        return Pkcs11Cards(found[0], Beside(PcscReaders()))
    except ModuleUnusable as error:
        raise Failure("cli-pkcs11", reason=error) from None


def virtual_source(persona: str, *, pin: str | None = None) -> CardSource:
    """Return one virtual reader with a persona's card, or a folder's, in it."""
    from cardio.beid.source import BeidCards
    from cardio.virtual.card import VirtualCard
    from cardio.virtual.personas import DEFAULT_PERSONA
    from cardio.virtual.profile import ProfileError, load_profile
    from cardio.virtual.reader import VirtualReaders

    try:
        profile = load_profile(persona or DEFAULT_PERSONA, pin=pin)
    except ProfileError as error:
        raise Usage("cli-virtual", reason=error) from None
    readers = VirtualReaders()
    readers.insert(VirtualCard(profile))
    return BeidCards(readers)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet; Failure when it is, or cannot be written."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise Failure("cli-file-exists", path=path) from None
    except OSError as error:
        raise Failure("cli-file-unwritable", path=path, reason=error.strerror) from None
