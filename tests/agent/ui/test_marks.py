"""What stands above every question in a window; a real one, on Qt's own screen."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from agent.host.peers import UNKNOWN
from agent.texts import text
from agent.ui import AlwaysUsed, Login
from tests.agent.people import PORTAL
from tests.agent.program import ROOT

pytest.importorskip("PySide6", reason="PySide6 is not installed")

#: Shows a login and a notice, and prints what can be read in each window.
SHOW = """
import json, sys
from PySide6.QtWidgets import QApplication, QLabel
from agent.ui.windows import card, pin
from agent.ui.windows.window import Window
app = QApplication([])
login, used = json.loads(sys.argv[1])
for page in (pin.login(login), card.notice(used)):
    window = Window()
    window.show_page(page, timed=False)
    print(json.dumps([label.text() for label in window.findChildren(QLabel)]))
"""


@pytest.mark.parametrize("program", ["evil<b>", UNKNOWN, None])
def test_a_window_names_a_program_that_is_no_browser(program: str | None) -> None:
    """In question and notice, as plain words."""
    login = Login(PORTAL, 3, "en", True, program=program)
    used = AlwaysUsed(PORTAL, ("address",), "en", True, program=program)
    values = [dataclasses.asdict(login) | {"wrong": False}, dataclasses.asdict(used)]
    done = subprocess.run(
        [sys.executable, "-c", SHOW, json.dumps(values)],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    named = text("asks-program", "en", program=program).strip()
    if program == UNKNOWN:
        named = text("asks-unknown", "en").strip()
    named = f"A{named[2:-1]}"  # a sentence in a frame, where the terminal has brackets
    for line in done.stdout.splitlines():
        assert (named in json.loads(line)) is (program is not None)
    assert len(done.stdout.splitlines()) == 2
