"""Linux: sleep and screen lock, as the kernel, logind and screen savers tell of them.

Touches a timer of the kernel's, the system's D-Bus and the session's. Each of them may
be missing: then the others tell what they know. Interfaces: org.freedesktop.login1(5),
the ScreenSaver interfaces of the desktops.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from agent.host.attendant import Attendant

if TYPE_CHECKING:
    from dbus_fast import Message

assert sys.platform == "linux"

_log = logging.getLogger(__name__)

#: <sys/timerfd.h>
_CLOCK_REALTIME = 0
_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2

_DBUS = "org.freedesktop.DBus"
#: Name, path and interface of what a bus itself does.
_BUS = (_DBUS, "/org/freedesktop/DBus", _DBUS)
_PROPERTIES = f"{_DBUS}.Properties"
_LOGIND = "org.freedesktop.login1"
_MANAGER = (_LOGIND, "/org/freedesktop/login1", f"{_LOGIND}.Manager")
#: What logind gives programs before it sleeps all the same is 5 s (logind.conf(5)).
_SETTLING_SECONDS = 4.0

#: Names and interfaces of the desktops' screen savers; each one's path is spelt alike.
_SAVERS = (
    "org.freedesktop.ScreenSaver",
    "org.gnome.ScreenSaver",
    "org.cinnamon.ScreenSaver",
    "org.mate.ScreenSaver",
    "org.xfce.ScreenSaver",
)


class _Refused(Exception):
    """A call over D-Bus was answered with an error."""


@asynccontextmanager
async def watch_session(told: Attendant) -> AsyncIterator[None]:
    """Tell of sleep and screen lock while the block runs."""
    buses = asyncio.create_task(_follow_buses(told), name="session")
    try:
        with _following_clock(told):
            yield
    finally:
        buses.cancel()
        await asyncio.gather(buses, return_exceptions=True)


# --- the kernel's clock --------------------------------------------------------------


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


@contextlib.contextmanager
def _following_clock(told: Attendant) -> Iterator[None]:
    """Look whenever the kernel sets its clock anew, as it does after each sleep."""
    try:
        timer = _clock_timer()
    except (AttributeError, OSError) as error:
        _log.debug("no timer tells of a sleep: %s", type(error).__name__)
        yield
        return
    loop = asyncio.get_running_loop()

    def look() -> None:
        with contextlib.suppress(OSError):  # ECANCELED, which is the news
            os.read(timer, 8)
        told.look()

    loop.add_reader(timer, look)
    try:
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _clock_timer() -> int:
    """Return a timer that never expires and is cancelled when the clock is set."""
    system = ctypes.CDLL(None, use_errno=True)
    flags = os.O_NONBLOCK | os.O_CLOEXEC
    timer: int = system.timerfd_create(_CLOCK_REALTIME, flags)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    never = _Itimerspec(0, 0, sys.maxsize, 0)
    how = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
    if system.timerfd_settime(timer, how, ctypes.byref(never), None) < 0:
        os.close(timer)
        raise OSError(ctypes.get_errno(), "timerfd_settime")
    return timer


# --- D-Bus ---------------------------------------------------------------------------


async def _follow_buses(told: Attendant) -> None:
    """Follow logind and the screen savers, until cancelled."""
    try:  # in a thread: it takes a fifth of a second, and nothing waits for it
        await asyncio.to_thread(importlib.import_module, "dbus_fast.aio")
    except ImportError:
        _log.debug("no library for D-Bus")
        return
    from dbus_fast import BusType

    locks = _Locks(told)
    logind = _Logind(told, locks)
    savers = _Savers(locks)
    async with asyncio.TaskGroup() as group:
        # logind first: where the session is a remote one, no screen saver is its own.
        await logind.follow(BusType.SYSTEM, group)
        if not logind.remote:
            await savers.follow(BusType.SESSION, group)


class _Locks:
    """Who says that the screen is locked; one is enough."""

    def __init__(self, told: Attendant) -> None:
        self._told = told
        self._say_so: set[str] = set()

    def set(self, who: str, *, locked: bool) -> None:
        """Take note of what one says."""
        before = bool(self._say_so)
        (self._say_so.add if locked else self._say_so.discard)(who)
        if before is not bool(self._say_so):
            self._told.lock(locked=not before)


class _Follower:
    """Follows what one bus tells."""

    #: Match rules of the signals.
    rules: tuple[str, ...] = ()

    async def follow(self, which: Any, group: asyncio.TaskGroup) -> None:
        """Begin; a bus that is missing, or answers nonsense, is left out."""
        from dbus_fast.aio import MessageBus
        from dbus_fast.errors import DBusFastError

        try:
            self._bus = await MessageBus(
                bus_type=which, negotiate_unix_fd=True
            ).connect()
        except (OSError, EOFError, DBusFastError) as error:
            _log.debug("no %s bus: %s", which.name, type(error).__name__)
            return
        self._group = group
        group.create_task(self._stay())
        try:
            for rule in self.rules:
                await self._call(*_BUS, "AddMatch", rule)
            await self._begin()
        except (OSError, EOFError, DBusFastError, _Refused) as error:
            _log.debug("%s bus: %r", which.name, error)

    async def _stay(self) -> None:
        """Keep the connection until it is lost, or we are cancelled."""
        try:
            await self._gone()
        finally:
            self._lost()
            if self._bus.connected:
                self._bus.disconnect()
                await self._gone()

    async def _gone(self) -> None:
        """Return when the connection is closed, whatever was the reason."""
        with contextlib.suppress(Exception):
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def _begin(self) -> None:
        raise NotImplementedError

    def _lost(self) -> None:
        raise NotImplementedError

    async def _call(
        self, name: str, path: str, interface: str, member: str, *body: str | int
    ) -> Message:
        """Call a method and return its answer; _Refused."""
        from dbus_fast import Message, MessageFlag, MessageType

        signature = "".join("s" if isinstance(one, str) else "u" for one in body)
        answer = await self._bus.call(
            Message(
                destination=name,
                path=path,
                interface=interface,
                member=member,
                flags=MessageFlag.NO_AUTOSTART,
                signature=signature,
                body=list(body),
            )
        )
        if answer.message_type is MessageType.ERROR:
            raise _Refused(f"{member}: {answer.error_name}")
        return answer


def _is_signal(message: Message) -> bool:
    """Tell a signal from an answer; what else was sent along with it is closed."""
    from dbus_fast import MessageType

    if message.message_type is MessageType.METHOD_RETURN:
        return False
    for descriptor in message.unix_fds:
        os.close(descriptor)
    return message.message_type is MessageType.SIGNAL


class _Logind(_Follower):
    """Sleep, and the lock of the session in which this program runs."""

    rules = (
        f"type='signal',sender='{_LOGIND}',interface='{_LOGIND}.Manager',"
        "member='PrepareForSleep'",
        f"type='signal',sender='{_LOGIND}',interface='{_LOGIND}.Session',member='Lock'",
        f"type='signal',sender='{_LOGIND}',interface='{_PROPERTIES}',"
        f"arg0='{_LOGIND}.Session'",
        f"type='signal',sender='{_DBUS}',member='NameOwnerChanged',arg0='{_LOGIND}'",
    )

    def __init__(self, told: Attendant, locks: _Locks) -> None:
        self._told = told
        self._locks = locks
        self._session = ""
        self._owner = ""
        self._inhibitor: int | None = None
        self.remote = False

    async def _begin(self) -> None:
        with contextlib.suppress(_Refused):  # a service of the system is in no session
            self._session = await self._own_session()
        owner = await self._call(*_BUS, "GetNameOwner", _LOGIND)
        self._owner = owner.body[0]
        self._bus.add_message_handler(self._hear)
        if self._session:
            interface = f"{_LOGIND}.Session"
            answer = await self._call(
                _LOGIND, self._session, _PROPERTIES, "GetAll", interface
            )
            told = {name: variant.value for name, variant in answer.body[0].items()}
            self.remote = bool(told.get("Remote"))
            self._locks.set("logind", locked=bool(told.get("LockedHint")))
        await self._hold_sleep()

    async def _own_session(self) -> str:
        """Return the path of our session, else of the one at the user's screen."""
        with contextlib.suppress(_Refused):  # a desktop's programs belong to the user
            found = await self._call(*_MANAGER, "GetSessionByPID", 0)
            return str(found.body[0])
        user = await self._call(*_MANAGER, "GetUser", os.getuid())
        display = await self._call(
            _LOGIND, user.body[0], _PROPERTIES, "Get", f"{_LOGIND}.User", "Display"
        )
        path = str(display.body[0].value[1])
        return "" if path == "/" else path

    def _hear(self, message: Message) -> None:
        """Act on a signal; anybody can send one, so the sender is looked at."""
        if not _is_signal(message):
            return
        if message.sender == _DBUS and message.member == "NameOwnerChanged":
            self._owner = message.body[2]
            if self._owner:  # it started again, and holds nothing for us
                self._awake()
            return
        if message.sender != self._owner:
            return
        match message.member:
            case "PrepareForSleep" if message.body[0]:
                self._told.sleep(asleep=True)
                self._group.create_task(self._let_sleep())
            case "PrepareForSleep":
                self._awake()
            case "Lock" if message.path == self._session:
                self._told.leave()
            case "PropertiesChanged" if message.path == self._session:
                if (hint := message.body[1].get("LockedHint")) is not None:
                    self._locks.set("logind", locked=bool(hint.value))

    def _awake(self) -> None:
        self._told.sleep(asleep=False)
        self._group.create_task(self._hold_sleep())

    async def _hold_sleep(self) -> None:
        """Have logind wait with a sleep until what is open here has ended."""
        self._release()
        why = ("sleep", "eid-agent", "An open question or a card in use ends", "delay")
        try:
            answer = await self._call(*_MANAGER, "Inhibit", *why)
        except (OSError, EOFError, _Refused) as error:
            _log.debug("a sleep cannot be held up: %r", error)
            return
        self._inhibitor = answer.unix_fds[answer.body[0]]

    async def _let_sleep(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLING_SECONDS):
                await self._told.settled()
        self._release()

    def _release(self) -> None:
        inhibitor, self._inhibitor = self._inhibitor, None
        if inhibitor is not None:
            os.close(inhibitor)

    def _lost(self) -> None:
        self._release()
        self._locks.set("logind", locked=False)
        self._told.sleep(asleep=False)


class _Savers(_Follower):
    """Screen savers of the session; an active one counts as a lock."""

    rules = tuple(
        rule
        for name in _SAVERS
        for rule in (
            f"type='signal',interface='{name}',member='ActiveChanged'",
            f"type='signal',sender='{_DBUS}',member='NameOwnerChanged',arg0='{name}'",
        )
    )

    def __init__(self, locks: _Locks) -> None:
        self._locks = locks

    async def _begin(self) -> None:
        self._bus.add_message_handler(self._hear)
        for name in _SAVERS:
            path = "/" + name.replace(".", "/")
            with contextlib.suppress(_Refused):  # not there, mostly
                answer = await self._call(name, path, name, "GetActive")
                self._locks.set(name, locked=bool(answer.body[0]))

    def _hear(self, message: Message) -> None:
        if not _is_signal(message):
            return
        if message.member == "ActiveChanged" and message.interface in _SAVERS:
            self._locks.set(message.interface, locked=bool(message.body[0]))
        elif message.member == "NameOwnerChanged" and not message.body[2]:
            self._locks.set(message.body[0], locked=False)

    def _lost(self) -> None:
        for name in _SAVERS:
            self._locks.set(name, locked=False)
