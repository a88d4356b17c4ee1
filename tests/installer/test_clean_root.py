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

_AS_ANNA = """\
as_anna() { runuser -u anna -- env -i HOME=/home/anna PATH=/usr/bin:/bin "$@"; }
database=sql:/home/anna/.local/share/pki/nssdb
"""

#: What the package depends on stays; the person has a browser's database already.
_BEFORE = f"""\
{_AS_ANNA}
apt-get purge --yes eid-agent
useradd --create-home anna
as_anna mkdir -p /home/anna/.local/share/pki/nssdb
as_anna certutil -N --empty-password -d $database
"""

_INSTALL_AGAIN = "dpkg --install /root/eid-agent.deb\n"

#: A session of a user: the agent comes up and installs its trust, and is left running.
_SESSION = f"""\
{_AS_ANNA}
as_anna /usr/lib/eid-agent/start > /tmp/told 2> /tmp/errors &
for _ in $(seq 600); do
    as_anna certutil -L -d $database | grep -q "C,," && break
    sleep 0.1
done
cat /tmp/told /tmp/errors
as_anna certutil -L -d $database
"""

_LISTING = f"""\
{_AS_ANNA}
echo LISTING
find / -xdev \\( -path /var/log -o -path /var/cache -o -path /var/lib/apt \\
    -o -path "/var/lib/dpkg/*" \\) -prune -o -print | sort
as_anna certutil -L -d $database
for exe in /proc/[0-9]*/exe; do readlink $exe | grep eid-agent || true; done
"""


_REMOVE = "apt-get remove --yes eid-agent\n"
_PURGE = "apt-get purge --yes eid-agent\n"


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


def test_the_package_alone_is_enough_and_leaves_nothing(root: Path) -> None:
    """Files, the browsers' database and processes are as before, once it is purged."""
    inside(root, _INSTALL)
    before = inside(root, _BEFORE + _LISTING).partition("LISTING\n")[2]
    assert "eid-agent" not in before.replace("/root/eid-agent.deb", "")
    told = inside(root, _INSTALL_AGAIN + _SESSION + _PURGE + _LISTING)
    session, _, after = told.partition("LISTING\n")
    assert "listening on https://localhost:" in session
    assert "eID agent" in session.partition("Certificate Nickname")[2]
    assert after == before


def test_removing_takes_the_trust_out_and_keeps_what_the_person_chose(
    root: Path,
) -> None:
    """Grants and journal wait for the package to come back; no browser trusts it."""
    inside(root, _INSTALL)
    inside(root, _BEFORE)
    told = inside(root, _INSTALL_AGAIN + _SESSION + _REMOVE + _LISTING)
    after = told.partition("LISTING\n")[2]
    assert "/home/anna/.local/share/eid-agent/trust.json\n" in after
    assert "C,," not in after
    assert "/usr/lib/eid-agent" not in after
