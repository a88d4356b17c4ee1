"""The tray: an icon, and a menu where the desktop shows one; a process of its own.

The only module that imports pystray. Shows what the agent says over standard input,
says over standard output what was chosen, and ends with that input.

`tray` tells once what the desktop can show: "menu", "icon" (X11's XEmbed: a click asks
for the menu in a window) or "none". Then it waits, without a clock, until a tray comes.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import logging
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import host
from agent.texts import text
from agent.ui import frames
from agent.ui.frames import Message
from agent.ui.icons import icon as drawn
from agent.ui.streams import PinFrame, read_frame
from agent.ui.traystate import COMMANDS, TrayState

#: A panel may come later than the agent when a session begins.
_PATIENCE_SECONDS = 15.0
_WATCHER = "org.kde.StatusNotifierWatcher"
#: Where distributions keep what belongs to the system's own Python.
_SYSTEM_PACKAGES = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib64/python3.{sys.version_info.minor}/site-packages",
    f"/usr/lib/python3.{sys.version_info.minor}/site-packages",
)


def main() -> int:
    """Show the icon until the agent's pipe ends."""
    host.keep_memory_private()
    block = getattr(signal, "SIG_BLOCK", None)
    if block is not None and hasattr(signal, "pthread_sigmask"):
        # Ctrl-C in the agent's terminal is the agent's; GTK's part would end by it.
        signal.pthread_sigmask(block, {signal.SIGINT})
    # An icon that cannot dock yet is waited for here; pystray logs a traceback.
    logging.getLogger("pystray").setLevel(logging.CRITICAL + 1)
    pipe = _Pipe()
    first = pipe.read()
    if first is None:
        return 0
    # AppIndicator wants a file, which pystray writes where any user may write.
    tempfile.tempdir = folder = tempfile.mkdtemp(prefix="eid-agent-tray-")
    try:
        tray = _Tray(pipe, first, lambda: shutil.rmtree(folder, ignore_errors=True))
    except Exception as error:  # pystray's parts for X11 raise what they like
        logging.getLogger(__name__).warning("no tray: %s", type(error).__name__)
        pipe.send({"tray": "none"})
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    tray.run()
    return 0


class _Pipe:
    """This process' end of both pipes."""

    def __init__(self) -> None:
        self._in = io.FileIO(0, "rb", closefd=False)
        self._out = io.FileIO(1, "wb", closefd=False)
        sys.stdout = sys.stderr  # what a library prints is no frame

    def send(self, message: Message) -> None:
        """Say something to the agent."""
        with contextlib.suppress(OSError):
            self._out.write(frames.encode(message))

    def read(self) -> TrayState | None:
        """Wait for what is to be shown; None at the end."""
        try:
            message = read_frame(self._in)
            if message is None or isinstance(message, PinFrame):
                return None
            return TrayState.from_message(message)
        except (OSError, ValueError, frames.BadFrame):
            return None


class _Tray:
    """The icon and its menu."""

    def __init__(self, pipe: _Pipe, first: TrayState, end: Callable[[], None]) -> None:
        """`end` takes back what this process left on disk."""
        self._pystray = _load_pystray()
        self._pipe = pipe
        self._shown = first
        self._end = end
        self._icon = self._pystray.Icon(
            "eid-agent", drawn(first), first.title(), self._pystray.Menu(self._items)
        )
        self._lock = threading.Lock()
        self._do: Callable[[Callable[[], None]], None] = lambda work: work()
        if not self._icon.HAS_MENU:
            self._do = _X11Icon(self._icon).do

    def run(self) -> None:
        """Show the icon until the pipe ends."""
        self._icon.run(setup=self._begin)
        self._end()

    def _begin(self, icon: Any) -> None:
        """Run in a thread of pystray's once the icon's own loop runs."""
        threading.Thread(target=self._follow, name="pipe", daemon=True).start()
        there = _Presence(self._dock_again)
        if not there.wait(_PATIENCE_SECONDS):
            self._pipe.send({"tray": "none"})
            there.wait(None)
        self._do(self._appear)

    def _appear(self) -> None:
        self._icon.visible = True
        self._draw()
        self._pipe.send({"tray": "menu" if self._icon.HAS_MENU else "icon"})

    def _dock_again(self) -> None:
        """Go into a tray of X11 that came later, which pystray does not watch for."""
        if not self._icon.HAS_MENU:
            self._do(self._draw)

    def _follow(self) -> None:
        while (shown := self._pipe.read()) is not None:
            self._shown = shown
            self._do(self._draw)
        self._end()
        os._exit(0)  # the desktop takes the icon away with its owner

    def _draw(self) -> None:
        """Show what is to be shown now, once the icon is there."""
        with self._lock:  # for GTK's part, which several threads use
            shown = self._shown
            if self._icon.visible:
                self._icon.icon = drawn(shown)
                self._icon.title = shown.title()
                self._icon.update_menu()

    # --- the menu ---------------------------------------------------------------------

    def _items(self) -> list[Any]:
        """Return the menu as it is now: what is said, then the commands.

        Where nothing but a click is heard, it is the default command.
        """
        item, menu = self._pystray.MenuItem, self._pystray.Menu
        if not self._pystray.Icon.HAS_MENU:
            return [item("", self._chosen("menu"), default=True)]
        said = [item(line, None, enabled=False) for line in self._shown.lines()]
        commands = [self._command(name) for name in COMMANDS if self._offered(name)]
        return [*said, menu.SEPARATOR, *commands[:-1], menu.SEPARATOR, commands[-1]]

    def _offered(self, name: str) -> bool:
        return name in self._shown.offered

    def _command(self, name: str) -> Any:
        words = text(f"tray-menu-{name}", self._shown.lang)
        checked = None
        if name == "start":
            checked = lambda _: bool(self._shown.starts)  # noqa: E731  (pystray's form)
        return self._pystray.MenuItem(
            words, self._chosen(name), checked, default=name == "readers"
        )

    def _chosen(self, name: str) -> Callable[[Any, Any], None]:
        return lambda _icon, _item: self._pipe.send({"command": name})


