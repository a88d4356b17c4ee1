"""A private pcscd with vsmartcard-vpcd; starts processes, uses a folder of its own.

The server's path /run/pcscd is compiled into pcscd, so each instance lives in a mount
namespace of its own: with root's rights, directly or through sudo.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cardio.virtual.playable import PlayableCard
from cardio.virtual.profile import Profile, load_profile
from cardio.virtual.vpcd import VpcdUnavailable, insert_into_vpcd
from tests.rig.transcript import RecordedCard

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
READER = "Test reader"
_TREE = Path(__file__).resolve().parents[2]

_SECONDS = 10
_START = """\
mkdir -p /run/pcscd && mount --bind "$1/run" /run/pcscd &&
cd / && exec pcscd --foreground -c "$1/conf" $2
"""


class NoPcscd(Exception):
    """The service cannot be started on this machine; the message says why."""


@functools.cache
def _as_root() -> tuple[str, ...]:
    """Return the words that give a command root's rights and a mount namespace."""
    for program in ("pcscd", "unshare", "mount"):
        if shutil.which(program, path=_path()) is None:
            raise NoPcscd(f"{program} is not installed")
    if not DRIVER.exists():
        raise NoPcscd("vsmartcard-vpcd is not installed")
    for prefix in ((), ("sudo", "-n")):
        command = [*prefix, "unshare", "-m", "mount", "--bind", "/tmp", "/mnt"]  # noqa: S108
        with contextlib.suppress(OSError):
            tried = subprocess.run(command, capture_output=True, check=False)
            if tried.returncode == 0:
                return prefix
    raise NoPcscd("a private mount namespace needs root, or sudo without password")


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look every 10 ms until the condition holds; AssertionError after 10 s."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in {_SECONDS} s: {what}"
        time.sleep(0.01)


def _two_free_ports() -> int:
    """Return a port that is free and whose successor is (the driver's second slot)."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("0.0.0.0", 0))  # noqa: S104  (so does the driver)
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("0.0.0.0", port + 1))  # noqa: S104
                return port


def _listening(port: int) -> bool:
    """Tell whether a TCP socket listens on the port, without connecting to it."""
    wanted = f":{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text(encoding="ascii")


class Pcscd:
    """The running service; use it as a context manager.

    `env` is what a client's environment needs, `port` the reader's TCP port, `log` the
    service's own trace. In one process winscard looks where PCSCLITE_CSOCK_NAME says at
    its first call alone: a test process speaks to one service, children to any.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._root = _as_root()
        self.folder = folder or Path(tempfile.mkdtemp(prefix="pcscd-"))
        self.port = _two_free_ports()
        self.socket = self.socket_in(self.folder)
        self.reader = f"{READER} 00 00"
        self.env: Mapping[str, str] = {"PCSCLITE_CSOCK_NAME": str(self.socket)}
        self._process: subprocess.Popen[bytes] | None = None
        self._presence: subprocess.Popen[str] | None = None

    @staticmethod
    def socket_in(folder: Path) -> Path:
        """Return where the service in this folder listens."""
        return folder / "run" / "pcscd.comm"

    @property
    def log(self) -> str:
        """What the service wrote so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Pcscd:
        (self.folder / "run").mkdir()
        (self.folder / "conf").mkdir()
        (self.folder / "conf" / "vpcd").write_text(
            f'FRIENDLYNAME "{READER}"\n'
            f"DEVICENAME /dev/null:0x{self.port:04X}\n"
            f"LIBPATH {DRIVER}\n"
            f"CHANNELID 0x{self.port:04X}\n",
            encoding="ascii",
        )
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._presence is not None:
            self._presence.communicate()  # the end of its input ends it
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():  # files of root's, where we came through sudo
            subprocess.run([*self._root, "rm", "-rf", self.folder], check=False)

    def start(self) -> None:
        """Start the service and wait until clients and the card can connect."""
        words = ["unshare", "-m", "sh", "-c", _START, "sh", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._root, *words, _options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": _path()},
            )
        try:
            wait_until(self._ready, "pcscd answers")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the service, as a crash of it or a stopped service would."""
        process, self._process = self._process, None
        if process is None:
            return
        subprocess.run(
            [*self._root, "kill", str(process.pid)], check=False, capture_output=True
        )
        process.wait(timeout=_SECONDS)

    def kill(self) -> None:
        """End the service without letting it clean up."""
        self._signal("KILL")
        self.stop()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Have the service answer nobody while the block runs."""
        self._signal("STOP")
        try:
            yield
        finally:
            self._signal("CONT")

    def _signal(self, name: str) -> None:
        assert self._process is not None
        pid = str(self._process.pid)
        while _name(pid) != "pcscd":  # sudo, where that was needed
            pid = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0]
        subprocess.run([*self._root, "kill", f"-{name}", pid], check=True)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"pcscd ended: {self.log}"
        with socket.socket(socket.AF_UNIX) as client:
            answers = client.connect_ex(str(self.socket)) == 0
        return answers and _listening(self.port)

    @contextlib.contextmanager
    def card(
        self, profile: Profile | str = "adult", *, strict: bool = False
    ) -> Iterator[RecordedCard]:
        """Hold a card in the reader while the block runs; it records its APDUs."""
        if isinstance(profile, str):
            profile = load_profile(profile)
        card = RecordedCard(profile, strict=strict)
        with self.insert(card):
            yield card

    @contextlib.contextmanager
    def insert(
        self, card: PlayableCard, *, slot: int = 0
    ) -> Iterator[Callable[[], None]]:
        """Put this card in; yields a function that pulls it out before the end.

        The driver has two readers, `slot` 0 and 1.
        """
        stop, powered = threading.Event(), threading.Event()
        play = functools.partial(
            _play, card, self.port + slot, on_powered=powered.set, stop=stop
        )
        thread = threading.Thread(target=play, name="card", daemon=True)
        thread.start()

        def pull() -> None:
            stop.set()
            thread.join(_SECONDS)
            assert not thread.is_alive()

        try:
            assert powered.wait(_SECONDS), "the reader does not power the card"
            self.wait_for_card(present=True, slot=slot)
            yield pull
        finally:
            pull()
            if self._process is not None:
                self.wait_for_card(present=False, slot=slot)

    def wait_for_card(self, *, present: bool, slot: int = 0) -> None:
        """Wait until PC/SC shows the reader with, or without, a card."""
        if self._presence is None:
            self._presence = subprocess.Popen(
                [sys.executable, "-m", "tests.rig.presence"],
                cwd=_TREE,
                env={**os.environ, **self.env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        asked, answers = self._presence.stdin, self._presence.stdout
        assert asked is not None
        assert answers is not None
        word = "present" if present else "absent"
        asked.write(f"{word} {READER} 00 {slot:02}\n")
        asked.flush()
        problem = answers.readline().strip()
        assert not problem, problem


def _name(pid: str) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()


def _options() -> str:
    """Newer builds ask polkit, which is no part of a test, unless told not to."""
    said = subprocess.run(
        ["pcscd", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": _path()},
    )
    return "--disable-polkit" if "--disable-polkit" in said.stdout else ""


def _play(
    card: PlayableCard,
    port: int,
    *,
    on_powered: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Be the card; a reader that goes away is the test's business."""
    with contextlib.suppress(VpcdUnavailable):
        insert_into_vpcd(card, "127.0.0.1", port, on_powered=on_powered, stop=stop)
