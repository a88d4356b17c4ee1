"""A virtual card in the PC/SC daemon's virtual reader (vpcd); touches one TCP socket.

The reader listens and the card connects. Each message is a length of two bytes (big
end first) and a body. A body of one byte from the reader is a control, anything else a
command. The card answers commands, and the request for its ATR.

A reset by another program can only be half played here: the card loses selection and
rights and answers the command in that state; the daemon has no way to be told.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from cardio.errors import CardError
from cardio.virtual.playable import PlayableCard, Pulled, ResetByOther, Silence

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 35963

_POWER_OFF, _POWER_ON, _RESET, _ATR = 0, 1, 2, 4
_CONNECT_SECONDS = 5.0
#: A hand needs a moment to swap cards. The daemon looks every 0.4 s and must see the
#: reader empty, or it would take the new card for the old one.
HAND_SECONDS = 1.0
#: Within which a free reader says its first word; one that holds a card says none.
_WELCOME_SECONDS = 5.0
#: Within which a reader has powered or refused a card; a name may have two addresses.
ANSWER_SECONDS = 2 * _CONNECT_SECONDS + _WELCOME_SECONDS
#: Only Linux has it; 0 elsewhere.
_QUICKACK: int = getattr(socket, "TCP_QUICKACK", 0)


class VpcdUnavailable(CardError):
    """No virtual reader listens at `host`:`port`, or it hung up or talks nonsense.

    `problem` says which, in words.
    """

    code = "vpcd-unavailable"

    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(f"virtual reader at {host}:{port}: {problem}")
        self.host = host
        self.port = port
        self.problem = problem


class VpcdOccupied(VpcdUnavailable):
    """The virtual reader holds another card."""

    code = "vpcd-occupied"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, "another card is in it")


def insert_into_vpcd(
    card: PlayableCard,
    host: str,
    port: int,
    *,
    on_powered: Callable[[], None],
    stop: threading.Event,
    on_swapped: Callable[[PlayableCard], None] = lambda _card: None,
) -> None:
    """Play the card in the reader until `stop` is set, or the card leaves by itself.

    `on_powered` is called when the reader powers a card for the first time. A card that
    is swapped for another (`on_swapped`) is followed by that one. `stop` is set on
    every way out. Raises VpcdUnavailable; VpcdOccupied after a few seconds in which the
    reader took no notice of the card.
    """
    with _Hand(stop) as hand:
        following = _stay(card, (host, port), on_powered, hand)
        while following is not None and not stop.wait(HAND_SECONDS):
            on_swapped(following)
            following = _stay(following, (host, port), on_powered, hand)


class _Hand:
    """Takes the card out as soon as `stop` is set, by a thread that waits for it."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self._lock = threading.Lock()
        self._holds: tuple[PlayableCard, socket.socket] | None = None
        self._thread = threading.Thread(
            target=self._wait, name="vpcd-stop", daemon=True
        )

    def __enter__(self) -> _Hand:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()

    def _wait(self) -> None:
        self.stop.wait()
        self._pull()

    def _pull(self) -> None:
        """Hang up, which ends a receive at once, and end what waits in the card."""
        with self._lock:
            if self._holds is None:
                return
            card, link = self._holds
            card.pulled()
            with contextlib.suppress(OSError):  # the reader may have been first
                link.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def holding(self, card: PlayableCard, link: socket.socket) -> Iterator[None]:
        """Have the card in the reader."""
        with self._lock:
            self._holds = card, link
        if self.stop.is_set():
            self._pull()
        try:
            yield
        finally:
            with self._lock:
                self._holds = None


def _stay(
    card: PlayableCard,
    address: tuple[str, int],
    on_powered: Callable[[], None],
    hand: _Hand,
) -> PlayableCard | None:
    """Play one card to its removal; returns the one that it is swapped for."""
    try:
        link = socket.create_connection(address, _CONNECT_SECONDS)
    except OSError as error:
        problem = error.strerror or str(error)
        raise VpcdUnavailable(*address, problem) from error
    link.settimeout(_WELCOME_SECONDS)
    with link, hand.holding(card, link):
        try:
            _serve(card, link, on_powered)
        except Pulled as event:
            return event.successor
        except TimeoutError:
            if not hand.stop.is_set():
                raise VpcdOccupied(*address) from None
            return None
        except (OSError, EOFError, ValueError) as error:
            if not hand.stop.is_set():
                raise VpcdUnavailable(*address, str(error)) from error
            return None


def _serve(
    card: PlayableCard, link: socket.socket, on_powered: Callable[[], None]
) -> NoReturn:
    """Answer the reader; leaves by OSError, EOFError, ValueError or Pulled only."""
    powered = False
    while True:
        body = _receive(link)
        link.settimeout(None)  # from here on it may be silent for as long as it likes
        if len(body) > 1:
            with contextlib.suppress(Silence):
                _send(link, _answer(card, body))
        elif body[0] == _ATR:
            _send(link, card.atr)
        elif body[0] == _POWER_ON:
            card.power_on()
            if not powered:
                powered = True
                on_powered()
        elif body[0] in (_POWER_OFF, _RESET):
            card.reset()
        else:
            raise ValueError(f"unknown control {body[0]:02X}")


def _answer(card: PlayableCard, command: bytes) -> bytes:
    try:
        return card.transmit(command)
    except ResetByOther:
        card.reset()
        return card.transmit(command)


def _send(link: socket.socket, body: bytes) -> None:
    link.sendall(len(body).to_bytes(2, "big") + body)


def _receive(link: socket.socket) -> bytes:
    """Return the body of the next message; EOFError at the end of the connection."""
    length = int.from_bytes(_exactly(link, 2), "big")
    if length == 0:
        raise ValueError("a message without a body")
    return _exactly(link, length)


def _exactly(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        # The reader sends length and body apart; a delayed ACK of the first would hold
        # the second back for 40 ms. The option has to be set for each receive.
        if _QUICKACK:
            link.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        piece = link.recv(count - len(data))
        if not piece:
            raise EOFError("the reader hung up")
        data += piece
    return data
