"""Runs the panel until SIGTERM or Ctrl-C: its socket on loopback, its address."""

from __future__ import annotations

import asyncio
import secrets
import socket

from aiohttp import web

from agent.commands import announce, vpcd_failure
from agent.commands.cardmaker import CardMaker
from agent.commands.running import stop_on_signals
from agent.connections import Runner
from agent.panel.desk import Desk
from agent.panel.web import News, make_app
from cardio.virtual.playable import PlayableCard
from cardio.virtual.vpcd import VpcdUnavailable

#: An open question for news ends this soon after the panel was told to end.


def run(maker: CardMaker, card: PlayableCard, address: tuple[str, int]) -> int:
    """Put the card into the reader and show the panel; the exit code."""
    return asyncio.run(_run(maker, card, address))


async def _run(maker: CardMaker, card: PlayableCard, address: tuple[str, int]) -> int:
    news = News()
    desk = Desk(
        maker,
        card,
        address,
        changed=news.tell,
        powered=lambda: announce("card inserted"),
    )
    stop = stop_on_signals()
    listener = socket.create_server(("127.0.0.1", 0))
    port, token = listener.getsockname()[1], secrets.token_urlsafe(24)
    runner = Runner(make_app(desk, news, port, token), handler_cancellation=True)
    await runner.setup()
    try:
        await asyncio.to_thread(desk.insert)
        await web.SockSite(runner, listener).start()
        announce(f"panel: http://127.0.0.1:{port}/{token}/")
        await stop.wait()
    except VpcdUnavailable as error:
        raise vpcd_failure(error) from None
    finally:
        await runner.cleanup()
        listener.close()
        await asyncio.to_thread(desk.remove)
    return 0
