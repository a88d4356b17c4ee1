"""`eid-agent run`: the agent, until `quit`, SIGTERM or Ctrl-C.

Touches the data folder; sockets, cards and terminal through what it puts together.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent import tls
from agent.commands import Failure, Usage, announce, card_source, data_dir, say
from agent.commands.menu import Menu, with_tray
from agent.commands.origins import origin, policy_fault
from agent.commands.reasons import Located
from agent.commands.running import endpoint, stop_on_signals, user_interface
from agent.connections import PORTS
from agent.instance import (
    AlreadyRunning,
    Instance,
    NotAnswering,
    NotRunning,
    running_port,
    tell,
)
from agent.known import KnownOnDisk
from agent.policy import Policy, is_service
from agent.policyfile import PolicyFile
from agent.settings import Settings
from agent.texts import text
from agent.trust import stores
from agent.trust.keeper import Keeper
from agent.trust.runner import SystemRunner
from cardio.card import CardSource

#: The event loop is never busy for long.
_SERVE_SECONDS = 10.0


def main(options: argparse.Namespace) -> int:
    """Run the agent; one that runs already is only asked to show itself."""
    options.allow_origin = [origin(url) for url in options.allow_origin]
    policy = _want_permitted(options)
    options.counter = options.mode == "counter" or policy.counter
    _want_counter(options)
    _want_service(options.timestamp_url)
    folder = data_dir(options.data_dir)
    source = card_source(options.card)
    try:
        instance = Instance(folder)
    except AlreadyRunning:
        return _already_running(options)
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        return asyncio.run(_run(options, source, instance))
    finally:
        instance.close()


def _want_permitted(options: argparse.Namespace) -> Policy:
    """Say where the policy cannot be used; Failure for what it forbids."""
    file = PolicyFile()
    if (fault := policy_fault(options.lang, file)) is not None:
        say(fault)
        return file.now()  # every site is refused, whatever the options are
    policy = file.now()
    for option, used, permitted in (
        ("--developer", options.developer, policy.developer),
        ("--allow-origin", options.allow_origin, policy.allow_origin),
        ("--mode counter", options.mode, policy.counter_mode),
    ):
        if used and not permitted:
            raise Failure("cli-forbidden", option=option)
    return policy


def _want_service(url: str | None) -> None:
    """Refuse what is no address of a time stamp service; Usage."""
    if url is not None and not is_service(url):
        raise Usage("cli-timestamp-url")


def _want_counter(options: argparse.Namespace) -> None:
    """Refuse names of a counter's readers elsewhere, or one name twice; Usage."""
    named = {
        "--citizen-reader": options.citizen_reader,
        "--clerk-reader": options.clerk_reader,
    }
    for option, name in named.items():
        if name is not None and not options.counter:
            raise Usage("cli-counter-only", option=option)
    if options.citizen_reader == options.clerk_reader is not None:
        raise Usage("cli-one-reader")


def _already_running(options: argparse.Namespace) -> int:
    folder = data_dir(options.data_dir)
    try:
        port = running_port(folder)
        tell(folder, "show")
    except NotRunning:
        raise Failure("cli-held", path=folder) from None
    except NotAnswering:
        raise Failure("cli-not-answering") from None
    if given := _given(options):
        say(text("cli-options-kept", options.lang, options=", ".join(given)))
    announce(f"already running on https://localhost:{port}")
    return 0


def _given(options: argparse.Namespace) -> list[str]:
    """Return the options that an agent takes at its start alone."""
    used = {
        "--port": options.port,
        "--card": options.card != "pcsc",
        "--ui": options.ui != "desktop",
        "--allow-origin": options.allow_origin,
        "--developer": options.developer,
        "--mode": options.mode,
        "--citizen-reader": options.citizen_reader,
        "--clerk-reader": options.clerk_reader,
        "--timestamp-url": options.timestamp_url,
    }
    return [option for option, value in used.items() if value]


async def _run(
    options: argparse.Namespace, source: CardSource, instance: Instance
) -> int:
    try:
        files = tls.load_or_create(data_dir(options.data_dir))
    except tls.DataDirUnusable as error:
        raise Failure("cli-data-dir", reason=error) from None
    folder = data_dir(options.data_dir)
    settings = Settings(
        lang=options.lang,
        allowed_origins=frozenset(options.allow_origin),
        timestamp_url=options.timestamp_url,
        developer=options.developer,
        counter=options.counter,
        citizen_reader=options.citizen_reader,
        clerk_reader=options.clerk_reader,
        data_dir=data_dir(options.data_dir),
    )
    ui = user_interface(options.ui, options.lang)
    loop = asyncio.get_running_loop()
    stop = stop_on_signals()
    known = KnownOnDisk(data_dir(options.data_dir) / "certificates")
    context = files.context()
    menus: list[Menu] = []
    keeper = Keeper(
        data_dir(options.data_dir),
        stores.here(SystemRunner(attended=False)),
        partial(_serve_soon, loop, context),
        say,
        options.lang,
        partial(_doubt, loop, menus),
        install=options.install_trust,
    )
    beside = with_tray(ui, stop.set, folder, menus.append)
    async with endpoint(
        source, ui, settings, context, options.port, known, beside
    ) as listening:
        actions: dict[str, Callable[[], None]] = {
            "show": partial(_show, loop, options.lang, menus),
            "quit": partial(_set_soon, loop, stop),
        }
        try:
            instance.publish(listening.port, actions)
        except OSError as error:
            raise _unusable(data_dir(options.data_dir), error) from None
        if listening.port not in PORTS:
            say(_unseen(listening.port, options.lang))
        announce(f"listening on https://localhost:{listening.port}")
        keeper.start(listening.port)
        await stop.wait()
        await asyncio.to_thread(keeper.stop)
    return 0


def _unseen(port: int, lang: str) -> str:
    first, last = PORTS[0], PORTS[-1]
    return text("cli-port-unseen", lang, port=port, first=first, last=last)


def _show(loop: asyncio.AbstractEventLoop, lang: str, menus: list[Menu]) -> None:
    """Show that the agent is here, from another thread."""
    say(text("cli-here", lang))
    for menu in menus:
        loop.call_soon_threadsafe(menu.do, "menu")


def _doubt(loop: asyncio.AbstractEventLoop, menus: list[Menu]) -> None:
    """Show in the tray, from another thread, that a browser does not trust us."""
    for menu in menus:
        loop.call_soon_threadsafe(partial(menu.trusted, everywhere=False))


def _unusable(folder: Path, error: OSError) -> Failure:
    return Failure("cli-data-dir", reason=Located(folder, error))


def _serve_soon(
    loop: asyncio.AbstractEventLoop, context: ssl.SSLContext, files: tls.Files
) -> None:
    """Let the endpoint show another certificate, from another thread; waits for it."""

    async def serve() -> None:
        files.load_into(context)

    asyncio.run_coroutine_threadsafe(serve(), loop).result(_SERVE_SECONDS)


def _set_soon(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set the event of a loop from another thread."""
    loop.call_soon_threadsafe(stop.set)
