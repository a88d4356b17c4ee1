"""Looks at everything, each thing for itself: what fails tells of its line alone."""

from __future__ import annotations

import datetime
import logging
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import agent
from agent import releasecheck
from agent.doctor import browsers, endpoint, readers
from agent.doctor.findings import Finding, Phrase, failed, found, in_order
from agent.errors import raised_at
from agent.host import machine
from agent.policyfile import PolicyFile
from agent.releases import BadRelease
from agent.trust.nss import NssStore
from agent.trust.store import Store
from agent.ui.probe import NO_DISPLAY, why_no_windows
from cardio.card import CardSource
from cardio.pkcs11_places import installed

_log = logging.getLogger(__name__)

#: An answer about releases may drip; no more is waited for.
_RELEASE_SECONDS = 15.0
#: Clocks that are set by themselves jump by less.
_TOLERANCE_SECONDS = 300


@dataclass(frozen=True)
class Place:
    """What is looked at.

    `folder` is the agent's data folder, `stores` are those of the person's browsers,
    `source` makes the readers, `now` is the time that this computer shows; `online`: it
    may be asked whether there is a newer release.
    """

    folder: Path
    home: Path
    stores: list[Store]
    source: Callable[[], CardSource]
    now: datetime.datetime
    seconds: float = readers.SECONDS
    online: bool = False


def examine(place: Place) -> list[Finding]:
    """Return all findings, in the page's order."""
    port = endpoint.port_of(place.folder)
    firefox = [
        Path(store.path)
        for store in place.stores
        if isinstance(store, NssStore) and store.name.startswith("firefox")
    ]
    looks: dict[str, Callable[[], Iterable[Finding]]] = {
        "version": lambda: [_version()],
        "release": lambda: [release(place)],
        "agent": lambda: [endpoint.agent(place.folder, port)],
        "port": lambda: endpoint.ports(port),
        "certificate": lambda: [endpoint.certificate(place.folder, place.now)],
        "connection": lambda: (
            [] if port is None else [endpoint.connection(place.folder, port)]
        ),
        "trust": lambda: endpoint.trust(place.folder, place.stores),
        "confined": lambda: endpoint.confined(place.stores),
        "permission": lambda: browsers.permissions(place.home, firefox),
        "browser-policy": browsers.policies,
        "proxy": lambda: browsers.proxy(firefox),
        "policy": lambda: [_policy()],
        "data": lambda: endpoint.kept(place.folder),
        "clock": lambda: [_clock(place.folder, place.now)],
        "windows": lambda: [_windows()],
        "service": lambda: readers.look(place.source, place.now, place.seconds),
        "software": lambda: [_software()],
    }
    return in_order(one for line, act in looks.items() for one in _each(line, act))


def _each(line: str, act: Callable[[], Iterable[Finding]]) -> list[Finding]:
    seen: list[Finding] = []
    try:
        seen.extend(act())
    except Exception as error:  # one line less, and the page is still of use
        _log.debug("%s: %s at %s", line, type(error).__name__, raised_at(error))
        seen.append(failed(line, error))
    return seen


def _version() -> Finding:
    return found(
        "version",
        version=agent.__version__,
        python=platform.python_version(),
        system=machine.system(),
    )


def release(place: Place) -> Finding:
    """Tell whether there is a newer release; asks for it only where that is wanted."""
    if not PolicyFile().now().updates:
        return found("release-off")
    if place.online:
        try:
            readers.within(
                _RELEASE_SECONDS, lambda: releasecheck.check(place.folder, place.now)
            )
        except BadRelease as error:
            return found("release-refused", reason=Phrase(error.reason))
        except (OSError, readers.Silent):
            return found("release-unreachable")
    newest = releasecheck.newer_version(place.folder)
    if newest is not None:
        return found("release-newer", newest=newest)
    return found("release-current" if place.online else "release-unasked")


def _policy() -> Finding:
    file = PolicyFile()
    if (fault := file.fault()) is not None:
        where = f" ({fault.pointer})" if fault.pointer else ""
        reason = Phrase(fault.reason)
        return found(
            "policy-malformed",
            path=file.path,
            where=where,
            lineno=fault.line,
            reason=reason,
        )
    return found("policy-good" if file.path.exists() else "policy-none")


def _clock(folder: Path, now: datetime.datetime) -> Finding:
    """Tell whether the clock shows a time before something that has happened.

    What is compared: the folder of this program and the files of its data folder.
    Nothing here knows a clock that is ahead.
    """
    package = Path(agent.__file__).parent  # a frozen program has no file of that name
    files = [package, *(folder.glob("*") if folder.is_dir() else ())]
    latest = max(file.lstat().st_mtime for file in files)
    if now.timestamp() < latest - _TOLERANCE_SECONDS:
        return found("clock-behind", date=now.date().isoformat())
    return found("clock-good")


def _windows() -> Finding:
    reason = why_no_windows()
    if reason is None:
        return found("windows-good")
    values = {"packages": reason.missing}
    code = "windows-screen" if reason.sentence == NO_DISPLAY else "windows-none"
    return found(code, why=Phrase(reason.sentence, values))


def _software() -> Finding:
    names = machine.other_software()
    if any("beid" in path.name.lower() for path in installed()):
        names.append("eID Middleware")
    if any("opensc" in path.name.lower() for path in installed()):
        names.append("OpenSC")
    if names:
        return found("software-other", software=", ".join(names))
    return found("software-none")
