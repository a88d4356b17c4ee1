"""Readers and cards through PC/SC; the only module that imports pyscard.

Speaks to winscard through `smartcard.scard`, whose calls take and give lists of ints;
they are converted here, once. A VERIFY passes through a list of ours, which is
overwritten, and through buffers of pyscard and pcsc-lite, which cannot be.

winscard knows no time limit for a card that does not answer, so each channel has a
thread of its own for its commands. When a card stays mute the channel is given up; its
thread ends when winscard lets go of it.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from smartcard import scard

from cardio.apdu import Response
from cardio.channel import Apdu, Channel, Transaction
from cardio.errors import (
    CardBusy,
    CardError,
    CardMute,
    CardRemoved,
    CardReset,
    CardUnreadable,
    NoCard,
    NoReader,
    ServiceRefused,
    ServiceStopped,
    ServiceUnavailable,
)
from cardio.part10 import (
    ABORT,
    GET_KEY_PRESSED,
    PPDU_FEATURES,
    Feature,
    Keypad,
    keypad,
    parse_features,
    parse_ppdu_features,
    ppdu,
    speaks_ppdu,
    steps,
)
from cardio.readers import VIRTUAL_OF_WINDOWS, ReaderState
from cardio.worker import Worker

T = TypeVar("T")

#: Seconds after which a card that does not answer one command is given up.
APDU_SECONDS = 15.0
#: Seconds between two looks for PC/SC while it is away.
_LOOK_SECONDS = 5.0
#: Seconds for a reader to tell whether it has a keypad; its driver knows at once.
_PAD_SECONDS = 2.0

#: The pseudo-reader that tells of readers coming and going; macOS has none, so there
#: a wait ends after a while to look for them.
_PNP = "\\\\?PnP?\\Notification"
_HAS_PNP = sys.platform != "darwin"
_LIMITED_MS = 2000
_WAIT_MS = scard.INFINITE
#: Windows starts the service with the first reader and stops it after the last one
#: went ("Smart Card Service start and stop behavior"): there no service is no reader.
_STOPS_WITHOUT_READERS = sys.platform == "win32"
#: What Windows answers in a remote session without redirection, or whose redirected
#: readers were taken away ("Smart Card Return Values"); no SCARD_ codes.
_ERROR_INVALID_HANDLE = 0x06
_ERROR_BROKEN_PIPE = 0x6D
_GET_FEATURES = scard.SCARD_CTL_CODE(3400)
_FIRMWARE_SIZE = 4
#: What a keypad tells before an entry in two steps is over: nothing yet, no key, a
#: digit, one digit taken back, all taken back (PC/SC part 10, GET_KEY_PRESSED).
_KEYS_BEFORE_THE_LAST = (b"", b"\x00", b"\x2b", b"\x08", b"\x0a")
_KEY_SECONDS = 0.1

#: PC/SC return code to what it means for us; anything else is CardUnreadable.
_ERRORS: dict[int, type[CardError]] = {
    scard.SCARD_E_NO_SERVICE: ServiceUnavailable,
    scard.SCARD_E_SERVICE_STOPPED: ServiceUnavailable,
    scard.SCARD_E_INVALID_HANDLE: ServiceUnavailable,
    scard.SCARD_F_COMM_ERROR: ServiceUnavailable,
    # A session, or the computer, ends or is taken away.
    scard.SCARD_E_SYSTEM_CANCELLED: ServiceUnavailable,
    scard.SCARD_P_SHUTDOWN: ServiceUnavailable,
    _ERROR_INVALID_HANDLE: ServiceUnavailable,
    _ERROR_BROKEN_PIPE: ServiceUnavailable,
    # What pcscd says where polkit does not let this user in.
    scard.SCARD_W_SECURITY_VIOLATION: ServiceRefused,
    scard.SCARD_E_NO_READERS_AVAILABLE: NoReader,
    scard.SCARD_E_UNKNOWN_READER: NoReader,
    scard.SCARD_E_READER_UNAVAILABLE: CardRemoved,
    scard.SCARD_E_NO_SMARTCARD: NoCard,
    scard.SCARD_E_SHARING_VIOLATION: CardBusy,
    scard.SCARD_W_REMOVED_CARD: CardRemoved,
    scard.SCARD_E_NOT_TRANSACTED: CardRemoved,
    scard.SCARD_W_RESET_CARD: CardReset,
    # What pcscd says in the moment between a reset and the next protocol choice.
    scard.SCARD_E_PROTO_MISMATCH: CardReset,
    scard.SCARD_W_UNPOWERED_CARD: CardReset,
}


def _unsigned(code: int) -> int:
    """Return a return code as 32 bits, whatever sign pyscard gave it."""
    return code & 0xFFFFFFFF


_BY_CODE = {_unsigned(code): error for code, error in _ERRORS.items()}


def _check(code: int) -> None:
    """Raise what a PC/SC return code stands for."""
    if code != scard.SCARD_S_SUCCESS:
        error = _BY_CODE.get(_unsigned(code), CardUnreadable)
        raise error(scard.SCardGetErrorMessage(code))


def _check_readers(code: int) -> None:
    """Raise what a code for all readers stands for: NoReader, ServiceUnavailable.

    NoReader where one came or went between two calls.
    """
    try:
        _check(code)
    except (NoReader, CardRemoved):
        raise NoReader(scard.SCardGetErrorMessage(code)) from None
    except ServiceRefused:
        raise
    except CardError as error:
        kind = ServiceStopped if _unsigned(code) in _ABSENT else ServiceUnavailable
        raise kind(str(error)) from None


def _establish() -> Any:
    """Open a PC/SC context; ServiceUnavailable when there is none."""
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    try:
        _check_readers(code)
    except NoReader as error:
        raise ServiceUnavailable(str(error)) from None
    return context


_ABSENT = frozenset(
    map(_unsigned, (scard.SCARD_E_NO_SERVICE, scard.SCARD_E_SERVICE_STOPPED))
)


@contextmanager
def _context() -> Iterator[Any]:
    """Open a PC/SC context and release it; ServiceUnavailable when there is none."""
    context = _establish()
    try:
        yield context
    finally:
        scard.SCardReleaseContext(context)


def _names(context: Any) -> list[str]:
    """List the readers, without those that hold no card that a person could insert.

    A USB device names itself, in any bytes. pyscard breaks off at a name that is no
    UTF-8, and takes none that is not ASCII: such a reader cannot be spoken to.
    """
    try:
        code, names = scard.SCardListReaders(context, [])
    except (SystemError, UnicodeError):
        raise ServiceUnavailable("a reader's name is no text") from None
    if _unsigned(code) == _unsigned(scard.SCARD_E_NO_READERS_AVAILABLE):
        return []
    _check_readers(code)
    usable = (name for name in names if name.isascii() and name not in ("", _PNP))
    return [
        name
        for name in dict.fromkeys(usable)
        if not name.startswith(VIRTUAL_OF_WINDOWS)
    ]


class _Pads:
    """Which readers have a keypad, asked once of each.

    pcscd lets nobody connect to a reader whose card keeps a command unanswered, so a
    thread asks, and a reader that does not tell is asked no second time meanwhile.
    """

    def __init__(self) -> None:
        self.known: dict[str, bool] = {}
        self._asking: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def has(self, name: str) -> bool:
        """Tell whether a reader has one; False, too, as long as it does not say."""
        if name in self.known:
            return self.known[name]
        with self._lock:
            asking = self._asking.get(name)
            if asking is not None and asking.is_alive():
                return False
            asking = threading.Thread(target=self._ask, args=(name,), daemon=True)
            self._asking[name] = asking
            asking.start()
        asking.join(_PAD_SECONDS)
        return self.known.get(name, False)

    def forget_all_but(self, names: list[str]) -> None:
        """Forget readers that went: another one may come by the same name."""
        with self._lock:
            self._forget({*self.known, *self._asking} - set(names))

    def forget(self, gone: set[str]) -> None:
        """Forget these, which went."""
        with self._lock:
            self._forget(gone)

    def _forget(self, gone: set[str]) -> None:
        for name in gone:
            self.known.pop(name, None)
            self._asking.pop(name, None)

    def _ask(self, name: str) -> None:
        with contextlib.suppress(ServiceUnavailable), _context() as context:
            pad = _has_pin_pad(context, name)
            with self._lock:  # it may have been forgotten meanwhile
                here = self._asking.get(name) is threading.current_thread()
                if pad is not None and here:
                    self.known[name] = pad


def _look(context: Any, pads: _Pads) -> tuple[ReaderState, ...]:
    """Return all readers as they are now; `pads` remembers who has a PIN pad."""
    names = _names(context)
    if not names:
        return ()
    asked = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
    code, states = scard.SCardGetStatusChange(context, 0, asked)
    _check_readers(code)
    return tuple(_state(pads, *state) for state in states)


def _state(pads: _Pads, name: str, event: int, atr: list[int]) -> ReaderState:
    seen: bytes | None = None
    if event & scard.SCARD_STATE_PRESENT and not event & _NOTHING:
        seen = b"" if event & scard.SCARD_STATE_MUTE else bytes(atr)
    # The upper half of the event state counts insertions and removals.
    return ReaderState(name, seen, event >> 16 & 0xFFFF, pads.has(name))


def _has_pin_pad(context: Any, name: str) -> bool | None:
    """Ask a reader, with or without a card, for a keypad; None: it is in use now."""
    code, card, _ = scard.SCardConnect(context, name, scard.SCARD_SHARE_DIRECT, 0)
    if code != scard.SCARD_S_SUCCESS:
        return None
    try:
        codes = _features(card)
        # Their own list they tell only with a card in.
        by_name = not codes and speaks_ppdu(name)
        return by_name or keypad(codes, None) is not None
    except CardError:
        return None
    finally:
        scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)


def _features(card: Any) -> dict[int, int]:
    """Return control codes by feature, as a reader's driver tells them (part 10, 2.2).

    A driver that knows no such request refuses it, each in its own way: none. CardError
    where card, reader or service went, of which nothing can be said.
    """
    code, table = scard.SCardControl(card, _GET_FEATURES, [])
    if code == scard.SCARD_S_SUCCESS:
        return parse_features(bytes(table))
    if _BY_CODE.get(_unsigned(code)) in _GONE_MEANWHILE:
        _check(code)
    return {}


def _firmware(card: Any) -> tuple[int, int] | None:
    """Return a reader's major and minor version, from a number 0xMMmmbbbb."""
    code, value = scard.SCardGetAttrib(card, scard.SCARD_ATTR_VENDOR_IFD_VERSION)
    if code != scard.SCARD_S_SUCCESS or len(value) != _FIRMWARE_SIZE:
        return None
    version = int.from_bytes(bytes(value), sys.byteorder)
    return version >> 24, version >> 16 & 0xFF


