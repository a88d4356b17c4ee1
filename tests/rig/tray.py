"""A screen with a window manager and a tray of X11, and a panel's place on D-Bus.

Starts Xvfb, openbox and trayer, and looks at the windows through X11 itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from Xlib import X, error
from Xlib.display import Display
from Xlib.protocol import rq

T = TypeVar("T")

PROGRAMS = ("Xvfb", "openbox", "trayer", "xdotool", "dbus-daemon")
_SECONDS = 20.0


def missing() -> list[str]:
    """Return the programs that this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def start(
    stack: contextlib.ExitStack, *command: str, **more: Any
) -> subprocess.Popen[str]:
    """Start a program that ends with the stack."""
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.DEVNULL)
    process: subprocess.Popen[str] = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, text=True, **(quiet | more)
    )

    def end() -> None:
        process.terminate()
        process.wait(_SECONDS)
        if process.stdout is not None:
            process.stdout.close()

    stack.callback(end)
    return process


class _SetMonitor(rq.Request):  # type: ignore[misc]  # python-xlib is not typed
    """RRSetMonitor of RandR 1.5, which python-xlib's own cannot pack."""

    _request = rq.Struct(
        rq.Card8("opcode"),
        rq.Opcode(43),
        rq.RequestLength(),
        rq.Window("window"),
        rq.Card32("name"),
        rq.Bool("primary"),
        rq.Bool("automatic"),
        rq.LengthOf("outputs", 2),
        *(rq.Int16("x"), rq.Int16("y"), rq.Card16("width"), rq.Card16("height")),
        *(rq.Card32("across"), rq.Card32("down")),  # millimetres
        rq.List("outputs", rq.Card32Obj),
    )


class Screen:
    """A running screen; `env` is what a program needs to be seen there."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        reading, writing = os.pipe()
        with os.fdopen(reading) as chosen:
            screen = ("Xvfb", "-displayfd", str(writing), "-nolisten", "tcp")
            size = ("-screen", "0", "1280x900x24")
            start(stack, *screen, *size, pass_fds=[writing])
            os.close(writing)
            name = f":{chosen.readline().strip()}"
        self.env = {"DISPLAY": name, "QT_QPA_PLATFORM": "xcb"}
        self._display = Display(name)
        stack.callback(self._display.close)
        start(stack, "openbox", env={**os.environ, **self.env})
        # The last that it says at its start; a tray that begins before may stay hidden.
        ready = self._display.intern_atom("_NET_CLIENT_LIST")
        root = self._display.screen().root
        self.wait(lambda: root.get_full_property(ready, X.AnyPropertyType))

    def tray(self) -> subprocess.Popen[str]:
        """Start a tray of X11, and wait until it takes icons."""
        where = ("--edge", "top", "--align", "right", "--height", "32")
        tray = start(self._stack, "trayer", *where, env={**os.environ, **self.env})
        selection = self._display.intern_atom("_NET_SYSTEM_TRAY_S0")
        self.wait(lambda: self._display.get_selection_owner(selection) or None)
        return tray

    def split(self, *names: str) -> None:
        """Be monitors side by side, the first one the main one."""
        display, root = self._display, self._display.screen().root
        [whole] = root.xrandr_get_monitors().monitors
        size = {"y": 0, "width": whole.width_in_pixels // len(names)}
        size |= {"height": whole.height_in_pixels, "across": 300, "down": 300}
        for number, name in enumerate(names):
            _SetMonitor(
                display=display.display,
                opcode=display.display.get_extension_major("RANDR"),
                window=root,
                name=display.intern_atom(name),
                primary=not number,
                automatic=False,
                x=number * size["width"],
                outputs=[] if number else whole.crtcs,
                **size,
            )
        display.sync()

    def unplug(self, name: str) -> None:
        """Take a monitor away."""
        root = self._display.screen().root
        root.xrandr_delete_monitor(self._display.intern_atom(name))
        self._display.sync()

    def wait(self, look: Callable[[], T | None]) -> T:
        """Look again after everything that happens on the screen, until it is there."""
        deadline = time.monotonic() + _SECONDS
        while True:
            for window in self._windows():  # before the look: nothing is missed
                self._select(window)
            self._display.sync()
            if (found := look()) is not None:
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"only these windows: {self.titles()}"
            if not self._display.pending_events():
                select.select([self._display.fileno()], [], [], min(left, 1.0))
            while self._display.pending_events():
                self._display.next_event()

    def _select(self, window: Any) -> None:
        with contextlib.suppress(error.XError):
            window.change_attributes(
                event_mask=X.SubstructureNotifyMask | X.PropertyChangeMask,
                onerror=error.CatchError(error.BadWindow),
            )

    def _windows(self) -> Iterator[Any]:
        waiting = [self._display.screen().root]
        while waiting:
            window = waiting.pop()
            yield window
            with contextlib.suppress(error.XError):
                waiting += window.query_tree().children

    def titles(self) -> dict[str, Any]:
        """Return the windows of ours by their titles."""
        found = {}
        utf8 = self._display.intern_atom("UTF8_STRING")
        name = self._display.intern_atom("_NET_WM_NAME")
        for window in self._windows():
            with contextlib.suppress(error.XError):
                said = window.get_full_property(name, utf8)
                title = said.value.decode() if said else window.get_wm_name() or ""
                kind = window.get_wm_class() or ("",)
                if "eid-agent" in " ".join(kind):
                    found[title] = window
        return found

    def seen(self, part: str) -> Any:
        """Wait for a window of ours with this in its title."""

        def look() -> Any:
            titles = self.titles()
            return next((titles[one] for one in titles if part in one), None)

        return self.wait(look)

    def docked(self, part: str) -> Any:
        """Wait for an icon in the tray with this in its title."""
        root = self._display.screen().root

        def look() -> Any:
            icon = self.seen(part)
            with contextlib.suppress(error.XError):
                tree = icon.query_tree()
                seen = icon.get_attributes().map_state == X.IsViewable
                return icon if seen and tree.parent != root else None
            return None

        return self.wait(look)

    def gone(self, part: str) -> None:
        """Wait until no window of ours has this in its title."""
        self.wait(lambda: None if any(part in one for one in self.titles()) else True)

    def picture(self, window: Any) -> bytes:
        """Return the pixels of a window."""
        size = window.get_geometry()
        image = window.get_image(0, 0, size.width, size.height, X.ZPixmap, 0xFFFFFFFF)
        data: bytes = image.data
        return data

    def click(self, window: Any, button: int = 1) -> None:
        """Click into the middle of a window, once the pointer is really there.

        A tray moves its icons about when one comes.
        """
        root = self._display.screen().root

        def over() -> bool | None:
            size = window.get_geometry()
            at = window.translate_coords(root, 0, 0)
            middle = (size.width // 2 - at.x, size.height // 2 - at.y)
            self._xdotool("mousemove", "--sync", *map(str, middle))
            here = window.query_pointer()
            inside = 0 < here.win_x < size.width and 0 < here.win_y < size.height
            return (inside and size.width > 1) or None

        self.wait(over)
        self._xdotool("click", str(button))

    def _xdotool(self, *words: str) -> None:
        env = {**os.environ, **self.env}
        subprocess.run(["xdotool", *words], env=env, check=True, timeout=10)


def session_bus(stack: contextlib.ExitStack, env: dict[str, str]) -> str:
    """Start a session's D-Bus and return its address."""
    bus = start(
        stack,
        *("dbus-daemon", "--session", "--nofork", "--print-address=1"),
        stdout=subprocess.PIPE,
        env={**os.environ, **env},
    )
    assert bus.stdout is not None
    return bus.stdout.readline().strip()


