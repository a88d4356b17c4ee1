"""The running endpoint against its own description, with generated requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from agent import openapi
from tests.agent.people import PORTAL, Agent, running

schema = schemathesis.openapi.from_dict(openapi.description("test"))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run an agent with a virtual card in a thread of its own."""
    ready, done = threading.Event(), threading.Event()
    found: list[Agent] = []

    async def serve() -> None:
        async with running("adult") as agent:
            found.append(agent)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(30)
    yield found[0].port
    done.set()
    thread.join()


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
def test_answers_are_as_described(case: schemathesis.Case, port: int) -> None:
    """Every answer has a described status and shape, and none is a 5xx but 504."""
    case.headers = {**(case.headers or {}), "Origin": PORTAL, "X-EID-Agent": "1"}
    response = case.call(base_url=f"http://localhost:{port}")
    assert response.status_code < 500 or response.status_code == 504
    case.validate_response(
        response,
        checks=[
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_schema_conformance,
        ],
    )
