"""The tests run side by side: what a person sees at the end, and what Ctrl-C leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: `bootstrap.py test`, its last check alone: two workers over the tests in a folder.
_TEST = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
import bootstrap
name, *words = bootstrap.checks(sys.argv[1:])[-1]
sys.exit(bootstrap.hand_over([sys.executable, "-m", name, *words]))
"""

#: A test in each worker that never ends, and tells of its beginning and its end.
_ENDLESS = """\
import os, pathlib, time
import pytest

@pytest.fixture
def told():
    with pathlib.Path(__file__).with_name("told").open("w") as told:
        yield told
        print("cleaned up", file=told, flush=True)

@pytest.mark.parametrize("number", range(4))
def test_endless(told, number):
    print("begun", file=told, flush=True)
    time.sleep(100)
"""

_THREE = """\
import pytest

def test_right():
    pass

def test_wrong():
    assert 1 + 1 == 3

@pytest.mark.skip(reason="no such machine")
def test_elsewhere():
    pass
"""


def _start(folder: Path, tests: str) -> subprocess.Popen[str]:
    """Run these tests in a process group of their own, which Ctrl-C is sent to."""
    (folder / "test_it.py").write_text(tests, encoding="utf-8")
    options = ["-n2", "-c", str(ROOT / "pyproject.toml")]
    for plugin in ("cacheprovider", "hypothesispytest", "randomly"):
        options += ["-p", f"no:{plugin}"]
    script = ["-B", "-c", _TEST, str(ROOT / "installer")]
    return subprocess.Popen(
        [sys.executable, *script, *options, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def test_what_failed_and_what_was_skipped_is_said_at_the_end(tmp_path: Path) -> None:
    """With its reason, whichever worker it ran in; the exit code is a failure's."""
    with _start(tmp_path, _THREE) as process:
        said, _ = process.communicate()
    assert process.returncode == 1
    summary = said.partition("short test summary info")[2]
    assert "test_it.py::test_wrong - assert (1 + 1) == 3" in summary
    assert "test_it.py:9: no such machine" in summary
    assert "1 failed, 1 passed, 1 skipped" in summary.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals as a terminal sends them")
def test_ctrl_c_ends_the_workers(tmp_path: Path) -> None:
    """Each cleans up and ends, before the command does, with a failure's exit code."""
    fifo = tmp_path / "told"
    os.mkfifo(fifo)
    with _start(tmp_path, _ENDLESS) as process, fifo.open() as told:
        assert [told.readline(), told.readline()] == ["begun\n"] * 2
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate()
        assert process.returncode == 2
        assert told.read() == "cleaned up\n" * 2  # its end: nobody holds it open
    assert "KeyboardInterrupt" in said
