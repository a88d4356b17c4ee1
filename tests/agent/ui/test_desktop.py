"""The agent's side of the windows, with a script in place of the window process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.texts import text
from agent.ui import AlwaysUsed, Cancelled, Review, Reviewed, desktop
from agent.ui.bitmap import Bitmap
from agent.ui.desktop import DesktopConversation, DesktopInterface
from agent.ui.frames import HEAD_BYTES, Message, parse_message
from agent.ui.process import WindowProcess
from cardio.apdu import INS
from cardio.channel import Apdu
from cardio.pin import Pin
from tests.agent.people import Agent, running

#: Writes down what it is told; answers each question with the next of its words.
_WINDOW = """
import io, signal, sys
from agent.ui import frames
come, go = io.FileIO(0, closefd=False), io.FileIO(1, "wb", closefd=False)
told, answers = open(sys.argv[1], "a", buffering=1), sys.argv[2:]
def fill(count):
    data = b""
    while len(data) < count:
        more = come.read(count - len(data))
        if not more:
            while True:  # as a window that stands until it is closed
                signal.pause()
        data += more
    return data
go.write(frames.encode({"ready": True}))
while True:
    message = frames.parse_message(fill(frames.parse_head(fill(5))[1]))
    if "ended" in message:
        with open(sys.argv[1] + ".ended", "wb") as file:
            file.write(frames.encode(message))
    told.write(" ".join(sorted(message)) + "\\n")
    if "notice" in message:
        go.write(frames.encode({"shown": True}))
    if "work" in message and answers[:1] == ["leaves"]:
        sys.exit(0)
    if "work" in message and answers[:1] == ["breaks"]:
        answers.pop(0)
        sys.exit(1)
    if "ask" in message and answers:
        if answers[0] == "behind":
            go.write(frames.encode({answers.pop(0): True}))
        answer, number = answers.pop(0), message["id"]
        if answer == "dies":
            sys.exit(1)
        if answer == "once":
            go.write(frames.encode({"answer": number, "value": "once"}))
        elif answer.isdigit():
            go.write(frames.pin_head(number, len(answer)) + answer.encode())
        else:
            go.write(frames.encode({"closed": number}))
"""


class _Windows:
    """An interface whose windows are scripts."""

    def __init__(self, told: Path, *answers: str) -> None:
        self.processes: list[WindowProcess] = []
        self._told = told
        self._command = (sys.executable, "-c", _WINDOW, str(told), *answers)
        self.interface = DesktopInterface(self._start)

    def _start(self) -> WindowProcess:
        self.processes.append(WindowProcess(self._command))
        return self.processes[-1]

    async def heard(self, what: str, times: int = 1) -> None:
        """Wait until the windows were told something."""
        async with asyncio.timeout(20):
            while (
                not self._told.exists()
                or self._told.read_text().split().count(what) < times
            ):
                await asyncio.sleep(0.02)

    def end(self) -> Message:
        """Return how a window was told that a request ended."""
        data = Path(f"{self._told}.ended").read_bytes()
        return parse_message(data[HEAD_BYTES:])["ended"]

    async def ended(self, process: WindowProcess) -> None:
        """Wait until a process has ended."""
        async with asyncio.timeout(20):
            while not process.ended:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _agent(windows: _Windows) -> AsyncIterator[Agent]:
    async with running("adult", person=windows.interface) as agent:  # type: ignore[arg-type]
        yield agent
    windows.interface.close()


async def test_a_login_that_is_cancelled_at_its_second_pin_leaves_no_window(
    tmp_path: Path,
) -> None:
    """The card signs no more then: there is nothing to be told later."""
    windows = _Windows(tmp_path / "told", "9999")
    async with _agent(windows) as agent:
        request = asyncio.create_task(agent.login())
        await windows.heard("ask", times=2)
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await request
        await windows.ended(windows.processes[0])


async def test_how_a_login_ended_stands_while_others_ask_in_vain(
    tmp_path: Path,
) -> None:
    """A request that shows nothing closes no window of another one."""
    windows = _Windows(tmp_path / "told", "closes")
    async with _agent(windows) as agent:
        assert (await agent.login()).body["code"] == "user-cancelled"
        agent.service.attendance.lock(locked=True)
        assert (await agent.login()).status == 424
        assert not windows.processes[0].ended


@pytest.mark.parametrize(
    ("typed", "code"), [("1234", "user-cancelled"), ("9999", "pin-incorrect")]
)
async def test_who_closes_the_window_while_the_card_signs_has_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: str
) -> None:
    """No login comes of it; that a try was lost is told all the same."""
    windows = _Windows(tmp_path / "told", typed, "leaves")
    async with _agent(windows) as agent:
        [card] = agent.cards
        transmit = card.transmit

        def slowly(apdu: Apdu) -> bytes:
            if apdu[1] == INS.VERIFY and len(apdu) > 5:
                deadline = time.monotonic() + 20
                while not windows.processes[0].ended:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            return transmit(apdu)

        monkeypatch.setattr(card, "transmit", slowly)
        assert (await agent.login()).body["code"] == code
        if code == "pin-incorrect":
            await windows.heard("ended")
        assert len(windows.processes) == (2 if code == "pin-incorrect" else 1)


@pytest.mark.parametrize("end", ["leaves", "breaks"])
async def test_who_closes_the_window_while_a_card_is_read_has_cancelled_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The page has its answer while the card is still at work; a crash is told."""
    windows = _Windows(tmp_path / "told", "once", end)
    answered = threading.Event()
    async with _agent(windows) as agent:
        [card] = agent.cards
        transmit, began = card.transmit, threading.Event()

        def slowly(apdu: Apdu) -> bytes:
            assert not began.is_set() or answered.wait(20)
            response: bytes = transmit(apdu)
            reads = apdu[1] == INS.READ_BINARY and len(response) > 2
            if reads and windows.processes:
                began.set()  # the window is told of it
            return response

        monkeypatch.setattr(card, "transmit", slowly)
        try:
            answer = await agent.identity("identity")
        finally:
            answered.set()
        assert (answer.status, answer.body["code"]) == (409, "user-cancelled")
        if end == "breaks":
            await windows.heard("ended")
        assert len(windows.processes) == (2 if end == "breaks" else 1)


