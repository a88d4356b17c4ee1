"""What `run` and `demo` share: an endpoint that lives until it is told to end.

Touches signals; sockets, cards and terminal through what it puts together.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from agent import host
from agent.commands import Failure, say
from agent.host.session import watch_session
from agent.server import Listening, PortRefused, PortTaken, serve
from agent.service import AgentService
from agent.settings import Settings
from agent.texts import text
from agent.ui import UserInterface
from agent.ui.desktop import DesktopInterface
from agent.ui.probe import why_no_windows
from agent.ui.terminal import TerminalInterface
from cardio.beid.known import KnownCertificates
from cardio.card import CardSource

Beside = Callable[[AgentService], AbstractAsyncContextManager[object]]


def user_interface(ui: str, lang: str) -> UserInterface:
    """Return what asks: windows, or the terminal, saying why it takes their place."""
    if ui == "desktop":
        if (reason := why_no_windows()) is None:
            return DesktopInterface()
        say(text(reason.sentence, lang, packages=reason.missing))
    return TerminalInterface()


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM, Ctrl-C and a closed terminal set."""
    stop = asyncio.Event()
    host.on_stop_signals(asyncio.get_running_loop(), stop.set)
    return stop


@asynccontextmanager
async def endpoint(
    source: CardSource,
    ui: UserInterface,
    settings: Settings,
    context: ssl.SSLContext,
    port: int | None,
    known: KnownCertificates | None = None,
    beside: Beside | None = None,
) -> AsyncIterator[Listening]:
    """Serve the agent while the block runs; Failure when no port is to be had.

    `known` remembers the certificates of CAs and Register; default: for this run.
    `beside` runs with the service.
    """
    service = AgentService(source, ui, settings, known)
    try:
        listening = await serve(service, context, port)
    except PortTaken:
        raise Failure("cli-port-taken", port=port or "27410-27419") from None
    except PortRefused:
        raise Failure("cli-port-refused", port=port) from None
    # Suspended between VERIFY and LOG OFF, it would leave a PIN right on the card.
    with host.suspended_only_when(service.still):
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(watch_session(service.attendance))
                if beside is not None:
                    await stack.enter_async_context(beside(service))
                yield listening
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await listening.close()
            ui.close()
