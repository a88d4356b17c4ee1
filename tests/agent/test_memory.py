"""No core file: what a PIN was typed into never lands on disk by a crash."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="core files as Linux writes them"
)

#: Ends as a crash would, after what its argument says.
CRASH = "import os, sys; exec(sys.argv[1]); os.abort()"
HARDEN = "from agent import host; host.keep_memory_private()"
#: The command line does it before anything else.
COMMAND = "from agent import cli; cli.main(['card', 'list', '--card', 'virtual'])"


def _unlimited() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def _dumps_core(work: str, folder: Path) -> bool:
    """Crash in a folder, core files allowed; tell whether the system wrote one."""
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, work],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_unlimited,
    )
    _, status = os.waitpid(process.pid, 0)
    process.returncode = 0  # it was waited for here, for the flag that Popen drops
    assert os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


@pytest.mark.parametrize("work", [HARDEN, COMMAND])
def test_a_crash_leaves_no_core_file(work: str, tmp_path: Path) -> None:
    """Where the machine would write one for any other program."""
    if not _dumps_core("", tmp_path):
        pytest.skip("this machine writes no core files at all")
    for file in tmp_path.iterdir():
        file.unlink()
    assert not _dumps_core(work, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_programs_of_the_user_cannot_look_into_it() -> None:
    """It is not dumpable, whatever the limits; a program that it starts is again."""
    check = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    start = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    )
    found = subprocess.run(
        [sys.executable, "-c", f"{HARDEN}; {check}; {start}", check],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(found.stdout.split()) == ["0", "1"]
