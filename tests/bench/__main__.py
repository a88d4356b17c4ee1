"""Print what reading and logging in cost, ours beside OpenSC's, and the agent's own.

Everything runs against the same virtual card behind a private pcscd, in the same run;
both clients are counted by the card.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cardio.files import EF
from tests.bench import idle, package
from tests.bench.clients import Bench
from tests.bench.counts import (
    HEAD,
    MOST_KNOWN,
    MOST_LOGIN,
    MOST_READ,
    OFFICIAL_LOGIN,
    OFFICIAL_READ,
    Cost,
    of_file,
    ratio,
    row,
)
from tests.bench.program import Agent
from tests.rig.pcscd import NoPcscd, Pcscd

IDENTITY = {"include": ["identity", "address", "photo"]}
LOGIN = {"challengeNonce": "A" * 44}
PROOF = {"include": ["identity"], "challenge": "A" * 44}
#: Other actions of the command line, with what is typed for them.
OTHERS = (
    ("pin-status", ""),
    ("change-pin", "1234\n4321\n4321\n"),
    ("change-pin", "4321\n1234\n1234\n"),  # what follows types the first one
    ("verify", ""),
)
_REQUESTS = 50


def main(arguments: Sequence[str]) -> int:
    """Run everything once; 1 where this machine cannot."""
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("--crowd", type=int, default=1000, help="default: 1000")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds; default: 10")
    options = parser.parse_args(arguments)
    try:
        service = Pcscd()
    except NoPcscd as reason:
        print(f"the benchmark needs a private pcscd: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    with service:
        for persona in ("adult-1.7", "adult"):
            with (
                tempfile.TemporaryDirectory() as folder,
                service.card(persona) as card,
            ):
                bench = Bench(service, card, Path(folder))
                say(f"card: {persona}, applet {card.profile.applet}\n")
                tables(bench, options.crowd)
    for line in (*idle.measured(options.idle), *package.measured()):
        say(line)
    return 0


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201


def tables(bench: Bench, crowd: int) -> None:
    """Print both clients' costs and the agent's."""
    applet = bench.card.profile.applet
    say(HEAD)
    compare(
        "identity, address, photo",
        best(bench.our_read),
        best(bench.opensc_read),
    )
    with Agent(bench.environment, bench.folder) as agent:
        # In this order: what is known of the card grows.
        before = len(bench.card.exchanges)
        first = request(bench, agent, "/v1/identity", IDENTITY)
        say(row("the same with all proofs, first time: ours", first))
        root = len(of_file(bench.card.exchanges[before:], EF.ROOT))
        say(count(f"  without the root: ours, at most {MOST_READ}", first.apdus - root))
        known = best(lambda: request(bench, agent, "/v1/identity", IDENTITY))
        say(row(f"  with known certificates: ours, at most {MOST_KNOWN}", known))
        say(official("  without the root: official module", OFFICIAL_READ[applet]))
    with Agent(bench.environment, bench.folder) as agent:
        first = request(bench, agent, "/v1/authenticate", LOGIN, looked=False)
        opensc = best(bench.opensc_login) if applet == "1.7" else None
        compare("one login, card not seen yet", first, opensc)
        seen = best(lambda: request(bench, agent, "/v1/authenticate", LOGIN))
        say(row(f"one login, card seen: ours, at most {MOST_LOGIN}", seen))
        say(official("one login: official module", OFFICIAL_LOGIN[applet]))
        if applet == "1.8":
            proof = request(bench, agent, "/v1/identity", PROOF)
            say(row("identity with the chip's proof: ours", proof))
        for action, typed in OTHERS:
            say(row(f"card {action}: ours", bench.ours(action, typed)))
        say("")
        own_costs(bench, agent, crowd)
    say("")


def count(task: str, apdus: int) -> str:
    """One line with the number of commands alone."""
    return f"{task:46}{apdus:7}"


def official(task: str, apdus: int) -> str:
    """One line for the official module, which was counted elsewhere."""
    return f"{count(task, apdus)}  (not run here)"


def best(measure: Callable[[], Cost]) -> Cost:
    """Measure three times, keep the quickest: the rest is the machine's noise."""
    return min((measure() for _ in range(3)), key=lambda cost: cost.seconds)


def compare(task: str, ours: Cost, theirs: Cost | None) -> None:
    """Print ours, OpenSC's and their ratio."""
    say(row(f"{task}: ours", ours))
    if theirs is None:
        say(f"{task + ': OpenSC':46}  cannot (OpenSC as packaged, applet 1.8)")
        return
    say(row(f"{task}: OpenSC", theirs))
    say(ratio(ours, theirs))


def request(
    bench: Bench,
    agent: Agent,
    path: str,
    body: Mapping[str, object],
    *,
    looked: bool = True,
) -> Cost:
    """Send one request, count what it did to the card.

    `looked`: the page has asked for the status before, and what was read ahead because
    of that is not counted.
    """
    connection = agent.connection()
    if looked:
        agent.call(connection, "/v1/status")
        bench.wait_for_silence()
    first, began = len(bench.card.exchanges), time.perf_counter()
    agent.call(connection, path, body)
    seconds = time.perf_counter() - began
    connection.close()
    return Cost.of(bench.card.exchanges[first:], seconds, bench.card.atr)


def own_costs(bench: Bench, agent: Agent, crowd: int) -> None:
    """Print start, requests without the card's part, memory."""
    say(f"start to `listening`: {agent.start_seconds:.2f} s")
    connection = agent.connection()
    times = []
    for _ in range(_REQUESTS):
        began = time.perf_counter()
        agent.call(connection, "/v1/status")
        times.append(time.perf_counter() - began)
    connection.close()
    say(f"status request, kept connection: {milliseconds(statistics.median(times))}")
    outside = milliseconds(without_card(bench, agent))
    say(f"identity request without its card time: {outside}")
    try:
        memory, handles = agent.memory(), agent.handles()
    except PermissionError:  # the agent closes itself to all but root
        say("memory: only root may look into the agent's")
        return
    say(f"memory: {memory['Rss']:.0f} MiB resident, {memory['Pss']:.0f} proportional")
    with agent.crowd(crowd):
        connection = agent.connection()
        agent.call(connection, "/v1/authenticate", LOGIN)
        connection.close()
        grown = agent.memory()["Pss"] / memory["Pss"]
        held = agent.handles() - handles
    say(
        f"login in a crowd of {crowd} connections: done, {held} of them held "
        f"({held / crowd:.2f}), memory x {grown:.2f}"
    )


def milliseconds(seconds: float) -> str:
    """Write a time for people."""
    return f"{1000 * seconds:.1f} ms"


def without_card(bench: Bench, agent: Agent) -> float:
    """Seconds of an identity request outside its first to last APDU.

    The consent question, answered by this program at once, is part of them.
    """
    first = len(bench.card.exchanges)
    connection = agent.connection()
    agent.call(connection, "/v1/status")
    began = time.perf_counter()
    agent.call(connection, "/v1/identity", IDENTITY)
    seconds = time.perf_counter() - began
    connection.close()
    own = bench.card.exchanges[first:]
    return seconds - (own[-1].ended - own[0].began)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
