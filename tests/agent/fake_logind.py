"""A fake of logind and of a screen saver, on a real dbus-daemon of its own.

Nothing sleeps and no screen is locked: it says so, as the real ones do.
"""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageFlag, MessageType, NameFlag, Variant
from dbus_fast.aio import MessageBus

_LOGIND = "org.freedesktop.login1"
_MANAGER = f"{_LOGIND}.Manager"
_SESSION = f"{_LOGIND}.Session"
_PATH = "/org/freedesktop/login1"
OWN_SESSION = f"{_PATH}/session/_32"
OTHER_SESSION = f"{_PATH}/session/_33"
SAVER = "org.gnome.ScreenSaver"
_SECONDS = 10


class FakeLogind:
    """Answers on the bus from a thread of its own."""

    def __init__(self, address: str, *, remote: bool = False) -> None:
        self.env = {
            "DBUS_SYSTEM_BUS_ADDRESS": address,
            "DBUS_SESSION_BUS_ADDRESS": address,
        }
        self.locked = False
        self.active = False
        self.remote = remote
        self._address = address
        self._held = -1
        self.watched = threading.Event()
        self.asked_saver = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._begin())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _begin(self) -> None:
        self._bus = await self._connect()
        self._bus.add_message_handler(self._answer)
        for name in (_LOGIND, SAVER):
            await self._bus.request_name(name, NameFlag.DO_NOT_QUEUE)

    async def _connect(self) -> MessageBus:
        return await MessageBus(self._address, negotiate_unix_fd=True).connect()

    def close(self) -> None:
        """Leave the bus."""
        self._run(self._end(self._bus))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()
        if self._held >= 0:
            os.close(self._held)

    @staticmethod
    async def _end(bus: MessageBus) -> None:
        bus.disconnect()
        await bus.wait_for_disconnect()

    def _answer(self, call: Message) -> Message | bool:
        if call.message_type is not MessageType.METHOD_CALL:
            return False
        match call.member:
            case "GetSessionByPID":
                error = f"{_LOGIND}.NoSessionForPID"
                return Message.new_error(call, error, "a desktop's program has none")
            case "GetUser":
                return Message.new_method_return(call, "o", [f"{_PATH}/user/_0"])
            case "Get":
                display = Variant("(so)", ["2", OWN_SESSION])
                return Message.new_method_return(call, "v", [display])
            case "GetAll":
                told = {
                    "LockedHint": Variant("b", self.locked),
                    "Remote": Variant("b", self.remote),
                }
                return Message.new_method_return(call, "a{sv}", [told])
            case "GetActive":
                self.asked_saver.set()
                return Message.new_method_return(call, "b", [self.active])
            case "Inhibit":
                self._loop.create_task(self._hold(call))
                return True
        return False

    async def _hold(self, call: Message) -> None:
        assert call.body[0] == "sleep"
        assert call.body[3] == "delay"
        if self._held >= 0:
            os.close(self._held)
        self._held, theirs = os.pipe()
        await self._bus.send(
            Message.new_method_return(call, "h", [0], unix_fds=[theirs])
        )
        os.close(theirs)
        self.watched.set()

    def held_up(self, seconds: float) -> bool:
        """Tell whether a sleep is still held up after so long."""
        return not select.select([self._held], [], [], seconds)[0]

    def _signal(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str,
        body: list[Any],
        *,
        bus: MessageBus | None = None,
        to: str | None = None,
    ) -> None:
        message = Message(
            destination=to,
            path=path,
            interface=interface,
            member=member,
            message_type=MessageType.SIGNAL,
            flags=MessageFlag.NO_REPLY_EXPECTED,
            signature=signature,
            body=body,
        )

        async def send() -> None:
            await (bus or self._bus).send(message)

        self._run(send())

    def sleep(self, *, asleep: bool) -> None:
        """Say that the computer is about to sleep, or woke."""
        self.watched.clear()
        self._signal(_PATH, _MANAGER, "PrepareForSleep", "b", [asleep])

    def lock_now(self, session: str = OWN_SESSION) -> None:
        """Tell a session's screen locker to lock."""
        self._signal(session, _SESSION, "Lock", "", [])

    def hint(self, *, locked: bool, session: str = OWN_SESSION) -> None:
        """Say what a session's screen locker reported."""
        if session == OWN_SESSION:
            self.locked = locked
        changed = {"LockedHint": Variant("b", locked)}
        self._signal(
            session,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            "sa{sv}as",
            [_SESSION, changed, []],
        )

    def saver(self, *, active: bool) -> None:
        """Say that the screen saver began, or ended."""
        self.active = active
        path = "/" + SAVER.replace(".", "/")
        self._signal(path, SAVER, "ActiveChanged", "b", [active])

    def saver_crashes(self) -> None:
        """Give the screen saver's name back, as its end does."""
        self._run(self._release(SAVER))

    async def _release(self, name: str) -> None:
        await self._bus.release_name(name)

    def somebody_else_says_that_it_sleeps(self) -> None:
        """Another program of the bus sends everybody the same signal."""

        async def everybody() -> tuple[MessageBus, list[str]]:
            bus = await self._connect()
            bus_itself = "org.freedesktop.DBus"
            listed = await bus.call(
                Message(
                    destination=bus_itself,
                    path="/org/freedesktop/DBus",
                    interface=bus_itself,
                    member="ListNames",
                )
            )
            return bus, [name for name in listed.body[0] if name.startswith(":")]

        bus, names = self._run(everybody())
        for name in names:
            self._signal(
                _PATH, _MANAGER, "PrepareForSleep", "b", [True], bus=bus, to=name
            )
        self._run(self._end(bus))


@contextmanager
def fake_logind(folder: Path, *, remote: bool = False) -> Iterator[FakeLogind]:
    """Start a bus, and the fake on it."""
    address = f"unix:path={folder / 'bus'}"
    command = ["dbus-daemon", "--session", "--nofork", "--print-address=1"]
    with subprocess.Popen(
        [*command, f"--address={address}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline().startswith(address)
            fake = FakeLogind(address, remote=remote)
            try:
                yield fake
            finally:
                fake.close()
        finally:
            daemon.terminate()
