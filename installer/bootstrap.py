"""Set the checkout up and run it: `bootstrap.py demo`, `card` or `test`.

Standard library alone; touches `.venv/` in the checkout and, where Debian packages are
missing, apt. Everything from PyPI is locked with hashes in `installer/requirements/`.
On Windows and macOS only `demo` is meant to work; it has not been run there yet.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = Path(__file__).resolve().parent / "requirements"
PCSCD_SOCKET = Path("/run/pcscd/pcscd.comm")
SYSTEMD = Path("/run/systemd/system")

USAGE = """\
usage: python3 installer/bootstrap.py demo [options of `eid-agent demo`]
       python3 installer/bootstrap.py card list|read|pin-status [its options]
       python3 installer/bootstrap.py test [--full] [options of pytest]

demo   set up what the demo needs, then start it
card   set up what a real card reader needs, then run `eid-agent card`
test   set up everything, then run every check and test (--full: the long sweeps too)
"""

#: Debian packages by what needs them; the browsers are real packages on Debian only.
VENV_PACKAGES = ("python3-venv",)
CARD_PACKAGES = ("gcc", "libpcsclite-dev", "pcscd", "python3-dev", "vsmartcard-vpcd")
TEST_PACKAGES = (
    *VENV_PACKAGES,
    *CARD_PACKAGES,
    "at-spi2-core",
    "dbus",
    "dunst",
    "gir1.2-ayatanaappindicator3-0.1",
    "libegl1",
    "libnss3-tools",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-render-util0",
    "libxkbcommon-x11-0",
    "nodejs",
    "nsis",
    "openbox",
    "opensc",
    "openssl",
    "poppler-utils",
    "procps",
    "python3-gi",
    "python3-pyatspi",
    "redis-server",
    "softhsm2",
    "trayer",
    "util-linux",
    "xdotool",
    "xvfb",
)
#: What builds the Debian package and looks at it, in `test --full`.
PACKAGING_PACKAGES = (
    "appstream",
    "binutils",
    "debootstrap",
    "desktop-file-utils",
    "dpkg-dev",
    "lintian",
)
DEBIAN_TEST_PACKAGES = ("chromium", "firefox-esr")

#: Lock files by command, in the order of installation.
DEMO_LOCKS = ("build.txt", "demo.txt")
CARD_LOCKS = (*DEMO_LOCKS, "card.txt")
TEST_LOCKS = ("build.txt", "test.txt")

#: What drives Firefox in the tests; npm installs it beside its lock.
NPM_FOLDER = ROOT / "tests" / "e2e"

MYPY_PLATFORMS = ("linux", "win32", "darwin")

#: Three workers for two cores, up to six: half of a test's time is waiting for cards,
#: windows and browsers. What shares an `xdist_group` runs in one of them.
WORKERS = min(6, (os.cpu_count() or 1) * 3 // 2)
SIDE_BY_SIDE = ("-n", str(WORKERS), "--dist", "loadgroup")


class SetupError(Exception):
    """Something a person has to do first; the message says what."""


def say(text: str) -> None:
    """Tell the person what is happening."""
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


def run(command: Sequence[str | Path], **environment: str) -> None:
    """Run a command of the set-up; SetupError when it fails."""
    say(shlex.join(map(str, command)))
    result = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=sys.stderr,  # standard output is the program's own
        check=False,
    )
    if result.returncode:
        raise SetupError(f"`{command[0]}` failed (exit {result.returncode}), see above")


# --- Debian packages -----------------------------------------------------------------


def distribution() -> str:
    """Return ID of os-release (`debian`, `ubuntu`, …) or an empty string."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    fields = dict(line.partition("=")[::2] for line in lines)
    return fields.get("ID", "").strip('"')


