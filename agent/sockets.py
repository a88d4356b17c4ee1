"""The WebSocket of `/v1/events`: tells a page what happens; touches sockets."""

from __future__ import annotations

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web

from agent.errors import Problem
from agent.events import Listener
from agent.service import AgentService

PROTOCOL = "eid-agent.v1"
_TICKET = "ticket."
_PING_SECONDS = 15.0
#: How soon a page hears that its consent was revoked; a look costs two file attributes.
_LOOK_SECONDS = 1.0
#: A page has nothing to say here.
_MAX_MESSAGE = 1024
#: Why a page has to leave, as a close code.
_CODES = {
    "closing": WSCloseCode.GOING_AWAY,
    "consent-ended": WSCloseCode.POLICY_VIOLATION,
    "crowded": WSCloseCode.TRY_AGAIN_LATER,
    "idle": WSCloseCode.OK,
    "next-person": WSCloseCode.OK,
    "slow": WSCloseCode.TRY_AGAIN_LATER,
}


def ticket_of(request: web.Request) -> str:
    """Return the ticket among the subprotocols of an upgrade: `invalid-request`."""
    headers = request.headers.getall("Sec-WebSocket-Protocol", [])
    offered = [name.strip() for line in headers for name in line.split(",")]
    tickets = [name for name in offered if name.startswith(_TICKET)]
    named = PROTOCOL in offered and len(tickets) == 1
    # aiohttp logs what is offered and not known: it must know all but the ticket.
    upgrade = web.WebSocketResponse(protocols=(PROTOCOL,)).can_prepare
    if not named or not upgrade(request):
        needed = f"a WebSocket with the subprotocols {PROTOCOL} and {_TICKET}TICKET"
        raise Problem("invalid-request", needed)
    return tickets[0].removeprefix(_TICKET)


async def serve_events(
    request: web.Request, service: AgentService, origin: str
) -> web.StreamResponse:
    """Tell a page what happens until it leaves, or has to."""
    with service.listening(origin, ticket_of(request)) as listener:
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            heartbeat=_PING_SECONDS,
            max_msg_size=_MAX_MESSAGE,
            compress=False,
        )
        await socket.prepare(request)
        tasks = (
            asyncio.ensure_future(_tell(socket, listener)),
            asyncio.ensure_future(_hear(socket)),
            asyncio.ensure_future(_look_after(service, listener)),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        reason = listener.ended or ""
        code = _CODES.get(reason, WSCloseCode.OK)
        await socket.close(code=code, message=reason.encode())
    return socket


async def _tell(socket: web.WebSocketResponse, listener: Listener) -> None:
    while (message := await listener.next()) is not None:
        await socket.send_json(message)


async def _hear(socket: web.WebSocketResponse) -> None:
    """Return when the page leaves, or says anything at all."""
    while True:
        message = await socket.receive()
        if message.type is not WSMsgType.PONG:
            return


async def _look_after(service: AgentService, listener: Listener) -> None:
    """See to it that nobody stays beyond their consent."""
    while service.still_listens(listener):
        await asyncio.sleep(_LOOK_SECONDS)
    await asyncio.Event().wait()  # the last message ends the conversation
