"""The card as a program sees it, whichever road leads to it; pure, no I/O here.

`Card` is implemented by `cardio.beid.card` (APDUs through a reader) and
`cardio.pkcs11_card` (another program's module). `CardSource` says which readers there
are and opens the card in one of them.
"""

from __future__ import annotations

import abc
import enum
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cardio.apdu import MAX_TRIES
from cardio.atr import looks_belgian
from cardio.channel import Transaction
from cardio.errors import CardChanged, MalformedData, ModuleLacks, UnsupportedCard
from cardio.files import EF, TEST_MARK, TEST_MARK_AT, Key
from cardio.pin import Pin
from cardio.readers import ReaderState, ReaderWatch
from cardio.signature import SignatureAlgorithm

#: Applet version byte of GET CARD DATA (offset 21) to the applet's name.
_APPLETS = {0x01: "1.0", 0x10: "1.0", 0x11: "1.1", 0x17: "1.7", 0x18: "1.8"}

#: Applets whose keys and certificates are still in use.
_SIGNING = frozenset({"1.7", "1.8"})

CARD_DATA_SIZE = 28
EXTENDED_SIZE = 31
_NO_PIN = 0xFF


@dataclass(frozen=True)
class CardData:
    """GET CARD DATA: 16-byte chip serial, applet, life cycle, tries (1.8 only).

    `virtual` marks a card of the project's own, which is no chip.
    """

    chip_serial: bytes
    applet: str
    life_cycle: int
    tries_left: int | None = None
    virtual: bool = False

    @classmethod
    def from_bytes(cls, data: bytes, atr: bytes) -> CardData:
        """Parse 28 bytes, or 31 with the tries; UnsupportedCard for anything else.

        MalformedData for another length of a card whose ATR is Belgian, and for more
        tries than a card has; FF stands for no PIN (manual 2.7).
        """
        known_size = len(data) in (CARD_DATA_SIZE, EXTENDED_SIZE)
        if not known_size and looks_belgian(atr):
            raise MalformedData(f"card data of {len(data)} bytes")
        applet = _APPLETS.get(data[21]) if known_size else None
        if applet is None:
            raise UnsupportedCard(atr)
        tries = data[28] if len(data) > CARD_DATA_SIZE else _NO_PIN
        if tries != _NO_PIN and tries > MAX_TRIES:
            raise MalformedData("more tries than a card has")
        left = None if tries == _NO_PIN else tries
        marked = data[TEST_MARK_AT] == TEST_MARK
        return cls(data[:16], applet, data[27], left, marked)


@dataclass(frozen=True)
class PinStatus:
    """Tries left (None: the card cannot be asked without cost) and blocked or not."""

    tries_left: int | None

    @property
    def blocked(self) -> bool:
        """True when the card compares no PIN any more."""
        return self.tries_left == 0


@dataclass(frozen=True)
class Expected:
    """What the person was shown; signing needs the card to be still the same."""

    chip_serial: bytes
    tries_left: int | None


@enum.unique
class PinEntry(enum.Enum):
    """Where the person types the PIN."""

    TYPED = "typed"
    """This program asks for it and hands it to `Card`."""
    READER = "reader"
    """On the keys of the reader (PC/SC part 10); no PIN reaches this computer."""
    MODULE = "module"
    """In the dialog that a PKCS#11 module shows by itself."""


