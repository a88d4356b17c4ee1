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
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from smartcard import scard

from cardio.apdu import Response
from cardio.channel import Apdu, Channel, Transaction
from cardio.errors import (
    CardError,
    CardMute,
    CardRemoved,
    CardReset,
    CardUnreadable,
    NoCard,
    NoReader,
    ServiceUnavailable,
)
from cardio.readers import ReaderState

_log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds after which a card that does not answer one command is given up.
APDU_SECONDS = 15.0
#: Seconds between two looks for PC/SC while it is away.
_LOOK_SECONDS = 5.0

_PNP = "\\\\?PnP?\\Notification"
_IGNORED = ("Windows Hello",)
_FEATURE_VERIFY_PIN_DIRECT = 0x06

#: PC/SC return code to what it means for us; anything else is CardUnreadable.
_ERRORS: dict[int, type[CardError]] = {
    scard.SCARD_E_NO_SERVICE: ServiceUnavailable,
    scard.SCARD_E_SERVICE_STOPPED: ServiceUnavailable,
    scard.SCARD_E_INVALID_HANDLE: ServiceUnavailable,
    scard.SCARD_F_COMM_ERROR: ServiceUnavailable,
    scard.SCARD_E_NO_READERS_AVAILABLE: NoReader,
    scard.SCARD_E_UNKNOWN_READER: NoReader,
    scard.SCARD_E_READER_UNAVAILABLE: CardRemoved,
    scard.SCARD_E_NO_SMARTCARD: NoCard,
    scard.SCARD_W_REMOVED_CARD: CardRemoved,
    scard.SCARD_E_NOT_TRANSACTED: CardRemoved,
    scard.SCARD_W_RESET_CARD: CardReset,
}


def _signed(code: int) -> int:
    """Return a return code as pyscard gives it, whatever its sign."""
    return code & 0xFFFFFFFF


_BY_CODE = {_signed(code): error for code, error in _ERRORS.items()}


def _check(code: int) -> None:
    """Raise what a PC/SC return code stands for."""
    if code != scard.SCARD_S_SUCCESS:
        error = _BY_CODE.get(_signed(code), CardUnreadable)
        raise error(scard.SCardGetErrorMessage(code))


@contextmanager
def _context() -> Iterator[Any]:
    """Open a PC/SC context and release it; ServiceUnavailable when there is none."""
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if code != scard.SCARD_S_SUCCESS:
        raise ServiceUnavailable(scard.SCardGetErrorMessage(code))
    try:
        yield context
    finally:
        scard.SCardReleaseContext(context)


def _names(context: Any) -> list[str]:
    """List the readers, without those that hold no card that a person could insert."""
    code, names = scard.SCardListReaders(context, [])
    if _signed(code) == _signed(scard.SCARD_E_NO_READERS_AVAILABLE):
        return []
    _check(code)
    return [name for name in names if not name.startswith(_IGNORED)]


def _look(context: Any, pads: dict[str, bool]) -> tuple[ReaderState, ...]:
    """Return all readers as they are now; `pads` remembers who has a PIN pad."""
    names = _names(context)
    if not names:
        return ()
    asked = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
    code, states = scard.SCardGetStatusChange(context, 0, asked)
    _check(code)
    return tuple(_state(context, pads, *state) for state in states)


def _state(
    context: Any, pads: dict[str, bool], name: str, event: int, atr: list[int]
) -> ReaderState:
    present = event & scard.SCARD_STATE_PRESENT and not event & scard.SCARD_STATE_MUTE
    if name not in pads:
        pads[name] = _has_pin_pad(context, name)
    seen = bytes(atr) if present and atr else None
    # The upper half of the event state counts insertions and removals.
    return ReaderState(name, seen, event >> 16 & 0xFFFF, pads[name])


def _has_pin_pad(context: Any, name: str) -> bool:
    """Ask a reader for its features (PC/SC part 10, 2.2); trouble means no."""
    request = scard.SCARD_CTL_CODE(3400)
    code, card, _ = scard.SCardConnect(context, name, scard.SCARD_SHARE_DIRECT, 0)
    if code != scard.SCARD_S_SUCCESS:
        return False
    try:
        code, answer = scard.SCardControl(card, request, [])
    finally:
        scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
    if code != scard.SCARD_S_SUCCESS:
        return False
    return _FEATURE_VERIFY_PIN_DIRECT in answer[0::6]


class PcscReaders:
    """The machine's readers; implements `ReaderSource`."""

    virtual = False

    def __init__(self, apdu_seconds: float = APDU_SECONDS) -> None:
        self._apdu_seconds = apdu_seconds
        self._pads: dict[str, bool] = {}

    def readers(self) -> tuple[ReaderState, ...]:
        """Return the readers now; ServiceUnavailable."""
        with _context() as context:
            return _look(context, self._pads)

    def connect(self, name: str) -> Channel:
        """Connect to the card in a reader, shared with other programs."""
        return PcscChannel(name, self._apdu_seconds)

    def watch(self) -> PcscWatch:
        """Return a watch with a context of its own."""
        return PcscWatch(self._pads)


