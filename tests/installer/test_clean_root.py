"""The package on a system that has nothing else; `--full` alone: it takes minutes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from installer import build

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(1800)]

#: Runs a command in a root of its own, with mounts that go with it.
_ENTER = """\
set -e
mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"
mount -t tmpfs run "$1/run"; mount -t tmpfs tmp "$1/tmp"
root=$1; shift; exec chroot "$root" "$@"
"""

_INSTALL = """\
export DEBIAN_FRONTEND=noninteractive
apt-get update && apt-get install --yes --no-install-recommends /root/eid-agent.deb
"""

#: A session of a user: the agent comes up, shows its certificate, and is left running.
_SESSION = """\
useradd --create-home anna
as_anna() { runuser -u anna -- env -i HOME=/home/anna PATH=/usr/bin:/bin "$@"; }
as_anna eid-agent run --ui terminal --card virtual > /tmp/told 2> /tmp/errors &
for _ in $(seq 300); do grep -q listening /tmp/told && break; sleep 0.1; done
cat /tmp/told /tmp/errors
"""

_REMOVE = """\
export DEBIAN_FRONTEND=noninteractive
apt-get purge --yes eid-agent
"""


@pytest.fixture(scope="module")
def package(request: pytest.FixtureRequest) -> Path:
    """Return the package, built here."""
    if not request.config.getoption("--full"):
        pytest.skip("the package is built with --full")
    if shutil.which("debootstrap") is None:
        pytest.skip("this system has no debootstrap")
    return build.deb()


def test_lintian_finds_nothing_that_is_not_explained(package: Path) -> None:
    """Each override has its reason beside it."""
    told = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout) == (0, "")


@pytest.fixture(params=["bookworm", "trixie"])
def root(
    request: pytest.FixtureRequest, tmp_path: Path, package: Path
) -> Iterator[Path]:
    """Return a new system with the package's file in it and nothing more."""
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    folder = tmp_path / request.param
    words = ["debootstrap", "--variant=minbase", request.param, folder]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(package, folder / "root" / "eid-agent.deb")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def inside(root: Path, script: str) -> str:
    """Return what a script says that runs in the root."""
    enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        [*enter, "sh", "-c", _ENTER, "enter", root, "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_agent_runs_where_the_package_alone_was_installed(root: Path) -> None:
    """It listens, and removing the package ends it and leaves no file of it."""
    inside(root, _INSTALL)
    told = inside(root, f"{_SESSION}{_REMOVE}sleep 1; ls -l /proc/[0-9]*/exe || true")
    assert "listening on https://localhost:" in told
    assert "eid-agent/eid-agent" not in told.partition("Removing eid-agent")[2]
    left = [path for path in root.glob("usr/**/*eid-agent*") if "doc" not in path.parts]
    assert left == []