def missing_packages(names: Sequence[str]) -> list[str]:
    """Return those of the Debian packages that are not installed."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names]
    result = subprocess.run(query, capture_output=True, text=True, check=False)
    installed = {
        line.split()[0]
        for line in result.stdout.splitlines()
        if line.endswith(" installed")
    }
    return [name for name in names if name not in installed]


def need_packages(names: Sequence[str]) -> None:
    """Install the Debian packages that are missing."""
    if not shutil.which("dpkg-query"):
        raise SetupError(
            "this needs a Debian or Ubuntu machine, or these packages by another way: "
            + " ".join(names)
        )
    missing = missing_packages(names)
    if not missing:
        return
    update = ["apt-get", "update"]
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    prefix = root_prefix(update, install)
    run([*prefix, *update])
    run([*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *install])


def root_prefix(*commands: Sequence[str]) -> list[str]:
    """Return the words that make commands run as root, or stop with how to do it."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo") is not None
    if sudo:
        silent = subprocess.run(
            ["sudo", "-n", "true"], capture_output=True, check=False
        )
        if silent.returncode == 0 or sys.stdin.isatty():
            return ["sudo"]
    lines = [shlex.join(["sudo", *words] if sudo else words) for words in commands]
    # `su -` gives root's own PATH, without which dpkg refuses to work.
    line = " && ".join(lines)
    advice = line if sudo else shlex.join(["su", "-", "-c", line])
    raise SetupError(f"this needs root; please run:\n  {advice}")


# --- the virtual environment ---------------------------------------------------------


def executable(name: str) -> Path:
    """Return the path of a program inside the virtual environment."""
    if os.name == "nt":
        return VENV / "Scripts" / f"{name}.exe"
    return VENV / "bin" / name


def need_venv() -> None:
    """Make `.venv` unless a working one of this Python version is there."""
    if _venv_version() == sys.version_info[:2]:
        return
    if importlib.util.find_spec("ensurepip") is None:
        need_packages(VENV_PACKAGES)
    say(f"making {VENV}")
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", VENV])


