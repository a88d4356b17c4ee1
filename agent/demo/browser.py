"""Opens the demonstration in a browser with a profile of its own; runs programs.

The profile trusts exactly the certificates of this run and is removed afterwards. The
person's own profiles and trust stores are not touched. Run on Linux; the places of
macOS and Windows stand in the tables but were not tried.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.demo.profiles import Endpoint, chromium_arguments, firefox_arguments

__all__ = ["Browser", "Endpoint", "NotOpened", "Opened", "installed", "open_browser"]

log = logging.getLogger(__name__)

_START = 1.5
"""Seconds in which a browser that cannot start has usually given up."""
_END = 5.0
"""Seconds that a browser gets to end by itself."""
_SNAPS = Path("/snap/bin")
"""Where Ubuntu starts programs that it packs as snaps."""


@dataclass(frozen=True)
class Browser:
    """An installed browser: its program and how it is started."""

    family: str
    program: Path
    sandbox: bool = True

    def command(
        self, profile: Path, url: str, endpoints: Sequence[Endpoint]
    ) -> list[str]:
        """Return the command line that opens the address in the profile."""
        arguments = _ARGUMENTS[self.family](profile, endpoints)
        if self.family == "chromium" and not self.sandbox:
            arguments = ["--no-sandbox", *arguments]
        return [str(self.program), *arguments, url]


@dataclass(frozen=True)
class NotOpened:
    """Why no browser opened: `no-display`, `no-browser` or `did-not-start`."""

    reason: str


class Opened:
    """A running browser; `close` ends it and removes its profile."""

    def __init__(
        self, browser: Browser, process: subprocess.Popen[bytes], profile: Path
    ) -> None:
        self.browser = browser
        self.process = process
        self.profile = profile

    def close(self) -> None:
        """End the browser if it still runs and leave nothing behind."""
        _end(self.process)
        _remove(self.profile)

    def __enter__(self) -> Opened:
        """Return the browser itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


_ARGUMENTS: Mapping[str, Callable[[Path, Sequence[Endpoint]], list[str]]] = {
    "chromium": chromium_arguments,
    "firefox": firefox_arguments,
}

_NAMES = (
    ("chromium", "chromium"),
    ("chromium", "chromium-browser"),
    ("chromium", "google-chrome"),
    ("chromium", "google-chrome-stable"),
    ("chromium", "microsoft-edge"),
    ("chromium", "microsoft-edge-stable"),
    ("chromium", "brave-browser"),
    ("firefox", "firefox"),
    ("firefox", "firefox-esr"),
)
_MACOS = (
    ("chromium", "Google Chrome.app/Contents/MacOS/Google Chrome"),
    ("chromium", "Chromium.app/Contents/MacOS/Chromium"),
    ("chromium", "Microsoft Edge.app/Contents/MacOS/Microsoft Edge"),
    ("chromium", "Brave Browser.app/Contents/MacOS/Brave Browser"),
    ("firefox", "Firefox.app/Contents/MacOS/firefox"),
)
_WINDOWS = (
    ("chromium", "Google/Chrome/Application/chrome.exe"),
    ("chromium", "Microsoft/Edge/Application/msedge.exe"),
    ("chromium", "BraveSoftware/Brave-Browser/Application/brave.exe"),
    ("firefox", "Mozilla Firefox/firefox.exe"),
)


def _candidates(platform: str) -> Iterator[tuple[str, Path]]:
    for family, name in _NAMES:
        if found := shutil.which(name):
            yield family, Path(found)
    if platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield from ((family, folder / path) for family, path in _MACOS)
    if platform == "win32":
        for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
            if folder_name := os.environ.get(name):
                yield from ((f, Path(folder_name) / path) for f, path in _WINDOWS)


def _is_root(platform: str) -> bool:
    return platform != "win32" and getattr(os, "geteuid", lambda: 1)() == 0


def installed(platform: str = sys.platform) -> list[Browser]:
    """List the browsers that are here, the best tried first."""
    sandbox = not _is_root(platform)
    found = [
        Browser(family, _started_by(program), sandbox)
        for family, program in _candidates(platform)
        if program.is_file()
    ]
    return list(dict.fromkeys(found))


def _started_by(program: Path) -> Path:
    """Return the snap that a program starts, where it is such a script, else itself.

    Ubuntu's /usr/bin/firefox and chromium-browser are shell scripts that end in
    `exec /snap/bin/NAME`; no link says so.
    """
    with contextlib.suppress(OSError), program.open("rb") as file:
        if (head := file.read(4096)).startswith(b"#!"):
            called = re.search(rb"%s/([\w.-]+)" % re.escape(os.fsencode(_SNAPS)), head)
            snap = _SNAPS / os.fsdecode(called[1]) if called else program
            return snap if snap.is_file() else program
    return program


def _has_display(platform: str) -> bool:
    if platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _profile_parent(browser: Browser, default: Path) -> Path:
    """Return where the browser can write: a snap sees its own folder, not ours."""
    program = browser.program
    if program.parent != _SNAPS and "snap" not in program.resolve().parts:
        return default
    return Path.home() / "snap" / browser.program.name / "common"


def _start(
    browser: Browser, url: str, endpoints: Sequence[Endpoint], folder: Path
) -> Opened | None:
    parent = _profile_parent(browser, folder)
    parent.mkdir(parents=True, exist_ok=True)
    profile = Path(tempfile.mkdtemp(prefix="eid-agent-demo-", dir=parent))
    command = browser.command(profile, url, endpoints)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for the agent, which then closes the browser.
            start_new_session=True,
        )
    except OSError as error:
        log.info("%s does not start: %s", browser.program, error)
        _remove(profile)
        return None
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(_START)
        log.info("%s ended at once with code %s", browser.program, code)
        _remove(profile)
        return None
    return Opened(browser, process, profile)


def open_browser(
    url: str, endpoints: Sequence[Endpoint], folder: Path, platform: str = sys.platform
) -> Opened | NotOpened:
    """Open the address in the first browser that starts; blocks for about 1.5 s.

    `folder` is where the profile is made. Runs until `Opened.close` or the person ends
    the browser. As root Chromium only starts without its sandbox, which is then said.
    """
    browsers = installed(platform)
    if not browsers:
        return NotOpened("no-browser")
    if not _has_display(platform):
        return NotOpened("no-display")
    for browser in browsers:
        if opened := _start(browser, url, endpoints, folder):
            if browser.family == "chromium" and not browser.sandbox:
                log.warning(
                    "running as root: the browser was started without its sandbox;"
                    " visit no other site with it"
                )
            return opened
    return NotOpened("did-not-start")


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    """Send a signal to the browser and, where there are groups, its helpers."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, getattr(signal, name))


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal(process, "SIGTERM")
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Helpers that outlive the browser would write into the profile again.
    _signal(process, "SIGKILL")


def _remove(profile: Path) -> None:
    """Remove the profile; Windows lets go of a closed browser's files a bit late."""
    until = time.monotonic() + _END
    while profile.exists():
        shutil.rmtree(profile, ignore_errors=True)
        if time.monotonic() > until:
            log.warning("could not remove %s", profile)
            return
