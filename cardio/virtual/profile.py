"""What one virtual card holds, from a persona or a folder; touches named files only.

A card folder has one file an elementary file, raw as on the card, `card.toml` with
`applet`, `atr`, `pin` and `tries` (each optional), and the keys as PEM where the card
can sign. What is missing there is missing on the card.
"""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cardio import tlv
from cardio.errors import MalformedData
from cardio.files import EF, Key
from cardio.virtual import personalise, pkcs15, pki
from cardio.virtual.applets import APPLETS, Applet
from cardio.virtual.persona import Persona
from cardio.virtual.personas import CATALOGUE, DEFAULT_PERSONA, PERSONAS
from cardio.virtual.settings import (
    DEFAULT_PIN,
    MAX_TRIES,
    CardSettings,
    ProfileError,
    is_pin,
    read_file,
)
from cardio.virtual.signing import CHIP_ALGORITHMS

__all__ = [
    "DEFAULT_PIN",
    "MAX_TRIES",
    "ImpossibleApplet",
    "Life",
    "Profile",
    "ProfileError",
    "UnknownPersona",
    "load_profile",
    "write_profile",
]

_KEY_FILES = {
    Key.BASIC: "basic.key",
    Key.AUTHENTICATION: "authentication.key",
    Key.NON_REPUDIATION: "signature.key",
}


#: Card content 4.01, 4.3 and 2.8, 6.3.8: the SHA-1 of the CA role's key, invented, and
#: the preferences, which end at the first 00: there are none. Their length is ours.
_UP_TO_1_7 = {
    EF.ROLE_KEY_HASH: hashlib.sha256(b"TEST CA role").digest()[:20],
    EF.PREFERENCES: bytes(100),
}


class UnknownPersona(ProfileError):
    """The `name` is neither a persona's nor a folder's."""

    code = "unknown-persona"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is neither a persona ({', '.join(PERSONAS)}, or another that "
            "virtual-card --list names) nor a card folder"
        )
        self.name = name


class ImpossibleApplet(ProfileError):
    """There is no such card with this `applet`; `possible` are those that exist."""

    code = "impossible-applet"

    def __init__(self, name: str, applet: str, possible: tuple[str, ...]) -> None:
        super().__init__(
            f"{name} cannot have applet {applet}, only {' or '.join(possible)}"
        )
        self.name = name
        self.applet = applet
        self.possible = possible


@enum.unique
class Life(enum.Enum):
    """How far a card came on its way from the factory to its holder (manuals 2)."""

    PERSONALISATION = "personalisation"
    """SELECTABLE: GET CARD DATA alone works, the rest answers 6D00."""
    DEACTIVATED = "deactivated"
    """Personalised; files and keys wait for the activation at the town hall."""
    ACTIVE = "active"
    """In its holder's hands."""

    @property
    def byte(self) -> int:
        """What GET CARD DATA tells: 0F for everything that is personalised."""
        return 0x07 if self is Life.PERSONALISATION else 0x0F


@dataclass(frozen=True)
class Profile:
    """A card before it is powered: content, keys, PIN (a test PIN) and tries left.

    `files` are as stored, padding included; an EF that is not in it is absent. Reading
    a file of `pin_protected` takes a verified PIN: no issued card has one, but the
    manuals' table of PIN sequences does. `life` is ACTIVE on every card that was handed
    out; a card folder has no place for it.
    """

    name: str
    applet: str
    atr: bytes
    files: Mapping[EF, bytes] = field(repr=False)
    chip_serial: bytes
    keys: Mapping[Key, pki.PrivateKey] = field(repr=False)
    pin: str = field(default=DEFAULT_PIN, repr=False)
    tries: int = MAX_TRIES
    pin_protected: frozenset[EF] = frozenset()
    life: Life = Life.ACTIVE


def load_profile(
    name_or_folder: str | Path = DEFAULT_PERSONA,
    *,
    applet: str | None = None,
    pin: str | None = None,
) -> Profile:
    """Return the card of a persona, or of a folder of card files.

    `applet` personalises a persona anew for 1.7 or 1.8; `pin` replaces the test PIN.
    Raises UnknownPersona, ImpossibleApplet, ProfileError.
    """
    if pin is not None and not is_pin(pin):
        raise ProfileError("the PIN of a card has 4 to 12 digits")
    persona = CATALOGUE.get(str(name_or_folder))
    if persona is not None:
        return _from_persona(persona, applet, pin)
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise UnknownPersona(str(name_or_folder))
    return _from_folder(folder, applet, pin)


