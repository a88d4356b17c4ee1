"""A program that shows every page in a real window and looks at it; for the tests.

It writes a picture of each page, and prints as JSON what is wrong with it. It runs in a
process of its own, since Qt has one application, one scale and one platform a process.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from PySide6.QtCore import QEventLoop
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from agent.ui.windows.look import dress
from agent.ui.windows.window import Window
from tests.agent.ui import geometry, palettes, reading
from tests.agent.ui.pages import PAGES
from tests.agent.ui.palettes import PALETTES


def main() -> int:
    """Show the pages, one after the other in one window, as the program does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lang", required=True)
    parser.add_argument("--palette", choices=PALETTES, default="light")
    parser.add_argument("--points", type=float, default=11.0)
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--time", action="store_true", help="when it is nearly over")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    app = QApplication(sys.argv[:1])
    assert app.platformName() == "xcb"
    app.setStyle("Fusion")
    app.setPalette(palettes.palette(options.palette))
    font = app.font()
    font.setPointSizeF(options.points)
    app.setFont(font)
    dress(app)
    window = Window()
    found: dict[str, dict[str, list[str]]] = {}
    for name, make in PAGES.items():
        if options.only not in name:
            continue
        window.show_page(make(options.lang), timed=True)
        if not QTest.qWaitForWindowExposed(window):
            print(f"{name} does not appear", file=sys.stderr)  # noqa: T201
            return 1
        app.processEvents()
        if options.time:
            window.restart(1)
            while not _offers_time(window):  # the test has a limit
                app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
            app.processEvents()
        picture = options.folder / f"{name}-{options.lang}-{options.name}.png"
        window.grab().save(str(picture))
        found[name] = {
            "geometry": geometry.faults(window),
            "reading": reading.faults(window),
        }
    print(json.dumps(found))  # noqa: T201
    return 0


def _offers_time(window: Window) -> bool:
    page = window.page
    assert page is not None
    words = page.text("window-more-time")
    buttons = window.findChildren(QPushButton)
    return any(one.text() == words and one.isVisible() for one in buttons)


if __name__ == "__main__":
    sys.exit(main())