class Card(abc.ABC):
    """One card in one reader; call `recognise` first, then the rest.

    All methods raise the types of `cardio.errors` and belong inside
    `with card.transaction()`; those that take a PIN open it themselves.
    """

    _card_data: CardData | None = None

    @property
    @abc.abstractmethod
    def atr(self) -> bytes:
        """The card's answer to reset; empty where the road does not tell it."""

    @property
    def pin_entry(self) -> PinEntry:
        """Where the PIN is typed; where that is not here, `pin` is None."""
        return PinEntry.TYPED

    @property
    def module(self) -> Path | None:
        """The PKCS#11 module that the card is seen through; None on other roads."""
        return None

    @property
    def has_files(self) -> bool:
        """True where identity, address and photo can be read on this road."""
        return True

    @property
    def card_data(self) -> CardData:
        """What `recognise` found."""
        if self._card_data is None:
            raise RuntimeError("recognise() comes first")
        return self._card_data

    @property
    def applet(self) -> str:
        """`1.0`, `1.1`, `1.7` or `1.8`."""
        return self.card_data.applet

    @property
    def signs(self) -> bool:
        """True where the applet's keys are still in use (1.7 and 1.8)."""
        return self.applet in _SIGNING

    @property
    def changes_pin(self) -> bool:
        """True where card, reader and road let a program change the PIN."""
        return False

    @abc.abstractmethod
    def transaction(self) -> AbstractContextManager[Transaction]:
        """Keep other programs from the card while the block runs."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the card back; may be called twice."""

    @abc.abstractmethod
    def recognise(self) -> CardData:
        """Find out which card this is; UnsupportedCard."""

    def resume(self, known: CardData) -> None:
        """Go on with a card that was recognised earlier in its stay in the reader.

        CardChanged when it is another one; where asking that costs commands, the next
        `pin_status` or `sign` says so.
        """
        now = self.recognise()
        if (now.chip_serial, now.applet) != (known.chip_serial, known.applet):
            raise CardChanged("another card than the one that was recognised")

    @abc.abstractmethod
    def read(self, ef: EF) -> bytes:
        """Return a file as stored, padding included; FileAbsent when there is none."""

    @abc.abstractmethod
    def read_certificate(self, ef: EF) -> bytes:
        """Return a certificate in DER, without the padding.

        NoCertificate; LoginFirst where `sign` has to come before.
        """

    @abc.abstractmethod
    def has_certificate(self, ef: EF) -> bool:
        """Tell whether a certificate file holds a certificate."""

    @abc.abstractmethod
    def pin_status(self) -> PinStatus:
        """Ask for the tries left without spending one."""

    def state(self) -> Expected:
        """Return chip serial and tries left as the card says now."""
        return Expected(self.card_data.chip_serial, self.pin_status().tries_left)

    @abc.abstractmethod
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
        """Sign a digest with one PIN, sent once; CardChanged before it is sent.

        `lang` (nl, fr, de, en) is for what a reader with keys shows. Raises Stopped,
        with no PIN asked or sent, when `stop` is set by then. Returns the raw
        signature: r||s, PKCS#1 v1.5 or PSS.
        """

    def authenticate_chip(
        self, digest: bytes, about_to_ask: Callable[[], None] = lambda: None
    ) -> bytes:
        """Let the chip sign 48 bytes with its basic key; opens the transaction itself.

        `about_to_ask` is called when only the command itself is left to send, and ends
        it by whatever it raises.
        Uses up one of the chip's 5000 answers: only for a person who asked for it just
        now, before any signature's MSE, and never again when it fails (SAFETY 3).
        Returns r||s (96 bytes). Raises UnsupportedCard below applet 1.8 and where the
        road or the chip has no such key, ChipBlocked, CardChanged, CardUnreadable;
        ValueError for another length.
        """
        raise self._unsupported("the chip cannot be asked on this road")

    def change_pin(
        self,
        old: Pin | None,
        new: Pin | None,
        expected: Expected,
        *,
        lang: str = "en",
        about_to_send: Callable[[], None] = lambda: None,
    ) -> None:
        """Replace the PIN; old and new are sent once; CardChanged before that.

        Both are None where the PIN is not typed on this computer; `lang` as for
        `sign`. `about_to_send` is called when only the command itself is left to send:
        what goes wrong before it changed nothing. UnsupportedCard where card, reader or
        road do not let a program do it.
        """
        raise self._unsupported("the PIN cannot be changed on this road")

    def _unsupported(self, reason: str) -> UnsupportedCard:
        """Return what to raise for something that card or module cannot do."""
        if self.module is None:
            return UnsupportedCard(self.atr, reason)
        return ModuleLacks(self.module, reason)


class CardSource(Protocol):
    """Readers, what is in them, and the way to a card."""

    @property
    def virtual(self) -> bool:
        """True when every card of this source is a test card inside this process."""

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now; ServiceUnavailable."""

    def watch(self) -> ReaderWatch:
        """Return a new watch on the readers, to be used by one thread."""

    def open(
        self,
        name: str,
        *,
        stop: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Card:
        """Connect to the card in the reader of exactly this name.

        Once `stop` is set the card raises Stopped between two commands; never give one
        to a card that will sign. `progress` is told the bytes of each piece read.
        Raises NoReader, NoCard, CardBusy, CardRemoved, CardReset, CardUnreadable,
        UnsupportedCard (a PKCS#11 module's), ServiceUnavailable.
        """
