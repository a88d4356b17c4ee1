"""The agent ends in the middle of something: what stays of it on card and disk.

The real program with a card in a real PC/SC service.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import host
from cardio.apdu import INS
from tests.agent.calls import PORTAL, Call, ask, ask_identity, ask_login
from tests.agent.program import ROOT, Program, run, started
from tests.agent.test_cancelling import SlowCard
from tests.rig.pcscd import Pcscd

pytestmark = pytest.mark.pcscd

#: Within which the agent ends, its answer to a signature apart.
SECONDS = 8
#: What the terminal shows last while each of these lasts.
MOMENTS = {"consent": r"\[y/n\] $", "PIN": "PIN: $", "signature": "PIN: $"}
#: Files that are locked, not lying there.
LOCKS = {"agent.lock", "journal.lock", "trust.lock"}
OPTIONS = ("--ui", "terminal", "--lang", "en")


class Card(SlowCard):
    """A card that waits between VERIFY and signature, and tells of a reset."""

    def __init__(self) -> None:
        self.was_reset = threading.Event()
        super().__init__(INS.PSO)

    def reset(self) -> bytes:
        """End the session."""
        self.was_reset.set()
        return super().reset()

    @property
    def verified(self) -> bool:
        """Whether the right of a PIN stays."""
        return self._rights.verified


@contextmanager
def _in_the_middle(
    agent: Program, folder: Path, card: Card, moment: str
) -> Iterator[Call]:
    """Have the agent ask, or sign, while the block runs."""
    ask_it = ask_identity if moment == "consent" else ask_login
    with ask_it(agent.port(), folder / "tls" / "ca.pem") as call:
        agent.until(MOMENTS[moment])
        if moment == "signature":
            agent.type("1234")
            assert card.reached.wait(SECONDS)
            assert card.verified
        yield call


def _free_for_the_next(folder: Path) -> None:
    """The card, the data folder and everything in it can be had at once."""
    status = run("card", "pin-status", "--json", "--lang", "en")
    assert (status.returncode, status.stderr) == (0, "")
    assert '"triesLeft": 3' in status.stdout
    with started("run", *OPTIONS, "--data-dir", str(folder)) as following:
        following.port()
        assert following.end() == 0
        assert following.complaints() == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", ["quit", "SIGTERM", "SIGHUP"])
def test_an_agent_that_is_ended_leaves_nothing_behind(
    way: str, moment: str, pcscd: Pcscd, tmp_path: Path
) -> None:
    """No dialog, no PIN right, no lock, no socket, no child that still runs."""
    card = Card()
    with (
        pcscd.insert(card),
        started("run", *OPTIONS, "--data-dir", str(tmp_path)) as agent,
    ):
        with _in_the_middle(agent, tmp_path, card, moment) as call:
            ending = _begin_to_end(agent, way, tmp_path)
            call.join(SECONDS)
            assert (call.is_alive(), call.status) == (False, 0)
            if moment == "signature":
                assert INS.LOG_OFF not in card.instructions()
                card.go.set()
        assert agent.process.wait(SECONDS) == 0
        assert ending is None or ending.wait(SECONDS) == 0
        if moment == "signature":
            assert card.instructions()[-1] == INS.LOG_OFF
        else:
            assert card.count(INS.VERIFY) == 0
            assert "question is over" in agent.rest()
        assert not card.verified
        assert agent.complaints() == []  # to its end: no child holds it open
        left = {path.name for path in tmp_path.iterdir()}
        assert left <= {"tls", "certificates", "journal.jsonl"} | LOCKS
        lock = host.lock(tmp_path / "agent.lock")
        assert lock is not None
        lock.close()
        _free_for_the_next(tmp_path)
    assert card.tries_left == 3


def _begin_to_end(
    agent: Program, way: str, folder: Path
) -> subprocess.Popen[bytes] | None:
    if way != "quit":
        agent.process.send_signal(signal.Signals[way])
        return None
    command = [sys.executable, "-m", "agent", "quit", "--data-dir", str(folder)]
    return subprocess.Popen(command, cwd=ROOT)


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_agent_that_is_killed_locks_nobody_out(
    moment: str, pcscd: Pcscd, tmp_path: Path
) -> None:
    """The service takes the PIN right with a reset; the next one starts at once."""
    card = Card()
    with (
        pcscd.insert(card),
        started("run", *OPTIONS, "--data-dir", str(tmp_path)) as agent,
    ):
        with _in_the_middle(agent, tmp_path, card, moment):
            card.was_reset.clear()
            agent.process.kill()
            assert agent.process.wait(SECONDS) == -signal.SIGKILL
            card.go.set()
        if moment == "signature":
            assert card.was_reset.wait(SECONDS)
        assert not card.verified
        _free_for_the_next(tmp_path)


def test_a_second_start_with_other_flags_changes_nothing_of_the_first(
    tmp_path: Path,
) -> None:
    """A question that is open stays, and no flag of the second counts (SAFETY 21)."""
    folder = ("--data-dir", str(tmp_path))
    ca = tmp_path / "tls" / "ca.pem"
    with started("run", "--card", "virtual", *OPTIONS, *folder) as agent:
        port = agent.port()
        with ask_login(port, ca) as login:
            agent.until("PIN: $")
            second = run(
                *("run", *folder, "--port", "27999", "--card", "virtual:blocked"),
                *("--allow-origin", PORTAL, "--developer", "--lang", "nl"),
            )
            told = f"already running on https://localhost:{port}\n"
            assert (second.returncode, second.stdout) == (0, told)
            ignored = "--port, --card, --allow-origin, --developer niet over"
            assert ignored in second.stderr
            agent.type("1234")
        assert login.status == 200
        with ask_identity(port, ca) as reading:  # asked, though --allow-origin names it
            question = agent.until(r"\[y/n\] $")
            agent.type("n")
        assert reading.body["code"] == "user-denied"
        asked = question.splitlines()[-1]
        assert asked.startswith("[TEST CARD] [asked by ")
        with ask(port, ca, "/v1/openapi.json", {}) as description:
            pass
        assert description.status == 404  # there with --developer alone
        assert agent.end() == 0
        assert len(agent.complaints()) == 1  # that it is here
