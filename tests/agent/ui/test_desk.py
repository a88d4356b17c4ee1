"""Which page the window shows next, without a screen (Qt's offscreen platform)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import shiboken6
from PySide6.QtCore import QEvent
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication

from agent.texts import text
from agent.ui import frames
from agent.ui.frames import Message
from agent.ui.windows.desk import Desk

QUESTION: Message = {
    "site": "https://portal.example",
    "lang": "en",
    "virtual": False,
    "marks": [],
    "program": None,
    "tries_left": 3,
    "wrong": False,
    "expires": None,
    "signing": None,
}


@pytest.fixture
def quits() -> list[str]:
    """What a desk said that ended it; the application goes on for other tests."""
    return []


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, quits: list[str]) -> Iterator[Desk]:
    """A window whose agent is this test; nothing of it lives on into the next one."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    monkeypatch.setattr(app, "quit", lambda: quits.append("quit"))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # a desk takes it away
    made = Desk(app)
    monkeypatch.setattr(made._pipe, "send", lambda _message: None)
    yield made
    window = made._window
    shiboken6.delete(made)
    shiboken6.delete(window)


def _ask(desk: Desk, kind: str, **members: Any) -> str:
    """Put a question and return the heading of what is shown."""
    asked = {"ask": kind, "id": 1, "seconds": 120.0, "screen": None}
    desk._received(asked | {"question": QUESTION | members})
    page = desk._window.page
    assert page is not None
    return page.heading


@pytest.mark.parametrize("before", ["awaited", "choose", "last-try"])
def test_a_login_is_agreed_to_before_the_pin_whatever_was_asked_before(
    desk: Desk, before: str
) -> None:
    """The page says that name and national number go; then only is there a field."""
    members = {"reason": "no-card", "options": ["A"], "test_cards": [False]}
    members |= {"reader": None, "naming": None}
    _ask(desk, before, **members)
    desk._received({"over": 1})
    assert _ask(desk, "pin") == text("window-login", "en")
    page = desk._window.page
    assert page is not None
    assert text("window-login-receives", "en") in page.spoken
    page.answered.emit(True)
    assert desk._window.page is not None
    assert desk._window.page.heading == text("window-pin", "en")
    assert _ask(desk, "pin", wrong=True) == text("window-wrong", "en")


def test_a_change_for_a_site_is_agreed_to_before_there_is_a_field(desk: Desk) -> None:
    """The page says whose wish it is; the person's own goes to the fields at once."""
    reader = {"reader": "ACS ACR38U"}
    assert _ask(desk, "change-pin", **reader) == text("window-change-asked", "en")
    page = desk._window.page
    assert page is not None
    assert "portal.example" in page.spoken
    page.answered.emit(True)
    assert desk._window.page is not None
    assert desk._window.page.heading == text("window-change", "en")
    assert "portal.example" in desk._window.page.spoken
    own = {name: value for name, value in QUESTION.items() if name != "site"}
    asked = {"ask": "change-pin", "id": 2, "seconds": 120.0, "screen": None}
    desk._received(asked | {"question": own | reader})
    assert desk._window.page.heading == text("window-change", "en")


NOTICE: Message = QUESTION | {"data": ["identity"]}


def test_a_notice_goes_some_time_after_the_person_had_it_before_them(
    desk: Desk, quits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while it stands behind other windows; to look away gives no more time."""
    active = False
    monkeypatch.setattr(desk._window, "isActiveWindow", lambda: active)
    desk._going.setInterval(0)
    gone = QSignalSpy(desk._going.timeout)
    desk._received({"notice": NOTICE})
    QApplication.processEvents()
    assert not desk._going.isActive()
    assert not quits
    active = True
    QApplication.sendEvent(desk._window, QEvent(QEvent.Type.ActivationChange))
    assert desk._going.isActive()
    assert gone.wait(10_000)
    assert quits


def test_a_question_does_not_go_by_itself_when_looked_at(desk: Desk) -> None:
    """Its time is the agent's."""
    _ask(desk, "awaited", reason="no-card", reader=None)
    QApplication.sendEvent(desk._window, QEvent(QEvent.Type.ActivationChange))
    assert not desk._going.isActive()


#: A window process whose window is gone while its thread waits for the agent.
_CLOSED = """
import os, threading
from PySide6.QtCore import QCoreApplication
from shiboken6 import delete
from agent.ui.windows.pipe import Pipe
app = QCoreApplication([])
pipe = Pipe()
pipe.start()
delete(pipe)
os.write(1, b"closed")
[thread.join() for thread in threading.enumerate() if thread.name == "pipe"]
"""


@pytest.mark.parametrize("said", [frames.encode({"over": 1}), b""])
async def test_what_the_agent_says_to_a_closed_window_is_no_mistake(
    said: bytes,
) -> None:
    """It crossed the person's Cancel: nothing appears in the agent's terminal."""
    window = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _CLOSED),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert window.stdout is not None
    await window.stdout.readexactly(len("closed"))
    _, wrong = await window.communicate(said)
    assert wrong == b""
    assert window.returncode == 0


def test_the_buttons_of_a_page_that_went_are_no_windows_that_take_the_focus(
    desk: Desk,
) -> None:
    """A question that loses the focus to them could not be answered."""
    _ask(desk, "pin")
    assert desk._window.page is not None
    desk._window.page.answered.emit(True)
    assert [top for top in QApplication.topLevelWidgets() if top.isWindow()] == [
        desk._window
    ]