def _load_pystray() -> Any:
    """Import pystray with the part that fits this desktop; whatever it raises."""
    if not _has_bus():  # its GTK parts want D-Bus
        os.environ.setdefault("PYSTRAY_BACKEND", "xorg")
    elif importlib.util.find_spec("gi") is None:
        _lend_gi()
    import pystray

    return pystray


def _has_bus() -> bool:
    """Tell whether the session has a D-Bus, as its clients look for one."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    there = folder is not None and (Path(folder) / "bus").exists()
    return bool(os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or there


def _lend_gi() -> None:
    """Import the system's `gi`, and nothing else of the system's packages.

    A virtual environment does not see it, and PyPI has it as sources only. It must have
    been built for this very version of Python.
    """
    built = f"_gi{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    for place in _SYSTEM_PACKAGES:
        folder = Path(place) / "gi"
        if (folder / built).is_file():
            spec = importlib.util.spec_from_file_location(
                "gi", folder / "__init__.py", submodule_search_locations=[str(folder)]
            )
            assert spec is not None
            assert spec.loader is not None
            sys.modules["gi"] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return


class _X11Icon:
    """Does things to an icon of pystray's part for X11, in the icon's own thread.

    That part (0.19.5) lets other threads use its connection, on which python-xlib then
    waits for ever now and then. So they say over a connection of ours that there is
    work. It also handles clicks and does not ask for them; and it asks to be docked at
    each change, which moves the icon about.
    """

    def __init__(self, icon: Any) -> None:
        """Call in the thread that will run the icon."""
        from Xlib import X
        from Xlib.display import Display
        from Xlib.protocol.event import ClientMessage

        wanted = X.ExposureMask | X.StructureNotifyMask | X.ButtonPressMask
        icon._window.change_attributes(event_mask=wanted)
        icon._thread = threading.current_thread()
        dock = icon._dock_window
        icon._dock_window = lambda: icon._systray_manager or dock()
        self._display = Display()
        self._lock = threading.Lock()
        self._window = self._display.create_resource_object("window", icon._window.id)
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        kind = self._display.intern_atom("_EID_AGENT_WORK")
        self._message = ClientMessage(
            window=self._window, client_type=kind, data=(32, [0] * 5)
        )
        others = icon._message_handlers[X.ClientMessage]

        def heard(event: Any) -> None:
            if event.client_type == kind:
                self._work.get()()
            else:
                others(event)

        icon._message_handlers[X.ClientMessage] = heard

    def do(self, work: Callable[[], None]) -> None:
        """Have something done soon; from any thread."""
        self._work.put(work)
        with self._lock:
            self._window.send_event(self._message)
            self._display.flush()


class _Presence:
    """Whether the desktop has a tray, of either kind, now or later."""

    def __init__(self, again: Callable[[], None]) -> None:
        """`again` is called when a tray of X11 has come."""
        self._there = threading.Event()
        self._again = again
        self._watch_bus()
        threading.Thread(target=self._watch_x11, name="x11", daemon=True).start()

    def wait(self, seconds: float | None) -> bool:
        """Wait until there is one; False after so many seconds."""
        return self._there.wait(seconds)

    def _watch_bus(self) -> None:
        """Watch for a panel that shows StatusNotifierItems; heard in GTK's loop."""
        if "gi" not in sys.modules:
            return
        from gi.repository import Gio  # type: ignore[import-not-found, unused-ignore]

        Gio.bus_watch_name(
            Gio.BusType.SESSION,
            _WATCHER,
            Gio.BusNameWatcherFlags.NONE,
            lambda *_: self._there.set(),
            None,
        )

    def _watch_x11(self) -> None:
        """Watch for the owner of X11's tray (System Tray Protocol, "Locating")."""
        try:
            from Xlib import X
            from Xlib.display import Display
            from Xlib.error import ConnectionClosedError

            display = Display()
        except Exception:  # no X11, in one of many ways
            return
        root = display.screen().root
        root.change_attributes(event_mask=X.StructureNotifyMask)
        number = display.get_default_screen()
        tray = display.intern_atom(f"_NET_SYSTEM_TRAY_S{number}")
        manager = display.intern_atom("MANAGER")
        if display.get_selection_owner(tray) != X.NONE:
            self._there.set()
        with contextlib.suppress(ConnectionClosedError):  # the session ends
            while True:
                event = display.next_event()
                told = event.type == X.ClientMessage and event.client_type == manager
                if told and event.data[1][1] == tray:
                    self._there.set()
                    self._again()


if __name__ == "__main__":
    sys.exit(main())
