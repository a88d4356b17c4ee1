"""The agent itself: does it run, where, with which certificate, and who trusts that?

Looks at the data folder, at ports of this computer and at the stores of browsers.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from agent import certs, host, tls
from agent.connections import PORTS
from agent.doctor.findings import Finding, Phrase, found
from agent.host.peers import Listener
from agent.instance import NotRunning, is_running, running_port
from agent.journal import FILE as JOURNAL
from agent.journal import Journal
from agent.originstore import OriginsRefused, OriginStore
from agent.trust import own, work
from agent.trust.store import Store

#: How the issuer of an agent's certificate is called, whosever agent it is.
_OURS = "eid-agent localhost CA "
#: For a program of this computer to say who it is; more would be waited for in vain.
_SECONDS = 1.0


def agent(folder: Path, port: int | None) -> Finding:
    """Tell whether the agent of the data folder runs; `port`: where, if it says so."""
    if port is not None:
        return found("agent-running", port=port)
    return found("agent-silent" if is_running(folder) else "agent-absent")


def port_of(folder: Path) -> int | None:
    """Return the port of the agent that runs; None where none does, or says so."""
    try:
        return running_port(folder) if is_running(folder) else None
    except NotRunning:
        return None


def ports(port: int | None) -> Iterator[Finding]:
    """Tell who holds the ports on which pages look; `port` is the running agent's."""
    holders = host.listeners(PORTS)
    yield judge_ports(port, holders)
    for other in sorted(holders):
        if other != port and _is_agent(other):
            yield found("port-other-agent", port=other)


def judge_ports(port: int | None, holders: dict[int, Listener]) -> Finding:
    """Return what follows from who listens where."""
    if port is not None:
        return found("port-own" if port in PORTS else "port-outside", port=port)
    free = [each for each in PORTS if each not in holders]
    names = {holder.program or "?" for holder in holders.values()}
    if not free:
        return found("port-taken", programs=", ".join(sorted(names)))
    if free[0] != PORTS[0]:
        first = holders[PORTS[0]].program or "?"
        return found("port-shared", port=PORTS[0], program=first, free=free[0])
    return found("port-free", port=free[0])


def _is_agent(port: int) -> bool:
    try:
        return own.issuer(own.shown(port, _SECONDS)).startswith(_OURS)
    except (OSError, ValueError):
        return False


def certificate(folder: Path, now: datetime.datetime) -> Finding:
    """Tell how the agent's certificate stands at a moment."""
    try:
        leaf = tls.leaf_as_it_is(folder)
    except FileNotFoundError:
        return found("certificate-none")
    except PermissionError:
        return found("agent-folder", path=folder)
    except (OSError, ValueError):
        return found("certificate-damaged")
    return judge_dates("certificate", leaf, now, certs.RENEW_BEFORE)


def judge_dates(
    line: str,
    certificate: x509.Certificate,
    now: datetime.datetime,
    before: datetime.timedelta,
) -> Finding:
    """Return how a certificate's dates stand; `before` its end it is said to end."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return found(f"{line}-early", date=begin.date().isoformat())
    state = "ended" if now > end else "ends" if now > end - before else "good"
    return found(f"{line}-{state}", date=end.date().isoformat())


def connection(folder: Path, port: int) -> Finding:
    """Tell whose certificate is shown on the agent's port."""
    try:
        issuer = own.stranger(port, tls.leaf_as_it_is(folder))
    except (OSError, ValueError):
        return found("connection-failed", port=port)
    if issuer is None:
        return found("connection-own")
    return found("connection-intercepted", issuer=issuer)


def trust(folder: Path, stores: list[Store]) -> Iterator[Finding]:
    """Tell for each store whether it trusts the agent's CA."""
    if not stores:
        yield found("trust-nowhere")
        return
    try:
        files = tls.load(folder)
    except tls.DataDirUnusable:  # said of the certificate
        files = None
    rows = [] if files is None else work.status(stores, files.ca_certificate())
    for row in rows:
        store, place = Phrase(f"store-{row.name}"), row.path
        if row.trusted is None:
            reason = Phrase(row.key, row.values)
            yield found("trust-unknown", store=store, place=place, reason=reason)
        else:
            code = "trust-yes" if row.trusted else "trust-no"
            yield found(code, store=store, place=place)


def kept(folder: Path) -> Iterator[Finding]:
    """Tell whether the agent can read what it keeps."""
    refused = bad = None
    try:
        OriginStore(folder).read()
    except OriginsRefused as error:
        refused = error
        yield found("data-origins", path=error.path, reason=Phrase(error.reason))
    try:
        bad = Journal(folder).read().bad
    except OSError:
        bad = (0,)
    if bad:
        yield found("data-journal", path=folder / JOURNAL)
    if not bad and refused is None:
        yield found("data-good")


def confined(stores: list[Store]) -> list[Finding]:
    """Tell which browsers are snaps or Flatpaks."""
    names = {store.name for store in stores}
    boxed = sorted(name for name in names if name.endswith(("-snap", "-flatpak")))
    if not boxed:
        return [found("confined-none")]
    return [found("confined-found", store=Phrase(f"store-{name}")) for name in boxed]