class FakePanel:
    """Stands in for a desktop's panel: takes a StatusNotifierItem and works its menu.

    No desktop with such a panel runs here, so this is no proof that one shows it.
    """

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._there: list[tuple[str, str]] = []
        self._changed: list[Any] = []
        bus.add_message_handler(self._hear)

    @classmethod
    async def on(cls, address: str) -> FakePanel:
        """Take a panel's place on a bus."""
        bus = await MessageBus(address, BusType.SESSION).connect()
        panel = cls(bus)
        await bus.request_name("org.kde.StatusNotifierWatcher")
        return panel

    def leave(self) -> None:
        """Be gone."""
        self._bus.disconnect()

    def _hear(self, message: Message) -> Message | None:
        if message.message_type is MessageType.SIGNAL:
            self._wake()
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        shown = {"IsStatusNotifierHostRegistered": Variant("b", True)}
        match message.member:
            case "RegisterStatusNotifierItem":
                self._there.append((message.sender, message.body[0]))
                self._wake()
                return Message.new_method_return(message)
            case "Get":
                there = shown.get(message.body[1], Variant("i", 0))
                return Message.new_method_return(message, "v", [there])
            case "GetAll":
                return Message.new_method_return(message, "a{sv}", [shown])
        return None

    def _wake(self) -> None:
        for waiting in self._changed:
            waiting.set()

    async def until(self, look: Callable[[], Any]) -> Any:
        """Look after everything that the item says until it is as wanted."""
        again = asyncio.Event()
        self._changed.append(again)
        rules = "type='signal',interface='{}'"
        for name in ("org.kde.StatusNotifierItem", "com.canonical.dbusmenu"):
            await self._call(
                ("org.freedesktop.DBus", "/org/freedesktop/DBus"),
                *("org.freedesktop.DBus", "AddMatch", "s", rules.format(name)),
            )
        async with asyncio.timeout(_SECONDS):
            while not (found := await look()):
                await again.wait()
                again.clear()
        return found

    async def _call(
        self,
        whom: tuple[str, str],
        interface: str,
        member: str,
        signature: str,
        *body: Any,
    ) -> list[Any] | None:
        answer = await self._bus.call(
            Message(
                destination=whom[0],
                path=whom[1],
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )
        assert answer is not None
        failed = answer.message_type is MessageType.ERROR
        return None if failed else list(answer.body)

    async def item(self) -> dict[str, Any]:
        """Return what the item says of itself; nothing before there is one."""
        if not self._there:
            return {}
        properties = "org.freedesktop.DBus.Properties"
        wanted = "org.kde.StatusNotifierItem"
        said = await self._call(self._there[-1], properties, "GetAll", "s", wanted)
        if said is None:
            return {}
        return {name: variant.value for name, variant in said[0].items()}

    async def menu(self) -> dict[str, int]:
        """Return the labels of the menu and their numbers."""
        item = await self.item()
        if not item:
            return {}
        self._menu = (self._there[-1][0], item["Menu"])
        said = await self._call(
            self._menu, "com.canonical.dbusmenu", "GetLayout", "iias", 0, -1, []
        )
        if said is None:
            return {}
        entries = [child.value for child in said[1][2]]
        named = [entry for entry in entries if "label" in entry[1]]
        return {entry[1]["label"].value: entry[0] for entry in named}

    async def choose(self, label: str) -> None:
        """Click on a line of the menu; the menu may have been made anew meanwhile."""
        event = ("com.canonical.dbusmenu", "Event", "isvu")
        told = ("clicked", Variant("i", 0), 0)

        async def clicked() -> bool:
            number = (await self.menu()).get(label)
            if number is None:
                return False
            return await self._call(self._menu, *event, number, *told) is not None

        await self.until(clicked)
