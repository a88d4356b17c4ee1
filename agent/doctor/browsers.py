"""What browsers were told: by an administrator, by the person, and of a proxy.

Reads their files and changes none. What a policy or a profile says is judged by pure
functions, which take what stands in the file.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import getproxies, proxy_bypass

from agent.doctor.findings import Finding, Phrase, found
from agent.host import machine

#: Names of this computer that a rule of a browser may have.
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
#: Sites that these name may not reach this computer (Chrome 140 and newer).
_BLOCKING = ("LoopbackNetworkBlockedForUrls", "LocalNetworkAccessBlockedForUrls")
#: Chromium's `<-loopback>` takes this computer's own names into the proxy.
_THROUGH_PROXY = "<-loopback>"
#: The permission's names in Chromium's preferences, and the value that refuses, as
#: Chromium 156 wrote them.
_PERMISSIONS = ("loopback_network", "local_network_access")
_BLOCK = 2
#: The same in Firefox' `permissions.sqlite`.
_FIREFOX_PERMISSIONS = ("loopback-network", "localhost")
_MAX_BYTES = 32 * 1024 * 1024


# --- an administrator's policies -----------------------------------------------------


def policies() -> Iterator[Finding]:
    """Tell what the browsers' policies keep from the agent."""
    told = [
        *((file, chromium_policy) for file in machine.chromium_policies()),
        *((file, firefox_policy) for file in machine.firefox_policies()),
    ]
    findings = [one for file, judge in told for one in _policy(file, judge)]
    if findings:
        yield from findings
    elif told:
        yield found("browser-policy-good", count=len(told))
    else:
        yield found("browser-policy-none")


def _policy(
    file: Path, judge: Callable[[Mapping[str, Any]], list[str]]
) -> list[Finding]:
    try:
        content = json.loads(file.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("no object")
    except OSError:
        return [found("browser-policy-unread", path=file)]
    except (ValueError, RecursionError):
        return [found("browser-policy-malformed", path=file)]
    members = judge(content)
    return [found("browser-policy-blocks", path=file, member=name) for name in members]


def chromium_policy(policy: Mapping[str, Any]) -> list[str]:
    """Return the members of a policy that keep sites from this computer."""
    blocking = [name for name in _BLOCKING if policy.get(name)]
    if any(_names_loopback(rule) for rule in _list(policy.get("URLBlocklist"))):
        allowed = map(_names_loopback, _list(policy.get("URLAllowlist")))
        blocking += [] if any(allowed) else ["URLBlocklist"]
    proxy = policy.get("ProxySettings")
    bypass = proxy.get("ProxyBypassList") if isinstance(proxy, dict) else None
    for name, value in (
        ("ProxySettings", bypass),
        ("ProxyBypassList", policy.get("ProxyBypassList")),
    ):
        if _THROUGH_PROXY in str(value or ""):
            blocking.append(name)
    return blocking


def firefox_policy(policy: Mapping[str, Any]) -> list[str]:
    """Return the members of a policy that keep sites from this computer."""
    inner = policy.get("policies")
    if not isinstance(inner, dict):
        return []
    blocking = []
    access = inner.get("LocalNetworkAccess")
    if isinstance(access, dict) and access.get("EnablePrompting") is False:
        blocking += [] if access.get("SkipDomains") else ["LocalNetworkAccess"]
    sites = inner.get("WebsiteFilter")
    rules = _list(sites.get("Block")) if isinstance(sites, dict) else []
    if any(_names_loopback(rule) or rule == "<all_urls>" for rule in rules):
        blocking.append("WebsiteFilter")
    return blocking


def _list(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _names_loopback(rule: str) -> bool:
    """Tell whether a rule for addresses is about all of them, or this computer."""
    name = re.sub(r"^[a-z*]+://", "", rule.lower()).strip(".")
    return rule == "*" or name.startswith(_LOOPBACK)


# --- what a person answered ----------------------------------------------------------


def permissions(home: Path, firefox_profiles: Iterable[Path]) -> Iterator[Finding]:
    """Tell which sites a person forbade to reach this computer, in any browser."""
    refused: list[tuple[str, list[str]]] = []
    unread = 0
    for browser, profiles, read in (
        ("chromium", _chromium_preferences(home), _refused_in_chromium),
        ("firefox", firefox_profiles, _refused_in_firefox),
    ):
        for profile in profiles:
            try:
                refused.append((browser, read(profile)))
            except (OSError, ValueError, RecursionError, sqlite3.Error):
                unread += 1
    blocked = [(browser, sites) for browser, sites in refused if sites]
    for browser, sites in blocked:
        names = ", ".join(sites)
        store = Phrase(f"store-{browser}")
        yield found("permission-blocked", store=store, count=len(sites), sites=names)
    if unread:
        yield found("permission-unread", count=unread)
    if not blocked and not unread:
        yield found("permission-clean")


def _chromium_preferences(home: Path) -> list[Path]:
    folders = machine.chromium_profiles(home)
    return [file for folder in folders for file in folder.glob("*/Preferences")]


def _refused_in_chromium(file: Path) -> list[str]:
    if file.stat().st_size > _MAX_BYTES:
        raise ValueError("too long")
    return refused_sites(json.loads(file.read_bytes()))


def refused_sites(preferences: object) -> list[str]:
    """Return the sites that Chromium's preferences keep from this computer."""
    exceptions: object = preferences
    for name in ("profile", "content_settings", "exceptions"):
        exceptions = exceptions.get(name) if isinstance(exceptions, dict) else None
    if not isinstance(exceptions, dict):
        return []
    sites: dict[str, None] = {}
    for permission in _PERMISSIONS:
        answers = exceptions.get(permission)
        for pattern, answer in answers.items() if isinstance(answers, dict) else ():
            if isinstance(answer, dict) and answer.get("setting") == _BLOCK:
                sites[str(pattern).partition(",")[0]] = None
    return list(sites)


def _refused_in_firefox(profile: Path) -> list[str]:
    file = profile / "permissions.sqlite"
    if not file.is_file():
        return []
    # Firefox keeps it locked while it runs; `immutable` reads past that.
    address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
        rows = database.execute(
            "select distinct origin from moz_perms"
            " where permission = ? and type in (?, ?)",
            (_BLOCK, *_FIREFOX_PERMISSIONS),
        )
        return [str(origin) for (origin,) in rows]


# --- a proxy -------------------------------------------------------------------------


def proxy(firefox_profiles: Iterable[Path]) -> Iterator[Finding]:
    """Tell whether a proxy could come between a browser and this computer."""
    hijacked = [folder for folder in firefox_profiles if _hijacks(folder)]
    for folder in hijacked:
        yield found("proxy-localhost", path=folder)
    if not hijacked:
        used = getproxies()
        around = not used or all(map(proxy_bypass, ("localhost", "127.0.0.1")))
        yield found("proxy-none" if around else "proxy-used")


def _hijacks(profile: Path) -> bool:
    for name in ("prefs.js", "user.js"):
        try:
            said = (profile / name).read_text("utf-8", "replace")
        except OSError:
            continue
        if re.search(r'"network\.proxy\.allow_hijacking_localhost",\s*true', said):
            return True
    return False
