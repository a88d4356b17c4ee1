"""The card.toml of a card folder and its other files; touches files that are named."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

from cardio.virtual.applets import APPLETS, Applet

_log = logging.getLogger(__name__)

DEFAULT_PIN = "1234"
MAX_TRIES = 3
#: READ BINARY reaches offsets up to 7FFF.
_MAX_FILE = 0x8000


class ProfileError(ValueError):
    """A card that cannot be played: the message names the file and its problem.

    For a message in another language `problem` names what is wrong with the file or
    folder `place`, with `values` that belong to it; the problem is empty where the
    cause, an OSError, says it.
    """

    code = "bad-card-folder"

    def __init__(
        self,
        message: str,
        place: Path | None = None,
        problem: str = "",
        **values: object,
    ) -> None:
        super().__init__(message if place is None else f"{place}: {message}")
        self.place = place
        self.problem = problem
        self.values = values


def read_file(path: Path) -> bytes:
    """Read a file of a card folder; ProfileError when it cannot be on a card."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(str(error.strerror), path) from error
    if len(data) > _MAX_FILE:
        raise ProfileError(
            f"longer than {_MAX_FILE} bytes", path, "too-long", limit=_MAX_FILE
        )
    return data


def is_pin(pin: str) -> bool:
    """Tell whether a text is a PIN that a card may have: 4 to 12 digits."""
    return pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 12


class CardSettings:
    """The members of a card.toml, each checked as it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, object] = {}
        if not path.exists():
            return
        try:
            self._members = tomllib.loads(read_file(path).decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ProfileError(
                f"is no TOML: {error}", path, "no-toml", detail=error
            ) from error
        for name in self._members.keys() - {"applet", "atr", "pin", "tries"}:
            _log.warning("%s: %s is not known and has no effect", path, name)

    def applet(self) -> Applet:
        """The applet; 1.8 when not said."""
        version = self._members.get("applet", "1.8")
        if not isinstance(version, str) or version not in APPLETS:
            known = ", ".join(f'"{name}"' for name in APPLETS)
            raise ProfileError(
                f"applet has to be one of {known}", self._path, "applet", known=known
            )
        return APPLETS[version]

    def atr(self, applet: Applet) -> bytes:
        """The answer to reset; the applet's own when not said."""
        text = self._members.get("atr")
        if text is None:
            return applet.atr
        try:
            atr = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            atr = b""
        if not 2 <= len(atr) <= 33 or atr[0] not in (0x3B, 0x3F):
            raise ProfileError(
                "atr has to be 2 to 33 bytes in hex, from 3B or 3F on",
                self._path,
                "atr",
            )
        return atr

    def pin(self) -> str:
        """The test PIN; 1234 when not said."""
        pin = self._members.get("pin", DEFAULT_PIN)
        if not isinstance(pin, str) or not is_pin(pin):
            raise ProfileError(
                "pin has to be 4 to 12 digits in quotes", self._path, "pin"
            )
        return pin

    def tries(self) -> int:
        """The tries left; 3 when not said."""
        tries = self._members.get("tries", MAX_TRIES)
        if type(tries) is not int or not 0 <= tries <= MAX_TRIES:
            raise ProfileError(
                f"tries has to be a number from 0 to {MAX_TRIES}",
                self._path,
                "tries",
                limit=MAX_TRIES,
            )
        return tries
