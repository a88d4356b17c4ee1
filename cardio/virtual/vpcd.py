"""A virtual card in the PC/SC daemon's virtual reader (vpcd); touches one TCP socket.

The reader listens and the card connects. Each message is a length of two bytes (big
end first) and a body. A body of one byte from the reader is a control, anything else a
command. The card answers commands, and the request for its ATR.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from cardio.errors import CardError
from cardio.virtual.card import VirtualCard

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 35963

_POWER_OFF, _POWER_ON, _RESET, _ATR = 0, 1, 2, 4
_CONNECT_SECONDS = 5.0
#: Within which a free reader says its first word; one that holds a card says none.
_WELCOME_SECONDS = 5.0
#: Only Linux has it; 0 elsewhere.
_QUICKACK: int = getattr(socket, "TCP_QUICKACK", 0)


class VpcdUnavailable(CardError):
    """No virtual reader listens at `host`:`port`, or it hung up or talks nonsense."""

    code = "vpcd-unavailable"

    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(f"virtual reader at {host}:{port}: {problem}")
        self.host = host
        self.port = port


class VpcdOccupied(VpcdUnavailable):
    """The virtual reader holds another card."""

    code = "vpcd-occupied"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, "another card is in it")


def insert_into_vpcd(
    card: VirtualCard,
    host: str,
    port: int,
    *,
    on_powered: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Play the card in the reader until `stop` is set; then the card is removed.

    `on_powered` is called once, when the reader powers the card for the first time.
    `stop` is set on every way out. Raises VpcdUnavailable; VpcdOccupied after a few
    seconds in which the reader took no notice of the card.
    """
    try:
        link = socket.create_connection((host, port), _CONNECT_SECONDS)
    except OSError as error:
        problem = error.strerror or str(error)
        raise VpcdUnavailable(host, port, problem) from error
    link.settimeout(_WELCOME_SECONDS)
    with link, _hanging_up(link, stop):
        try:
            _serve(card, link, on_powered)
        except TimeoutError:
            if not stop.is_set():
                raise VpcdOccupied(host, port) from None
        except (OSError, EOFError, ValueError) as error:
            if not stop.is_set():
                raise VpcdUnavailable(host, port, str(error)) from error


@contextlib.contextmanager
def _hanging_up(link: socket.socket, stop: threading.Event) -> Iterator[None]:
    """Have a thread wait for `stop` and hang up, which ends a receive at once."""

    def wait() -> None:
        stop.wait()
        with contextlib.suppress(OSError):  # the reader may have been first
            link.shutdown(socket.SHUT_RDWR)

    waiting = threading.Thread(target=wait, name="vpcd-stop", daemon=True)
    waiting.start()
    try:
        yield
    finally:
        stop.set()
        waiting.join()


def _serve(
    card: VirtualCard, link: socket.socket, on_powered: Callable[[], None]
) -> None:
    """Answer the reader; leaves by OSError, EOFError or ValueError only."""
    powered = False
    while True:
        body = _receive(link)
        link.settimeout(None)  # from here on it may be silent for as long as it likes
        if len(body) > 1:
            _send(link, card.transmit(body))
        elif body[0] == _ATR:
            _send(link, card.atr)
        elif body[0] in (_POWER_OFF, _POWER_ON, _RESET):
            card.reset()
            if body[0] == _POWER_ON and not powered:
                powered = True
                on_powered()
        else:
            raise ValueError(f"unknown control {body[0]:02X}")


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
