"""Starts the window process: `--probe` only tells, by its exit code, that it could."""

from __future__ import annotations

import signal
import sys

from PySide6.QtWidgets import QApplication

from agent import host
from agent.ui.windows.desk import Desk
from agent.ui.windows.look import dress


def main() -> int:
    """Show what the agent asks for until its pipe ends."""
    host.keep_memory_private()
    # Ctrl-C in the agent's terminal is the agent's; the pipe's end is what counts here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    app = QApplication(sys.argv[:1])
    if "--probe" in sys.argv[1:]:
        return 0
    app.setApplicationName("eid-agent")
    app.setDesktopFileName("eid-agent")
    app.setQuitOnLastWindowClosed(False)
    dress(app)
    desk = Desk(app)
    desk.start()
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
