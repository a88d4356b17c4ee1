"""A FAKE of the official Belgian PKCS#11 module, after its description; no C, no card.

The real one is not in Debian. What it does that neither OpenSC nor SoftHSM2 does is
played here: its own PIN dialog, no login flag, a second C_Login that is OK without any
dialog, files as data objects, CKA_ID as a native unsigned long. Nothing here shows that
the real module works with this program.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from pkcs11 import (
    Attribute,
    Mechanism,
    ObjectClass,
    SlotFlag,
    TokenFlag,
    TokenNotPresent,
)

from cardio import tlv
from cardio.cryptoki import CKR, PssParameters, Refused
from cardio.files import EF, Key
from cardio.virtual.profile import Profile

SLOT = "Fake reader 00 00"
_FILES = (
    (EF.IDENTITY, "DATA_FILE", b"id"),
    (EF.ADDRESS, "ADDRESS_FILE", b"address"),
    (EF.PHOTO, "PHOTO_FILE", b"photo"),
    (EF.IDENTITY_SIGNATURE, "SIGN_DATA_FILE", b"sign_data_file"),
    (EF.ADDRESS_SIGNATURE, "SIGN_ADDRESS_FILE", b"sign_address_file"),
    (EF.RRN, "CERT_RN_FILE", b"rncert"),
    (EF.BASIC_KEY, "BASIC_KEY_FILE", b"basic_key_file"),
)
_CERTIFICATES = (
    (EF.AUTHENTICATION, "Authentication", 2),
    (EF.SIGNATURE, "Signature", 3),
    (EF.CA, "CA", 4),
    (EF.ROOT, "Root", 6),
)


@dataclass
class FakeOfficialModule:
    """Both halves: the library as python-pkcs11 shows it, and the login functions.

    `dialog` is what the person does at each dialog: a return code of C_Login.
    """

    profile: Profile
    dialog: list[CKR] = field(default_factory=list)
    dialogs: int = 0
    signed: int = 0
    logged_in: bool = False
    present: bool = True
    #: After a wrong PIN a flag of the token tells that one try is left.
    flags_last_try: bool = False
    last_try: bool = False

    manufacturer_id = "Belgium Government"

    # --- the library -----------------------------------------------------------------

    def get_slots(self) -> list[Any]:
        """One reader."""
        flags = SlotFlag.HW_SLOT | SlotFlag.REMOVABLE_DEVICE
        flags |= SlotFlag.TOKEN_PRESENT if self.present else SlotFlag(0)
        return [
            SimpleNamespace(
                slot_id=0,
                slot_description=SLOT,
                flags=flags,
                get_token=self._token,
                get_mechanisms=lambda: {Mechanism.RSA_PKCS, Mechanism.ECDSA},
            )
        ]

    def _token(self) -> Any:
        if not self.present:
            raise TokenNotPresent
        flags = TokenFlag.WRITE_PROTECTED | TokenFlag.TOKEN_INITIALIZED
        if self.last_try:
            flags |= TokenFlag.USER_PIN_FINAL_TRY
        return SimpleNamespace(
            label="BELPIC",
            serial=self.profile.chip_serial.hex()[-16:].upper().encode(),
            firmware_version=(0x18 if self.profile.applet == "1.8" else 0x17, 0),
            flags=flags,
            open=lambda: SimpleNamespace(
                handle=1, get_objects=self._find, close=lambda: None
            ),
        )

    def _find(self, template: dict[Attribute, Any]) -> Iterator[Any]:
        """Data objects only where their class is asked for."""
        if not self.present:
            raise TokenNotPresent
        for one in self._all():
            if one.wanted_by(template):
                yield one

    def _all(self) -> Iterator[_Object]:
        card_data = self.profile.chip_serial + bytes(5)
        version = b"\x18" if self.profile.applet == "1.8" else b"\x17"
        card_data += version + bytes(5) + b"\x0f"
        yield _data("CARD_DATA", b"carddata", card_data)
        for ef, label, group in _FILES:
            if ef in self.profile.files:
                yield _data(label, group, self.profile.files[ef])
        for ef, label, number in _CERTIFICATES:
            value = self.profile.files.get(ef, b"")
            if any(value[:4]):
                value = value[: tlv.der_length(value[:6])]
                yield _numbered(ObjectClass.CERTIFICATE, label, number, value)
        for label, number in (("Authentication", 2), ("Signature", 3)):
            yield _numbered(ObjectClass.PRIVATE_KEY, label, number, b"")

    # --- the functions of cardio.cryptoki --------------------------------------------

    def login(
        self, session: int, pin: bytearray | None, *, context_specific: bool = False
    ) -> None:
        """Show the dialog, but for somebody who is logged in already."""
        assert pin is None
        assert not context_specific
        if self.logged_in:
            return
        self.dialogs += 1
        code = self.dialog.pop(0) if self.dialog else CKR.OK
        if code != CKR.OK:
            self.last_try = self.flags_last_try and code == CKR.PIN_INCORRECT
            raise Refused("C_Login", code)
        self.logged_in, self.last_try = True, False

    def logout(self, session: int) -> None:
        """LOG OFF, for somebody who is logged in."""
        if not self.logged_in:
            raise Refused("C_Logout", CKR.USER_NOT_LOGGED_IN)
        self.logged_in = False

    def sign_init(
        self, session: int, key: int, mechanism: int, pss: PssParameters | None = None
    ) -> None:
        """Take note of the key."""
        self._key = self.profile.keys[
            Key.AUTHENTICATION if key == 2 else Key.NON_REPUDIATION
        ]

    def sign(self, session: int, data: bytes) -> bytes:
        """Sign as the card does."""
        self.signed += 1
        if isinstance(self._key, rsa.RSAPrivateKey):
            prehashed = utils.Prehashed(hashes.SHA256())
            return self._key.sign(data[-32:], padding.PKCS1v15(), prehashed)
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        der = self._key.sign(data, ec.ECDSA(utils.Prehashed(hashes.SHA384())))
        r, s = utils.decode_dss_signature(der)
        return r.to_bytes(48) + s.to_bytes(48)


class _Object:
    """A PKCS#11 object: attributes, and a handle."""

    def __init__(self, handle: int, attributes: dict[Attribute, Any]) -> None:
        self.handle = handle
        self._attributes = attributes

    def __getitem__(self, attribute: Attribute) -> Any:
        return self._attributes.get(attribute, False)

    def wanted_by(self, template: dict[Attribute, Any]) -> bool:
        """Tell whether every attribute of the template is like this one's."""
        return all(
            self._attributes.get(name) == value for name, value in template.items()
        )


def _data(label: str, group: bytes, value: bytes) -> _Object:
    return _Object(
        0,
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.LABEL: label,
            Attribute.OBJECT_ID: group,
            Attribute.VALUE: value,
        },
    )


def _numbered(kind: ObjectClass, label: str, number: int, value: bytes) -> _Object:
    return _Object(
        number,
        {
            Attribute.CLASS: kind,
            Attribute.LABEL: label,
            Attribute.ID: struct.pack("@L", number),
            Attribute.VALUE: value,
        },
    )
