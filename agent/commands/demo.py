"""`eid-agent demo`: the agent with a virtual card, a portal, and a browser for both.

Touches sockets, a browser, and one temporary folder in which everything of a run lives.
Agent and portal have two leaves of one CA, whose key is gone before either is used.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import certs, host, tls
from agent.commands import (
    Failure,
    Usage,
    announce,
    card_source,
    say,
    virtual_profile,
    virtual_source,
    vpcd_failure,
)
from agent.commands.menu import with_tray
from agent.commands.running import endpoint, stop_on_signals, user_interface
from agent.connections import bind
from agent.demo.browser import Endpoint, Opened, open_browser
from agent.demo.serve import serve_portal
from agent.errors import Problem
from agent.inspection import look_into_all
from agent.settings import Settings
from agent.texts import text
from agent.ui.terminal import TerminalInterface
from agent.words import quoted
from cardio.atr import looks_belgian
from cardio.card import CardSource
from cardio.errors import CardError
from cardio.virtual.card import VirtualCard
from cardio.virtual.personas import DEFAULT_PERSONA
from cardio.virtual.profile import DEFAULT_PIN
from cardio.virtual.vpcd import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    VpcdOccupied,
    VpcdUnavailable,
    insert_into_vpcd,
)

try:
    from agent.demo.portal import PortalConfig, make_portal
    from agent.demo.trust import ForeignRoot, Trust, test_trust, trust_for
    from agent.relyingparty import AcceptingTestCards
except ModuleNotFoundError as error:  # the extra `relyingparty` is not installed
    raise Failure("cli-no-relyingparty") from error

_POWER_SECONDS = 10.0


def main(options: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C, SIGTERM or the end of the browser."""
    # The person is told in the page and by every question that test cards count here.
    warnings.simplefilter("ignore", AcceptingTestCards)
    with _cards(options) as (source, trust), tls.temporary() as folder:
        return asyncio.run(_run(options, source, trust, Path(folder)))


@contextmanager
def _cards(options: argparse.Namespace) -> Iterator[tuple[CardSource, Trust]]:
    """Yield the readers of this run and whom the portal trusts."""
    kind, _, named = options.card.partition(":")
    if kind == "virtual" and named and options.persona:
        raise Usage("cli-persona-twice")
    if kind == "virtual":
        persona = options.persona or named or DEFAULT_PERSONA
        yield virtual_source(persona), test_trust()
    elif options.card == "pcsc":
        with _pcsc(options) as cards:
            yield cards
    else:
        raise Usage("cli-demo-card", value=repr(options.card))


@contextmanager
def _pcsc(options: argparse.Namespace) -> Iterator[tuple[CardSource, Trust]]:
    """Use the card in a reader; without one, put the virtual card into vpcd's.

    A persona that was asked for is not put beside another card: the person would type
    the test PIN for whichever of the two is chosen.
    """
    source = card_source("pcsc")
    try:
        # Either way the first call wakes a service that waits to be called.
        if options.persona:
            _want_no_card(source)
        trust = None if options.persona else trust_for(source)
    except CardError as error:
        raise Failure(Problem.from_card_error(error).code) from None
    except ForeignRoot:
        raise Failure("demo-foreign-root") from None
    if trust is not None:
        key = "demo-test-cards" if trust.test else "demo-belgian-cards"
        say(text(key, options.lang))
        yield source, trust
        return
    with _virtual_card(options):
        yield source, test_trust()


def _want_no_card(source: CardSource) -> None:
    """Fail where a Belgian card, or what looks like one, is in any reader."""
    for found in look_into_all(source):
        if found.card is not None or looks_belgian(found.state.atr or b""):
            raise Failure("demo-other-card", reader=f'"{quoted(found.state.name)}"')


