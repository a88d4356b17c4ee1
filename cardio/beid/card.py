"""A Belgian eID over a channel: recognise, read, PIN, sign; no I/O of its own.

Sources: applet manuals 1.7 and 1.8 (commands and status words, chapter 6; PIN rules,
chapter 5) and the project's safety rules 1 to 6. INTERNAL AUTHENTICATE is built in
`cardio.beid.chip` alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cardio import apdu, tlv
from cardio.apdu import INS, SW, Response
from cardio.atr import looks_belgian
from cardio.beid import algorithms, chip, pinpad, typed
from cardio.card import (
    CARD_DATA_SIZE,
    EXTENDED_SIZE,
    Card,
    CardData,
    Expected,
    PinEntry,
    PinStatus,
)
from cardio.channel import Apdu, Channel, FollowUp, Trace, Transaction, go_on
from cardio.errors import (
    CardChanged,
    CardError,
    CardNotActivated,
    CardUnreadable,
    FileAbsent,
    NewPinRefused,
    NoCertificate,
    PinBlocked,
    PinIncorrect,
    UnexpectedStatus,
    UnsupportedCard,
)
from cardio.files import APPLET_AID, EF, Key
from cardio.part10 import Feature
from cardio.pin import Pin, wipe
from cardio.signature import SignatureAlgorithm

_log = logging.getLogger(__name__)

_BLOCK = 256
#: No file of the card comes near this; a card that goes on for longer is broken.
_MAX_FILE = 0x7F00

#: SW1 of what goes wrong inside a card (ISO 7816-4, 5.6): not another card's answer.
_EXECUTION_ERRORS = frozenset({0x64, 0x65, 0x6F})
#: Status words of a card that was issued but not activated at the town hall.
_NOT_ACTIVE = frozenset(
    {SW.FILE_DEACTIVATED, SW.CONDITIONS_OF_USE, SW.INS_NOT_SUPPORTED}
)


class BeidCard(Card):
    """The card in one channel; `quirks` is what is known of its kind of reader."""

    def __init__(
        self, channel: Channel, *, quirks: pinpad.Quirks = pinpad.STANDARD
    ) -> None:
        self._channel = FollowUp(Trace(channel, _log))
        self._quirks = quirks
        self._signature_fills_block = False

    @property
    def atr(self) -> bytes:
        return self._channel.atr

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._channel.transaction() as transaction:
            yield transaction

    def close(self) -> None:
        self._channel.close()

    # --- recognition -----------------------------------------------------------------

    def recognise(self) -> CardData:
        """Find out which applet this is.

        GET CARD DATA comes first; SELECT AID only when it fails, because selecting the
        applet again drops a PIN right that another program may hold. A card of an
        unknown applet gets no further command: UnsupportedCard.
        """
        response = self._transmit(apdu.get_card_data())
        if response.sw != SW.OK and self._select_applet():
            response = self._transmit(apdu.get_card_data())
        if response.sw != SW.OK:
            raise UnsupportedCard(self.atr)
        self._card_data = CardData.from_bytes(response.data, self.atr)
        return self._card_data

    def resume(self, known: CardData) -> None:
        self._card_data = known

    def _select_applet(self) -> bool:
        """Select the applet by its AID; a card of another family is left alone."""
        select = apdu.select_aid(APPLET_AID)
        response = self._transmit(select)
        if response.sw == SW.WRONG_P1P2 and looks_belgian(self.atr):
            response = self._transmit(select[:3] + b"\0" + select[4:])
        return response.sw == SW.OK

    # --- files -----------------------------------------------------------------------

    def read(self, ef: EF) -> bytes:
        """Return a file as stored, padding included; FileAbsent when there is none."""
        if ef is EF.BASIC_KEY:
            return self._read_der(ef)
        self._select(ef)
        # Both signatures are of one key and form: one that fills a block ends there.
        whole = ef is EF.ADDRESS_SIGNATURE and self._signature_fills_block
        data = self._read_from(ef, b"", _BLOCK if whole else _MAX_FILE)
        if ef is EF.IDENTITY_SIGNATURE:
            self._signature_fills_block = len(data) == _BLOCK
        return data

    def read_certificate(self, ef: EF) -> bytes:
        """Return a certificate in DER, read by its own length, without the padding.

        NoCertificate when the file is absent or begins with zeros.
        """
        try:
            return self._read_der(ef)
        except FileAbsent:
            raise NoCertificate(ef.name) from None

    def has_certificate(self, ef: EF) -> bool:
        """Tell whether a certificate file holds more than zeros, by its first bytes."""
        try:
            self._select(ef)
        except FileAbsent:
            return False
        return any(self._read_block(ef, 0, 4))

    def _read_der(self, ef: EF) -> bytes:
        self._select(ef)
        head = self._read_block(ef, 0, _BLOCK)
        if not any(head[:4]):
            raise NoCertificate(ef.name)
        size = tlv.der_length(head[:6])
        if size > _MAX_FILE:
            raise CardUnreadable("a certificate that is too long")
        data = self._read_from(ef, head, size)
        if len(data) < size:
            raise CardUnreadable("a certificate that is cut off")
        return data[:size]

    def _select(self, ef: EF) -> None:
        response = self._transmit(apdu.select_path(*ef.path))
        if response.sw == SW.FILE_NOT_FOUND:
            raise FileAbsent(ef.name)
        if response.sw in _NOT_ACTIVE:
            raise CardNotActivated(ef.name)
        self._expect_ok(INS.SELECT, response)

    def _read_from(self, ef: EF, data: bytes, size: int) -> bytes:
        """Go on reading at the end of `data` until `size` or the end of the file."""
        while len(data) < size:
            wanted = min(_BLOCK, size - len(data))
            block = self._read_block(ef, len(data), wanted)
            data += block
            if len(block) < wanted:
                return data
        if size == _MAX_FILE:
            raise CardUnreadable("a file without end")
        return data

    def _read_block(self, ef: EF, offset: int, length: int) -> bytes:
        """Read up to `length` bytes; b"" at the end of the file.

        Some readers answer 6986, 6B00 or nothing in the middle of a file; selecting
        the file again and repeating once helps there.
        """
        response = self._transmit(apdu.read_binary(offset, length))
        if _is_doubtful(ef, offset, response):
            self._select(ef)
            response = self._transmit(apdu.read_binary(offset, length))
        if response.sw == SW.WRONG_OFFSET and (offset or ef not in _NEVER_EMPTY):
            return b""
        if response.sw in _NOT_ACTIVE:
            raise CardNotActivated(ef.name)
        self._expect_ok(INS.READ_BINARY, response)
        if not 1 <= len(response.data) <= length:
            raise CardUnreadable("a block of the wrong size")
        return response.data

    # --- PIN and signature -----------------------------------------------------------

    def pin_status(self) -> PinStatus:
        """Ask for the tries left without spending one.

        Applet 1.8 tells them in the extended card data; 1.7 answers a VERIFY without
        data. Older applets count that VERIFY as a wrong PIN, so it is not sent there,
        nor through a reader that intercepts the instruction.
        """
        return PinStatus(self.state().tries_left)

    def state(self) -> Expected:
        extended = self.applet == "1.8"
        response = self._transmit(apdu.get_card_data(extended=extended))
        if response.sw >> 8 in _EXECUTION_ERRORS:
            raise CardUnreadable(f"card data: {response.sw:04X}")
        if response.sw != SW.OK:  # a card of another applet, or another one selected
            raise CardChanged("the card does not answer as its applet does")
        if len(response.data) != (EXTENDED_SIZE if extended else CARD_DATA_SIZE):
            raise CardUnreadable("card data of the wrong size")
        now = CardData.from_bytes(response.data, self.atr)
        if extended and now.tries_left is None:
            raise UnsupportedCard(self.atr, "the card has no PIN")
        if self.applet == "1.7" and not self._quirks.intercepts_verify:
            return Expected(now.chip_serial, self._status_query())
        return Expected(now.chip_serial, now.tries_left)

    def _status_query(self) -> int | None:
        response = self._transmit(apdu.verify_status())
        if response.sw == SW.OK:
            return None
        tries = apdu.tries_left(response.sw)
        if tries is None:
            raise UnexpectedStatus(INS.VERIFY, response.sw)
        return tries

    @property
    def pin_entry(self) -> PinEntry:
        """On the reader wherever it has keys for it, else typed here."""
        return PinEntry.TYPED if self._channel.keypad is None else PinEntry.READER

    @property
    def changes_pin(self) -> bool:
        """True for 1.7 and 1.8, unless the reader has keys that only verify."""
        keypad = self._channel.keypad
        can = keypad is None or Feature.MODIFY_PIN_DIRECT in keypad.features
        return self.signs and can

    def sign(
        self,
        key: Key,
        algorithm: SignatureAlgorithm,
        digest: bytes,
        pin: Pin | None,
        expected: Expected,
        *,
        stop: threading.Event | None = None,
        lang: str = "en",
    ) -> bytes:
        """Sign a digest with one PIN; the PIN goes to the card once, whatever happens.

        In one transaction: card data (and tries) as expected, else CardChanged and no
        VERIFY; MSE, VERIFY, PSO with its GET RESPONSE, LOG OFF. Raises Stopped before
        VERIFY; PinIncorrect, PinBlocked, UnsupportedCard, CardUnreadable; without `pin`
        what the reader's keypad says: PinEntryTimeout, PinEntryCancelled, PinFormat.
        Returns the raw signature: r||s, PKCS#1 v1.5 or PSS. Never interrupt the thread
        that runs this.
        """
        self._check_signs(expected)
        if key not in _SIGNING_KEYS:
            raise ValueError("this key signs nothing")
        to_be_signed = algorithm.to_be_signed(digest)
        if not algorithms.is_of(self.applet, algorithm):
            raise UnsupportedCard(self.atr, f"no algorithm of applet {self.applet}")
        self._check_entry(pin)
        with self.transaction() as transaction:
            self._check_expected(expected)
            mse = self._transmit(apdu.mse_set(algorithm.reference, key))
            if mse.sw == SW.REFERENCE_NOT_FOUND:
                raise NoCertificate("the card has no such key")
            if mse.sw in _NOT_ACTIVE:
                raise CardNotActivated("the key is not active")
            self._expect_ok(INS.MSE, mse)
            go_on(stop)  # another program may have kept the card for long
            command = typed.verify(pin)
            try:
                self._send_pin(INS.VERIFY, command, lang)
                signature = self._compute(to_be_signed, algorithm.signature_size)
            finally:
                self._log_off(transaction)
        return signature

    def _check_signs(self, expected: Expected) -> None:
        """Refuse another card than was shown, and one that is read only, unasked."""
        if self.card_data.chip_serial != expected.chip_serial:
            raise CardChanged("another card than was shown")
        if not self.signs:
            raise UnsupportedCard(self.atr, f"applet {self.applet} is read only")

    def change_pin(
        self,
        old: Pin | None,
        new: Pin | None,
        expected: Expected,
        *,
        lang: str = "en",
        about_to_send: Callable[[], None] = lambda: None,
    ) -> None:
        """Replace the PIN; old and new go to the card once, whatever happens.

        In one transaction: card data (and tries) as expected, else CardChanged and
        nothing sent; CHANGE REFERENCE DATA, LOG OFF. A wrong old PIN costs a try.
        Raises PinIncorrect, PinBlocked, NewPinRefused, UnsupportedCard,
        CardUnreadable; without PINs what the reader's keypad says. Never interrupt the
        thread that runs this.
        """
        self._check_signs(expected)
        self._check_entry(old, new)
        if not self.changes_pin:
            raise UnsupportedCard(self.atr, "this reader's keypad changes no PIN")
        with self.transaction() as transaction:
            self._check_expected(expected)
            about_to_send()
            command = typed.change(old, new)
            try:
                self._send_pin(INS.CHANGE_REFERENCE_DATA, command, lang)
            finally:
                self._log_off(transaction)

    def _check_entry(self, *pins: Pin | None) -> None:
        """See to it that PINs are typed where they belong, all or none here.

        One that a person was made to type on the computer never passes through a
        reader whose keys are there to keep it from the computer. CardChanged: a reader
        of the same name, but without or with keys, took the place of the first one.
        """
        here = self.pin_entry is PinEntry.TYPED
        if any((pin is not None) != here for pin in pins):
            where = "on the computer" if here else "on the reader"
            raise CardChanged(f"the PIN of this card is now typed {where}")

    def _check_expected(self, expected: Expected) -> None:
        """Compare the card with what the person was shown, before any PIN is sent."""
        if self.state() != expected:
            raise CardChanged("another card, or other tries than were shown")
        if expected.tries_left == 0:
            raise PinBlocked("no tries left")

    def _send_pin(self, ins: INS, command: bytearray | None, lang: str) -> None:
        """Send a command with a PIN once and wipe it, whatever comes back."""
        try:
            response = (
                self._type_pin(ins, lang)
                if command is None
                else self._transmit(command)
            )
        finally:
            wipe(command or bytearray())
        if response.sw == SW.OK:
            return
        if ins == INS.CHANGE_REFERENCE_DATA and response.sw == SW.WRONG_DATA:
            raise NewPinRefused("the card refuses the form of the new PIN")
        tries = apdu.tries_left(response.sw)
        if tries is None:
            raise UnexpectedStatus(ins, response.sw)
        if tries == 0:
            raise PinBlocked("no tries left")
        raise PinIncorrect(tries)

    def _type_pin(self, ins: INS, lang: str) -> Response:
        """Have the PIN typed on the reader, which sends the command by itself."""
        keypad = self._channel.keypad
        if keypad is None:
            raise CardUnreadable("the reader's keys are gone")
        if ins == INS.VERIFY:
            feature, entries = Feature.VERIFY_PIN_DIRECT, 1
            structure = pinpad.verify_structure(keypad, self._quirks, lang)
        else:
            feature, entries = Feature.MODIFY_PIN_DIRECT, 3
            structure = pinpad.modify_structure(keypad, self._quirks, lang)
        limit = pinpad.seconds(entries)
        response = self._channel.enter_pin(feature, structure, limit)
        pinpad.check(response.sw)
        return response

    def _compute(self, to_be_signed: bytes, size: int) -> bytes:
        response = self._transmit(apdu.pso_cds(to_be_signed))
        self._expect_ok(INS.PSO, response)
        if len(response.data) != size:
            raise CardUnreadable("a signature of the wrong size")
        return response.data

    def _log_off(self, transaction: Transaction) -> None:
        """Drop the PIN right; where the card does not confirm it, ask for a reset."""
        transaction.reset_at_end = True
        try:
            response = self._transmit(apdu.log_off())
        except CardError:
            return  # whatever ended the signature is the news, the reset follows
        transaction.reset_at_end = response.sw != SW.OK

    # --- the chip itself -------------------------------------------------------------

    def authenticate_chip(
        self, digest: bytes, about_to_ask: Callable[[], None] = lambda: None
    ) -> bytes:
        """Let the chip sign 48 bytes, as `Card` has it."""
        serial = self.card_data.chip_serial
        with self.transaction():
            return chip.authenticate(
                self._transmit, self.atr, serial, digest, about_to_ask
            )

    # --- helpers ---------------------------------------------------------------------

    def _transmit(self, command: Apdu) -> Response:
        return self._channel.transmit(command)

    @staticmethod
    def _expect_ok(ins: INS, response: Response) -> None:
        if response.sw != SW.OK:
            raise UnexpectedStatus(ins, response.sw)


_SIGNING_KEYS = frozenset({Key.AUTHENTICATION, Key.NON_REPUDIATION})


def _is_doubtful(ef: EF, offset: int, response: Response) -> bool:
    """Tell whether an answer may be a bad reader's, so that asking again is worth it.

    6B00 is the honest end of a file that fills its last block: usual for the two
    signatures (256 bytes), so it is believed there, and seldom elsewhere.
    """
    if response.sw == SW.WRONG_OFFSET:
        return not (ef in _ONE_BLOCK and offset == _BLOCK)
    nothing = response.sw == SW.OK and not response.data
    return nothing or response.sw == SW.NO_CURRENT_EF


#: Files that are just one block long where they are RSA-2048 or padded to that.
_ONE_BLOCK = frozenset({EF.IDENTITY_SIGNATURE, EF.ADDRESS_SIGNATURE})

#: Files in which offset 0 beyond the end means a broken card, not an empty file.
_NEVER_EMPTY = frozenset({EF.IDENTITY, EF.IDENTITY_SIGNATURE})
