"""Reads the windows on a screen as a screen reader does; a program of its own.

Runs under the system's Python, which alone has pyatspi. Each line of its input is a
JSON object that says what to wait for, each line of its output what is there then.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pyatspi
from gi.repository import Atspi, GLib

_EVENTS = (
    "window:activate",
    "window:deactivate",
    "window:create",
    "window:destroy",
    "object:children-changed",
    "object:property-change",
    "object:state-changed",
    "object:text-changed",
)
#: Qt tells nobody of some changes (a button that is enabled, say).
_LOOK_MILLISECONDS = 50

#: Within which a window answers, or counts as hung.
_ANSWER_MILLISECONDS = 500

Node = dict[str, Any]


def nodes() -> list[Node]:
    """Return everything in every window, parents before their children."""
    desktop = pyatspi.Registry.getDesktop(0)
    desktop.clear_cache()
    found: list[Node] = []
    for application in list(desktop):
        if application is not None and application.name == "eid-agent":
            for window in list(application):
                _walk(window, application.get_process_id(), found)
    return found


def _walk(node: Any, process: int, found: list[Node]) -> None:
    if node is None:
        return
    states = [pyatspi.stateToString(state) for state in node.getState().getStates()]
    found.append(
        {
            "name": node.name,
            "role": node.getRoleName(),
            "description": node.description,
            "states": states,
            "text": _length(node),
            "process": process,
        }
    )
    for child in list(node):
        _walk(child, process, found)


def _length(node: Any) -> str | None:
    """Return what a field shows; None for what is none."""
    try:
        return str(node.queryText().getText(0, -1))
    except NotImplementedError:
        return None


def _fits(node: Node, wanted: Node) -> bool:
    return (
        node["name"] == wanted.get("name", node["name"])
        and node["role"] == wanted.get("role", node["role"])
        and set(wanted.get("has", ())) <= set(node["states"])
        and not set(wanted.get("lacks", ())) & set(node["states"])
        and wanted.get("process", node["process"]) == node["process"]
    )


def _as_wanted(there: list[Node], wanted: Any) -> bool:
    return all(
        any(_fits(node, one) for node in there) for one in wanted["there"]
    ) and not any(_fits(node, one) for node in there for one in wanted["gone"])


class Reader:
    """Waits for one thing at a time."""

    def __init__(self, loop: GLib.MainLoop) -> None:
        self._loop = loop
        self._wanted: Any = None
        self._until = 0.0
        self._looking = False
        for event in _EVENTS:
            pyatspi.Registry.registerEventListener(self._changed, event)
        GLib.io_add_watch(
            0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, self._told
        )
        GLib.timeout_add(_LOOK_MILLISECONDS, self._look)

    def _told(self, *_: Any) -> bool:
        line = sys.stdin.readline()
        if not line:
            self._loop.quit()
            return False
        self._wanted = json.loads(line)
        self._until = GLib.get_monotonic_time() + self._wanted["seconds"] * 1e6
        self._look()
        return True

    def _changed(self, _: Any) -> None:
        self._look()

    def _look(self) -> bool:
        """Answer if what is waited for is there."""
        if self._wanted is None or self._looking:
            return True
        self._looking = True  # events come in the middle of a look
        try:
            there = nodes()
        except (GLib.Error, RuntimeError, ValueError):
            there = None  # a window went in the middle of the look
        finally:
            self._looking = False
        fits = there is not None and _as_wanted(there, self._wanted)
        if fits or GLib.get_monotonic_time() > self._until:
            self._wanted = None
            print(json.dumps({"fits": fits, "nodes": there or []}), flush=True)  # noqa: T201
        return True


if __name__ == "__main__":
    Atspi.set_timeout(_ANSWER_MILLISECONDS, _ANSWER_MILLISECONDS)
    main_loop = GLib.MainLoop()
    reader = Reader(main_loop)
    print(json.dumps({"fits": True, "nodes": nodes()}), flush=True)  # noqa: T201
    main_loop.run()
