"""A Belgian card behind a PKCS#11 module: `Card` over `cardio.pkcs11`; no I/O itself.

For the official module and for OpenSC. Safety rule 7: every signature begins with a
login of its own and ends with C_Logout; where that cannot be had nothing is signed.

- A login that somebody else in this process left is ended first: the official module
  would take it for ours and ask for no PIN.
- OpenSC's C_Logout sends the card nothing, so LOG OFF follows through PC/SC
  (`cardio.beid.beside`); without PC/SC only the official module signs.
- A token that announces no login (CKF_LOGIN_REQUIRED) is not signed with, but for the
  official one, which never announces it.

The PIN goes to C_Login from a buffer that is wiped; the copies that the module makes of
it cannot be.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cardio import pkcs11_objects as objects
from cardio import tlv
from cardio.beid.beside import Beside
from cardio.card import Card, CardData, Expected, PinEntry, PinStatus
from cardio.channel import Stopped, Transaction, go_on
from cardio.errors import (
    CardChanged,
    CardError,
    CardRemoved,
    CardUnreadable,
    FileAbsent,
    LoginFirst,
    MalformedData,
    NoCertificate,
    PinBlocked,
    PinIncorrect,
    UnsupportedCard,
)
from cardio.files import EF, Key
from cardio.lane import Lane
from cardio.pin import Pin, wipe
from cardio.pkcs11 import CALL_SECONDS, PrivateKey, Token, TokenInfo
from cardio.signature import SignatureAlgorithm

T = TypeVar("T")

#: Seconds for a signature while the person is at the module's own dialog.
LOGIN_SECONDS = 200.0


class Signatures:
    """How many signatures of one module are under way; from any thread.

    While any is, the module may be waiting for a person.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def begin(self) -> None:
        """Count one more."""
        with self._lock:
            self._count += 1

    def end(self) -> None:
        """Count one less."""
        with self._lock:
            self._count -= 1

    @property
    def under_way(self) -> bool:
        """True while there is any."""
        return self._count > 0


