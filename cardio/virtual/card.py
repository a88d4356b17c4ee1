"""The virtual card: bytes in, bytes out, as applets 1.7 and 1.8 answer; no I/O.

Written from the applet manuals (1.7 A01, 1.8 v1): chapter 5 for the PIN rules, chapter
6 for commands and status words. Applets 1.0 and 1.1 are played for reading only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from cardio import tlv
from cardio.apdu import INS, SW
from cardio.channel import Apdu
from cardio.errors import MalformedData
from cardio.files import APPLET_AID, DF_BELPIC, DF_ID, EF, MF, Key
from cardio.virtual import signing
from cardio.virtual.counters import Counters
from cardio.virtual.profile import Profile

_AIDS = {
    APPLET_AID: MF,
    bytes.fromhex("A00000017750 4B43532D3135"): DF_BELPIC,
    bytes.fromhex("A00000017749 6446696C6573"): DF_ID,
}
_DFS = (MF, DF_BELPIC, DF_ID)

#: GET CARD DATA from offset 16 on: component to key exchange version (manuals, 6.14).
_VERSIONS = {
    "1.0": "A503010101010001000101",
    "1.1": "A503010101110002000101",
    "1.7": "F336012201170003002101",
    "1.8": "F336012601180001000002",
}
_PERSONALISED = 0x0F

_MAX_TRIES = 3
_MAX_AUTHENTICATIONS = 5000
_GET_CHALLENGE = 0x84
_RECORD_FILES = (EF.IDENTITY, EF.ADDRESS)

#: Neutral commands allowed between VERIFY and a non-repudiation signature.
_WINDOW = {"1.8": 1}


@dataclass(frozen=True)
class _Command:
    """A parsed command APDU; `p3` is the fifth byte, `data` is empty without one."""

    p1: int
    p2: int
    p3: int
    data: bytes

    @property
    def le(self) -> int:
        """Expected length of a case 2 command: 00 stands for 256."""
        return self.p3 or 256


class _Status(Exception):
    """Ends a command with this status word."""

    def __init__(self, sw: int) -> None:
        self.sw = sw


class PinState:
    """Which signatures the PIN opens now (manuals, 5.1: once, just before, mixed)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._authentication = False
        self._pending: int | None = None

    @property
    def verified(self) -> bool:
        """True when some right is granted, as the status query shows it."""
        return self._authentication or self._pending is not None

    def clear(self) -> None:
        """Drop all rights: reset, LOG OFF, wrong PIN."""
        self._authentication = False
        self._pending = None

    def granted(self) -> None:
        """Count a good VERIFY; an earlier one that was not used up opens key 82."""
        self._settle()
        self._pending = self._window

    def other_command(self) -> None:
        """Count a command between VERIFY and signature."""
        if self._pending == 0:
            self._settle()
        elif self._pending is not None:
            self._pending -= 1

    def may_authenticate(self) -> bool:
        """Tell whether key 82 may sign now."""
        self._settle()
        return self._authentication

    def take_non_repudiation(self) -> bool:
        """Use up the VERIFY just before; False when there was none."""
        had = self._pending is not None
        self._pending = None
        return had

    def _settle(self) -> None:
        if self._pending is not None:
            self._authentication = True
            self._pending = None