def _venv_version() -> tuple[int, ...]:
    """Return the Python version of `.venv`, or () when it does not work."""
    code = "import pip, sys; print(*sys.version_info[:2])"
    try:
        result = subprocess.run(
            [executable("python"), "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(map(int, result.stdout.split()))


def need_python_packages(locks: Sequence[str]) -> None:
    """Install the locked packages and the project itself, once for each state."""
    stamp = VENV / f"bootstrap-{locks[-1]}"
    state = _state(locks)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    pip = install_locked(executable("python"), locks)
    run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    stamp.write_text(state, encoding="utf-8")


def install_locked(python: Path, locks: Sequence[str]) -> list[str | Path]:
    """Install what the locks name for an interpreter; return the words of its pip."""
    pip: list[str | Path] = [python, "-m", "pip", "install"]
    pip.append("--disable-pip-version-check")
    # pyscard has no wheel for Linux: it is built with the locked tools of build.txt.
    binary = ["--only-binary", ":all:"]
    if sys.platform == "linux":
        binary += ["--no-binary", "pyscard"]
    tools = str(python.parent) + os.pathsep + os.environ.get("PATH", "")
    for lock in locks:
        locked: list[str | Path] = [
            "--no-build-isolation",
            "--require-hashes",
            "-r",
            LOCKS / lock,
        ]
        run([*pip, *binary, *locked], PATH=tools)
    return pip


def _state(locks: Sequence[str]) -> str:
    """Return a hash over everything that decides what is installed."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for path in (*(LOCKS / lock for lock in locks), ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def need_npm_packages() -> None:
    """Install the locked packages of npm, once for each state of the lock."""
    stamp = NPM_FOLDER / "node_modules" / "bootstrap-stamp"
    state = hashlib.sha256((NPM_FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    # No package has to run anything of its own to be installed.
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
    run(["npm", "--prefix", NPM_FOLDER, "ci", *quiet])
    stamp.write_text(state, encoding="utf-8")


# --- the commands --------------------------------------------------------------------


def demo(arguments: Sequence[str]) -> int:
    """Set up and start the demo; with `--card pcsc` through a running pcscd."""
    return _program("demo", arguments, real_card=uses_pcsc(arguments))


def card(arguments: Sequence[str]) -> int:
    """Set up what a real reader needs and look at readers and cards."""
    return _program("card", arguments, real_card=True)


def _program(name: str, arguments: Sequence[str], *, real_card: bool) -> int:
    """Set up what a command of the program needs, then run it."""
    real_service = sys.platform == "linux" and real_card
    if real_service:
        need_packages(CARD_PACKAGES)
    need_venv()
    need_python_packages(CARD_LOCKS if real_card else DEMO_LOCKS)
    command = [str(executable("eid-agent")), name, *arguments]
    if not real_service:
        return hand_over(command)
    with pcscd():
        return hand_over(command)


def uses_pcsc(arguments: Sequence[str]) -> bool:
    """Tell whether the demo's arguments ask for a card in a PC/SC reader."""
    pairs = itertools.pairwise(arguments)
    return ("--card", "pcsc") in pairs or "--card=pcsc" in arguments


def hand_over(command: Sequence[str], cwd: Path | None = None) -> int:
    """Run the program in the person's terminal; Ctrl-C and SIGTERM are its business."""
    process = subprocess.Popen(command, cwd=cwd)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


@contextmanager
def pcscd() -> Iterator[None]:
    """See to it that a PC/SC service answers while the block runs."""
    if "PCSCLITE_CSOCK_NAME" in os.environ or _answers(PCSCD_SOCKET):
        yield
        return
    start = ["pcscd", "--foreground"]
    if SYSTEMD.is_dir():
        start = ["systemctl", "start", "pcscd.socket"]
        run([*root_prefix(start), *start])
        yield
        return
    prefix = root_prefix(start)
    say("starting pcscd for as long as the program runs")
    if prefix:
        run([*prefix, "true"])  # a password is asked for here, in the foreground
    # A group of its own: Ctrl-C ends the demo first, which takes its card out.
    service = subprocess.Popen([*prefix, *start], process_group=0)
    try:
        _wait_for(service)
        yield
    finally:
        _end(service, prefix)


def _end(service: subprocess.Popen[bytes], prefix: Sequence[str]) -> None:
    """End the service, unless it has ended by itself: its number may be another's."""
    if service.poll() is None:
        # One that sudo started is root's: only root may end it.
        subprocess.run([*prefix, "kill", str(service.pid)], check=False)
    service.wait()


def _answers(path: Path) -> bool:
    """Tell whether something listens on the Unix socket."""
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        return False
    with socket.socket(family) as client:
        return client.connect_ex(str(path)) == 0


def _wait_for(service: subprocess.Popen[bytes]) -> None:
    """Wait until the service that was just started answers; SetupError if it ends."""
    deadline = time.monotonic() + 10
    while not _answers(PCSCD_SOCKET):
        if service.poll() is not None or time.monotonic() > deadline:
            raise SetupError("pcscd does not start; `pcscd --foreground` says why")
        time.sleep(0.05)


def test(arguments: Sequence[str]) -> int:
    """Set up everything, run checks and tests; the first failure ends it."""
    extra = DEBIAN_TEST_PACKAGES if distribution() == "debian" else ()
    # Node.js from elsewhere has npm with it, and Debian's would not go beside it.
    npm = () if shutil.which("npm") else ("npm",)
    packaging = PACKAGING_PACKAGES if extra and "--full" in arguments else ()
    need_packages((*TEST_PACKAGES, *npm, *extra, *packaging))
    need_venv()
    need_python_packages(TEST_LOCKS)
    need_npm_packages()
    # The program starts hundreds of times: each would compile what it imports anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for command in checks(arguments):
        say(shlex.join(command))
        status = hand_over([str(executable(command[0])), *command[1:]], cwd=ROOT)
        if status:
            say(f"FAILED: {shlex.join(command)} (exit {status})")
            return 1
    absent = [name for name in DEBIAN_TEST_PACKAGES if not shutil.which(name)]
    if absent:
        say(
            f"ATTENTION: nothing was tested in {' and '.join(absent)}; those tests "
            "were skipped, because this system has no Debian package of that name"
        )
    return 0


def checks(arguments: Sequence[str]) -> list[list[str]]:
    """Return the commands of `test`, the tests themselves last."""
    return [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        *(["mypy", "--platform", platform] for platform in MYPY_PLATFORMS),
        ["lint-imports"],
        ["pytest", *SIDE_BY_SIDE, *arguments],
    ]


def main(arguments: Sequence[str]) -> int:
    """Run a command; 2 for anything else, 1 when something is in the way."""
    if sys.version_info < (3, 11):  # noqa: UP036  (said to people who have an older one)
        say("Python 3.11 or newer is needed; Debian 12 and Ubuntu 24.04 have it")
        return 1
    commands = {"demo": demo, "card": card, "test": test}
    if not arguments or arguments[0] not in commands:
        if arguments and arguments[0] != "--help":
            say(f"there is no command {arguments[0]}; these are all of them:")
        print(USAGE, file=sys.stderr if arguments[:1] != ["--help"] else sys.stdout)
        return 0 if arguments[:1] == ["--help"] else 2
    try:
        return commands[arguments[0]](arguments[1:])
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