class PcscReaders:
    """The machine's readers; implements `ReaderSource`."""

    virtual = False

    def __init__(self, apdu_seconds: float = APDU_SECONDS) -> None:
        self._apdu_seconds = apdu_seconds
        self._pads = _Pads()

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now; ServiceUnavailable."""
        for _ in range(_LOOKS):
            try:
                with _context() as context:
                    return _look(context, self._pads)
            except ServiceStopped:
                if _STOPS_WITHOUT_READERS:
                    return ()
                raise
            except NoReader:
                pass
            time.sleep(_SETTLE_SECONDS)  # one came or went between two calls
        return ()

    def connect(self, name: str) -> Channel:
        """Connect to the card in a reader, shared with other programs."""
        return PcscChannel(name, self._apdu_seconds)

    def watch(self) -> PcscWatch:
        """Return a watch with a context of its own."""
        return PcscWatch(self._pads)


#: Ends of a wait in which nothing went wrong.
_NO_NEWS = frozenset(
    map(_unsigned, (scard.SCARD_E_CANCELLED, scard.SCARD_E_TIMEOUT)),
)
#: What took reader, card or service away while a reader was asked for its features.
_GONE_MEANWHILE = (CardRemoved, CardReset, NoCard, NoReader, ServiceUnavailable)
#: A reader that is not there, and one without a card.
_GONE = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE
_NOTHING = _GONE | scard.SCARD_STATE_EMPTY
#: Pause before looking again when readers came or went while being looked at, and after
#: news that said nothing new.
_SETTLE_SECONDS = 0.1
_LOOKS = 10
#: Bytes of the shortest answer that there is.
_STATUS_WORD = 2
#: Seconds within which the removal of a card that broke off its answer is reported.
_GOING_SECONDS = 1.0
_CANCEL_SECONDS = 0.05
_CANCELS = 100


class PcscWatch:
    """Waits in SCardGetStatusChange without a time limit; implements `ReaderWatch`."""

    def __init__(self, pads: _Pads) -> None:
        self._pads = pads
        self._stop = threading.Event()
        #: Clear while a call to winscard may be waiting, so that `cancel` can end it.
        self._idle = threading.Event()
        self._idle.set()
        self._context: Any = None
        self._known: list[tuple[str, int]] = []
        self._reported: tuple[ReaderState, ...] | None = None
        self._pause = 0.0
        self._has_pnp = _HAS_PNP
        self._unsettled = 0
        self._lost_at: float | None = None

    def wait(self) -> tuple[ReaderState, ...] | None:
        """Block until something changed; the first call returns at once."""
        while not self._stop.is_set():
            found = self._next()
            if found != self._reported and not self._stop.is_set():
                self._reported = found
                return found
            self._stop.wait(_SETTLE_SECONDS if self._known else 0)
        self._drop()
        return None

    def cancel(self) -> None:
        """Make `wait` return None, from any thread.

        SCardCancel ends a wait that has begun and is lost on one that is about to,
        so it is said until the wait is over.
        """
        self._stop.set()
        for _ in range(_CANCELS):
            context = self._context
            if self._idle.is_set() or context is None:
                return
            scard.SCardCancel(context)
            self._idle.wait(_CANCEL_SECONDS)

    def _next(self) -> tuple[ReaderState, ...]:
        """Wait for the next event, or for the next time to look, and look."""
        try:
            if self._known:
                gone = self._block()
                if gone:  # said even when it is back at once, with another card perhaps
                    self._known, self._pause = [], 0.0
                    return self._without(gone)
            else:
                self._stop.wait(self._pause)
            return self._refresh()
        except NoReader:  # a reader came or went between two calls
            self._known, self._pause = [], _SETTLE_SECONDS
            self._unsettled += 1
            if self._unsettled < _LOOKS:
                return self._reported or ()
            self._unsettled = 0
            return self._lost()
        except CardError:
            return self._lost()

    def _lost(self) -> tuple[ReaderState, ...]:
        """Give the context up; a service that was restarted is there again at once."""
        self._drop()
        now = time.monotonic()
        first = self._lost_at is None or now - self._lost_at > 2 * _LOOK_SECONDS
        self._lost_at = now
        self._known = []
        self._pause = min(_SETTLE_SECONDS, _LOOK_SECONDS) if first else _LOOK_SECONDS
        return ()

    def _without(self, gone: set[str]) -> tuple[ReaderState, ...]:
        self._pads.forget(gone)
        return tuple(one for one in self._reported or () if one.name not in gone)

    def _block(self) -> set[str]:
        """Wait for an event; return the readers that went."""
        self._idle.clear()
        try:
            if self._stop.is_set():
                return set()
            wait = _WAIT_MS if self._has_pnp else _LIMITED_MS
            code, states = scard.SCardGetStatusChange(self._context, wait, self._known)
        finally:
            self._idle.set()
        if _unsigned(code) not in _NO_NEWS:
            _check_readers(code)
        there = {name for name, event in self._known if not event & _GONE}
        return {name for name, event, _ in states if event & _GONE} & there - {_PNP}

    def _refresh(self) -> tuple[ReaderState, ...]:
        """Look at all readers and remember their states as the ones to wait from."""
        if self._context is None:
            self._context = _establish()
        names = _names(self._context)
        self._pads.forget_all_but(names)
        asked = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
        if self._has_pnp:
            asked.append((_PNP, scard.SCARD_STATE_UNAWARE))
        code, states = scard.SCardGetStatusChange(self._context, 0, asked)
        if _unsigned(code) not in _NO_NEWS:
            if self._has_pnp and _BY_CODE.get(_unsigned(code)) is NoReader:
                self._has_pnp = not self._lacks_pnp()
            _check_readers(code)
        self._known = [(name, event) for name, event, _ in states]
        self._pause, self._unsettled = _LOOK_SECONDS, 0
        return tuple(_state(self._pads, *state) for state in states if state[0] != _PNP)

    def _lacks_pnp(self) -> bool:
        """Tell whether the pseudo-reader is unknown, as in some remote sessions."""
        asked = [(_PNP, scard.SCARD_STATE_UNAWARE)]
        code, _ = scard.SCardGetStatusChange(self._context, 0, asked)
        return _BY_CODE.get(_unsigned(code)) is NoReader

    def _drop(self) -> None:
        if self._context is not None:
            scard.SCardReleaseContext(self._context)
            self._context = None


#: Connections whose card has not answered a command yet, and that were given up.
_MUTE: set[PcscChannel] = set()


class PcscChannel(Channel):
    """A connection to the card in one reader."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._context: Any = None
        self._card: Any = None
        self._reset_seen = False
        #: A card whose reset failed, or that stayed mute, is reset on the way out.
        self._reset_on_release = False
        self._kept_by_another = False
        #: Control codes by feature; 0 where a pseudo APDU stands for it.
        self._features: dict[int, int] | None = None
        self._firmware: tuple[int, int] | None = None
        self._worker = Worker(self._release)
        try:
            self._atr = self._worker.run(self._connect, seconds)
        except CardMute:  # this connection has sent nothing
            if any(channel._name == name for channel in tuple(_MUTE)):
                raise
            raise CardBusy("another program keeps the card") from None
        except BaseException:
            self._worker.end()
            raise

    @property
    def atr(self) -> bytes:
        return self._atr

    def transmit(self, apdu: Apdu) -> Response:
        # A list of this call's own: the caller may wipe `apdu` at any moment, and a
        # wiped PIN that is on its way yet would reach the card as a wrong one.
        command = list(apdu)
        return self._ask(lambda: self._transmit(command))

    @property
    def keypad(self) -> Keypad | None:
        """The reader's keys, asked of the driver once a connection."""
        if self._features is None:
            self._features, self._firmware = self._run(
                lambda: (self._find_features(), _firmware(self._card))
            )
        return keypad(self._features, self._firmware)

    def enter_pin(self, feature: Feature, structure: bytes, seconds: float) -> Response:
        return self._ask(lambda: self._control(feature, structure), seconds)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        try:
            self._run(self._begin)
        except CardMute:  # no command of ours has been sent
            raise CardBusy("another program keeps the card") from None
        transaction = Transaction()
        try:
            yield transaction
        finally:
            with contextlib.suppress(CardError):  # a card that went away has no end
                self._run(lambda: self._end(reset=transaction.reset_at_end))

    def close(self) -> None:
        """Disconnect, leaving the card as it is, and end the channel's thread."""
        if not self._worker.ended:
            with contextlib.suppress(CardError):
                self._run(self._release)
            self._worker.end()

    def _ask(
        self, command: Callable[[], bytes], seconds: float | None = None
    ) -> Response:
        """Run a command; a card that keeps its answer keeps the next connection out."""
        try:
            return Response.from_bytes(self._run(command, seconds))
        except CardMute:
            _MUTE.add(self)
            if self._context is None:  # it answered just now
                _MUTE.discard(self)
            raise

    def _run(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Run in the channel's thread; here an empty or vanished reader is removal."""
        try:
            return self._worker.run(work, seconds or self._seconds)
        except (NoCard, NoReader) as error:
            raise CardRemoved(str(error)) from None

    # --- in the channel's thread -----------------------------------------------------

    def _connect(self) -> bytes:
        """Connect and return the ATR; another program's transaction blocks it."""
        try:
            self._context = _establish()
            try:
                self._open()
            except CardReset:  # no power, as after a sleep: connecting gave it some
                self._open()
            code, _, _, _, atr = scard.SCardStatus(self._card)
            if _BY_CODE.get(_unsigned(code)) is CardReset:
                self._reconnect()
                code, _, _, _, atr = scard.SCardStatus(self._card)
        finally:
            # Given up while another program kept the card: nothing of ours is on it.
            self._kept_by_another |= self._worker.given_up
        _check(code)
        return bytes(atr)

    def _open(self) -> None:
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, self._card, self._protocol = scard.SCardConnect(
            self._context, self._name, scard.SCARD_SHARE_SHARED, protocols
        )
        if code != scard.SCARD_S_SUCCESS:
            self._card = None
        _check(code)

    def _begin(self) -> None:
        """Begin a transaction; a reset by somebody else before it does not matter."""
        try:
            code = scard.SCardBeginTransaction(self._card)
            if _BY_CODE.get(_unsigned(code)) is CardReset:
                self._reconnect()
                code = scard.SCardBeginTransaction(self._card)
        finally:
            # Given up while another program kept the card: nothing of ours is on it.
            self._kept_by_another |= self._worker.given_up
        _check(code)

    def _end(self, *, reset: bool) -> None:
        end = scard.SCARD_RESET_CARD if reset else scard.SCARD_LEAVE_CARD
        code = scard.SCardEndTransaction(self._card, end)
        if reset and code != scard.SCARD_S_SUCCESS:
            self._reset_on_release = True

    def _transmit(self, command: list[int]) -> bytes:
        """Send a command and wipe it."""
        try:
            if self._reset_seen:
                self._reconnect()
            pci = scard.SCARD_PCI_T0
            if self._protocol == scard.SCARD_PROTOCOL_T1:
                pci = scard.SCARD_PCI_T1
            code, answer = scard.SCardTransmit(self._card, pci, command)
        finally:
            command[:] = [0] * len(command)
        return self._answered(code, answer)

    def _answered(self, code: int, answer: list[int]) -> bytes:
        """Return what the card answered, if it did."""
        self._reset_seen = _BY_CODE.get(_unsigned(code)) is CardReset
        _check(code)
        if len(answer) < _STATUS_WORD and self._goes():
            raise CardRemoved("the card was pulled out while it answered")
        return bytes(answer)

    def _goes(self) -> bool:
        """Tell whether the card goes now: winscard learns of it after its driver.

        A driver whose card is pulled out in the middle of an answer reports success
        and no bytes, as the vpcd driver does.
        """
        state = scard.SCARD_STATE_UNAWARE
        deadline = time.monotonic() + _GOING_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            code, states = scard.SCardGetStatusChange(
                self._context, int(1000 * left), [(self._name, state)]
            )
            if _unsigned(code) in _NO_NEWS:
                return False
            _check(code)
            state = states[0][1]
            if not state & scard.SCARD_STATE_PRESENT:
                return True
        return False

    def _control(self, feature: Feature, structure: bytes) -> bytes:
        """Have the reader ask a PIN and send it to the card."""
        if self._reset_seen:
            self._reconnect()
        codes = self._features or {}
        way = steps(codes, feature)
        if not way:
            raise CardUnreadable("this reader has no keys for that")
        for step in way[:-1]:
            begun = self._do(step, structure)
            if begun not in (b"", b"\x90\x00"):
                return begun
            structure = b""
            try:
                if GET_KEY_PRESSED in codes:
                    self._await_last_key()
            except CardError:
                if ABORT in codes:  # else the reader's own time limit ends the entry
                    with contextlib.suppress(CardError):
                        self._do(ABORT, b"")
                raise
        return self._answered(scard.SCARD_S_SUCCESS, list(self._do(way[-1], structure)))

    def _await_last_key(self) -> None:
        """Wait until the entry is over; a keypad tells its keys only when asked."""
        while self._do(GET_KEY_PRESSED, b"")[:1] in _KEYS_BEFORE_THE_LAST:
            if self._worker.given_up:
                raise CardUnreadable("the keypad told no end of the entry")
            time.sleep(_KEY_SECONDS)

    def _find_features(self) -> dict[int, int]:
        """Ask the driver, else the readers that are known to answer by themselves."""
        codes = _features(self._card)
        if codes or not speaks_ppdu(self._name):
            return codes
        answer = self._transmit(list(PPDU_FEATURES))
        return dict.fromkeys(parse_ppdu_features(answer), 0)

    def _do(self, feature: int, structure: bytes) -> bytes:
        """Have the reader do one thing by itself and return what it answers."""
        control = (self._features or {})[feature]
        if control == 0:
            return self._transmit(list(ppdu(feature, structure)))
        code, answer = scard.SCardControl(self._card, control, list(structure))
        self._reset_seen = _BY_CODE.get(_unsigned(code)) is CardReset
        _check(code)
        return bytes(answer)

    def _reconnect(self) -> None:
        self._reset_seen = False
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, self._protocol = scard.SCardReconnect(
            self._card, scard.SCARD_SHARE_SHARED, protocols, scard.SCARD_LEAVE_CARD
        )
        _check(code)

    def _release(self) -> None:
        """Give card and context back; a transaction of ours ends with them.

        Comes last in the channel's thread, too, so that a card that was given up for
        mute is reset and free for others as soon as winscard lets go of it. One that
        another program kept is left alone: a reset would take that program's PIN right.
        """
        if self._card is not None:
            mute = self._worker.given_up and not self._kept_by_another
            reset = self._reset_on_release or mute
            end = scard.SCARD_RESET_CARD if reset else scard.SCARD_LEAVE_CARD
            scard.SCardDisconnect(self._card, end)
            self._card = None
        if self._context is not None:
            scard.SCardReleaseContext(self._context)
            self._context = None
        _MUTE.discard(self)
