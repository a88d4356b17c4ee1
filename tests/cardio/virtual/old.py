"""A card of applet 1.0 or 1.1 with RSA keys of 1024 bits, as a card folder."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cardio.files import EF, Key
from cardio.virtual import pki
from cardio.virtual.applets import APPLETS
from cardio.virtual.profile import Profile, load_profile, write_profile

_HOLDER = {Key.AUTHENTICATION: EF.AUTHENTICATION, Key.NON_REPUDIATION: EF.SIGNATURE}


def old_card(applet: str, folder: Path) -> Profile:
    """Write such a card into a folder and load it from there, as `--files` does."""
    made = load_profile("adult-1.7")
    authority = pki.hierarchy("rsa").citizen_ca
    issuer = pki.Issuer(authority.certificate.subject, authority.key)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Julien (of old)")])
    keys, files = {}, dict(made.files)
    for key, ef in _HOLDER.items():
        private = rsa.generate_private_key(65537, 1024)  # noqa: S505  # as they had
        keys[key] = private
        certificate = pki.holder_certificate(
            name,
            private,
            issuer,
            (now - datetime.timedelta(1), now + datetime.timedelta(365)),
            authentication=key == Key.AUTHENTICATION,
        )
        files[ef] = certificate.public_bytes(Encoding.DER)
    atr = APPLETS[applet].atr
    write_profile(replace(made, applet=applet, atr=atr, files=files, keys=keys), folder)
    return load_profile(folder)
