"""The citizens' screen: two monitors of an X server (Xvfb) with a window manager."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.texts import text
from agent.ui.desktop import DesktopInterface
from tests.agent.people import running
from tests.agent.test_counter import NAMED
from tests.agent.test_policy import administrator, decide
from tests.rig.tray import Screen, missing

__all__ = ["administrator"]

ROOT = Path(__file__).parents[3]
#: Puts a question for each of its arguments; prints what came of it, as JSON.
DESK = """
import json, sys
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from agent.ui.windows.desk import Desk
app, said = QApplication([]), []
desk = Desk(app)
desk._pipe.send = said.append
question = {"site": "https://portal.example", "lang": "nl", "virtual": True,
    "marks": ["citizen-card"], "program": None, "purpose": None,
    "data": ["identity"], "lasting": False}
for number, screen in enumerate(json.loads(sys.argv[1]), 1):
    said.clear()
    desk._received({"ask": "consent", "id": number, "question": question,
        "seconds": 120, "screen": screen})
    QTest.qWait(900)
    window = desk._window
    inside = window.screen().geometry().contains(window.frameGeometry())
    shown = window.screen().name() if window.isVisible() and inside else None
    refused = [one["no-screen"] for one in said if "no-screen" in one]
    print(json.dumps([shown, refused]), file=sys.stderr)
"""
#: Puts a question on the second screen, says that it stands there, and waits until that
#: is over.
UNPLUGGED = (
    DESK.partition("for number")[0]
    + """
desk._received({"ask": "consent", "id": 1, "question": question,
    "seconds": 120, "screen": 2})
QTest.qWaitForWindowExposed(desk._window)
print(desk._window.screen().name(), file=sys.stderr)
while {"no-screen": 1} not in said:
    QTest.qWait(10)
print(desk._window.isVisible(), file=sys.stderr)
"""
)


def _screens(folder: Path, *names: str) -> str:
    """Return the platform that plays screens beside each other."""
    screens = [
        {"name": name, "x": 1000 * number, "y": 0, "width": 1000, "height": 900}
        | {"logicalDpi": 96, "logicalBaseDpi": 96, "dpr": 1}
        for number, name in enumerate(names)
    ]
    file = folder / "screens.json"
    file.write_text(json.dumps({"screens": screens}))
    return f"offscreen:configfile={file}"


@pytest.fixture
def two_screens() -> Iterator[Screen]:
    """An X server with the monitors "one" and "two"."""
    if absent := missing():
        pytest.skip(f"not installed: {', '.join(absent)}")
    with contextlib.ExitStack() as stack:
        screen = Screen(stack)
        screen.split("one", "two")
        yield screen


def _asked(two: Screen, *screens: Any) -> list[Any]:
    """Return for each question the screen on which it stands, and what was refused."""
    done = subprocess.run(
        [sys.executable, "-c", DESK, json.dumps(screens)],
        cwd=ROOT,
        env={**os.environ, **two.env},
        capture_output=True,
        timeout=60,
        check=True,
    )
    lines = done.stderr.decode().splitlines()
    return [json.loads(line) for line in lines if line.startswith("[")]


def test_a_citizen_is_asked_on_the_screen_of_the_policy(two_screens: Screen) -> None:
    """By number or name; the next question may be on another one."""
    assert _asked(two_screens, 2, "one", "two", 1) == [
        ["two", []],
        ["one", []],
        ["two", []],
        ["one", []],
    ]


def test_a_screen_that_is_missing_shows_nothing(two_screens: Screen) -> None:
    """Nor does the window of the question before stay."""
    assert _asked(two_screens, 2, 3, "three") == [
        ["two", []],
        [None, [2]],
        [None, [3]],
    ]


def test_a_screen_that_is_unplugged_takes_its_question_along(
    two_screens: Screen,
) -> None:
    """It does not go on to the clerk's."""
    window = subprocess.Popen(
        [sys.executable, "-c", UNPLUGGED, "[]"],
        cwd=ROOT,
        env={**os.environ, **two_screens.env},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert window.stderr is not None
    with window.stderr as said:
        assert said.readline() == "two\n"
        two_screens.unplug("two")
        assert said.readline() == "False\n"
    assert window.wait(20) == 0


async def test_a_request_is_refused_where_the_citizens_screen_is_missing(
    tmp_path: Path, administrator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a real window process, which finds the screen missing."""
    monkeypatch.setenv("QT_QPA_PLATFORM", _screens(tmp_path, "one"))
    decide(administrator, citizenScreen=2)
    windows: Any = DesktopInterface()
    async with running("adult", "", person=windows, settings=NAMED) as agent:
        for ask in (agent.login(lang="en"), agent.identity("identity", lang="en")):
            answer = await ask
            assert (answer.status, answer.body["code"]) == (403, "policy-denied")
            assert answer.body["title"] == text("screen-missing", "en")
    windows.close()