class VirtualCard:
    """One card, powered on from the start.

    `strict` takes the hardest reading of what the manuals leave open: LOG OFF clears
    the security environment, status query and GET RESPONSE count as commands between
    VERIFY and signature, the third wrong PIN answers 6983.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        strict: bool = False,
        counters: Counters | None = None,
    ) -> None:
        self.profile = profile
        self._strict = strict
        self._counters = counters or Counters()
        if self._counters.tries is None:
            self._counters.tries = profile.tries
        self._pin_block = _pin_block(profile.pin)
        self._by_path = {ef.path: data for ef, data in profile.files.items()}
        self._pin = PinState(_WINDOW.get(profile.applet, 0))
        self._handlers: dict[tuple[int, int], Callable[[_Command], bytes]] = {
            (0x00, INS.SELECT): self._select,
            (0x00, INS.READ_BINARY): self._read_binary,
            (0x00, INS.GET_RESPONSE): self._get_response,
            (0x00, INS.VERIFY): self._verify,
            (0x00, INS.CHANGE_REFERENCE_DATA): self._change,
            (0x00, INS.MSE): self._mse,
            (0x00, INS.PSO): self._pso,
            (0x00, _GET_CHALLENGE): self._get_challenge,
            (0x80, INS.GET_CARD_DATA): self._get_card_data,
            (0x80, INS.LOG_OFF): self._log_off,
        }
        if profile.applet == "1.8":
            self._handlers[0x80, INS.READ_RECORD] = self._read_record
            self._handlers[0x00, INS.INTERNAL_AUTHENTICATE] = (
                self._internal_authenticate
            )
            self._handlers[0x00, INS.RESET_RETRY_COUNTER] = self._reset_retry_counter
        self.reset()

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        return self.profile.atr

    @property
    def tries_left(self) -> int:
        """The PIN's retry counter."""
        return self._counters.tries or 0

    def reset(self) -> bytes:
        """Power on or reset: MF selected, no rights, counters stay; gives the ATR."""
        self._df = MF
        self._ef: tuple[int, ...] | None = None
        self._environment: tuple[int, int] | None = None
        self._waiting = b""
        self._pin.clear()
        return self.atr

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer one command APDU; any bytes at all get a status word."""
        try:
            ins, command, handler = self._parse(bytes(apdu))
            self._count(ins, command)
            if ins != INS.GET_RESPONSE:
                self._waiting = b""
            return handler(command)
        except _Status as status:
            return status.sw.to_bytes(2, "big")

    def _parse(self, apdu: bytes) -> tuple[int, _Command, Callable[[_Command], bytes]]:
        if len(apdu) < 4:
            raise _Status(SW.WRONG_LENGTH)
        cla, ins, p1, p2 = apdu[:4]
        if cla not in (0x00, 0x80):
            raise _Status(SW.CLASS_NOT_SUPPORTED)
        handler = self._handlers.get((cla, ins))
        if handler is None:
            known = (cla ^ 0x80, ins) in self._handlers
            raise _Status(SW.CLASS_NOT_SUPPORTED if known else SW.INS_NOT_SUPPORTED)
        p3 = apdu[4] if len(apdu) > 4 else 0
        data = apdu[5 : 5 + p3]
        # One byte more is an Le, which T=0 does not carry: it is passed over.
        if len(apdu) > 5 and (len(data) != p3 or len(apdu) > 6 + p3):
            raise _Status(SW.WRONG_LENGTH)
        return ins, _Command(p1, p2, p3, data), handler

    def _count(self, ins: int, command: _Command) -> None:
        """Let a command between VERIFY and signature count, as far as it does."""
        if ins in (INS.CHANGE_REFERENCE_DATA, INS.PSO):
            return
        if ins == INS.VERIFY and (command.p3 or not self._strict):
            return
        if ins == INS.GET_RESPONSE and not self._strict:
            return
        self._pin.other_command()

    # --- files -----------------------------------------------------------------------

    def _select(self, command: _Command) -> bytes:
        by = {0x02: self._select_fid, 0x04: self._select_aid, 0x08: self._select_path}
        select = by.get(command.p1)
        if select is None or command.p2 not in (0x0C, 0x00):
            raise _Status(SW.WRONG_P1P2)
        if command.p2 == 0x00 and command.p1 != 0x04:
            raise _Status(SW.WRONG_P1P2)
        select(command.data)
        return _OK

    def _select_fid(self, data: bytes) -> None:
        if len(data) != 2:
            raise _Status(SW.LC_INCONSISTENT)
        fid = int.from_bytes(data, "big")
        if fid in _DFS:
            self._enter(fid)
            return
        self._open((fid,) if self._df == MF else (self._df, fid))

    def _select_path(self, data: bytes) -> None:
        if not data or len(data) % 2:
            raise _Status(SW.LC_INCONSISTENT)
        fids = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
        if fids[0] == MF:
            del fids[0]
        if not fids:
            self._enter(MF)
        elif len(fids) == 1 and fids[0] in _DFS:
            self._enter(fids[0])
        else:
            self._open(tuple(fids))

    def _select_aid(self, data: bytes) -> None:
        if not 5 <= len(data) <= 16:
            raise _Status(SW.LC_INCONSISTENT)
        if data not in _AIDS:
            raise _Status(SW.FILE_NOT_FOUND)
        if data == APPLET_AID:  # selecting the applet anew is a new session
            self._environment = None
            self._pin.clear()
        self._enter(_AIDS[data])

    def _enter(self, df: int) -> None:
        self._df = df
        self._ef = None

    def _open(self, path: tuple[int, ...]) -> None:
        if path not in self._by_path:
            raise _Status(SW.FILE_NOT_FOUND)
        self._df = path[0] if len(path) > 1 else MF
        self._ef = path

    def _current(self) -> bytes:
        if self._ef is None:
            raise _Status(SW.NO_CURRENT_EF)
        return self._by_path[self._ef]

    def _read_binary(self, command: _Command) -> bytes:
        data = self._current()
        offset = command.p1 << 8 | command.p2
        if offset >= len(data):
            raise _Status(SW.WRONG_OFFSET)
        rest = len(data) - offset
        if command.le > rest:
            raise _Status(0x6C00 | rest)
        return data[offset : offset + command.le] + _OK

    def _read_record(self, command: _Command) -> bytes:
        data = self._current()
        if self._ef not in [ef.path for ef in _RECORD_FILES]:
            raise _Status(SW.NOT_A_RECORD_FILE)
        try:
            fields = tlv.parse(data)
        except MalformedData:
            raise _Status(SW.NO_DIAGNOSTIC) from None
        wanted = {tag: fields[tag] for tag in fields if command.p1 <= tag <= command.p2}
        if command.p1 not in wanted or command.p2 not in wanted:
            raise _Status(SW.RECORD_NOT_FOUND)
        record = tlv.encode(wanted)
        if command.p3 == 0:
            return self._chain(record)
        if command.p3 > len(record):
            raise _Status(0x6C00 | len(record))
        return record[: command.p3] + _OK

    # --- answers ---------------------------------------------------------------------

    def _announce(self, data: bytes) -> bytes:
        """Keep the answer of a case 4 command for GET RESPONSE and announce it."""
        self._waiting = data
        return bytes([0x61, min(len(data), 256) & 0xFF])

    def _chain(self, data: bytes) -> bytes:
        """Answer a case 2 command; what is beyond 256 bytes waits."""
        self._waiting = data[256:]
        return data[:256] + self._waiting_status()

    def _waiting_status(self) -> bytes:
        if not self._waiting:
            return _OK
        return bytes([0x61, min(len(self._waiting), 256) & 0xFF])

    def _get_response(self, command: _Command) -> bytes:
        if command.p1 or command.p2:
            raise _Status(SW.WRONG_OFFSET)
        if not self._waiting:
            raise _Status(SW.CONDITIONS_OF_USE)
        if command.le > len(self._waiting):
            raise _Status(0x6C00 | len(self._waiting))
        data, self._waiting = self._waiting[: command.le], self._waiting[command.le :]
        return data + self._waiting_status()

    def _get_challenge(self, command: _Command) -> bytes:
        """Not in the manuals, but OpenSC asks for random numbers with it."""
        if not command.p3:
            raise _Status(SW.WRONG_LENGTH)
        return os.urandom(command.p3) + _OK

    def _get_card_data(self, command: _Command) -> bytes:
        extended = self.profile.applet == "1.8" and command.p2 == 1
        if command.p1 or (command.p2 and not extended):
            raise _Status(SW.WRONG_OFFSET)
        data = self.profile.chip_serial
        data += bytes.fromhex(_VERSIONS[self.profile.applet]) + bytes([_PERSONALISED])
        if extended:
            data += bytes([self.tries_left, 0xFF, 0xFF])
        if command.p3 != len(data):
            raise _Status(0x6C00 | len(data))
        return data + _OK

    # --- PIN -------------------------------------------------------------------------

    def _verify(self, command: _Command) -> bytes:
        _check_pin_reference(command)
        if command.p3 == 0 and self.profile.applet in ("1.7", "1.8"):
            return self._status_query()
        if command.p3 not in (0, 8):
            raise _Status(SW.WRONG_LENGTH)
        self._compare(command.data)
        return _OK

    def _status_query(self) -> bytes:
        if self.tries_left == 0:
            raise _Status(SW.PIN_BLOCKED)
        if self._pin.verified:
            return _OK
        raise _Status(0x63C0 | self.tries_left)

    def _change(self, command: _Command) -> bytes:
        _check_pin_reference(command)
        if command.p3 != 16:
            raise _Status(SW.WRONG_LENGTH)
        old, new = command.data[:8], command.data[8:]
        if self.tries_left == 0:
            raise _Status(SW.PIN_BLOCKED)
        if not _is_pin_block(new):
            raise _Status(SW.WRONG_DATA)
        self._compare(old)
        self._pin_block = new
        return _OK

    def _compare(self, block: bytes) -> None:
        """Compare a PIN block; a wrong one costs a try and every right."""
        if self.tries_left == 0:
            raise _Status(SW.PIN_BLOCKED)
        if block == self._pin_block:
            self._set_tries(_MAX_TRIES)
            self._counters.authentications = 0
            self._counters.changed()
            self._pin.granted()
            return
        self._pin.clear()
        self._set_tries(self.tries_left - 1)
        if self.tries_left == 0 and self._strict:
            raise _Status(SW.PIN_BLOCKED)
        raise _Status(0x63C0 | self.tries_left)

    def _set_tries(self, tries: int) -> None:
        self._counters.tries = tries
        self._counters.changed()

    def _reset_retry_counter(self, _command: _Command) -> bytes:
        """Listed for 1.8, open only to the administration role, which nobody has."""
        raise _Status(SW.SECURITY_STATUS)

    def _log_off(self, command: _Command) -> bytes:
        if command.p1 or command.p2:
            raise _Status(SW.WRONG_OFFSET)
        if command.p3:
            raise _Status(SW.WRONG_LENGTH)
        self._pin.clear()
        if self._strict:
            self._environment = None
        return _OK

    # --- signatures ------------------------------------------------------------------

    def _mse(self, command: _Command) -> bytes:
        if (command.p1, command.p2) != (0x41, 0xB6):
            raise _Status(SW.WRONG_OFFSET)
        if command.p3 != 5 or len(command.data) != 5:
            raise _Status(SW.WRONG_LENGTH)
        head, tag, algorithm, key_tag, key = command.data
        known = (
            signing.EC_ALGORITHMS
            if self.profile.applet == "1.8"
            else signing.RSA_ALGORITHMS
        )
        if (head, tag, key_tag) != (0x04, 0x80, 0x84) or algorithm not in known:
            raise _Status(SW.WRONG_DATA)
        if key in (Key.BASIC, 0x87):  # no key for signatures
            raise _Status(SW.WRONG_DATA)
        if key not in self.profile.keys:
            raise _Status(SW.REFERENCE_NOT_FOUND)
        self._environment = (algorithm, key)
        return _OK

    def _pso(self, command: _Command) -> bytes:
        if (command.p1, command.p2) != (0x9E, 0x9A):
            self._pin.other_command()
            raise _Status(SW.WRONG_OFFSET)
        if self._environment is None:
            self._pin.other_command()
            raise _Status(SW.CONDITIONS_OF_USE)
        algorithm, key = self._environment
        if key == Key.NON_REPUDIATION:
            allowed = self._pin.take_non_repudiation()
        else:
            allowed = self._pin.may_authenticate()
        if not allowed:
            raise _Status(SW.SECURITY_STATUS)
        try:
            signature = signing.compute(
                self.profile.keys[Key(key)], algorithm, command.data
            )
        except signing.WrongLength:
            raise _Status(SW.WRONG_LENGTH) from None
        return self._announce(signature)

    def _internal_authenticate(self, command: _Command) -> bytes:
        """Sign a 48-byte challenge with the chip's own key, at most 5000 times."""
        if command.p1 != 0x02:
            raise _Status(SW.WRONG_OFFSET)
        key = self.profile.keys.get(Key.BASIC)
        if command.p2 != Key.BASIC or not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _Status(SW.REFERENCE_NOT_FOUND)
        if command.p3 != 0x32:
            raise _Status(SW.WRONG_LENGTH)
        if command.data[:2] != b"\x94\x30":
            raise _Status(SW.WRONG_DATA)
        if self._counters.authentications >= _MAX_AUTHENTICATIONS:
            raise _Status(SW.CONDITIONS_OF_USE)
        self._counters.authentications += 1
        self._counters.changed()
        self._environment = None
        return self._announce(signing.ecdsa(key, command.data[2:]))


_OK = bytes.fromhex("9000")


def _check_pin_reference(command: _Command) -> None:
    if command.p1:
        raise _Status(SW.WRONG_P1P2)
    if command.p2 != 0x01:
        raise _Status(SW.REFERENCE_NOT_FOUND)


def _pin_block(pin: str) -> bytes:
    """Return the block of a test PIN: 2, length, digits, F (manuals, PIN format)."""
    return bytes.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))


def _is_pin_block(block: bytes) -> bool:
    digits = block.hex()
    count = int(digits[1], 16)
    return (
        digits[0] == "2"
        and 4 <= count <= 12
        and digits[2 : 2 + count].isdigit()
        and set(digits[2 + count :]) == {"f"}
    )
