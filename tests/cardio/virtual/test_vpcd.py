"""The card's side of the virtual reader's protocol, against a scripted reader."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from cardio.virtual import vpcd
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.playable import PlayableCard
from cardio.virtual.vpcd import VpcdOccupied, VpcdUnavailable, insert_into_vpcd
from tests.cardio.virtual.wire import CARD_DATA, STATUS, V_BAD, V_GOOD, profile

SOON = 10
OFF, ON, RESET, ATR = b"\x00", b"\x01", b"\x02", b"\x04"


class Reader:
    """The reader's side: listens, and talks to the card that connects."""

    def __init__(self, card: PlayableCard | None = None) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(SOON)
        self.port: int = self._server.getsockname()[1]
        self.stop = threading.Event()
        self.powered = threading.Semaphore(0)
        self.error: VpcdUnavailable | None = None
        self.card = card or VirtualCard(profile("1.8"))
        self._thread = threading.Thread(target=self._play, daemon=True)

    def _play(self) -> None:
        try:
            insert_into_vpcd(
                self.card,
                "127.0.0.1",
                self.port,
                on_powered=self.powered.release,
                stop=self.stop,
            )
        except VpcdUnavailable as error:
            self.error = error

    def start(self) -> None:
        """Let the card connect."""
        self._thread.start()
        self.accept()

    def accept(self) -> None:
        """Wait for a card to connect."""
        self.link, _ = self._server.accept()
        self.link.settimeout(SOON)

    def ended(self) -> VpcdUnavailable | None:
        """Wait for the card's side to end, return its error."""
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        return self.error

    def close(self) -> None:
        """Clean up whatever a test left."""
        self.stop.set()
        self.link.close()
        self._server.close()
        self.ended()

    def send(self, body: bytes) -> None:
        """Send a message, length and body apart as the real reader does."""
        self.link.sendall(len(body).to_bytes(2, "big"))
        self.link.sendall(body)

    def receive(self) -> bytes:
        """Receive a message; nothing at the end of the connection."""
        head = self._exactly(2)
        return self._exactly(int.from_bytes(head, "big"))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (piece := self.link.recv(count - len(data))):
            data += piece
        return data

    def ask(self, apdu: str) -> str:
        """Send a command, return the answer in hex."""
        self.send(bytes.fromhex(apdu))
        return self.receive().hex().upper()


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Return a reader into which the card has connected."""
    reader = Reader()
    reader.start()
    yield reader
    reader.close()


def test_a_session(reader: Reader) -> None:
    """ATR, power, commands, and the end of all rights with the power."""
    reader.send(ATR)
    assert reader.receive() == profile("1.8").atr
    reader.send(ON)
    assert reader.powered.acquire(timeout=SOON)
    assert reader.ask(CARD_DATA)[-4:] == "9000"
    for control in (RESET, OFF):
        assert reader.ask(V_GOOD) == "9000"
        assert reader.ask(STATUS) == "9000"
        reader.send(control)
        assert reader.ask(STATUS) == "63C3"


def test_powered_is_told_once(reader: Reader) -> None:
    """Later power-ups are no news."""
    for control in (ON, OFF, ON, RESET, ON):
        reader.send(control)
    reader.send(ATR)
    reader.receive()
    assert reader.powered.acquire(blocking=False)
    assert not reader.powered.acquire(blocking=False)


def test_split_packets(reader: Reader) -> None:
    """A message may come byte by byte, and two may come at once."""
    message = bytes([0, 5]) + bytes.fromhex(CARD_DATA)
    for byte in message:
        reader.link.sendall(bytes([byte]))
    assert reader.receive()[-2:] == b"\x90\x00"
    reader.link.sendall(message + message)
    assert reader.receive() == reader.receive()


def test_long_commands(reader: Reader) -> None:
    """A message of any length that the protocol has gets a status word."""
    reader.send(bytes(65535))
    assert reader.receive() == b"\x67\x00"


def test_stop_pulls_the_card(reader: Reader) -> None:
    """The connection ends cleanly while the reader is silent."""
    reader.stop.set()
    assert reader.receive() == b""
    assert reader.ended() is None


def test_stop_before_the_start() -> None:
    """A card that is to go at once does."""
    reader = Reader()
    reader.stop.set()
    reader.start()
    assert reader.receive() == b""
    assert reader.ended() is None
    reader.close()


def test_the_reader_goes(reader: Reader) -> None:
    """A daemon that ends is told, and who waits for `stop` wakes."""
    reader.link.close()
    assert "hung up" in str(reader.ended())
    assert reader.stop.is_set()


def test_the_reader_goes_in_the_middle(reader: Reader) -> None:
    """Half a message is no message."""
    reader.link.sendall(b"\x00\x05\x80\xe4")
    reader.link.close()
    assert "hung up" in str(reader.ended())


@pytest.mark.parametrize(
    ("sent", "problem"),
    [(b"\x00\x00", "without a body"), (b"\x00\x01\x03", "control 03")],
    ids=["empty", "unknown control"],
)
def test_nonsense(reader: Reader, sent: bytes, problem: str) -> None:
    """What listens there is no virtual reader."""
    reader.link.sendall(sent)
    error = reader.ended()
    assert problem in str(error)
    assert error is not None
    assert (error.host, error.port) == ("127.0.0.1", reader.port)


# --- cards that do more than answer --------------------------------------------------


@pytest.fixture
def faulty(request: pytest.FixtureRequest) -> Iterator[Reader]:
    """Return a reader with a card that has the fault of the parameter."""
    card = FaultyCard(VirtualCard(profile("1.8")), request.param, slow_seconds=600)
    reader = Reader(card)
    reader.start()
    reader.send(ON)
    assert reader.powered.acquire(timeout=SOON)
    yield reader
    reader.close()


def having(*faults: Fault) -> pytest.MarkDecorator:
    """Give the card a fault."""
    return pytest.mark.parametrize("faulty", faults, ids=str, indirect=True)


@having(Fault("removed", 2))
def test_a_card_that_leaves(faulty: Reader) -> None:
    """It hangs up without an answer, which is no failure; `stop` is set."""
    assert faulty.ask(CARD_DATA)[-4:] == "9000"
    assert faulty.ask(CARD_DATA) == ""
    assert faulty.ended() is None
    assert faulty.stop.is_set()


@having(Fault("mute", 2))
def test_a_mute_card(faulty: Reader) -> None:
    """No byte comes back; after a reset the card answers again."""
    assert faulty.ask(CARD_DATA)[-4:] == "9000"
    faulty.send(bytes.fromhex(V_BAD))
    faulty.send(RESET)
    assert faulty.ask(STATUS) == "63C3"


@having(Fault("mute"), Fault("slow"))
def test_stop_pulls_a_card_that_does_not_answer(faulty: Reader) -> None:
    """At once, whether it is silent for ever or only slow."""
    faulty.send(bytes.fromhex(CARD_DATA))
    faulty.stop.set()
    faulty.ended()
    assert faulty.error is None


@having(Fault("reset", 2))
def test_a_reset_by_another_program(faulty: Reader) -> None:
    """Rights are gone; the command is answered by the card that was reset."""
    assert faulty.ask(V_GOOD) == "9000"
    assert faulty.ask(STATUS) == "63C3"
    assert faulty.ask(V_GOOD) == "9000"
    assert faulty.ask(STATUS) == "9000"


@having(Fault("swapped", 2))
def test_a_swapped_card(faulty: Reader) -> None:
    """The first card hangs up; after a moment another one is powered and answers."""
    first = faulty.ask(CARD_DATA)
    assert faulty.ask(CARD_DATA) == ""
    faulty.link.close()
    faulty.accept()
    faulty.send(ON)
    assert faulty.powered.acquire(timeout=SOON)
    second = faulty.ask(CARD_DATA)
    assert second[-4:] == "9000"
    assert second[:32] != first[:32]
    faulty.stop.set()
    assert faulty.receive() == b""
    assert faulty.ended() is None


@having(Fault("swapped"))
def test_stop_between_two_cards(faulty: Reader) -> None:
    """The second one does not come any more."""
    assert faulty.ask(CARD_DATA) == ""
    faulty.stop.set()
    assert faulty.ended() is None


@pytest.mark.parametrize("welcomed", [True, False])
def test_a_reader_that_takes_no_notice_is_occupied(
    welcomed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while without a first word; later it may be silent for ever."""
    monkeypatch.setattr(vpcd, "_WELCOME_SECONDS", 0.2)
    reader = Reader()
    reader.start()
    if welcomed:
        reader.send(ON)
    assert reader.stop.wait(0.6) is not welcomed
    if welcomed:
        assert reader.ask(CARD_DATA)[-4:] == "9000"
    else:
        assert isinstance(reader.ended(), VpcdOccupied)
    reader.close()


def test_nobody_listens() -> None:
    """No reader: said at once, with the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(VpcdUnavailable, match=rf"127\.0\.0\.1:{port}: "):
        insert_into_vpcd(
            VirtualCard(profile("1.8")),
            "127.0.0.1",
            port,
            on_powered=lambda: pytest.fail("powered by nobody"),
            stop=threading.Event(),
        )
