"""SoftHSM2 tokens with a Belgian card's certificates and keys, in a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pkcs11
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute, ObjectClass
from pkcs11.util.ec import decode_ec_private_key
from pkcs11.util.rsa import decode_rsa_private_key
from pkcs11.util.x509 import decode_x509_certificate

from cardio import tlv
from cardio.files import EF, Key
from cardio.virtual.profile import Profile, load_profile

PIN = "1234"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
_KEYS = (
    (Key.AUTHENTICATION, EF.AUTHENTICATION, 2),
    (Key.NON_REPUDIATION, EF.SIGNATURE, 3),
)


def module() -> Path | None:
    """Return SoftHSM2's module, if it is installed."""
    return next((Path(path) for path in _MODULES if Path(path).is_file()), None)


def make_tokens(folder: Path, personas: Sequence[str]) -> None:
    """Make a token for each persona; SOFTHSM2_CONF has to point at the folder."""
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\n", encoding="ascii"
    )
    for number, _ in enumerate(personas):
        words = ["--init-token", "--free", "--label", f"BELPIC {number}"]
        pins = ["--pin", PIN, "--so-pin", "12345678"]
        subprocess.run(
            ["softhsm2-util", *words, *pins], check=True, capture_output=True
        )


def personalise(library: Any, number: int, persona: str) -> None:
    """Put a persona's certificates and keys into token `number`, as a card has them.

    The signature key asks for a login before each use, as on the card.
    """
    profile = load_profile(persona)
    with logged_in(library, number) as session:
        for key, ef, identifier in _KEYS:
            common = {
                Attribute.LABEL: "Authentication" if identifier == 2 else "Signature",
                Attribute.ID: bytes([identifier]),
                Attribute.TOKEN: True,
            }
            session.create_object({**_certificate(profile, ef), **common})
            private = {
                Attribute.PRIVATE: True,
                Attribute.SENSITIVE: True,
                Attribute.SIGN: True,
                Attribute.ALWAYS_AUTHENTICATE: identifier == 3,
            }
            session.create_object({**_private(profile, key), **common, **private})


@contextmanager
def logged_in(library: Any, number: int) -> Iterator[Any]:
    """Yield a session with a login, as any other part of the program may have one."""
    session = token(library, number).open(rw=True, user_pin=PIN)
    try:
        yield session
    finally:
        session.close()


def _certificate(profile: Profile, ef: EF) -> dict[Any, Any]:
    data = profile.files[ef]
    return dict(decode_x509_certificate(data[: tlv.der_length(data[:6])]))


def _private(profile: Profile, key: Key) -> dict[Any, Any]:
    private = profile.keys[key]
    der = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    decode = (
        decode_rsa_private_key
        if isinstance(private, rsa.RSAPrivateKey)
        else decode_ec_private_key
    )
    return {**decode(der), Attribute.CLASS: ObjectClass.PRIVATE_KEY}


def token(library: Any, number: int) -> Any:
    """Return token `number`."""
    return library.get_token(token_label=f"BELPIC {number}")


def open_library(path: Path) -> Any:
    """Return the module as python-pkcs11 shows it; one for the whole process."""
    return pkcs11.lib(os.fspath(path))
