"""One agent a data folder, and the two words that a second may say to the first."""

from __future__ import annotations

import os
import queue
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from agent import host, instance
from agent.instance import (
    AlreadyRunning,
    Instance,
    NotAnswering,
    NotRunning,
    running_port,
    tell,
    wait_until_gone,
)

ROOT = Path(__file__).parents[2]
SOON = 10


class Agent:
    """A published instance whose actions arrive in a queue."""

    def __init__(self, folder: Path) -> None:
        self.words: queue.Queue[str] = queue.Queue()
        self.instance = Instance(folder)
        self.instance.publish(
            27410,
            {
                "show": lambda: self.words.put("show"),
                "quit": lambda: self.words.put("quit"),
            },
        )


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Run an agent in a folder of its own."""
    running = Agent(tmp_path)
    yield running
    running.instance.close()


def test_a_second_finds_the_first(agent: Agent, tmp_path: Path) -> None:
    """It learns the port, and its words arrive."""
    with pytest.raises(AlreadyRunning):
        Instance(tmp_path)
    assert running_port(tmp_path) == 27410
    for word in ("show", "quit"):
        tell(tmp_path, word)
        assert agent.words.get(timeout=SOON) == word


def test_nothing_but_the_two_words_is_taken(agent: Agent, tmp_path: Path) -> None:
    """Other words and long ones do nothing, and the channel goes on."""
    for word in ("", "quit --now", "run calc.exe", "é"):
        tell(tmp_path, word)
    with pytest.raises(NotRunning):
        tell(tmp_path, "quit" * 100)
    tell(tmp_path, "show")
    assert agent.words.get(timeout=SOON) == "show"
    assert agent.words.empty()


@pytest.mark.usefixtures("agent")
def test_a_pickled_object_is_never_unpacked(agent: Agent, tmp_path: Path) -> None:
    """`send` pickles; the receiver takes bytes for a word that it does not know."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "boom"),)

    published = instance._published(tmp_path)
    with Client(published.address, authkey=published.key) as connection:
        connection.send(Bomb())
    tell(tmp_path, "show")
    assert agent.words.get(timeout=SOON) == "show"
    assert not (tmp_path / "boom").exists()


def test_a_caller_without_the_key_is_not_heard(agent: Agent, tmp_path: Path) -> None:
    """The key lies in a file of the user's; a wrong one ends the call."""
    published = instance._published(tmp_path)
    answers: list[bytes] = []
    wrong = instance._Published(published.port, published.address, b"wrong")
    instance._talk(wrong, "quit", answers)
    assert answers == []
    tell(tmp_path, "show")
    assert agent.words.get(timeout=SOON) == "show"
    assert agent.words.empty()


def test_only_the_user_can_reach_the_channel(agent: Agent, tmp_path: Path) -> None:
    """Socket, key and lock are closed to others."""
    assert agent.words.empty()
    for name in ("agent.sock", "agent.json", "agent.lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_closing_leaves_the_folder_free(tmp_path: Path) -> None:
    """The next can have it; nobody answers any more."""
    running = Agent(tmp_path)
    assert not wait_until_gone(tmp_path, 0)
    running.instance.close()
    assert wait_until_gone(tmp_path, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.lock"]
    for call in (lambda: tell(tmp_path, "show"), lambda: running_port(tmp_path)):
        with pytest.raises(NotRunning):
            call()
    Instance(tmp_path).close()


def test_looking_for_an_agent_makes_nothing(tmp_path: Path) -> None:
    """`quit` without an agent leaves no data folder behind."""
    with pytest.raises(NotRunning):
        tell(tmp_path / "data", "quit")
    assert wait_until_gone(tmp_path / "data", 0)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"[]",
        b"{}",
        b'{"port": "x"}',
        b'{"port":1,"address":"","key":"z"}',
        pytest.param(b"[" * 100_000, id="nested too deep"),
    ],
)
def test_a_damaged_note_is_as_good_as_none(tmp_path: Path, left: bytes) -> None:
    """What a crash left behind is no agent, and does not stop the next."""
    host.write_private(tmp_path / "agent.json", left)
    with pytest.raises(NotRunning):
        tell(tmp_path, "show")
    running = Agent(tmp_path)
    assert running_port(tmp_path) == 27410
    running.instance.close()


def test_a_note_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    """Nobody else can lead a second start to a program of theirs."""
    running = Agent(tmp_path)
    (tmp_path / "agent.json").chmod(0o666)
    with pytest.raises(NotRunning):
        running_port(tmp_path)
    running.instance.close()


@pytest.mark.parametrize("letters", ["d" * 60, "é" * 60], ids=["long", "many bytes"])
def test_a_long_path_gets_a_socket_elsewhere(
    tmp_path: Path, letters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in a private folder that goes when the agent does."""
    elsewhere = tempfile.mkdtemp(prefix="s-", dir="/tmp")
    monkeypatch.setattr(tempfile, "tempdir", elsewhere)
    folder = tmp_path / letters
    running = Agent(folder)
    (made,) = Path(elsewhere).iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    tell(folder, "show")
    assert running.words.get(timeout=SOON) == "show"
    running.instance.close()
    Path(elsewhere).rmdir()


#: An agent in a process of its own; says when it is there and waits to be killed.
SLEEPER = """
import signal, sys
from pathlib import Path
from agent.instance import Instance
instance = Instance(Path(sys.argv[1]))
instance.publish(27411, {"show": lambda: None})
print("there", flush=True)
signal.pause()
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start an agent's process and end it the hard way."""
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process
        process.kill()


def test_kill_leaves_no_lock(sleeper: subprocess.Popen[str], tmp_path: Path) -> None:
    """What a killed agent left lying is nobody's, and the next one replaces it."""
    tell(tmp_path, "show")
    sleeper.kill()
    sleeper.wait()
    assert (tmp_path / "agent.sock").exists()
    with pytest.raises(NotRunning):
        tell(tmp_path, "show")
    running = Agent(tmp_path)
    tell(tmp_path, "show")
    assert running.words.get(timeout=SOON) == "show"
    running.instance.close()


def test_a_stopped_agent_is_not_waited_for(
    sleeper: subprocess.Popen[str], tmp_path: Path
) -> None:
    """It holds the folder and says nothing: that has a name, and a time limit."""
    sleeper.send_signal(signal.SIGSTOP)
    os.waitpid(sleeper.pid, os.WUNTRACED)  # it could still answer before it stops
    with pytest.raises(NotAnswering):
        tell(tmp_path, "quit", seconds=0.2)
    assert not wait_until_gone(tmp_path, 0)
