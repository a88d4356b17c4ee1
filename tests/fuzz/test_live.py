"""The running agent's endpoint, byte by byte: HTTP, WebSocket frames, and no TLS."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.program import Agent
from tests.fuzz.live import (
    CRASHES,
    END_SECONDS,
    KINDS,
    OPTIONS,
    Wire,
    complaints,
    fuzz,
    inputs,
    seeds,
)

#: Seconds of fuzzing, without and with `--full`.
SHORT, LONG = 20, 900
#: A thread pool grows to its size; what grows with the inputs is far beyond.
MORE_THREADS = 2

pytestmark = [
    pytest.mark.sweep,
    pytest.mark.skipif(sys.platform != "linux", reason="counts what /proc shows"),
]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Run the program with a virtual card; its log tells of no mistake of its own."""
    with Agent(os.environ, tmp_path, OPTIONS) as program:
        yield program
    assert not complaints(program)


def _play_corpus(wire: Wire) -> dict[str, list[int]]:
    """Play every seed; return the statuses of each kind and name."""
    return {
        f"{kind}/{path.name}": wire.play(
            kind, path.read_bytes(), patient=kind == "http" and path.name[0] != "0"
        ).statuses
        for kind in KINDS
        for path in seeds(kind)
    }


def _verifies(agent: Agent) -> int:
    return sum("> 00 20" in line for line in agent.log)


def _wait_for_handles(agent: Agent, most: int) -> int:
    """Return how many are open, once there are few enough or time is up."""
    deadline = time.monotonic() + END_SECONDS
    while (handles := agent.handles()) > most and time.monotonic() < deadline:
        time.sleep(0.05)  # nothing tells when a connection was closed over there
    return handles


def test_each_seed_is_answered_as_its_name_says(agent: Agent) -> None:
    """Right requests are; what two readers could read in two ways is refused."""
    wire = Wire(agent)
    for name, statuses in _play_corpus(wire).items():
        if name.startswith("http/"):
            expected = int(name.removeprefix("http/")[:3])
            assert statuses[:1] == [expected] * bool(expected), name
            # After a refusal of its form nothing more is read.
            assert len(statuses) == 1 or statuses.count(200) == len(statuses), name
    wire.check_questions()
    assert [question.count("PIN: ") for question in agent.asked].count(1) == 1


@pytest.mark.timeout(LONG + 300)
def test_no_bytes_on_the_wire_upset_the_agent(
    agent: Agent, pytestconfig: pytest.Config
) -> None:
    """Each input ends soon, an honest page is answered right after, nothing grows.

    Nobody is asked, and no PIN sent, for what was refused. The short form makes the
    same inputs each time, the long form begins elsewhere.
    """
    full = pytestconfig.getoption("--full")
    seed = random.SystemRandom().randrange(2**31) if full else 1
    wire = Wire(agent)
    _play_corpus(wire)  # what is loaded once is loaded now
    handles, threads = agent.handles(), agent.threads()
    played = fuzz(wire, LONG if full else SHORT, seed, CRASHES, print)
    assert played > 5 * SHORT, f"only {played} inputs"
    assert _wait_for_handles(agent, handles) <= handles
    assert agent.threads() <= threads + MORE_THREADS
    wire.check_questions()
    assert _verifies(agent) == sum("PIN: " in question for question in agent.asked)


def test_the_same_seed_makes_the_same_inputs() -> None:
    """So that a failure can be seen again; another seed makes others."""
    first, again, other = (inputs(seed) for seed in (1, 1, 2))
    made = [next(first) for _ in range(200)]
    assert made == [next(again) for _ in range(200)]
    assert made != [next(other) for _ in range(200)]
    assert {kind for kind, _ in made} == set(KINDS)