class PcscWatch:
    """Waits in SCardGetStatusChange without a time limit; implements `ReaderWatch`."""

    def __init__(self, pads: dict[str, bool]) -> None:
        self._pads = pads
        self._stop = threading.Event()
        self._context: Any = None
        self._known: list[tuple[str, int]] | None = None

    def wait(self) -> tuple[ReaderState, ...] | None:
        """Block until something changed; the first call returns at once."""
        while not self._stop.is_set():
            try:
                if self._known is not None:
                    self._block()
                if not self._stop.is_set():
                    return self._refresh()
            except CardError:
                was_there, self._known = self._known is not None, None
                self._drop()
                if was_there:
                    return ()
                self._stop.wait(_LOOK_SECONDS)
        self._drop()
        return None

    def cancel(self) -> None:
        """Make `wait` return None, from any thread."""
        self._stop.set()
        if self._context is not None:
            scard.SCardCancel(self._context)

    def _block(self) -> None:
        code, _ = scard.SCardGetStatusChange(
            self._context, scard.INFINITE, self._known or []
        )
        if _signed(code) != _signed(scard.SCARD_E_CANCELLED):
            _check(code)

    def _refresh(self) -> tuple[ReaderState, ...]:
        """Look at all readers and remember their states as the ones to wait from."""
        if self._context is None:
            code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
            if code != scard.SCARD_S_SUCCESS:
                raise ServiceUnavailable(scard.SCardGetErrorMessage(code))
            self._context = context
        found = _look(self._context, self._pads)
        asked = [(state.name, scard.SCARD_STATE_UNAWARE) for state in found]
        code, states = scard.SCardGetStatusChange(
            self._context, 0, [*asked, (_PNP, scard.SCARD_STATE_UNAWARE)]
        )
        if _signed(code) != _signed(scard.SCARD_E_TIMEOUT):
            _check(code)
        self._known = [(name, event) for name, event, _ in states]
        # What changed between the two looks is reported from the second.
        return tuple(
            _state(self._context, self._pads, *state)
            for state in states
            if state[0] != _PNP
        )

    def _drop(self) -> None:
        if self._context is not None:
            scard.SCardReleaseContext(self._context)
            self._context = None


class PcscChannel(Channel):
    """A connection to the card in one reader."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._worker = _Worker()
        self._reset_seen = False
        try:
            self._atr = self._run(self._connect)
        except BaseException:
            self._worker.end()
            raise

    @property
    def atr(self) -> bytes:
        return self._atr

    def transmit(self, apdu: Apdu) -> Response:
        return Response.from_bytes(self._run(lambda: self._transmit(apdu)))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self._run(self._begin)
        transaction = Transaction()
        try:
            yield transaction
        finally:
            end = (
                scard.SCARD_RESET_CARD
                if transaction.reset_at_end
                else scard.SCARD_LEAVE_CARD
            )
            with contextlib.suppress(CardError):  # a card that went away has no end
                self._run(lambda: scard.SCardEndTransaction(self._card, end))

    def close(self) -> None:
        """Disconnect, leaving the card as it is, and end the channel's thread."""
        if self._worker.ended:
            return
        with contextlib.suppress(CardError):
            self._run(self._disconnect)
        self._worker.end()

    def _run(self, work: Callable[[], T]) -> T:
        return self._worker.run(work, self._seconds)

    # --- in the channel's thread -----------------------------------------------------

    def _connect(self) -> bytes:
        code, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        if code != scard.SCARD_S_SUCCESS:
            raise ServiceUnavailable(scard.SCardGetErrorMessage(code))
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, self._card, self._protocol = scard.SCardConnect(
            self._context, self._name, scard.SCARD_SHARE_SHARED, protocols
        )
        if code != scard.SCARD_S_SUCCESS:
            scard.SCardReleaseContext(self._context)
        _check(code)
        code, _, _, _, atr = scard.SCardStatus(self._card)
        _check(code)
        return bytes(atr)

    def _begin(self) -> None:
        """Begin a transaction; a reset by somebody else before it does not matter."""
        code = scard.SCardBeginTransaction(self._card)
        if _signed(code) == _signed(scard.SCARD_W_RESET_CARD):
            self._reconnect()
            code = scard.SCardBeginTransaction(self._card)
        _check(code)

    def _transmit(self, apdu: Apdu) -> bytes:
        if self._reset_seen:
            self._reconnect()
        command = list(apdu)
        pci = scard.SCARD_PCI_T0
        if self._protocol == scard.SCARD_PROTOCOL_T1:
            pci = scard.SCARD_PCI_T1
        try:
            code, answer = scard.SCardTransmit(self._card, pci, command)
        finally:
            command[:] = [0] * len(command)
        self._reset_seen = _signed(code) == _signed(scard.SCARD_W_RESET_CARD)
        _check(code)
        return bytes(answer)

    def _reconnect(self) -> None:
        self._reset_seen = False
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, self._protocol = scard.SCardReconnect(
            self._card, scard.SCARD_SHARE_SHARED, protocols, scard.SCARD_LEAVE_CARD
        )
        _check(code)

    def _disconnect(self) -> None:
        scard.SCardDisconnect(self._card, scard.SCARD_LEAVE_CARD)
        scard.SCardReleaseContext(self._context)


class _Worker:
    """One daemon thread that runs one call after the other, each within a limit."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._calls = queue.SimpleQueue()
        self.ended = False
        threading.Thread(target=self._serve, name="pcsc-channel", daemon=True).start()

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """Run `work` in the thread; CardMute when it takes too long, ever after too."""
        if self.ended:
            raise CardMute("this card was given up")
        result: Future[T] = Future()
        self._calls.put((work, result))
        try:
            return result.result(timeout=seconds)
        except TimeoutError:
            self.end()
            raise CardMute("the card does not answer") from None

    def end(self) -> None:
        """Let the thread end after what it is doing."""
        self.ended = True
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            work, result = call
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)
