"""Sleep and screen lock as the real program hears of them over a real D-Bus."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import host
from agent.attendance import Attendance
from tests.agent.calls import Call, ask, ask_identity, ask_login
from tests.agent.program import Program, started

if sys.platform != "linux" or shutil.which("dbus-daemon") is None:
    pytest.skip("no dbus-daemon here", allow_module_level=True)

from agent.host import _session_linux
from agent.host.session import watch_session
from tests.agent.fake_logind import OTHER_SESSION, FakeLogind, fake_logind

SECONDS = 10
ASKED = {"consent": r"\[y/n\] $", "PIN": "PIN: $"}


@pytest.fixture
def bus_folder() -> Iterator[Path]:
    """A path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        yield Path(folder)


@pytest.fixture
def logind(
    bus_folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeLogind]:
    """A fake logind that programs started by this test will find."""
    remote = getattr(request, "param", False)
    with fake_logind(bus_folder, remote=remote) as fake:
        for name, value in fake.env.items():
            monkeypatch.setenv(name, value)
        yield fake


class Agent:
    """The running program and where it is."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self._ca = folder / "tls" / "ca.pem"
        self._port = program.port()

    @contextmanager
    def asked(self, what: str) -> Iterator[Call]:
        """Have a question open when the block begins; answered when it ends."""
        with self.asking(what) as call:
            self.program.until(ASKED[what])
            yield call

    @contextmanager
    def asking(self, what: str) -> Iterator[Call]:
        """Send a request."""
        ask = ask_login if what == "PIN" else ask_identity
        with ask(self._port, self._ca) as call:
            yield call

    def logs_in(self) -> None:
        """Log in, no faster than a person: not before the agent waits for the line."""
        with self.asked("PIN") as call:
            with ask(self._port, self._ca, "/v1/nothing", {}) as round_trip:
                pass
            assert round_trip.status == 404
            self.program.type("1234")
        assert call.status == 200

    def refused(self) -> str:
        """Ask for a login that is refused; return the reason."""
        with self.asking("PIN") as call:
            pass
        assert (call.status, call.body["code"]) == (424, "no-user-interface")
        return str(call.body["title"])


@pytest.fixture
def agent(logind: FakeLogind, tmp_path: Path) -> Iterator[Agent]:
    """An agent that has found the fake logind."""
    arguments = ("--card", "virtual", "--ui", "terminal", "--lang", "en")
    with started("run", *arguments, "--data-dir", str(tmp_path)) as program:
        running = Agent(program, tmp_path)
        assert logind.watched.wait(SECONDS)
        assert logind.asked_saver.wait(SECONDS) or logind.remote
        yield running
        assert program.end() == 0
        assert program.complaints() == []


@pytest.mark.parametrize("what", ASKED)
def test_a_question_ends_before_a_sleep_by_a_fake_logind(
    agent: Agent, logind: FakeLogind, what: str
) -> None:
    """The sleep waits for it; after the sleep all is as before."""
    with agent.asked(what) as call:
        assert logind.held_up(0)
        logind.sleep(asleep=True)
        assert not logind.held_up(SECONDS)
    assert (call.status, call.body["code"]) == (504, "timeout")
    agent.program.until("question is over")
    assert "locked" in agent.refused()
    logind.sleep(asleep=False)
    assert logind.watched.wait(SECONDS)  # the next one is held up, too
    agent.logs_in()


@pytest.mark.parametrize("how", ["hint", "saver"])
def test_no_question_while_the_screen_is_locked_by_a_fake_logind(
    agent: Agent, logind: FakeLogind, how: str
) -> None:
    """Whichever of both tells of the lock; afterwards it can be asked again."""
    with agent.asked("PIN") as call:
        _lock(logind, how, locked=True)
    assert (call.status, call.body["code"]) == (504, "timeout")
    assert agent.refused() == "The screen is locked. Unlock it and try again."
    _lock(logind, how, locked=False)
    agent.logs_in()


def _lock(logind: FakeLogind, how: str, *, locked: bool) -> None:
    if how == "hint":
        logind.hint(locked=locked)
    else:
        logind.saver(active=locked)


def test_a_locker_that_says_no_more_ends_the_question_by_a_fake_logind(
    agent: Agent, logind: FakeLogind
) -> None:
    """`loginctl lock-session` with a locker that sets no hint: asked again later."""
    with agent.asked("PIN") as call:
        logind.lock_now()
    assert (call.status, call.body["code"]) == (504, "timeout")
    agent.logs_in()


def test_a_screen_saver_that_crashes_locks_nobody_out_by_a_fake_logind(
    agent: Agent, logind: FakeLogind
) -> None:
    """Nobody would say that it ended."""
    with agent.asked("PIN"):
        logind.saver(active=True)
    logind.saver_crashes()
    agent.logs_in()


def test_others_end_no_question_by_a_fake_logind(
    agent: Agent, logind: FakeLogind
) -> None:
    """Neither another session's lock, nor another program that plays logind."""
    with agent.asked("PIN") as call:
        logind.lock_now(OTHER_SESSION)
        logind.hint(locked=True, session=OTHER_SESSION)
        logind.somebody_else_says_that_it_sleeps()
        agent.program.type("1234")
    assert call.status == 200


def test_a_screen_that_is_locked_at_the_start_counts_by_a_fake_logind(
    logind: FakeLogind, tmp_path: Path
) -> None:
    """An agent that is started by a timer, say."""
    logind.locked = True
    arguments = ("--card", "virtual", "--ui", "terminal", "--lang", "en")
    with started("run", *arguments, "--data-dir", str(tmp_path)) as program:
        agent = Agent(program, tmp_path)
        assert logind.watched.wait(SECONDS)
        agent.refused()


@pytest.mark.parametrize("logind", [True], indirect=True)
def test_a_remote_session_has_no_screen_saver_by_a_fake_logind(
    agent: Agent, logind: FakeLogind
) -> None:
    """Who came by ssh is not at the screen that is dark, and can be asked."""
    with agent.asked("PIN") as call:
        logind.saver(active=True)
        agent.program.type("1234")
    assert call.status == 200
    assert not logind.asked_saver.is_set()


def test_without_a_bus_it_works_and_says_so_at_debug_level_alone(
    tmp_path: Path,
) -> None:
    """As in a container."""
    arguments = ("--card", "virtual", "--ui", "terminal", "--log-level", "debug")
    with started("run", *arguments, "--data-dir", str(tmp_path)) as program:
        Agent(program, tmp_path).logs_in()
        assert program.end() == 0
        (line,) = [line for line in program.errors().splitlines() if "SYSTEM" in line]
    assert "no SYSTEM bus: FileNotFoundError" in line
    assert "DEBUG" in line


async def test_a_clock_that_is_set_anew_makes_it_look_by_a_fake_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the kernel does after each sleep; the timer is an event that the test sets."""
    real = _session_linux._clock_timer()
    assert select.select([real], [], [], 0)[0] == []
    os.close(real)
    timer = os.eventfd(0, os.EFD_NONBLOCK)
    monkeypatch.setattr(_session_linux, "_clock_timer", lambda: timer)
    told = Told()
    async with watch_session(told):
        for _ in range(2):
            told.looked.clear()
            os.eventfd_write(timer, 1)
            async with asyncio.timeout(SECONDS):
                await told.looked.wait()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(timer)


class Told(Attendance):
    """Takes note of looks."""

    def __init__(self) -> None:
        self.looked = asyncio.Event()
        super().__init__(host.clock, time.monotonic, lambda: None, asyncio.Event().wait)

    def look(self) -> None:
        """Look."""
        self.looked.set()
        super().look()
