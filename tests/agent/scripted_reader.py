"""The reader's side of a virtual reader, for a card that the real program plays."""

from __future__ import annotations

import socket

SOON = 10


class ScriptedReader:
    """A virtual reader that powers each card which comes, and asks what it is told."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(SOON)
        self.port: int = self._server.getsockname()[1]

    def accept(self) -> socket.socket:
        """Wait for the next card and power it."""
        link, _ = self._server.accept()
        link.settimeout(SOON)
        link.sendall(b"\x00\x01\x01")
        return link

    def accept_mute(self) -> socket.socket:
        """Take no notice of the next card, as a reader that holds another does."""
        return self._server.accept()[0]

    def close(self) -> None:
        """Stop listening."""
        self._server.close()


def ask(link: socket.socket, command: str) -> bytes:
    """Send a command to a card, return its answer."""
    apdu = bytes.fromhex(command)
    link.sendall(len(apdu).to_bytes(2, "big") + apdu)
    size = int.from_bytes(exactly(link, 2), "big")
    return exactly(link, size)


def exactly(link: socket.socket, count: int) -> bytes:
    """Receive so many bytes, fewer only at the end."""
    data = b""
    while len(data) < count and (piece := link.recv(count - len(data))):
        data += piece
    return data