class Pkcs11Card(Card):
    """The token in one slot, seen through one session."""

    def __init__(
        self,
        lane: Lane,
        token: Token,
        *,
        official: bool,
        beside: Beside | None,
        signatures: Signatures,
        stop: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._lane = lane
        self._token = token
        self._official = official
        self._beside = beside
        self._signatures = signatures
        self._stop = stop
        self._progress = progress
        self._closed = False
        #: Certificates that the module shows only during a login, once one was.
        self._shown: dict[EF, bytes] = {}

    @property
    def atr(self) -> bytes:
        return b""

    @property
    def module(self) -> Path:
        return self._token.slot.module

    @property
    def pin_entry(self) -> PinEntry:
        """The official module asks in its own dialog, whatever the reader."""
        if self._official:
            return PinEntry.MODULE
        return PinEntry.READER if self._token.info.protected_path else PinEntry.TYPED

    @property
    def has_files(self) -> bool:
        """The official module alone shows the card's files, as data objects."""
        return self._official

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """PKCS#11 has none: the module keeps others away from each call by itself."""
        yield Transaction()

    def close(self) -> None:
        """Close the session, as soon as the module's thread is free for it."""
        if not self._closed:
            self._closed = True
            self._lane.leave(self._token.close)

    # --- recognition, files and certificates -----------------------------------------

    def recognise(self) -> CardData:
        """Find out which card this is; UnsupportedCard.

        The official module tells GET CARD DATA itself. Elsewhere the kind of key
        decides, and token serial and certificate together stand for the chip's serial.
        That it is a test card is then asked of the card itself, beside the module.
        """
        data = self._run(self._recognise)
        if self._beside is not None and not data.virtual:
            virtual = self._beside.is_virtual(self._token.slot.name)
            data = dataclasses.replace(data, virtual=virtual)
        self._card_data = data
        return data

    def _recognise(self) -> CardData:
        info = self._same_token()
        if self._official:
            with suppress(FileAbsent, UnsupportedCard):
                return CardData.from_bytes(self._data(objects.CARD_DATA), b"")
        applet = self._applet()
        if applet is None:
            raise UnsupportedCard(b"", "the token is not that of a Belgian card")
        known = info.serial
        with suppress(NoCertificate):
            known += self._visible(EF.AUTHENTICATION)
        return CardData(hashlib.sha256(known).digest()[:16], applet, 0)

    def _applet(self) -> str | None:
        info = self._token.info
        if self._official:
            return objects.applet_by_firmware(info.firmware)
        if not info.label.startswith(objects.LABEL):
            return None
        try:
            return objects.applet_by_certificate(self._visible(EF.AUTHENTICATION))
        except LoginFirst:
            return objects.applet_by_rsa_bits(self._token.slot.rsa_bits())
        except NoCertificate:  # that it has none shows only on 1.8
            return "1.8"

    def read(self, ef: EF) -> bytes:
        """Return a file as stored; FileAbsent, UnsupportedCard without data objects."""
        place = objects.DATA_OBJECTS.get(ef)
        if self._official and place is None:
            raise FileAbsent(ef.name)
        return self._told(self._run(lambda: self._data(place)))

    def _data(self, place: objects.DataObject | None) -> bytes:
        if place is None or not self._official:
            raise self._unsupported("this PKCS#11 module shows no files of the card")
        value = self._token.data(place.label, place.group)
        if not value:
            raise FileAbsent(place.label)
        return value

    def read_certificate(self, ef: EF) -> bytes:
        """Return a certificate in DER; NoCertificate, LoginFirst."""
        if ef in self._shown:
            return self._shown[ef]
        if ef is not EF.RRN:
            return self._told(self._run(lambda: self._visible(ef)))
        try:
            return _bare(self.read(ef))
        except FileAbsent:
            raise NoCertificate(ef.name) from None

    def has_certificate(self, ef: EF) -> bool:
        """Tell whether there is a certificate; True where only a login would tell."""
        try:
            return bool(self._run(lambda: self._visible(ef)))
        except LoginFirst:
            return True
        except NoCertificate:
            return False

    def _visible(self, ef: EF) -> bytes:
        """Return a certificate that the module shows now.

        The directory of the card's certificates calls them private up to applet 1.7,
        and OpenSC then shows none before a login: LoginFirst.
        """
        label, number = objects.CERTIFICATES[ef]
        found = self._token.certificates(label=label)
        for form in objects.identifiers(number):
            found = found or self._token.certificates(identifier=form)
        for value in found:
            if any(value[:4]):
                return _bare(value)
        if self._token.info.login_required and not self._token.certificates():
            raise LoginFirst(ef.name)
        raise self._unless_gone(NoCertificate(ef.name))

    def _unless_gone(self, error: CardError) -> CardError:
        """Return what is to be raised: what a card lacks that was taken out, it had."""
        return error if self._token.slot.stays_filled() else CardRemoved(str(error))

    def _told(self, data: bytes) -> bytes:
        if self._progress is not None:
            self._progress(len(data))
        return data

    # --- PIN and signature -----------------------------------------------------------

    def pin_status(self) -> PinStatus:
        """Return what the token's flags say, else what the card says beside it."""
        return PinStatus(self._run(self._tries))

    def _same_token(self) -> TokenInfo:
        """Ask the slot anew; CardRemoved, CardChanged when another token is in it."""
        now, before = self._token.slot.info(), self._token.info
        if (now.serial, now.label) != (before.serial, before.label):
            raise CardChanged("another card is in the slot")
        return now

    def _tries(self) -> int | None:
        now = self._same_token()
        if now.tries is not None or self._beside is None:
            return now.tries
        return self._beside.tries(self._token.slot.name)

    def sign(
        self,
        key: Key,
        algorithm: SignatureAlgorithm,
        digest: bytes,
        pin: Pin | None,
        expected: Expected,
        *,
        stop: threading.Event | None = None,
        lang: str = "en",  # the module asks in its own
    ) -> bytes:
        """Sign a digest with one login of its own; a PIN goes to C_Login once, and
        once more for a key that asks for it always, when it was found right.

        Raises CardChanged, PinBlocked and UnsupportedCard before the login,
        PinIncorrect, PinBlocked and PinEntryCancelled from it; Stopped once `stop` is
        set, before the login and before C_Sign. A call that is too slow goes on to its
        logout; what its dialog comes to is signed no more.
        """
        if not self.signs:
            raise UnsupportedCard(b"", f"applet {self.applet} is read only")
        if (pin is None) is (self.pin_entry is PinEntry.TYPED):
            raise CardChanged("the PIN of this card is now typed in another place")
        how = objects.mechanism(algorithm, digest)
        number = objects.KEYS.get(key)
        if number is None:
            raise UnsupportedCard(b"", "this key signs nothing for anybody")
        # Whoever takes the copy out wipes it: the module's thread, if it gets that far.
        # Wiped by the other one, the PIN would reach the card as a wrong one.
        copies = [None if pin is None else pin.digits()]
        given_up = threading.Event()

        def wanted() -> None:
            go_on(stop)
            go_on(given_up)

        def work() -> bytes:
            try:
                secret = copies.pop()
            except IndexError:
                raise Stopped from None
            try:
                return self._sign(number, how, secret, expected, wanted)
            finally:
                wipe(secret or bytearray())
                self._signatures.end()

        self._signatures.begin()
        try:
            signature = self._run(
                work, CALL_SECONDS if pin is not None else LOGIN_SECONDS
            )
        except BaseException:
            given_up.set()
            with suppress(IndexError):  # the thread was never free for it
                wipe(copies.pop() or bytearray())
                self._signatures.end()
            raise
        if len(signature) != algorithm.signature_size:
            raise CardUnreadable("a signature of the wrong size")
        return signature

    def _sign(
        self,
        number: int,
        how: objects.Mechanism,
        secret: bytearray | None,
        expected: Expected,
        wanted: Callable[[], None],
    ) -> bytes:
        """Check, log in, sign, log out, each once; the login once more for its key.

        `wanted` raises Stopped when nobody waits any more.
        """
        reader = self._check(how, expected)
        self._token.end_login()
        wanted()
        try:
            self._log_in(secret)
            key = self._private_key(number)
            self._token.sign_init(key, how.number, how.pss)
            if key.always_authenticate:
                self._log_in(secret, for_key=True)
            wanted()
            signature = self._token.sign(how.data)
            self._keep_what_shows()
        except BaseException:
            with suppress(CardError):  # what ended the signature is the news
                self._leave(reader)
            raise
        self._leave(reader)
        return signature

    def _log_in(self, secret: bytearray | None, *, for_key: bool = False) -> None:
        """Log in once; for a key with the PIN that was found right just before."""
        if not self._token.login(secret, for_key=for_key):
            raise self._pin_incorrect()

    def _check(self, how: objects.Mechanism, expected: Expected) -> str | None:
        """Refuse what cannot be signed, before the login; return the PC/SC reader.

        A token that told no number flags its last try after a wrong PIN. Who was asked
        about a try that may be the last has agreed to that one, too.
        """
        now = Expected(self._recognise().chip_serial, self._tries())
        if now.chip_serial != expected.chip_serial or (
            expected.tries_left not in (None, now.tries_left)
        ):
            raise self._unless_gone(
                CardChanged("another card, or other tries than were shown")
            )
        if now.tries_left == 0:
            raise PinBlocked("no tries left")
        slot = self._token.slot
        if how.number not in slot.mechanisms():
            raise self._unsupported("the module does not sign as this card does")
        if self._official:
            return None
        if not self._token.info.login_required:
            raise self._unsupported("the module signs without a login")
        reader = None if self._beside is None else self._beside.reader(slot.name)
        if reader is None:
            raise self._unsupported("the module leaves the PIN right on the card")
        return reader

    def _pin_incorrect(self) -> CardError:
        tries = None
        with suppress(CardError):
            tries = self._tries()
        return PinBlocked("no tries left") if tries == 0 else PinIncorrect(tries)

    def _private_key(self, number: int) -> PrivateKey:
        forms = objects.identifiers(number)
        found = [key for form in forms for key in self._token.private_keys(form)]
        if len(found) != 1:
            raise self._unless_gone(NoCertificate(f"{len(found)} private keys for it"))
        return found[0]

    def _keep_what_shows(self) -> None:
        """Read what may show during the login alone, for whoever asks afterwards."""
        for ef in (EF.AUTHENTICATION, EF.CA):
            with suppress(NoCertificate):
                self._shown[ef] = self._visible(ef)

    def _leave(self, reader: str | None) -> None:
        """End the login in the module, and its right on the card.

        The official module ends that by itself; where it could not, PC/SC does.
        """
        try:
            self._token.logout()
        except CardError:
            if reader is None and self._beside is not None:
                reader = self._beside.reader(self._token.slot.name)
            raise
        finally:
            if reader is not None and self._beside is not None:
                self._beside.log_off(reader)

    def _run(self, work: Callable[[], T], seconds: float = CALL_SECONDS) -> T:
        go_on(self._stop)
        return self._lane.run(work, seconds)


def _bare(certificate: bytes) -> bytes:
    """Cut off what follows a certificate; MalformedData when it is cut off itself."""
    size = tlv.der_length(certificate[:6])
    if size > len(certificate):
        raise MalformedData("a certificate that ends too early")
    return certificate[:size]