async def test_a_window_that_breaks_at_the_pin_is_told_and_costs_no_try(
    tmp_path: Path,
) -> None:
    """The page hears that the question was closed; the next request works."""
    windows = _Windows(tmp_path / "told", "dies")
    async with _agent(windows) as agent:
        answer = await agent.login(lang="en")
        assert (answer.status, answer.body["code"]) == (409, "user-cancelled")
        await windows.heard("ended")
        assert len(windows.processes) == 2
        assert agent.cards[0].tries_left == 3
        assert windows.end()["reason"] == text("window-crashed", "en")


async def test_a_notice_of_always_stands_while_its_site_asks_more(
    tmp_path: Path,
) -> None:
    """Else a site could take it away before anybody read it; the next use renews it."""
    windows = _Windows(tmp_path / "told", "closes")
    used = AlwaysUsed("https://portal.example", ("identity",), "en", virtual=False)
    async with _agent(windows) as agent:
        await windows.interface.notice(used)
        assert (await agent.login()).body["code"] == "user-cancelled"
        assert not windows.processes[0].ended
        await windows.interface.notice(used)
        await windows.ended(windows.processes[0])
        assert not windows.processes[2].ended
    await windows.ended(windows.processes[2])


async def test_a_window_that_dies_leaves_no_thread(tmp_path: Path) -> None:
    """Nor the pipe that the thread would write to."""
    windows = _Windows(tmp_path / "told", "dies")
    async with _agent(windows) as agent:
        for _ in range(2):
            assert (await agent.login()).body["code"] == "user-cancelled"
        deadline = time.monotonic() + 20
        while any(thread.name == "window" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def test_a_window_that_died_before_its_question_is_replaced(
    tmp_path: Path,
) -> None:
    """Started ahead and gone: the person is asked all the same."""
    windows = _Windows(tmp_path / "told", "1234")
    async with _agent(windows) as agent:
        windows.interface.warm()
        windows.processes[0].kill()
        await windows.ended(windows.processes[0])
        assert (await agent.login()).status == 200


async def test_a_pin_that_comes_as_the_request_ends_is_wiped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed, and cancelled while a notification is taken away."""
    typed, taken_away = list[bytearray](), asyncio.Event()

    @asynccontextmanager
    async def noticed(*_: object) -> AsyncIterator[None]:
        yield
        taken_away.set()
        await asyncio.Event().wait()

    class SeenPin(Pin):
        def __init__(self, digits: bytearray) -> None:
            typed.append(digits)
            super().__init__(digits)

    monkeypatch.setattr(desktop, "noticed", noticed)
    monkeypatch.setattr(desktop, "Pin", SeenPin)
    windows = _Windows(tmp_path / "told", "behind", "1234")
    async with _agent(windows) as agent:
        request = asyncio.create_task(agent.login())
        await taken_away.wait()
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await request
        await windows.ended(windows.processes[0])
        gc.collect()
        assert typed
        assert not any(map(any, typed))


class _ScriptedWindow:
    """Plays a window process: says what the test puts, and keeps what it hears."""

    ended, code = False, None

    def __init__(self) -> None:
        self.says: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.receive = self.says.get
        self.send = self.heard.put_nowait


async def test_a_page_that_takes_long_to_draw_keeps_nobody_from_leaving() -> None:
    """The window closes at once; of pages that were turned only the last is drawn."""
    window, begun, may_end = _ScriptedWindow(), asyncio.Event(), asyncio.Event()
    drawn: list[int] = []

    async def draw(_document: int, page: int, _width: int) -> Bitmap | None:
        drawn.append(page)
        begun.set()
        await may_end.wait()
        return None

    async def take() -> Any:
        return window

    page = Reviewed("a.pdf", "", ((9.0, 9.0),) * 9, 9, "00", ())
    question = Review("https://site.example", (page,), None, "en", True, ())
    talk = DesktopConversation(take, lambda: False, 60)
    asked = asyncio.ensure_future(talk.review(question, draw))
    number = (await window.heard.get())["id"]
    window.says.put_nowait({"draw": [0, 0, 9]})
    await begun.wait()
    for turned in (1, 2, 3):
        window.says.put_nowait({"draw": [0, turned, 9]})
    while not window.says.empty():
        await asyncio.sleep(0)
    may_end.set()
    assert (await window.heard.get())["drawn"][:2] == [0, 0]
    assert (await window.heard.get())["drawn"][:2] == [0, 3]
    may_end.clear()
    begun.clear()
    window.says.put_nowait({"draw": [0, 4, 9]})
    await begun.wait()
    window.says.put_nowait({"closed": number})
    with pytest.raises(Cancelled):
        await asked
    assert drawn == [0, 3, 4]