def write_profile(profile: Profile, folder: Path) -> None:
    """Write a card as a folder that `load_profile` reads; keys for the owner alone.

    Raises ProfileError for a card that was not activated: no file of a folder says so.
    """
    if profile.life is not Life.ACTIVE:
        raise ProfileError(f"{profile.name}: a card folder holds activated cards only")
    folder.mkdir(parents=True, exist_ok=True)
    for ef, data in profile.files.items():
        if ef.file_name is not None:
            (folder / ef.file_name).write_bytes(data)
    for key, private in profile.keys.items():
        _write_private(folder / _KEY_FILES[key], pki.dump_key(private))
    (folder / "card.toml").write_text(
        f'applet = "{profile.applet}"\n'
        f'atr = "{profile.atr.hex().upper()}"\n'
        f'pin = "{profile.pin}"\n'
        f"tries = {profile.tries}\n",
        encoding="utf-8",
    )


def _write_private(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)


# --- from a persona ------------------------------------------------------------------


def _from_persona(persona: Persona, applet: str | None, pin: str | None) -> Profile:
    applet = persona.applet if applet is None else applet
    if applet not in persona.applets:
        raise ImpossibleApplet(persona.name, applet, persona.applets)
    card = personalise.personalise(persona, applet)
    profile = _complete(
        name=persona.name,
        applet=APPLETS[applet],
        atr=APPLETS[applet].atr,
        files=card.files,
        keys=card.keys,
        pin=pin or DEFAULT_PIN,
        tries=persona.tries,
    )
    return profile if persona.active else replace(profile, life=Life.DEACTIVATED)


def _complete(
    *,
    name: str,
    applet: Applet,
    atr: bytes,
    files: Mapping[EF, bytes],
    keys: Mapping[Key, pki.PrivateKey],
    pin: str,
    tries: int,
) -> Profile:
    """Derive what the other files decide: chip number and PKCS#15 files.

    Applets up to 1.7 get the two files that belong to no person, too.
    """
    serial = _chip_serial(files)
    certificates = {
        ef for ef in (EF.AUTHENTICATION, EF.SIGNATURE) if any(files.get(ef, b""))
    }
    key = keys.get(Key.AUTHENTICATION)
    bits = applet.key_bits if key is None else key.key_size
    derived = pkcs15.files(applet, serial, bits, certificates)
    if not applet.is_1_8:
        derived |= _UP_TO_1_7
    return Profile(
        name, applet.version, atr, {**files, **derived}, serial, keys, pin, tries
    )


def _chip_serial(files: Mapping[EF, bytes]) -> bytes:
    """Return the chip number that the identity file names (tag 02).

    A damaged or absent identity file still gets a card with a number of its own.
    """
    try:
        serial = tlv.parse(files.get(EF.IDENTITY, b"")).get(0x02, b"")
    except MalformedData:
        serial = b""
    if len(serial) == 16:
        return serial
    whole = hashlib.sha256(b"".join(files[ef] for ef in EF if ef in files))
    return personalise.chip_serial(whole.hexdigest())


# --- from a folder -------------------------------------------------------------------


def _from_folder(folder: Path, wanted: str | None, pin: str | None) -> Profile:
    files = {
        ef: read_file(folder / ef.file_name)
        for ef in EF
        if ef.file_name is not None and (folder / ef.file_name).exists()
    }
    settings = folder / "card.toml"
    if not files and not settings.exists():
        raise ProfileError(
            "no card.toml and none of a card's files", folder, "no-files"
        )
    card = CardSettings(settings)
    applet = card.applet()
    if wanted not in (None, applet.version):
        # Its files are signed: another applet would need other ones.
        raise ImpossibleApplet(str(folder), str(wanted), (applet.version,))
    return _complete(
        name=folder.name,
        applet=applet,
        atr=card.atr(applet),
        files=files,
        keys=_keys(folder, applet),
        pin=pin or card.pin(),
        tries=card.tries(),
    )


def _keys(folder: Path, applet: Applet) -> dict[Key, pki.PrivateKey]:
    return {
        key: _key(folder / name, applet)
        for key, name in _KEY_FILES.items()
        if (folder / name).exists()
    }


def _key(path: Path, applet: Applet) -> pki.PrivateKey:
    try:
        key = pki.load_key(read_file(path))
    except ProfileError:
        raise
    except (ValueError, TypeError) as error:
        raise ProfileError(
            "no RSA or EC key in PEM without password", path, "no-key"
        ) from error
    if applet.is_1_8 != isinstance(key, ec.EllipticCurvePrivateKey):
        kind = "EC" if applet.is_1_8 else "RSA"
        raise ProfileError(
            f"applet {applet.version} takes an {kind} key here",
            path,
            "key-kind",
            applet=applet.version,
            kind=kind,
        )
    if applet.is_1_8 and key.key_size not in CHIP_ALGORITHMS:
        sizes = ", ".join(map(str, CHIP_ALGORITHMS))
        raise ProfileError(
            f"EC keys of a card have one of {sizes} bits", path, "key-size", sizes=sizes
        )
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size > 2048:
        raise ProfileError(
            "RSA keys of a card have up to 2048 bits", path, "key-long", limit=2048
        )
    return key
