"""The tray as the agent sees it: kept running, told what to show; touches that child.

The agent lives without it: one that is missing is gone, one that crashes is started
again a few times.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.ui.process import Child, TrayProcess
from agent.ui.traystate import TrayState

_log = logging.getLogger(__name__)

#: How often a tray that ended is started again.
STARTED_AGAIN = 3


class TrayLink:
    """One agent's tray."""

    def __init__(
        self,
        shown: TrayState,
        command: Callable[[str], None],
        kind: Callable[[str], None],
        start: Callable[[], Child] = TrayProcess,
    ) -> None:
        """`shown` comes first; `command` is called with what was chosen.

        `kind` is called with what the desktop can show: "menu", "icon" or "none".
        """
        self._shown = shown
        self._command = command
        self._kind = kind
        self._start = start
        self._child: Child | None = None

    def show(self, shown: TrayState) -> None:
        """Let the tray show something else."""
        if shown == self._shown:
            return
        self._shown = shown
        if self._child is not None:
            self._child.send(shown.to_message())

    async def run(self) -> None:
        """Keep a tray, until cancelled or until there is no use in it."""
        try:
            for _ in range(1 + STARTED_AGAIN):
                self._child = self._start()
                self._child.send(self._shown.to_message())
                if not await self._follow(self._child):
                    return
                _log.warning("the tray ended")
        except OSError as error:
            _log.warning("the tray: %s", type(error).__name__)
        finally:
            if self._child is not None:
                self._child.leave()  # its pipe ends, and so does it
                self._child = None

    async def _follow(self, child: Child) -> bool:
        """Act on what a tray says until it ends; False where another were no use."""
        kind = ""
        while (received := await child.receive()) is not None:
            match received:
                case {"command": str(name)}:
                    self._command(name)
                case {"tray": str(kind)}:
                    self._kind(kind)
                case _:
                    pass
        return kind != "none"
