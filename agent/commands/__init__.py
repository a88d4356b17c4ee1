"""What the commands share: failing, speaking, card sources; touches the streams."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent import host
from agent.commands.reasons import Located, Words, in_words
from agent.texts import text

if TYPE_CHECKING:
    from cardio.card import CardSource
    from cardio.virtual.profile import Profile, ProfileError
    from cardio.virtual.vpcd import VpcdUnavailable


class Failure(Exception):
    """A command failed: one sentence that says what to do; exit code 1.

    `key` names the sentence in the catalogues, `values` fill it; those that
    `agent.commands.reasons` knows are said in the sentence's language.
    """

    exit_code = 1

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def sentence(self, lang: str) -> str:
        """Return what happened and what to do, in a language."""
        said = {name: in_words(value, lang) for name, value in self.values.items()}
        return text(self.key, lang, **said)


class Usage(Failure):
    """A command was called wrongly; exit code 2."""

    exit_code = 2


def say(sentence: str) -> None:
    """Write a sentence to standard error, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"eid-agent: {sentence}\n")
        sys.stderr.flush()


def answer(result: str) -> None:
    """Write a result to standard output, at once; Failure, BrokenPipeError.

    An output that is closed is a Failure: nobody got the result.
    """
    if output_is_closed():
        raise Failure("cli-output", reason=Words("reason-closed"))
    announce(result)


def announce(line: str) -> None:
    """Write a line for whoever reads standard output, at once; Failure."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure("cli-output", reason=error) from None


def output_is_closed() -> bool:
    """Tell whether the program was started without a standard output.

    `agent.cli` has then opened the null device in its place.
    """
    return getattr(sys.stdout, "name", None) == os.devnull


def data_dir(chosen: Path | None) -> Path:
    """Return the data folder: the one named, else the platform's place."""
    return chosen if chosen is not None else host.data_dir()


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
    try:
        found[0].open("rb").close()
    except OSError as error:
        raise Usage("cli-pkcs11", module=found[0], reason=error) from None
    try:
        from cardio.beid.beside import Beside
        from cardio.pcsc import PcscReaders
        from cardio.pkcs11_source import Pkcs11Cards
    except ImportError as error:
        raise Failure("cli-no-pyscard") from error
    try:
        return Pkcs11Cards(found[0], Beside(PcscReaders()))
    except ModuleUnusable as error:
        raise Failure("cli-pkcs11", module=error.path, reason=error.reason) from None


def virtual_source(persona: str, *, pin: str | None = None) -> CardSource:
    """Return one virtual reader with a persona's card, or a folder's, in it."""
    from cardio.beid.source import BeidCards
    from cardio.virtual.card import VirtualCard
    from cardio.virtual.reader import VirtualReaders

    readers = VirtualReaders()
    readers.insert(VirtualCard(virtual_profile(persona, pin=pin)))
    return BeidCards(readers)


def virtual_profile(
    name: str | Path | None, *, applet: str | None = None, pin: str | None = None
) -> Profile:
    """Return the card of a persona or folder; Usage where there is none like that."""
    from cardio.virtual.personas import DEFAULT_PERSONA
    from cardio.virtual.profile import (
        ImpossibleApplet,
        ProfileError,
        UnknownPersona,
        load_profile,
    )
    from cardio.virtual.settings import is_pin

    if pin is not None and not is_pin(pin):
        raise Usage("cli-card-pin")
    try:
        return load_profile(name or DEFAULT_PERSONA, applet=applet, pin=pin)
    except UnknownPersona as error:
        raise Usage("cli-persona", value=repr(error.name)) from None
    except ImpossibleApplet as error:
        possible = ", ".join(error.possible)
        raise Usage(
            "cli-applet", card=error.name, applet=error.applet, possible=possible
        ) from None
    except ProfileError as error:
        raise Usage("cli-virtual", reason=_problem_of(error)) from None


def _problem_of(error: ProfileError) -> object:
    """Return what is wrong with a card folder, to be said in any language."""
    if error.place is None or not error.problem:
        return error
    words = Words(f"folder-{error.problem}", error.values)
    return Located(error.place, words)


def wake_the_service() -> None:
    """Call the PC/SC service, where there is a library for it.

    One that systemd starts at the first call has no virtual reader before that. Whether
    there is one after it, the reader's port tells.
    """
    from cardio.errors import CardError

    with contextlib.suppress(Failure, CardError):
        card_source("pcsc").readers()


def vpcd_failure(error: VpcdUnavailable) -> Failure:
    """Return what to say of a virtual reader that takes no card."""
    from cardio.virtual.vpcd import VpcdOccupied

    place = f"{error.host}:{error.port}"
    if isinstance(error, VpcdOccupied):
        return Failure("cli-vpcd-occupied", place=place)
    reason: object = error.__cause__
    if not isinstance(reason, OSError):
        hung_up = isinstance(reason, EOFError)
        reason = Words("reason-hung-up" if hung_up else "reason-other-program")
    return Failure("cli-no-vpcd", place=place, reason=reason)


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def need_new(path: Path) -> None:
    """Make sure that a file can be written there, and leave none; Failure.

    For what costs a person something, such as a PIN, before there is a file to write.
    """
    write_new(path, b"")
    path.unlink()


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, for its owner alone; Failure."""
    try:
        file = open(path, "xb", opener=_for_the_owner)  # noqa: SIM115
    except FileExistsError:
        raise Failure("cli-file-exists", path=path) from None
    except OSError as error:
        raise Failure("cli-file-unwritable", path=path, reason=error) from None
    try:
        with file:
            file.write(data)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a file would be in the next one's way
        raise Failure("cli-file-unwritable", path=path, reason=error) from None
