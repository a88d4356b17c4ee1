"""What the window process says, as the agent takes it in: a script in its place."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from agent.ui import Cancelled, Login, frames
from agent.ui.desktop import DesktopInterface
from agent.ui.process import PinFrame, WindowProcess

QUESTION = Login("https://portal.example", 3, "en", virtual=True)

#: Says these bytes and stays.
_SAYING = """
import os, signal, sys
os.write(1, bytes.fromhex(sys.argv[1]))
signal.pause()
"""


def _says(said: bytes) -> WindowProcess:
    return WindowProcess((sys.executable, "-c", _SAYING, said.hex()))


def _pin(question: int, digits: bytes) -> bytes:
    return frames.pin_head(question, len(digits)) + digits


@pytest.mark.parametrize(
    "said",
    [
        b"X\x00\x00\x00\x00",
        b"J\xff\xff\xff\xff",
        b"J\x00\x00\x00\x02{]",
        b"J\x00\x00\x00\x02[]",
        b"J\x00\x00\x00\x01\xff",
        b"P\x00\x00\x00\x03\x00\x00\x00",
        b"Traceback (most recent call last):\n",
    ],
)
async def test_nonsense_ends_the_process_and_counts_as_closed(said: bytes) -> None:
    """What is no frame, or too long, or no object; the child does not live on."""
    process = _says(frames.encode({"ready": True}) + said)
    interface = DesktopInterface(lambda: process)
    async with (
        asyncio.timeout(20),
        interface.conversation(lambda: False, 120.0) as talk,
    ):
        with pytest.raises(Cancelled):
            await talk.login_pin(QUESTION)
    with pytest.raises(ProcessLookupError):
        os.kill(process.process_id, 0)  # ended, and waited for


async def test_a_pin_for_another_question_is_wiped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that comes late, or early, is no answer; the next one is."""
    taken: list[PinFrame] = []
    receive = WindowProcess.receive

    async def watched(self: WindowProcess) -> frames.Message | PinFrame | None:
        frame = await receive(self)
        if isinstance(frame, PinFrame):
            taken.append(frame)
        return frame

    monkeypatch.setattr(WindowProcess, "receive", watched)
    said = frames.encode({"ready": True})
    said += _pin(0, b"1111") + _pin(7, b"2222") + _pin(1, b"1234")
    interface = DesktopInterface(lambda: _says(said))
    async with (
        asyncio.timeout(20),
        interface.conversation(lambda: False, 120.0) as talk,
    ):
        pin = await talk.login_pin(QUESTION)
    old, early, right = (frame.digits for frame in taken)
    assert (bytes(old), bytes(early)) == (bytes(4), bytes(4))
    assert bytes(right) == b"1234"
    pin.wipe()
    assert not any(right)


@pytest.mark.parametrize("digits", [b"123", b"1" * 13, b"12a4", b""])
async def test_what_can_be_no_pin_is_wiped_and_counts_as_closed(digits: bytes) -> None:
    """The card hears nothing of it."""
    said = frames.encode({"ready": True}) + _pin(1, digits)
    interface = DesktopInterface(lambda: _says(said))
    async with (
        asyncio.timeout(20),
        interface.conversation(lambda: False, 120.0) as talk,
    ):
        with pytest.raises(Cancelled):
            await talk.login_pin(QUESTION)


async def test_a_hung_window_stops_nothing() -> None:
    """However much it is told; it ends with its request."""
    process = _says(frames.encode({"ready": True}))
    interface = DesktopInterface(lambda: process)
    async with (
        asyncio.timeout(20),
        interface.conversation(lambda: False, 120.0) as talk,
    ):
        asking = asyncio.ensure_future(talk.login_pin(QUESTION))
        await asyncio.sleep(0)  # so that it is asked
        os.kill(process.process_id, signal.SIGSTOP)
        for done in range(20_000):  # more than a pipe holds
            talk.working(done, 20_000)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    async with asyncio.timeout(20):
        while await process.receive() is not None:
            pass
