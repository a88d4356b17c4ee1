"""A PKCS#11 module, its slots and tokens; the only module that imports pkcs11.

A module is one for the whole process and python-pkcs11 initialises it for one thread,
so everything here but `load` belongs into `Module.lane`. python-pkcs11's exceptions and
the return codes of `cardio.cryptoki` become the types of `cardio.errors` here, once.

Nothing of it decides: what is asked of a token, and when, is in `cardio.pkcs11_card`.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, ObjectClass, PKCS11Error, SlotFlag, TokenFlag

from cardio.cryptoki import CKR, Cryptoki, NoModule, PssParameters, Refused
from cardio.errors import (
    CardError,
    CardMute,
    CardNotActivated,
    CardRemoved,
    CardUnreadable,
    MalformedData,
    ModuleLacks,
    ModuleUnusable,
    PinBlocked,
    PinEntryCancelled,
    PinFormat,
    ServiceUnavailable,
    UnsupportedCard,
)
from cardio.lane import Lane

#: Looks for a card after a failure that its removal would explain, and the pause.
_LOOKS = 5
_SETTLE_SECONDS = 0.1
#: Seconds for a call that asks nobody; OpenSC reads a whole slow card in one.
CALL_SECONDS = 30.0


@dataclass(frozen=True)
class TokenInfo:
    """CK_TOKEN_INFO, as far as it matters; `tries` 0, 1, or None without a flag."""

    label: str
    serial: bytes
    firmware: int
    protected_path: bool
    login_required: bool
    tries: int | None


@dataclass(frozen=True)
class PrivateKey:
    """A private key's handle, and whether each signature needs a login just before."""

    handle: int
    always_authenticate: bool


