"""Asks whether there is a newer release; touches the network and one small file.

One fixed address, without anything that tells one asker from another. What comes back
is judged by `agent.releases`; nothing else is fetched.
"""

from __future__ import annotations

import datetime
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn

import agent
from agent import host, releases
from agent.releases import BadRelease, Release

#: Nobody publishes yet: `.invalid` is no name that anybody can have (RFC 2606).
ADDRESS = "https://releases.eid-agent.invalid/current.json"
FILE = "release.json"
_SECONDS = 10.0


def seen(folder: Path | None) -> Release | None:
    """Return what the last good release file said, if there was one."""
    if folder is None:
        return None
    try:
        return releases.from_json(json.loads(host.read_private(folder / FILE)))
    except (OSError, ValueError, RecursionError):
        return None


def newer_version(folder: Path | None) -> str | None:
    """Return a version that is newer than this one, as far as it is known."""
    known = seen(folder)
    if known is None or not releases.newer(known.version, agent.__version__):
        return None
    return known.version


def check(
    folder: Path, now: datetime.datetime, fetch: Callable[[], bytes] | None = None
) -> Release:
    """Ask, judge and keep the answer; OSError, BadRelease."""
    release = releases.judge((fetch or fetched)(), now, seen(folder))
    if folder.is_dir():  # which the agent makes
        content = json.dumps(releases.to_json(release)).encode()
        host.write_private(folder / FILE, content)
    return release


def fetched(address: str = ADDRESS) -> bytes:
    """Return the release file; OSError, BadRelease for one that is too long."""
    opener = urllib.request.build_opener(_NoRedirect)
    opener.addheaders = [("User-Agent", "eid-agent")]
    try:
        with opener.open(address, timeout=_SECONDS) as answer:
            data: bytes = answer.read(releases.MAX_BYTES + 1)
    except HTTPException:
        raise OSError("no answer in the form of HTTP") from None
    if len(data) > releases.MAX_BYTES:
        raise BadRelease("release-form")
    return data


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address is fixed."""

    def redirect_request(self, *_: object) -> NoReturn:
        """Refuse: OSError."""
        raise OSError("the address of releases redirects")
