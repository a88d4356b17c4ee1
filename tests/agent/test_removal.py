"""The card pulled out at every command of a request, over HTTP."""

from __future__ import annotations

import time

import pytest

from agent.settings import Settings
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import DEFAULT_NAME
from tests.agent.people import PORTAL, Agent, Person, running
from tests.cardio.sweep import pulled

SECONDS = 2.0
ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))


async def _ask(agent: Agent, call: str) -> tuple[int, str | None]:
    if call == "identity":
        answer = await agent.identity("identity", "address", "photo")
    elif call == "login":
        answer = await agent.login()
    else:
        answer = await agent.call("GET", f"/v1/{call}")
    body = answer.body
    return answer.status, body.get("code") or body.get("card")


@pytest.mark.parametrize("lost", [True, False], ids=["command lost", "answer lost"])
@pytest.mark.parametrize("call", ["identity", "login", "status"])
@pytest.mark.parametrize("applet", ["1.7", "1.8"])
async def test_a_card_pulled_at_any_command_of_a_request(
    applet: str, call: str, lost: bool
) -> None:
    """A typed error in time, no try lost, and the next request is answered.

    After the last command of a request its answer may still be whole.
    """
    async with running("", settings=ALLOWED, person=Person()) as agent:
        card = pulled(load_profile("adult", applet=applet))
        at = 0
        while True:
            at += 1
            agent.readers.insert(card)
            card.arm(at, lost=lost)
            began = time.monotonic()
            status, code = await _ask(agent, call)
            assert time.monotonic() - began < SECONDS
            if card.seen < at:
                break
            gone = {"card-removed", "no-card", "none"}
            # LOG OFF comes after the signature, and reading ahead after the status.
            assert code in gone or (status == 200 and call != "identity")
            assert card.tries_left == 3
            card.arm(0, lost=False)
            agent.readers.remove()
            agent.readers.insert(card)
            assert (await agent.login()).status == 200
            agent.readers.remove()
        assert at > 1
        assert agent.readers.readers()[0].name != DEFAULT_NAME
