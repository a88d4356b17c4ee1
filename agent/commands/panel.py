"""`virtual-card --panel`: the panel until SIGTERM or Ctrl-C; its socket on loopback."""

from __future__ import annotations

import asyncio
import secrets
import socket

from aiohttp import web

from agent.commands import announce, vpcd_failure, wake_the_service
from agent.commands.running import stop_on_signals
from agent.connections import Runner
from agent.panel.desk import Desk
from agent.panel.web import News, make_app
from cardio.virtual.maker import CardMaker
from cardio.virtual.playable import PlayableCard
from cardio.virtual.vpcd import VpcdUnavailable


def run(maker: CardMaker, card: PlayableCard, address: tuple[str, int]) -> int:
    """Put the card into the reader and show the panel; the exit code."""
    return asyncio.run(_run(maker, card, address))


async def _run(maker: CardMaker, card: PlayableCard, address: tuple[str, int]) -> int:
    news = News()
    desk = Desk(
        maker,
        card,
        address,
        wake=wake_the_service,
        changed=news.tell,
        powered=lambda: announce("card inserted"),
    )
    stop = stop_on_signals()
    listener = socket.create_server(("127.0.0.1", 0))
    port, token = listener.getsockname()[1], secrets.token_urlsafe(24)
    runner = Runner(make_app(desk, news, port, token), handler_cancellation=True)
    await runner.setup()

    async def take_out_at_the_end() -> None:
        await stop.wait()
        await asyncio.to_thread(desk.remove)  # also while it is on its way in

    ending = asyncio.create_task(take_out_at_the_end())
    try:
        await asyncio.to_thread(desk.insert)
        if not stop.is_set():
            await web.SockSite(runner, listener).start()
            announce(f"panel: http://127.0.0.1:{port}/{token}/")
        await ending
    except VpcdUnavailable as error:
        raise vpcd_failure(error) from None
    finally:
        ending.cancel()
        await runner.cleanup()
        listener.close()
        await asyncio.to_thread(desk.remove)
    return 0
