"""The parsers, fuzzed with coverage as the guide: only described exceptions leave."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import seeds
from tests.fuzz.live import KINDS
from tests.fuzz.targets import LONG, PLANTED, SEEDS, SHORT, TARGETS, Target, divided

ROOT = Path(__file__).resolve().parents[2]

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="no atheris (wheels: Linux on x86-64, Python 3.11 to 3.14)",
)


def _fuzz(
    target: str, seconds: int, seed: int, crashes: Path
) -> subprocess.CompletedProcess[str]:
    """Fuzz in a process of its own, since the fuzzer ends its process."""
    command = [sys.executable, "-m", "tests.fuzz", target]
    command += ["--seconds", str(seconds), "--seed", str(seed)]
    return subprocess.run(
        [*command, "--crashes", str(crashes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_short_run_takes_a_minute_in_all_and_a_long_one_longer() -> None:
    """Divided among the targets, of which each has some."""
    assert sum(divided(SHORT).values()) == SHORT == 60
    assert sum(divided(LONG).values()) == LONG > SHORT
    assert divided(SHORT).keys() == TARGETS.keys()
    assert min(divided(SHORT).values()) >= 1


@pytest.mark.sweep
@pytest.mark.timeout(2 * LONG)
@needs_atheris
def test_no_input_crashes_a_parser(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Bytes that grow from the corpus: only what is documented is ever raised.

    The short form begins with the same seed each time, the long form with a new one.
    Each target has run for its time, and more than its seeds.
    """
    full = pytestconfig.getoption("--full")
    seconds = LONG if full else SHORT
    result = _fuzz("all", seconds, 0 if full else 1, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr[-20_000:]
    said = dict(
        re.findall(r"^target: (\S+)\n(.*?)(?=^target: |\Z)", result.stderr, re.M | re.S)
    )
    assert said.keys() == TARGETS.keys()
    for name, its in divided(seconds).items():
        done = re.search(r"^Done (\d+) runs in (\d+) second", said[name], re.M)
        assert done, said[name][-4000:]
        assert int(done[1]) > len(TARGETS[name].seeds()), (
            "nothing but the seeds was run"
        )
        assert int(done[2]) >= its


@pytest.mark.sweep
@needs_atheris
def test_the_fuzzer_finds_a_planted_bug(tmp_path: Path) -> None:
    """Three comparisons deep, which chance would not find: coverage guides it.

    The input that it leaves fails again when it is run by itself.
    """
    result = _fuzz(PLANTED.name, SHORT, 1, tmp_path)
    assert result.returncode != 0
    assert "the planted bug" in result.stdout + result.stderr
    (crash,) = tmp_path.iterdir()
    assert crash.read_bytes()[:3] == b"\x7b\xc3\x5e"
    again = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", PLANTED.name, str(crash)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode != 0
    assert "the planted bug" in again.stderr


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_every_seed_passes(target: Target) -> None:
    """The corpus, inputs that crashed once among it, without any fuzzer."""
    function = target.function()
    assert target.seeds()
    for path in target.seeds():
        function(path.read_bytes())


def test_the_corpus_is_what_its_maker_makes() -> None:
    """The same files in the same folders, each small, and none that holds a key."""
    assert seeds.MAKERS.keys() == {*TARGETS, *KINDS}
    made = {
        f"{target}/{name}"
        for target in seeds.MAKERS
        for name, _ in seeds.all_of(target)
    }
    there = {
        str(path.relative_to(SEEDS)): path.read_bytes() for path in SEEDS.glob("*/*")
    }
    assert there.keys() == made
    assert all(len(data) < seeds.MAX_SIZE for data in there.values())
    assert not [name for name, data in there.items() if b"PRIVATE" in data]
