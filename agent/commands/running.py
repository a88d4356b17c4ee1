"""What `run` and `demo` share: an endpoint that lives until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent import host
from agent.commands import Failure, say
from agent.server import Listening, PortTaken, serve
from agent.service import AgentService
from agent.settings import Settings
from agent.ui.terminal import TerminalInterface
from cardio.readers import ReaderSource


def data_dir(chosen: Path | None) -> Path:
    """Return the data folder: the one named, else the platform's place."""
    return chosen if chosen is not None else host.data_dir()


def explain_ui(ui: str) -> None:
    """Say that windows are not built yet, where they were asked for."""
    if ui == "desktop":
        say("windows come in a later version; questions are asked in this terminal")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and Ctrl-C set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def endpoint(
    source: ReaderSource,
    settings: Settings,
    context: ssl.SSLContext,
    port: int | None,
) -> AsyncIterator[Listening]:
    """Serve the agent while the block runs; Failure when no port is free."""
    service = AgentService(source, TerminalInterface(), settings)
    try:
        listening = await serve(service, context, port)
    except PortTaken as error:
        raise Failure(
            f"{error}; end the other program or name another --port"
        ) from None
    try:
        yield listening
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await listening.close()
