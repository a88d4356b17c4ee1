"""Ctrl-Z on a running agent, with a card in a real service.

The program gets a process group of its own, as from a shell; in an orphaned one the
system suspends nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cardio.apdu import INS
from cardio.channel import Apdu
from cardio.virtual.profile import load_profile
from tests.agent.calls import ask_login
from tests.agent.program import Program, started
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

pytestmark = pytest.mark.pcscd


@contextmanager
def agent(folder: Path) -> Iterator[tuple[Program, int, Path]]:
    """Run the agent; yields the program, its port and its CA."""
    words = ("run", "--ui", "terminal", "--lang", "en", "--data-dir", str(folder))
    with started(*words, process_group=0) as program:
        yield program, program.port(), folder / "tls" / "ca.pem"


def _suspended(program: Program) -> None:
    """Wait until the program is suspended."""
    pid = program.process.pid
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert os.WSTOPSIG(status) == signal.SIGTSTP


class Suspending(RecordedCard):
    """A card at whose VERIFY somebody presses Ctrl-Z in the agent's terminal."""

    agent = 0

    def transmit(self, apdu: Apdu) -> bytes:
        """Press first, answer then."""
        if apdu[1] == INS.VERIFY and len(apdu) > 5:
            os.kill(self.agent, signal.SIGTSTP)
        return super().transmit(apdu)


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_ctrl_z_waits_for_log_off(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, applet: str
) -> None:
    """No PIN right is left on the card of a suspended agent; it goes on afterwards."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", pcscd.env["PCSCLITE_CSOCK_NAME"])
    card = Suspending(load_profile("adult", applet=applet))
    with pcscd.insert(card), agent(tmp_path / "data") as (program, port, ca):
        card.agent = program.process.pid
        for _ in range(2):
            with ask_login(port, ca) as login:
                program.until("PIN: $")
                program.type("1234")
                _suspended(program)
                seen = [each.ins for each in card.exchanges]
                verify = len(seen) - 1 - seen[::-1].index(INS.VERIFY)
                signed = [INS.PSO, INS.GET_RESPONSE, INS.LOG_OFF]
                assert seen[verify + 1 : verify + 4] == signed
                program.process.send_signal(signal.SIGCONT)
            assert login.status == 200, login.body
        assert program.end() == 0


def test_ctrl_z_at_a_question_does_not_wait(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No card is being used then; the question goes on with the program."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", pcscd.env["PCSCLITE_CSOCK_NAME"])
    with pcscd.card("adult"), agent(tmp_path / "data") as (program, port, ca):
        with ask_login(port, ca) as login:
            program.until("PIN: $")
            program.process.send_signal(signal.SIGTSTP)
            _suspended(program)
            program.process.send_signal(signal.SIGCONT)
            program.type("1234")
        assert login.status == 200, login.body