class Module:
    """A loaded module with its one thread; get it from `load`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lane = Lane("pkcs11")
        try:
            started = self.lane.run(lambda: _start(path), CALL_SECONDS)
        except CardMute:
            raise ModuleUnusable(path, "it does not answer") from None
        self._lib, self._calls = started

    @property
    def manufacturer(self) -> str:
        """Who made the module, by its own account."""
        return str(self._lib.manufacturer_id)

    def slots(self) -> list[Slot]:
        """Return all slots; ServiceUnavailable when the module does not tell them."""
        try:
            found = self._lib.get_slots()
        except PKCS11Error as error:
            raise ServiceUnavailable(type(error).__name__) from None
        return [Slot(self, self._calls, slot) for slot in found]


def _start(path: Path) -> tuple[Any, Cryptoki]:
    """Load and initialise; the functions are looked at before one is called."""
    try:
        calls = Cryptoki(str(path))
        return pkcs11.lib(str(path)), calls
    except (PKCS11Error, Refused, NoModule, OSError, AttributeError) as error:
        reason = str(error).removeprefix(f"{path}: ") or type(error).__name__
        raise ModuleUnusable(path, reason) from None


_loaded: dict[Path, Module] = {}
_loading = threading.Lock()


def load(path: Path) -> Module:
    """Load a module, once in a process; ModuleUnusable when that cannot be."""
    path = path.resolve()
    try:
        path.open("rb").close()
    except OSError as error:
        raise ModuleUnusable(path, error) from None
    with _loading:
        if path not in _loaded:
            _loaded[path] = Module(path)
        return _loaded[path]


class Slot:
    """One slot as it was when the slots were listed."""

    def __init__(self, module: Module, calls: Cryptoki, slot: Any) -> None:
        self._module = module
        self.module = module.path
        self._calls = calls
        self._slot = slot
        self.name: str = slot.slot_description
        self.present = bool(slot.flags & SlotFlag.TOKEN_PRESENT)
        self.hardware = bool(slot.flags & SlotFlag.HW_SLOT)

    def info(self) -> TokenInfo:
        """Ask who is in the slot; UnsupportedCard, CardRemoved.

        A module notices a removal when it lists its slots, so that comes first.
        """
        if not self._filled():
            raise CardRemoved("the slot is empty")
        with self.meaning():
            return _info(self._slot.get_token())

    def open(self) -> Token:
        """Open a session with the token, without a login."""
        with self.meaning():
            token = self._slot.get_token()
            return Token(self, self._calls, _info(token), token.open())

    def mechanisms(self) -> frozenset[int]:
        """Return the numbers of the mechanisms."""
        with self.meaning():
            return frozenset(int(number) for number in self._slot.get_mechanisms())

    def rsa_bits(self) -> int | None:
        """Return the size of the largest RSA key that signs; None without any."""
        with suppress(PKCS11Error):
            wanted = pkcs11.Mechanism.RSA_PKCS
            bits = self._slot.get_mechanism_info(wanted).max_key_length
            return None if bits is None else int(bits)
        return None

    @contextmanager
    def meaning(self) -> Iterator[None]:
        """Let what goes wrong in the module become a card's error."""
        try:
            yield
        except (PKCS11Error, Refused) as error:
            raise self._translated(error) from None
        except (ValueError, IndexError, struct.error) as error:
            # What python-pkcs11 says of an attribute that has not its type's form.
            raise MalformedData(type(error).__name__) from None

    def _translated(self, error: PKCS11Error | Refused) -> CardError:
        if isinstance(error, Refused) and error.code in _BY_CODE:
            return _BY_CODE[error.code](str(error))
        if isinstance(error, Refused) and error.code == CKR.USER_ALREADY_LOGGED_IN:
            return ModuleLacks(self.module, "the module ends no login")
        if is_unknown(error):
            return UnsupportedCard(b"", "the module does not know this card")
        name = type(error).__name__
        if is_gone(error) or not self.stays_filled():
            return CardRemoved(name)
        return CardUnreadable(str(error) or name)

    def stays_filled(self) -> bool:
        """Tell whether the card is there still, where a module fumbles or finds little.

        Readers tell a removal a bit later, and this waits for that.
        """
        for _ in range(_LOOKS):
            if not self._filled():
                return False
            time.sleep(_SETTLE_SECONDS)
        return True

    def _filled(self) -> bool:
        with suppress(CardError):
            now = {slot.name for slot in self._module.slots() if slot.present}
            return self.name in now
        return True