@contextmanager
def _virtual_card(options: argparse.Namespace) -> Iterator[None]:
    """Keep a virtual card in the virtual reader.

    Failure where the reader has another card, or is missing although a persona was
    asked for.
    """
    profile = virtual_profile(options.persona)
    address, port = options.vpcd or (DEFAULT_HOST, DEFAULT_PORT)
    stop, powered = threading.Event(), threading.Event()
    failed: list[VpcdUnavailable] = []

    def play() -> None:
        try:
            insert_into_vpcd(
                VirtualCard(profile), address, port, on_powered=powered.set, stop=stop
            )
        except VpcdUnavailable as error:
            failed.append(error)
            if powered.is_set():  # it was in, and the reader went away
                say(text("demo-no-card", options.lang))
            powered.set()

    player = threading.Thread(target=play, name="virtual-card", daemon=True)
    player.start()
    try:
        if not powered.wait(_POWER_SECONDS):
            failed.append(VpcdOccupied(address, port))
        if failed and (options.persona or isinstance(failed[0], VpcdOccupied)):
            raise vpcd_failure(failed[0])
        if failed:
            say(text("demo-no-card", options.lang))
        yield
    finally:
        stop.set()
        player.join(_POWER_SECONDS)


async def _run(
    options: argparse.Namespace, source: CardSource, trust: Trust, folder: Path
) -> int:
    issued = certs.issue(leaves=2)
    host.make_private_dir(folder / "tls")
    agent_files, portal_files = tls.store(issued, folder / "tls")
    settings = Settings(
        lang=options.lang, demo=True, test_cards=trust.test, data_dir=folder
    )
    ui = await asyncio.to_thread(user_interface, options.ui, options.lang)
    stop = stop_on_signals()
    async with contextlib.AsyncExitStack() as stack:
        portal_port, sockets = bind(0)
        for sock in sockets:
            stack.callback(sock.close)
        listening = await stack.enter_async_context(
            endpoint(
                source,
                ui,
                settings,
                agent_files.context(),
                None,
                beside=with_tray(ui, stop.set, None),
            )
        )
        config = PortalConfig(
            origin=f"https://localhost:{portal_port}",
            agent_port=listening.port,
            trusted_cas=trust.roots,
            allow_test=trust.test,
            terminal_dialogs=isinstance(ui, TerminalInterface),
            test_pin=DEFAULT_PIN,
        )
        runner = await serve_portal(
            make_portal(config), portal_files.context(), sockets
        )
        stack.push_async_callback(runner.cleanup)
        url = f"https://localhost:{portal_port}/"
        announce(f"listening on https://localhost:{listening.port}")
        announce(f"portal: {url}")
        announce(f"ca: {agent_files.ca}")
        if trust.test:  # typed on a real card it would cost a try
            announce(f"test PIN: {DEFAULT_PIN}")
        key = "demo-lines" if trust.test else "demo-lines-real"
        say(text(key, options.lang))
        endpoints = [
            Endpoint(listening.port, issued.leaves[0].certificate),
            Endpoint(portal_port, issued.leaves[1].certificate),
        ]
        waits: list[asyncio.Future[bool]] = [_until(stop)]
        if not options.no_browser:
            asked = f"{url}?lang={options.lang}"
            opened = await asyncio.to_thread(open_browser, asked, endpoints, folder)
            if isinstance(opened, Opened):
                waits.append(_ended(stack.enter_context(opened)))
            else:
                say(text(f"demo-{opened.reason}", options.lang, url=url))
        if len(waits) == 1:  # no browser whose end would be the demo's
            say(text("demo-stop", options.lang))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    return 0


def _until(stop: asyncio.Event) -> asyncio.Future[bool]:
    """Return a future that is done when the event is set."""

    async def wait() -> bool:
        return await stop.wait()

    return asyncio.ensure_future(wait())


def _ended(opened: Opened) -> asyncio.Future[bool]:
    """Return a future that is done when the person closes the browser."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bool] = loop.create_future()

    def done() -> None:
        if not future.done():
            future.set_result(True)

    def wait() -> None:
        opened.process.wait()
        if not loop.is_closed():
            loop.call_soon_threadsafe(done)

    threading.Thread(target=wait, name="browser", daemon=True).start()
    return future
