"""Login, signature and logout of a PKCS#11 module, by ctypes; touches that module.

python-pkcs11 has no login apart from opening a session: it takes the PIN as a str,
which nobody can wipe, keeps the session when the login fails, and refuses a login
without a PIN where the token announces none, as with the official Belgian module. Here
the PIN goes from our buffer to C_Login without a copy on our side; what the module
keeps of it is out of reach. Nothing is repeated, whatever comes back.

Source: PKCS#11 2.40, 3.1 to 3.6 (types), 5.6 (sessions), 5.11 (signing).
"""

from __future__ import annotations

import ctypes
import enum
import sys

#: Structures are packed to one byte on Windows (2.40, 2.1), aligned elsewhere.
_PACK = 1 if sys.platform == "win32" else 0

_USER = 1
_CONTEXT_SPECIFIC = 2

#: More than any signature of an identity card.
_MAX_SIGNATURE = 1024


@enum.unique
class CKR(enum.IntEnum):
    """Return codes that decide something here."""

    OK = 0x000
    CANCEL = 0x001
    DEVICE_REMOVED = 0x032
    FUNCTION_CANCELED = 0x050
    PIN_INCORRECT = 0x0A0
    PIN_INVALID = 0x0A1
    PIN_LEN_RANGE = 0x0A2
    PIN_EXPIRED = 0x0A3
    PIN_LOCKED = 0x0A4
    SESSION_CLOSED = 0x0B0
    SESSION_HANDLE_INVALID = 0x0B3
    TOKEN_NOT_PRESENT = 0x0E0
    TOKEN_NOT_RECOGNIZED = 0x0E1
    USER_ALREADY_LOGGED_IN = 0x100
    USER_NOT_LOGGED_IN = 0x101
    USER_PIN_NOT_INITIALIZED = 0x102
    FUNCTION_REJECTED = 0x200


class Refused(Exception):
    """A function of the module did not answer CKR_OK but `code`."""

    def __init__(self, function: str, code: int) -> None:
        super().__init__(f"{function} answered {code:#x}")
        self.code = code


class NoModule(Exception):
    """The library lacks functions that every PKCS#11 module has."""


class PssParameters(ctypes.Structure):
    """CK_RSA_PKCS_PSS_PARAMS: hash mechanism, MGF, length of the salt in bytes."""

    if _PACK:
        _pack_ = _PACK
    _fields_ = (
        ("hash", ctypes.c_ulong),
        ("mgf", ctypes.c_ulong),
        ("salt", ctypes.c_ulong),
    )


class _Mechanism(ctypes.Structure):
    if _PACK:
        _pack_ = _PACK
    _fields_ = (
        ("mechanism", ctypes.c_ulong),
        ("parameter", ctypes.c_void_p),
        ("size", ctypes.c_ulong),
    )


#: Places in CK_FUNCTION_LIST (2.40, pkcs11f.h: the order of the functions).
_LOGIN, _LOGOUT, _SIGN_INIT, _SIGN = 18, 19, 42, 43
#: What python-pkcs11 calls for `cardio.pkcs11`: to initialise (0 to 2), for slots,
#: tokens, mechanisms (4 to 8), sessions (12, 13), attributes (24), searches (26 to 28).
_CALLED_ELSEWHERE = (0, 1, 2, 4, 5, 6, 7, 8, 12, 13, 24, 26, 27, 28)


class _FunctionList(ctypes.Structure):
    if _PACK:
        _pack_ = _PACK
    _fields_ = (
        ("major", ctypes.c_ubyte),
        ("minor", ctypes.c_ubyte),
        ("functions", ctypes.c_void_p * 68),
    )


_Ulong = ctypes.c_ulong
_Pointer = ctypes.c_void_p
_login_type = ctypes.CFUNCTYPE(_Ulong, _Ulong, _Ulong, _Pointer, _Ulong)
_logout_type = ctypes.CFUNCTYPE(_Ulong, _Ulong)
_sign_init_type = ctypes.CFUNCTYPE(_Ulong, _Ulong, _Pointer, _Ulong)
_sign_type = ctypes.CFUNCTYPE(_Ulong, _Ulong, _Pointer, _Ulong, _Pointer, _Pointer)


class Cryptoki:
    """The functions of a module, to be called once it is initialised.

    Sessions and keys are the module's own handles. Raises OSError, AttributeError,
    Refused or NoModule for a file that is no PKCS#11 module, before it is initialised:
    to call a function that is not there would end the process.
    """

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        get = self._library.C_GetFunctionList
        get.restype = ctypes.c_ulong
        get.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
        listed = ctypes.c_void_p()
        _check("C_GetFunctionList", get(ctypes.byref(listed)))
        if not listed.value:
            raise NoModule("it has no functions")
        found = ctypes.cast(listed, ctypes.POINTER(_FunctionList))
        functions = found.contents.functions
        called = (*_CALLED_ELSEWHERE, _LOGIN, _LOGOUT, _SIGN_INIT, _SIGN)
        if not all(functions[place] for place in called):
            raise NoModule("it lacks functions")
        self._login = _login_type(functions[_LOGIN])
        self._logout = _logout_type(functions[_LOGOUT])
        self._sign_init = _sign_init_type(functions[_SIGN_INIT])
        self._sign = _sign_type(functions[_SIGN])

    def login(
        self, session: int, pin: bytearray | None, *, context_specific: bool = False
    ) -> None:
        """C_Login, once; without a PIN the module or the reader asks for it itself."""
        user = _CONTEXT_SPECIFIC if context_specific else _USER
        if pin is None:
            _check("C_Login", self._login(session, user, None, 0))
            return
        shared = (ctypes.c_ubyte * len(pin)).from_buffer(pin)
        code = self._login(session, user, ctypes.addressof(shared), len(pin))
        del shared  # so that the buffer may be emptied again
        _check("C_Login", code)

    def logout(self, session: int) -> None:
        """C_Logout."""
        _check("C_Logout", self._logout(session))

    def sign_init(
        self, session: int, key: int, mechanism: int, pss: PssParameters | None = None
    ) -> None:
        """C_SignInit."""
        chosen = _Mechanism(mechanism, None, 0)
        if pss is not None:
            chosen.parameter = ctypes.addressof(pss)
            chosen.size = ctypes.sizeof(pss)
        _check("C_SignInit", self._sign_init(session, ctypes.addressof(chosen), key))

    def sign(self, session: int, data: bytes) -> bytes:
        """C_Sign: the signature over the data, in the form of the mechanism."""
        given = ctypes.create_string_buffer(data, len(data))
        answer = ctypes.create_string_buffer(_MAX_SIGNATURE)
        size = ctypes.c_ulong(_MAX_SIGNATURE)
        code = self._sign(
            session,
            ctypes.addressof(given),
            len(data),
            ctypes.addressof(answer),
            ctypes.addressof(size),
        )
        _check("C_Sign", code)
        return answer.raw[: size.value]


def _check(function: str, code: int) -> None:
    if code != CKR.OK:
        raise Refused(function, code)
