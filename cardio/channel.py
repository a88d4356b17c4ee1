"""The one seam between thinking and hardware: bytes to a card, bytes back; no I/O here.

`Channel` is implemented by `cardio.pcsc` (a reader) and `cardio.virtual.reader` (a card
in this process). Everything else that a command needs is a small wrapper with the same
methods: `FollowUp` fetches what 61xx and 6Cxx announce, `Trace` writes a masked log,
`Attended` tells of progress and can be stopped.
"""

from __future__ import annotations

import abc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from cardio.apdu import INS, PIN_INSTRUCTIONS, Response, get_response
from cardio.errors import CardUnreadable
from cardio.part10 import Feature, Keypad

#: An APDU; one that holds a PIN is a bytearray, which its owner wipes.
Apdu = bytes | bytearray


class Transaction:
    """Exclusive use of a card; `reset_at_end` asks for a card reset on the way out."""

    def __init__(self) -> None:
        self.reset_at_end = False


class Channel(abc.ABC):
    """A connection to one card in one reader.

    Every method, and `keypad`, raises the types of `cardio.errors`: CardRemoved,
    CardReset, CardUnreadable (CardMute after the time limit), ServiceUnavailable;
    `transaction` also CardBusy, where another program keeps the card.
    """

    @property
    @abc.abstractmethod
    def atr(self) -> bytes:
        """The card's answer to reset."""

    @abc.abstractmethod
    def transmit(self, apdu: Apdu) -> Response:
        """Send one command APDU, return exactly what the card answered to it."""

    @property
    def keypad(self) -> Keypad | None:
        """The reader's own keys for a PIN (PC/SC part 10); None where it has none.

        The first time it may ask the reader.
        """
        return None

    def enter_pin(self, feature: Feature, structure: bytes, seconds: float) -> Response:
        """Have a PIN typed on the reader, which sends the command to the card, once.

        `structure` is PC/SC's for the feature, `seconds` the limit until the answer:
        the card's status word, or one of the reader's own.
        """
        raise CardUnreadable("this reader has no keys for a PIN")

    @abc.abstractmethod
    def transaction(self) -> AbstractContextManager[Transaction]:
        """Keep other programs from the card while the `with` block runs."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the card back; may be called twice."""


class Wrapper(Channel):
    """A channel that hands everything on to another; base of the ones below."""

    def __init__(self, inner: Channel) -> None:
        self.inner = inner

    @property
    def atr(self) -> bytes:
        return self.inner.atr

    def transmit(self, apdu: Apdu) -> Response:
        return self.inner.transmit(apdu)

    @property
    def keypad(self) -> Keypad | None:
        return self.inner.keypad

    def enter_pin(self, feature: Feature, structure: bytes, seconds: float) -> Response:
        return self.inner.enter_pin(feature, structure, seconds)

    def transaction(self) -> AbstractContextManager[Transaction]:
        return self.inner.transaction()

    def close(self) -> None:
        self.inner.close()


#: A card that announces more pieces than this for one command is not a Belgian eID.
_MAX_PIECES = 16


#: Instructions whose answer is handed on as it came.
_LEFT_ALONE = PIN_INSTRUCTIONS | {INS.LOG_OFF}


class FollowUp(Wrapper):
    """Fetches the data that 61xx announces and repeats once with the length of 6Cxx.

    A command that carries a PIN is never repeated, and nothing is sent after it,
    whatever the card answers. LOG OFF is done only when it says 9000 itself.
    """

    def transmit(self, apdu: Apdu) -> Response:
        response = self.inner.transmit(apdu)
        if len(apdu) > 1 and apdu[1] in _LEFT_ALONE:
            return response
        if response.sw >> 8 == 0x6C and len(apdu) == 5:
            response = self.inner.transmit(
                bytes(apdu[:4]) + bytes([response.sw & 0xFF])
            )
        return self._collect(response)

    def _collect(self, response: Response) -> Response:
        data = response.data
        for _ in range(_MAX_PIECES):
            if response.sw >> 8 != 0x61:
                return Response(data, response.sw)
            response = self._fetch(response.sw & 0xFF)
            data += response.data
        raise CardUnreadable("the card announces data without end")

    def _fetch(self, length: int) -> Response:
        response = self.inner.transmit(get_response(length))
        if response.sw >> 8 == 0x6C:
            response = self.inner.transmit(get_response(response.sw & 0xFF))
        return response


class Trace(Wrapper):
    """Logs every command and answer at DEBUG: PINs masked, card data as lengths."""

    def __init__(self, inner: Channel, logger: logging.Logger) -> None:
        super().__init__(inner)
        self._log = logger

    def transmit(self, apdu: Apdu) -> Response:
        self._log.debug("> %s", masked(apdu))
        response = self.inner.transmit(apdu)
        self._log.debug("< %s", response)
        return response

    def enter_pin(self, feature: Feature, structure: bytes, seconds: float) -> Response:
        self._log.debug("> %s on the reader", feature.name)
        response = self.inner.enter_pin(feature, structure, seconds)
        self._log.debug("< %s", response)
        return response

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self._log.debug("transaction begins")
        with self.inner.transaction() as transaction:
            yield transaction
        self._log.debug("transaction ended")


class Stopped(Exception):
    """Nobody wants the result any more; raised between two commands."""


def go_on(stop: threading.Event | None) -> None:
    """Raise Stopped once `stop` is set."""
    if stop is not None and stop.is_set():
        raise Stopped


class Attended(Wrapper):
    """A channel that somebody waits for: told of each piece read, stopped at will.

    Never with a `stop` for signing: between VERIFY and LOG OFF nothing may come.
    """

    def __init__(
        self,
        inner: Channel,
        stop: threading.Event | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        super().__init__(inner)
        self._stop = stop
        self._progress = progress

    def transmit(self, apdu: Apdu) -> Response:
        go_on(self._stop)
        response = self.inner.transmit(apdu)
        if self._progress is not None and apdu[1] == INS.READ_BINARY:
            self._progress(len(response.data))
        return response


def masked(apdu: Apdu) -> str:
    """Write an APDU's header as hex, `**` for data that hold a PIN, else their length.

    What has no data is written whole.
    """
    head = bytes(apdu[:5]).hex(" ").upper()
    rest = len(apdu) - 5
    if rest <= 0:
        return head
    if apdu[1] in PIN_INSTRUCTIONS:
        return f"{head} **"
    return f"{head} +{rest} bytes"
