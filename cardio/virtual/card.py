"""The virtual card: command bytes in, answer bytes out, as applets 1.0 to 1.8; no I/O.

Written from the applet manuals (chapter 5 for the PIN, chapter 6 for the commands and
their status words). Applets 1.0 and 1.1 are played as 1.7 without what is known to be
younger. Only the commands of the public manuals exist, and GET CHALLENGE, which
programs send: INTERNAL AUTHENTICATE of 1.7 and what personalisation uses answer 6D00.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from cardio.apdu import INS, SW
from cardio.channel import Apdu
from cardio.files import APPLET_AID, TEST_MARK, TEST_MARK_AT
from cardio.virtual.applets import APPLETS
from cardio.virtual.command import Command, Outbox, Refused
from cardio.virtual.counters import Counters
from cardio.virtual.keyring import Environment, KeyRing
from cardio.virtual.profile import Life, Profile
from cardio.virtual.retries import RetriedPin
from cardio.virtual.rights import Rights
from cardio.virtual.tree import Tree

_OK: Final = bytes.fromhex("9000")
_GET_CHALLENGE = 0x84
_CARDHOLDER_PIN = 0x01
#: Classes that address a logical channel other than 0, which the card has not.
_OTHER_CHANNELS = (0x01, 0x02, 0x03)


class VirtualCard:
    """One card. Not for several threads at once: a reader gives it one command a time.

    `strict` takes the harsher reading of what the manuals leave open: LOG OFF clears
    the security environment; status query, GET RESPONSE and commands refused with
    6Cxx count as commands after a VERIFY; the third wrong PIN answers 6983.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        strict: bool = False,
        counters: Counters | None = None,
    ) -> None:
        self.profile = profile
        self._applet = APPLETS[profile.applet]
        self._strict = strict
        self._counters = counters or Counters()
        self._pin = RetriedPin(profile, self._counters, strict=strict)
        self._active = profile.life is Life.ACTIVE
        self._keys = KeyRing(
            self._applet, profile.keys, self._counters, active=self._active
        )
        self._tree = Tree(profile.files, id_aid=self._applet.id_aid)
        self._rights = Rights(self._applet.window)
        self._outbox = Outbox()
        self._handlers = self._commands()
        self.reset()

    def _commands(self) -> dict[tuple[int, int], Callable[[Command], bytes]]:
        """Return what the applet understands, by class and instruction."""
        commands: dict[tuple[int, int], Callable[[Command], bytes]] = {
            (0x00, INS.SELECT): self._select,
            (0x00, INS.READ_BINARY): self._read_binary,
            (0x00, INS.GET_RESPONSE): self._get_response,
            (0x00, INS.VERIFY): self._verify,
            (0x00, INS.CHANGE_REFERENCE_DATA): self._change,
            (0x00, INS.MSE): self._mse_set,
            (0x00, INS.PSO): self._compute_signature,
            (0x00, _GET_CHALLENGE): self._get_challenge,
            (0x80, INS.GET_CARD_DATA): self._get_card_data,
            (0x80, INS.LOG_OFF): self._log_off,
        }
        if self._applet.is_1_8:
            commands[0x00, INS.INTERNAL_AUTHENTICATE] = self._internal_authenticate
            commands[0x00, INS.RESET_RETRY_COUNTER] = self._reset_retry_counter
            commands[0x80, INS.READ_RECORD] = self._read_record
        return commands

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        return self.profile.atr

    @property
    def tries_left(self) -> int:
        """The PIN's retry counter."""
        return self._pin.tries_left

    def power_on(self) -> bytes:
        """Begin a session; returns the answer to reset."""
        return self.reset()

    def reset(self) -> bytes:
        """End the session: MF selected, no rights. Counters stay. Returns the ATR."""
        self._start_session()
        self._outbox.clear()
        return self.atr

    def pulled(self) -> None:
        """Nothing waits in this card that being taken out would have to end."""

    def _start_session(self) -> None:
        self._applet_selected = True
        self._environment: Environment | None = None
        self._rights.drop()
        self._tree.reset()

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer any bytes: up to 256 bytes of data and a status word."""
        # Whether the command counts as one that stands between VERIFY and signature.
        self._counts = True
        try:
            command = Command.from_bytes(bytes(apdu))
            handler = self._handler(command)
            if command.ins != INS.GET_RESPONSE:
                self._outbox.clear()
            answer = handler(command)
        except Refused as refused:
            answer = refused.sw.to_bytes(2, "big")
            self._counts &= self._strict or refused.sw >> 8 != 0x6C
        except OSError:  # counters that cannot be saved are a chip's broken memory
            answer = SW.MEMORY_FAILURE.to_bytes(2, "big")
        if self._counts:
            self._rights.pass_command()
        return answer

    def _handler(self, command: Command) -> Callable[[Command], bytes]:
        if command.ins == INS.SELECT and command.cla in _OTHER_CHANNELS:
            raise Refused(SW.WRONG_CHANNEL)
        if command.cla not in (0x00, 0x80):
            raise Refused(SW.CLASS_NOT_SUPPORTED)
        handler = self._handlers.get((command.cla, command.ins))
        if handler is None:
            elsewhere = (command.cla ^ 0x80, command.ins) in self._handlers
            raise Refused(SW.CLASS_NOT_SUPPORTED if elsewhere else SW.INS_NOT_SUPPORTED)
        if not self._applet_selected and command.ins != INS.SELECT:
            raise Refused(SW.INS_NOT_SUPPORTED)
        in_factory = self.profile.life is Life.PERSONALISATION
        if in_factory and command.ins != INS.GET_CARD_DATA:
            raise Refused(SW.INS_NOT_SUPPORTED)
        return handler

    # --- files -----------------------------------------------------------------------

    def _select(self, command: Command) -> bytes:
        """P1 02 file identifier, 04 AID, 08 path; no FCI. P2 may be 00 for an AID."""
        if len(command.data) != command.p3:  # announced, and did not come
            raise Refused(SW.LC_INCONSISTENT)
        if command.p1_p2 in (0x040C, 0x0400):
            if command.data == APPLET_AID:
                self._start_session()
                return _OK
            self._select_application(command.data)
        elif command.p1_p2 == 0x020C and self._applet_selected:
            self._tree.select_fid(command.data)
        elif command.p1_p2 == 0x080C and self._applet_selected:
            self._tree.select_path(command.data)
        else:
            raise Refused(SW.WRONG_P1P2)
        if self._active or not self._applet_selected:
            return _OK
        return self._not_activated()

    def _not_activated(self) -> bytes:
        """A deactivated file: 1.7 selects it with a warning, 1.8 refuses."""
        if not self._applet.is_1_8:
            return SW.FILE_DEACTIVATED.to_bytes(2, "big")
        self._tree.reset()
        raise Refused(SW.CONDITIONS_OF_USE)

    def _select_application(self, aid: bytes) -> None:
        if not aid and self._applet.is_1_8:
            # An empty AID is the card manager's, which knows none of our commands.
            self._start_session()
            self._applet_selected = False
        elif self._applet_selected:
            self._tree.select_aid(aid)
        else:
            raise Refused(SW.FILE_NOT_FOUND)

    def _read_binary(self, command: Command) -> bytes:
        self._check_access()
        rest = self._tree.read(command.p1_p2)
        if command.le > len(rest):
            raise Refused(0x6C00 | len(rest))
        return rest[: command.le] + _OK

    def _read_record(self, command: Command) -> bytes:
        """Le 00 fetches everything, a smaller Le than there is cuts off."""
        self._check_access()
        records = self._tree.records(command.p1, command.p2)
        if command.p3 == 0:
            return self._outbox.send(records, 256)
        if command.p3 > len(records):
            raise Refused(0x6C00 | len(records))
        return records[: command.p3] + _OK

    def _check_access(self) -> None:
        current = self._tree.current
        if not self._active:
            raise Refused(SW.CONDITIONS_OF_USE)
        protected = current in self.profile.pin_protected
        if protected and not self._rights.verified:
            raise Refused(SW.SECURITY_STATUS)

    def _get_response(self, command: Command) -> bytes:
        self._counts = self._strict
        return self._outbox.fetch(command.le)

    # --- what the card tells ---------------------------------------------------------

    def _get_card_data(self, command: Command) -> bytes:
        extended = self._applet.is_1_8 and command.p1_p2 == 0x0001
        if not extended:
            command.expect(0x0000)
        data = bytearray(self.profile.chip_serial + self._applet.card_data)
        data[TEST_MARK_AT] = TEST_MARK
        data += bytes([self.profile.life.byte])
        if extended:
            data += bytes([self.tries_left, 0xFF, 0xFF])
        if command.p3 != len(data):
            raise Refused(0x6C00 | len(data))
        return bytes(data) + _OK

    def _get_challenge(self, command: Command) -> bytes:
        """Random bytes; in no manual, but a real card gives them to OpenSC."""
        command.expect(0x0000)
        if command.p3 == 0:
            raise Refused(SW.WRONG_LENGTH)
        return os.urandom(command.p3) + _OK

    # --- PIN -------------------------------------------------------------------------

    def _verify(self, command: Command) -> bytes:
        _check_pin_reference(command)
        if command.p3 == 0 and self._applet.status_query:
            return self._pin_status()
        # Up to applet 1.1 an empty VERIFY is a wrong PIN.
        block = command.body(8) if command.p3 else b""
        with self._comparing():
            self._pin.verify(block)
        return _OK

    def _change(self, command: Command) -> bytes:
        """Old and new block; the right old one grants the PIN right, too."""
        _check_pin_reference(command)
        blocks = command.body(16)
        with self._comparing():
            self._pin.change(blocks[:8], blocks[8:])
        return _OK

    @contextmanager
    def _comparing(self) -> Iterator[None]:
        """Grant the PIN right if the PIN was right, else drop all there are."""
        self._counts = False
        try:
            yield
        except (Refused, OSError):
            self._rights.drop()
            raise
        self._rights.grant()

    def _pin_status(self) -> bytes:
        self._counts = self._strict
        if self.tries_left == 0:
            raise Refused(SW.PIN_BLOCKED)
        if not self._rights.verified:
            raise Refused(0x63C0 | self.tries_left)
        return _OK

    def _reset_retry_counter(self, command: Command) -> bytes:
        """Named in the manual of 1.8 only; needs a role that no program has."""
        _check_pin_reference(command)
        raise Refused(SW.SECURITY_STATUS)

    def _log_off(self, command: Command) -> bytes:
        command.expect(0x0000)
        command.body(0)
        self._rights.drop()
        if self._strict:
            self._environment = None
        return _OK

    # --- signatures ------------------------------------------------------------------

    def _mse_set(self, command: Command) -> bytes:
        """`04 80 algorithm 84 key`; asks for no PIN."""
        command.expect(0x41B6)
        self._environment = self._keys.environment(command.body(5))
        return _OK

    def _compute_signature(self, command: Command) -> bytes:
        """Sign; a VERIFY for the non-repudiation key is spent even if this fails."""
        command.expect(0x9E9A)
        if self._environment is None:
            raise Refused(SW.CONDITIONS_OF_USE)
        self._counts = False
        if self._environment.once:
            allowed = self._rights.use_once()
        else:
            allowed = self._rights.use_just_before()
        if not allowed:
            raise Refused(SW.SECURITY_STATUS)
        return self._outbox.send(self._environment.sign(command.body()))

    def _internal_authenticate(self, command: Command) -> bytes:
        """Sign a challenge with the basic key; needs no PIN, clears the environment."""
        signature = self._keys.authenticate_chip(command)
        self._environment = None
        return self._outbox.send(signature)


def _check_pin_reference(command: Command) -> None:
    if command.p1:
        raise Refused(SW.WRONG_P1P2)
    if command.p2 != _CARDHOLDER_PIN:
        raise Refused(SW.REFERENCE_NOT_FOUND)
