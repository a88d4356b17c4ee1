"""What one virtual card holds: from a persona, or from a folder of files.

Touches the cache folder (personas, through `pki`) and the folder that is named.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from cardio import tlv
from cardio.files import ATR_1_7, ATR_1_8, CERTIFICATES, EF, Key
from cardio.virtual import pkcs15, pki
from cardio.virtual.personas import DEFAULT_PERSONA, PERSONAS, Persona

APPLETS = ("1.0", "1.1", "1.7", "1.8")
_ATRS = {"1.8": ATR_1_8}
_KEY_FILES = {
    Key.BASIC: "basic.key",
    Key.AUTHENTICATION: "authentication.key",
    Key.NON_REPUDIATION: "signature.key",
}
#: EC signatures of the National Register fill a file of this size with zeros.
_SIGNATURE_FILE = 256
_ADDRESS_FILE = 121


class ProfileError(ValueError):
    """A card folder that cannot be used; the message names file and problem."""


class UnknownPersona(ProfileError):
    """Neither a persona's name nor a folder."""


class ImpossibleApplet(ProfileError):
    """This persona's card does not exist with the applet that was asked for."""


@dataclass(frozen=True)
class Profile:
    """A card's content: files as stored (padding included), keys, test PIN, tries."""

    name: str
    applet: str
    atr: bytes
    files: Mapping[EF, bytes]
    chip_serial: bytes
    keys: Mapping[Key, pki.PrivateKey] = field(repr=False)
    pin: str = field(default="1234", repr=False)
    tries: int = 3


def load_profile(
    name: str | Path = DEFAULT_PERSONA,
    *,
    applet: str | None = None,
    pin: str | None = None,
) -> Profile:
    """Return the card of a persona, or of a folder of card files.

    `applet` personalises a persona for another applet, `pin` gives another test PIN.
    Raises UnknownPersona, ImpossibleApplet, ProfileError.
    """
    persona = PERSONAS.get(str(name))
    if persona is not None:
        profile = _from_persona(persona, applet or persona.applets[0])
    elif Path(name).is_dir():
        if applet is not None:
            raise ImpossibleApplet("a folder's card has the applet of its card.toml")
        profile = from_folder(Path(name))
    else:
        known = ", ".join(PERSONAS)
        raise UnknownPersona(f"no persona and no folder: {name} (personas: {known})")
    if pin is None:
        return profile
    return replace(profile, pin=_checked_pin(pin, "the PIN"))


def _checked_pin(pin: object, where: str) -> str:
    if not (isinstance(pin, str) and pin.isascii() and pin.isdigit()):
        raise ProfileError(f"{where} has to be 4 to 12 digits")
    if not 4 <= len(pin) <= 12:
        raise ProfileError(f"{where} has to be 4 to 12 digits")
    return pin


# --- from a folder -------------------------------------------------------------------


def from_folder(folder: Path) -> Profile:
    """Load a folder of card files; ProfileError names file and problem."""
    settings = _settings(folder / "card.toml")
    applet = settings.get("applet", "1.8")
    if applet not in APPLETS:
        raise ProfileError(f"card.toml: applet has to be one of {', '.join(APPLETS)}")
    tries = settings.get("tries", 3)
    if not isinstance(tries, int) or isinstance(tries, bool) or not 0 <= tries <= 3:
        raise ProfileError("card.toml: tries has to be 0, 1, 2 or 3")
    stored = {
        ef: _read(folder / ef.file_name)
        for ef in EF
        if ef.file_name and (folder / ef.file_name).is_file()
    }
    if not stored:
        raise ProfileError(f"{folder} holds none of the card's files")
    keys = {
        key: _load_key(folder / name)
        for key, name in _KEY_FILES.items()
        if (folder / name).is_file()
    }
    atr = _atr(settings.get("atr"), applet)
    pin = _checked_pin(settings.get("pin", "1234"), "card.toml: pin")
    return build(folder.name, applet, atr, stored, keys, pin=pin, tries=tries)


