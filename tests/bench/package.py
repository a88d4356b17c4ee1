"""Size and start of the Debian package that `dist/` holds, beside the checkout's start.

`python -m installer.build deb` makes it; the benchmark only unpacks it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

DIST = Path(__file__).resolve().parents[2] / "dist"
_STARTS = 5


def measured(dist: Path = DIST) -> Iterator[str]:
    """Yield a line for each package, or that there is none."""
    packages = sorted(dist.glob("eid-agent_*.deb"))
    if not packages:
        yield "package: none in dist/ (python -m installer.build deb)"
        return
    ours = started([sys.executable, "-m", "agent"])
    for package in packages:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            unpacked = sum(path.lstat().st_size for path in files)
            seconds = started([f"{folder}/usr/bin/eid-agent"])
        yield (
            f"package {package.name}: {package.stat().st_size / 1e6:.0f} MB, "
            f"{unpacked / 1e6:.0f} MB unpacked; start to `listening` {seconds:.2f} s "
            f"(checkout: {ours:.2f} s)"
        )


def started(command: Sequence[str]) -> float:
    """Return the median time of some starts, after one that makes what is kept."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        options = ("--ui", "terminal", "--card", "virtual", "--data-dir", folder)
        for _ in range(_STARTS + 1):
            begin = time.perf_counter()
            with subprocess.Popen(
                [*command, "run", *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as agent:
                assert agent.stdout is not None
                assert agent.stdout.readline().startswith(b"listening")
                times.append(time.perf_counter() - begin)
                agent.terminate()
    return statistics.median(times[1:])