class Token:
    """One session with the token in a slot."""

    def __init__(
        self, slot: Slot, calls: Cryptoki, info: TokenInfo, session: Any
    ) -> None:
        self.slot = slot
        self.info = info
        self._calls = calls
        self._session = session
        self._handle: int = session.handle

    def close(self) -> None:
        """Close the session; trouble with it is over with it."""
        with suppress(PKCS11Error):
            self._session.close()

    def data(self, label: str, group: bytes) -> bytes | None:
        """Return the value of a data object; None when there is none."""
        wanted = {Attribute.OBJECT_ID: group, Attribute.LABEL: label}
        values = self._values(ObjectClass.DATA, wanted)
        return values[0] if values else None

    def certificates(
        self, *, label: str | None = None, identifier: bytes | None = None
    ) -> list[bytes]:
        """Return the certificates with this label, this CKA_ID, or all."""
        wanted: dict[Attribute, Any] = {}
        if label is not None:
            wanted[Attribute.LABEL] = label
        if identifier is not None:
            wanted[Attribute.ID] = identifier
        return self._values(ObjectClass.CERTIFICATE, wanted)

    def _values(self, kind: ObjectClass, wanted: dict[Attribute, Any]) -> list[bytes]:
        with self.slot.meaning():
            found = list(self._session.get_objects({Attribute.CLASS: kind, **wanted}))
            return [bytes(one[Attribute.VALUE]) for one in found]

    def private_keys(self, identifier: bytes) -> list[PrivateKey]:
        """Return the private keys with this CKA_ID."""
        wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: identifier}
        with self.slot.meaning():
            return [
                PrivateKey(int(one.handle), _always_authenticate(one))
                for one in list(self._session.get_objects(wanted))
            ]

    def end_login(self) -> None:
        """C_Logout, where somebody is logged in."""
        with self.slot.meaning():
            try:
                self._calls.logout(self._handle)
            except Refused as refusal:
                if refusal.code != CKR.USER_NOT_LOGGED_IN:
                    raise

    def login(self, pin: bytearray | None, *, for_key: bool = False) -> bool:
        """C_Login, once; False for a wrong PIN.

        `for_key` is the login that a key asks for between C_SignInit and C_Sign.
        """
        with self.slot.meaning():
            try:
                self._calls.login(self._handle, pin, context_specific=for_key)
            except Refused as refusal:
                if refusal.code != CKR.PIN_INCORRECT:
                    raise
                return False
        return True

    def sign_init(
        self, key: PrivateKey, mechanism: int, pss: tuple[int, int, int] | None
    ) -> None:
        """C_SignInit."""
        parameters = None if pss is None else PssParameters(*pss)
        with self.slot.meaning():
            self._calls.sign_init(self._handle, key.handle, mechanism, parameters)

    def sign(self, data: bytes) -> bytes:
        """C_Sign, of what C_SignInit chose."""
        with self.slot.meaning():
            return self._calls.sign(self._handle, data)

    def logout(self) -> None:
        """C_Logout after a login of ours; a card that is gone took its right along."""
        with self.slot.meaning():
            try:
                self._calls.logout(self._handle)
            except Refused as refusal:
                if not is_gone(refusal):
                    raise


def _info(token: Any) -> TokenInfo:
    flags = token.flags
    tries = None
    if flags & TokenFlag.USER_PIN_LOCKED:
        tries = 0
    elif flags & TokenFlag.USER_PIN_FINAL_TRY:
        tries = 1
    return TokenInfo(
        str(token.label),
        bytes(token.serial),
        int(token.firmware_version[0]),
        bool(flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH),
        bool(flags & TokenFlag.LOGIN_REQUIRED),
        tries,
    )


def _always_authenticate(key: Any) -> bool:
    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except PKCS11Error:
        return False


def is_gone(error: PKCS11Error | Refused) -> bool:
    """Tell whether this is what a module says of a card that was taken out."""
    if isinstance(error, Refused):
        return error.code in _GONE_CODES
    return isinstance(error, _GONE)


def is_unknown(error: PKCS11Error | Refused) -> bool:
    """Tell whether this is what a module says of a card of another kind."""
    if isinstance(error, Refused):
        return error.code == CKR.TOKEN_NOT_RECOGNIZED
    return isinstance(error, pkcs11.TokenNotRecognised)


_GONE = (
    pkcs11.DeviceRemoved,
    pkcs11.SessionClosed,
    pkcs11.SessionHandleInvalid,
    pkcs11.TokenNotPresent,
)
_GONE_CODES = frozenset(
    {
        CKR.DEVICE_REMOVED,
        CKR.SESSION_CLOSED,
        CKR.SESSION_HANDLE_INVALID,
        CKR.TOKEN_NOT_PRESENT,
    }
)

#: Return codes of login and signature that mean something of their own.
_BY_CODE: dict[int, Callable[[str], CardError]] = {
    CKR.CANCEL: PinEntryCancelled,
    CKR.FUNCTION_CANCELED: PinEntryCancelled,
    CKR.FUNCTION_REJECTED: PinEntryCancelled,
    CKR.PIN_INVALID: PinFormat,
    CKR.PIN_LEN_RANGE: PinFormat,
    CKR.PIN_LOCKED: PinBlocked,
    # A PIN that is not in use yet, or no more: the municipality makes it so.
    CKR.PIN_EXPIRED: CardNotActivated,
    CKR.USER_PIN_NOT_INITIALIZED: CardNotActivated,
}