def _settings(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(_read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"card.toml: {error}") from None
    unknown = settings.keys() - {"applet", "atr", "pin", "tries"}
    if unknown:
        raise ProfileError(f"card.toml: unknown: {', '.join(sorted(unknown))}")
    return settings


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(f"{path.name}: {error.strerror}") from None
    if len(data) > 0x7F00:
        raise ProfileError(f"{path.name}: too long for a card")
    return data


def _load_key(path: Path) -> pki.PrivateKey:
    try:
        return pki.load_key(_read(path))
    except (ValueError, TypeError) as error:
        raise ProfileError(f"{path.name}: no usable private key") from error


def _atr(text: object, applet: str) -> bytes:
    if text is None:
        return _ATRS.get(applet, ATR_1_7)
    try:
        atr = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        atr = b""
    if not 2 <= len(atr) <= 33:
        raise ProfileError("card.toml: atr has to be 2 to 33 bytes in hex")
    return atr


def build(
    name: str,
    applet: str,
    atr: bytes,
    stored: Mapping[EF, bytes],
    keys: Mapping[Key, pki.PrivateKey],
    *,
    pin: str,
    tries: int,
) -> Profile:
    """Complete a card: derived PKCS#15 files, padding of certificate files."""
    chip_serial = _chip_serial(name, stored.get(EF.IDENTITY, b""))
    present = frozenset(
        ef for ef in (EF.AUTHENTICATION, EF.SIGNATURE) if any(stored.get(ef, b""))
    )
    files = {ef: _padded(ef, data, applet) for ef, data in stored.items()}
    files |= pkcs15.files(applet, chip_serial, present)
    return Profile(name, applet, atr, files, chip_serial, keys, pin, tries)


def _chip_serial(name: str, identity: bytes) -> bytes:
    """Take the chip number of the identity file (tag 02), which the chip repeats."""
    try:
        serial = tlv.parse(identity).get(0x02, b"")
    except ValueError:
        serial = b""
    except Exception:
        serial = b""
    return serial if len(serial) == 16 else pki.serial_from(name)


def _padded(ef: EF, data: bytes, applet: str) -> bytes:
    """Pad a bare certificate as the applet's files are (card content 4.3, note)."""
    if ef not in CERTIFICATES or data[:1] != b"\x30":
        return data
    if len(data) > tlv.der_length(data[:6]):
        return data
    if applet == "1.8":
        return data + bytes(1100)
    return data if ef in (EF.ROOT, EF.RRN) else data + bytes(50)


def write_profile(profile: Profile, folder: Path) -> None:
    """Write a card as a folder that `load_profile` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for ef, data in profile.files.items():
        if ef.file_name:
            (folder / ef.file_name).write_bytes(data)
    for key, private in profile.keys.items():
        pki.write_private(folder / _KEY_FILES[key], pki.dump_key(private))
    (folder / "card.toml").write_text(
        f'applet = "{profile.applet}"\natr = "{profile.atr.hex().upper()}"\n'
        f'pin = "{profile.pin}"\ntries = {profile.tries}\n',
        encoding="utf-8",
    )


# --- from a persona ------------------------------------------------------------------


def _from_persona(persona: Persona, applet: str) -> Profile:
    if applet not in persona.applets:
        raise ImpossibleApplet(
            f"{persona.name} has no card with applet {applet}, only with "
            + " or ".join(persona.applets)
        )
    kind: pki.Kind = "ec" if applet == "1.8" else "rsa"
    year = datetime.datetime.now(datetime.UTC).year
    name = f"{persona.name}-{applet}-{pki.fingerprint(kind)}-{year}"
    folder = pki.cached(
        name, lambda work: write_profile(_personalise(persona, applet), work)
    )
    return replace(from_folder(folder), name=persona.name)


def _personalise(persona: Persona, applet: str) -> Profile:
    """Make keys, certificates and signed files for one card."""
    kind: pki.Kind = "ec" if applet == "1.8" else "rsa"
    authority = pki.hierarchy(kind)
    issuer = authority.foreigner_ca if persona.foreigner else authority.citizen_ca
    stored: dict[EF, bytes] = {
        EF.CA: _der(issuer.certificate),
        EF.ROOT: _der(authority.root.certificate),
        EF.RRN: _der(authority.rrn.certificate),
        EF.PHOTO: _photo(),
    }
    keys = {Key.BASIC: pki.new_key(kind)} if applet == "1.8" else {}
    empty = bytes(2500 if applet == "1.8" else 1300)
    stored |= {EF.AUTHENTICATION: empty, EF.SIGNATURE: empty}
    if persona.certificates:
        keys |= _holder(persona, kind, issuer, stored)
    if applet == "1.8":
        stored[EF.BASIC_KEY] = _public_key(keys[Key.BASIC])
    _sign_data(persona, applet, authority.rrn.key, stored)
    atr = _ATRS.get(applet, ATR_1_7)
    return build(
        persona.name, applet, atr, stored, keys, pin="1234", tries=persona.tries
    )


def _holder(
    persona: Persona, kind: pki.Kind, issuer: pki.Pair, stored: dict[EF, bytes]
) -> dict[Key, pki.PrivateKey]:
    """Issue both certificates of the holder, valid as long as the card."""
    valid = (_moment(persona.issued), _moment(persona.expires))
    keys: dict[Key, pki.PrivateKey] = {}
    for key, ef, purpose in (
        (Key.AUTHENTICATION, EF.AUTHENTICATION, "Authentication"),
        (Key.NON_REPUDIATION, EF.SIGNATURE, "Signature"),
    ):
        keys[key] = pki.new_key(kind)
        certificate = pki.holder_certificate(
            _subject(persona, purpose),
            keys[key],
            issuer,
            valid,
            login=ef is EF.AUTHENTICATION,
        )
        stored[ef] = _der(certificate)
    return keys


def _subject(persona: Persona, purpose: str) -> x509.Name:
    first = persona.given_names.split()[0]
    # 64 bytes at most for a common name; the purpose must stay readable.
    room = 64 - len(purpose) - 3
    common = f"{first} {persona.surname}".encode()[:room].decode(errors="ignore")
    common = f"{common} ({purpose})"
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.SURNAME, persona.surname),
            x509.NameAttribute(NameOID.GIVEN_NAME, persona.given_names),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, persona.national_number),
        ]
    )


def _moment(iso: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(iso).replace(tzinfo=datetime.UTC)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _public_key(key: pki.PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _photo() -> bytes:
    return (
        importlib.resources.files("cardio.virtual") / "photos/test.jpg"
    ).read_bytes()


def _sign_data(
    persona: Persona, applet: str, rrn_key: pki.PrivateKey, stored: dict[EF, bytes]
) -> None:
    """Write identity and address and have the National Register's key sign them.

    The address is signed trimmed of its zeros, followed by the whole identity
    signature file (card content 6.2.5). No file structure version (tag 00): no issued
    card that was ever published carries it, and readers of the address stop at a zero.
    """
    chip_serial = pki.serial_from(f"{persona.name} {applet}")
    identity = identity_fields(persona, applet, chip_serial, stored)
    stored[EF.IDENTITY] = tlv.encode(identity)
    address = tlv.encode({tag: text.encode() for tag, text in persona.address.items()})
    stored[EF.ADDRESS] = address.ljust(_ADDRESS_FILE, b"\0")
    stored[EF.IDENTITY_SIGNATURE] = rrn_sign(rrn_key, stored[EF.IDENTITY])
    stored[EF.ADDRESS_SIGNATURE] = rrn_sign(
        rrn_key, address + stored[EF.IDENTITY_SIGNATURE]
    )


def identity_fields(
    persona: Persona, applet: str, chip_serial: bytes, stored: Mapping[EF, bytes]
) -> dict[int, bytes]:
    """Return the identity file's fields in the order of their tags.

    The photo hash is SHA-384 on 1.8 and SHA-256 on 1.7, as on its later cards.
    """
    texts = {0x01: persona.card_number, **persona.identity}
    if applet == "1.8":
        texts |= persona.tags_1_8
    fields = {tag: text.encode() for tag, text in texts.items()}
    fields[0x02] = chip_serial
    photo_hash = hashlib.sha384 if applet == "1.8" else hashlib.sha256
    fields[0x11] = photo_hash(stored[EF.PHOTO]).digest()
    if applet == "1.8":
        fields[0x1A] = hashlib.sha384(stored[EF.BASIC_KEY]).digest()
    return dict(sorted(fields.items()))


def rrn_sign(key: pki.PrivateKey, data: bytes) -> bytes:
    """Sign as the National Register does; EC signatures fill their file with zeros."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA384())).ljust(_SIGNATURE_FILE, b"\0")
