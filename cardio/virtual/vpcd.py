"""Put a virtual card into the PC/SC daemon's virtual reader; touches one TCP socket.

The reader (vsmartcard-vpcd) listens, the card connects. Both sides send a length of
two bytes and a body; a body of one byte from the reader is a control, anything else an
APDU.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from cardio.virtual.card import VirtualCard

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 35963

_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = 0, 1, 2, 4
_CONNECT_SECONDS = 5


class VpcdUnavailable(Exception):
    """No virtual reader listens there, or it went away."""


def insert_into_vpcd(
    card: VirtualCard,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    on_powered: Callable[[], None] = lambda: None,
    stop: threading.Event,
) -> None:
    """Play the card in the reader until `stop` is set, then pull it out.

    `on_powered` is called once, when the reader first powers the card. Raises
    VpcdUnavailable when nothing listens or the reader goes away first.
    """
    try:
        link = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
    except OSError as error:
        message = f"no virtual reader listens on {host}:{port}"
        raise VpcdUnavailable(message) from error
    with link, _hang_up(link, stop):
        link.settimeout(None)
        _serve(card, link, on_powered)
    if not stop.is_set():
        raise VpcdUnavailable("the virtual reader went away")


@contextlib.contextmanager
def _hang_up(link: socket.socket, stop: threading.Event) -> Iterator[None]:
    """Shut the connection down as soon as `stop` is set, so that the reader sees it."""
    finished = threading.Event()

    def wait() -> None:
        stop.wait()
        if not finished.is_set():
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=wait, name="vpcd-stop", daemon=True).start()
    try:
        yield
    finally:
        finished.set()


def _serve(
    card: VirtualCard, link: socket.socket, on_powered: Callable[[], None]
) -> None:
    """Answer until the connection ends."""
    powered = False
    while (body := _receive(link)) is not None:
        answer: bytes | None
        if len(body) == 1:
            answer = _control(card, body[0])
            if body[0] == _POWER_ON and not powered:
                powered = True
                on_powered()
        else:
            answer = card.transmit(body)
        if answer is not None:
            try:
                link.sendall(len(answer).to_bytes(2, "big") + answer)
            except OSError:
                return


def _control(card: VirtualCard, code: int) -> bytes | None:
    """Power off, power on, reset; only the ATR request is answered."""
    if code == _GET_ATR:
        return card.atr
    if code in (_POWER_OFF, _POWER_ON, _RESET):
        card.reset()
    return None


def _receive(link: socket.socket) -> bytes | None:
    """Return the next body, None at the end of the connection."""
    head = _exactly(link, 2)
    return None if head is None else _exactly(link, int.from_bytes(head, "big"))


def _exactly(link: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        _acknowledge_at_once(link)
        try:
            piece = link.recv(count - len(data))
        except OSError:
            return None
        if not piece:
            return None
        data += piece
    return data


def _acknowledge_at_once(link: socket.socket) -> None:
    """Keep Linux from delaying the ACK: the reader writes length and body apart, and
    would wait 40 ms for it with each command. The option lasts for one receive."""
    option = getattr(socket, "TCP_QUICKACK", None)
    if option is not None:
        with contextlib.suppress(OSError):
            link.setsockopt(socket.IPPROTO_TCP, option, 1)
