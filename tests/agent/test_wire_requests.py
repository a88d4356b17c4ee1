"""The requests of fixtures/wire, refused by the running agent as their file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cardio.apdu import INS
from tests.agent.people import running

FILE = Path(__file__).parents[2] / "fixtures" / "wire" / "requests.json"
REQUESTS = json.loads(FILE.read_text(encoding="utf-8"))


async def test_each_request_is_refused_as_its_file_says_and_nobody_is_asked() -> None:
    """By a site of its own each: status and code; no PIN went to the card."""
    async with running("adult") as agent:
        for number, request in enumerate(REQUESTS):
            answer = await agent.call(
                "POST",
                f"/v1/{request['call']}",
                request["body"],
                headers={"Origin": f"https://portal-{number}.example"},
            )
            said = {"status": answer.status, "code": answer.body["code"]}
            assert said == request["expected"], request["about"]
            assert answer.body["operation"] == request["call"]
        assert agent.person.questions == []
        verified = [each for each in agent.cards[0].exchanges if each.ins == INS.VERIFY]
        assert all(each.size == 5 for each in verified)  # no data: asks for the tries


@pytest.mark.parametrize("call", ["sign", "sign-pdf"])
def test_a_signature_has_fifteen_ways_to_be_refused_and_more(call: str) -> None:
    """Each request says what is wrong with it."""
    asked = [each for each in REQUESTS if each["call"] == call]
    assert len(asked) >= 15
    assert len({(each["call"], each["about"]) for each in REQUESTS}) == len(REQUESTS)
