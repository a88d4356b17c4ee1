"""Linux: a notification of the desktop's, whose click brings a window forward.

Touches the session's D-Bus. Where nobody shows notifications nothing happens. Source:
Desktop Notifications Specification 1.2 (Notify, ActionInvoked, ActivationToken).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

assert sys.platform == "linux"

_log = logging.getLogger(__name__)

_NAME = "org.freedesktop.Notifications"
_PATH = "/org/freedesktop/Notifications"
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
#: The person's answer does not wait longer for who shows notifications.
_CLOSE_SECONDS = 1.0
_RULE = f"type='signal',interface='{_NAME}',path='{_PATH}'"


@asynccontextmanager
async def noticed(
    title: str, words: str, action: str, clicked: Callable[[str], None]
) -> AsyncIterator[None]:
    """Show a notification while the block runs; plain text.

    `clicked` gets the token with which a window may come forward, "" without one.
    """
    showing = asyncio.create_task(_show(title, words, action, clicked), name="notice")
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _show(
    title: str, words: str, action: str, clicked: Callable[[str], None]
) -> None:
    """Show until cancelled."""
    try:
        await asyncio.to_thread(importlib.import_module, "dbus_fast.aio")
    except ImportError:
        return
    from dbus_fast import BusType
    from dbus_fast.aio import MessageBus
    from dbus_fast.errors import DBusFastError

    try:
        bus = await MessageBus(bus_type=BusType.SESSION).connect()
    except (OSError, EOFError, DBusFastError) as error:
        _log.debug("no notification: %s", type(error).__name__)
        return
    try:
        notice = _Notice(bus, clicked)
        if await notice.show(title, words, action):
            try:
                await asyncio.Event().wait()
            finally:
                await notice.close()
    except (OSError, EOFError, DBusFastError) as error:
        _log.debug("no notification: %s", type(error).__name__)
    finally:
        bus.disconnect()


class _Notice:
    """One notification on a bus of its own."""

    def __init__(self, bus: Any, clicked: Callable[[str], None]) -> None:
        self._bus = bus
        self._clicked = clicked
        self._number = 0
        self._token = ""

    async def show(self, title: str, words: str, action: str) -> bool:
        """Show it; False where nobody does that."""
        from dbus_fast import Variant

        self._bus.add_message_handler(self._hear)
        await self._call(*_BUS, "AddMatch", "s", _RULE)
        hints = {"urgency": Variant("y", 2), "desktop-entry": Variant("s", "eid-agent")}
        actions = ["default", action]
        told = await self._call(
            _NAME,
            _PATH,
            _NAME,
            "Notify",
            "susssasa{sv}i",
            "eid-agent",
            0,
            "",
            title,
            _escaped(words),
            actions,
            hints,
            0,
        )
        if told is None:
            return False
        self._number = int(told.body[0])
        return True

    async def close(self) -> None:
        """Take it away."""
        if not self._bus.connected:  # it ended with the session
            return
        with contextlib.suppress(Exception):  # the bus may be gone at any moment
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._call(
                    _NAME, _PATH, _NAME, "CloseNotification", "u", self._number
                )

    async def _call(
        self,
        name: str,
        path: str,
        interface: str,
        member: str,
        signature: str,
        *body: object,
    ) -> Any:
        """Call a method; None where that is refused."""
        from dbus_fast import Message, MessageType

        answer = await self._bus.call(
            Message(
                destination=name,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )
        return None if answer.message_type is MessageType.ERROR else answer

    def _hear(self, message: Any) -> None:
        if message.interface != _NAME or not message.body:
            return
        if message.body[0] != self._number:
            return
        if message.member == "ActivationToken":
            self._token = str(message.body[1])
        elif message.member == "ActionInvoked":
            self._clicked(self._token)


def _escaped(words: str) -> str:
    """Return plain text for servers that take the body for markup."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
