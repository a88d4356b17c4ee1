"""The child that reads one document: `python -P -m agent.pdf.worker`.

Touches standard input and output alone. Once everything is imported it can open neither
file nor connection, and has limits of memory and time; it never sees a PIN.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime
import importlib
import io
import sys

import tzlocal

from agent import host
from agent.pdf import wire
from agent.pdf.document import DocumentRefused, Visible
from agent.pdf.inspection import inspect
from agent.pdf.judged import to_json
from agent.pdf.pages import check, draw
from agent.pdf.signing import Order, complete, sign
from agent.pdf.validation import validate
from agent.ui.frames import Message, parse_message

#: What the libraries import only in the middle of their work, when no file can be
#: opened any more.
_NEEDED_LATER = (
    "cryptography.hazmat.backends.openssl.backend",
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.utf_16_be",
    "encodings.utf_16_le",
    "gzip",
    "lxml.etree",
    "pyhanko.pdf_utils.filters",
    "pyhanko.pdf_utils.metadata.xmp_xml",
)
#: What they would use if it happened to be there: the child does the same everywhere.
_NOT_USED = ("dateutil",)
_MEMORY = 2 << 30
_CPU_SECONDS = 120


class Worker:
    """Does what the agent says, with one document."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._in = io.FileIO(0, "rb", closefd=False)
        self._out = io.FileIO(1, "wb", closefd=False)
        self._pdf = b""
        self._signed = b""

    def run(self) -> None:
        """Work until the pipe ends."""
        while (received := self.receive()) is not None:
            message, blob = received
            try:
                self._do(message, blob)
            except DocumentRefused as refused:
                self.send({"refused": refused.reason})

    def _do(self, message: Message, blob: bytes) -> None:
        what = message["do"]
        if what == "open":
            self._pdf = blob
            inspection = inspect(blob)
            check(blob, len(inspection.pages))
            self.send({"inspection": dataclasses.asdict(inspection)})
        elif what == "page":
            number, width = message["number"], message["width"]
            width, height, pixels = draw(self._pdf, number, width)
            self.send({"page": [width, height]}, pixels)
        elif what == "validate":
            cas = [base64.b64decode(ca) for ca in message["cas"]]
            now = datetime.datetime.fromisoformat(message["now"])
            judged = self._runner.run(validate(blob, cas, now))
            self.send({"validated": [to_json(one) for one in judged]})
        elif what == "complete":
            parts = _parts(message, blob)
            self.send({"completed": True}, complete(self._signed, parts))
        else:
            order = _order(message)
            signing = sign(self._pdf, order, self._sign_raw, self._stamp)
            self._signed = self._runner.run(signing)
            self.send({"signed": True}, self._signed)

    async def _sign_raw(self, data: bytes) -> bytes:
        return self._wanted("signature", data)

    async def _stamp(self, digest: bytes) -> bytes:
        return self._wanted("timestamp", digest)

    def _wanted(self, what: str, data: bytes) -> bytes:
        """Return what the agent alone can give."""
        self.send({"want": what}, data)
        received = self.receive()
        if received is None:
            sys.exit(1)
        return received[1]

    def send(self, message: Message, blob: bytes = b"") -> None:
        """Say something to the agent."""
        view = memoryview(wire.encode(message, blob))
        while view:
            view = view[self._out.write(view) or 0 :]

    def receive(self) -> tuple[Message, bytes] | None:
        """Return what the agent says; None at the end."""
        head = self._read(4)
        if not head:
            return None
        message = parse_message(self._read(wire.size(head, wire.MAX_OBJECT)))
        return message, self._read(wire.size(self._read(4), wire.MAX_BLOB))

    def _read(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length and (more := self._in.read(length - len(data))):
            data += more
        return bytes(data)


def _order(message: Message) -> Order:
    return Order(
        base64.b64decode(message["certificate"]),
        tuple(map(base64.b64decode, message["chain"])),
        message["mechanism"],
        message["reason"],
        message["timestamp"],
        _visible(message["visible"]),
    )


def _visible(told: Message | None) -> Visible | None:
    if told is None:
        return None
    return Visible(told["page"], told["corner"], tuple(told["lines"]))


def _parts(message: Message, blob: bytes) -> dict[str, list[bytes]]:
    """Return what stands one behind the other in a blob, by kind."""
    rest = io.BytesIO(blob)
    return {
        kind: [rest.read(size) for size in sizes]
        for kind, sizes in message["sizes"].items()
    }


def main() -> int:
    """Read, draw and sign one document."""
    host.keep_memory_private()
    sys.stdout = sys.stderr  # what a library prints is no message
    for name in _NOT_USED:
        sys.modules[name] = None  # type: ignore[assignment]  # as `import` has it
    for name in _NEEDED_LATER:
        importlib.import_module(name)
    tzlocal.get_localzone()  # reads a file the first time
    with asyncio.Runner() as runner:
        runner.get_loop()  # has its files before none can be opened
        host.confine(_MEMORY, _CPU_SECONDS)
        Worker(runner).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
