"""`eid-agent trust`: the CA certificate that browsers have to trust, and their stores.

Touches the data folder, where only the holder of its lock makes the certificate, and
through `agent.trust` the stores of the user, or with `--system` of the machine.

JSON: `stores`, each with `name`, `path`, `trusted` (null: cannot be told) and `detail`.
Exit code 0 when all trust the agent (`remove`: none does any more), else 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent import tls
from agent.commands import Failure, answer, data_dir
from agent.commands.reasons import Located
from agent.host import register
from agent.instance import (
    AlreadyRunning,
    Instance,
    NotRunning,
    is_running,
    running_port,
)
from agent.texts import text
from agent.trust import own, renewal, stores, work
from agent.trust.record import Record, RecordBusy
from agent.trust.runner import SystemRunner
from agent.trust.store import Store, pem
from agent.trust.work import Row
from agent.words import one_line


def main(options: argparse.Namespace) -> int:
    """Do one of the four; Failure."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "install": _install,
        "remove": _remove,
        "status": _status,
        "show": _show,
    }
    folder = data_dir(options.data_dir)
    try:
        return actions[options.action](options)
    except tls.DataDirUnusable as error:
        raise Failure("cli-data-dir", reason=error) from None
    except OSError as error:
        raise Failure("cli-data-dir", reason=Located(folder, error)) from None
    except RecordBusy:
        raise Failure("cli-trust-busy") from None


# --- the four ------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    """Print the CA as PEM; made now if this is the first start."""
    ca = _certificate(data_dir(options.data_dir))
    if options.json:
        shown = {
            "certificate": pem(ca).decode(),
            "sha256": ca.fingerprint(hashes.SHA256()).hex(),
            "validUntil": ca.not_valid_after_utc.date().isoformat(),
        }
        answer(json.dumps(shown))
    else:
        answer(pem(ca).decode().rstrip())
    return 0


def _status(options: argparse.Namespace) -> int:
    """Say what each store thinks of the CA, and what a running agent's port shows."""
    folder = data_dir(options.data_dir)
    ca = _certificate(folder)
    rows = [*work.status(_found(options), ca), *_on_port(folder)]
    _print(rows, options)
    doubted = [row for row in rows if not row.trusted]
    if doubted and all(row.name == "localhost" for row in doubted):
        raise Failure(doubted[0].key, **doubted[0].values)  # no store would mend it
    if doubted:
        system = " --system" if options.system else ""
        raise Failure("cli-trust-not-all", option=system)
    return 0


def _install(options: argparse.Namespace) -> int:
    """Put the CA into every store."""
    folder = data_dir(options.data_dir)
    rows = _put(folder, _certificate(folder), _here(), lambda: _found(options))
    _print(rows, options)
    if not all(row.trusted for row in rows):
        raise Failure("cli-trust-not-installed")
    if not options.json:  # Chromium keeps a refusal for as long as it runs
        answer(text("trust-restart", options.lang))
    return 0


def _put(
    folder: Path,
    ca: x509.Certificate,
    here: stores.Stores,
    find: Callable[[], Sequence[Store]],
) -> list[Row]:
    """Put the CA into stores; the next one too, where it is made already.

    OSError, RecordBusy.
    """
    following = tls.following(folder)
    record = Record(folder)
    with record.alone():
        found = find()
        rows = work.install(found, ca, record)
        keep = {ca}
        if following is not None:
            keep.add(following.ca_certificate())
            more = work.install(found, following.ca_certificate(), record)
            pairs = zip(rows, more, strict=True)
            rows = [one if not one.trusted else other for one, other in pairs]
        renewal.forget(keep, here.named, record)
    return rows


def _remove(options: argparse.Namespace) -> int:
    """Undo what was installed, and that alone, whichever CA it was."""
    folders = register.noted() if options.noted else [data_dir(options.data_dir)]
    rows = [row for folder in folders for row in _removed(folder, options)]
    _print(rows, options)
    if not all(row.trusted is False for row in rows):
        raise Failure("cli-trust-not-removed")
    return 0


def _removed(folder: Path, options: argparse.Namespace) -> list[Row]:
    """Undo what was installed for one data folder; return what came of it."""
    rows: list[Row] = []
    if folder.is_dir():
        record, here = Record(folder), _here()
        with record.alone():
            chosen = [
                place
                for place in record.places()
                if _is_of_machine(here.named(place.name, place.path)) is options.system
            ]
            rows = work.remove(chosen, here.named, record)
            for ca in {place.ca for place in chosen if place.name == "firefox-policy"}:
                rows += _copies(ca, here, record)
    return rows


def _is_of_machine(store: Store | None) -> bool:
    return store is not None and store.system


def _copies(ca: x509.Certificate, here: stores.Stores, record: Record) -> list[Row]:
    """Take out what Firefox copied from its policy; return the profiles that refuse."""
    taken = [
        work.take_out(store, ca)
        for store in here.of_user()
        if store.name.startswith("firefox") and not record.has(store, ca)
    ]
    return [row for row in taken if row.trusted is not False]


# --- for a running agent's own window -------------------------------------------------


def look(folder: Path) -> list[Row]:
    """Return what the user's stores think of the agent; none without a certificate.

    OSError, DataDirUnusable. Nothing asks for a password.
    """
    files = tls.load(folder)
    if files is None:
        return []
    found = _unattended().of_user()
    return [*work.status(found, files.ca_certificate()), *_on_port(folder)]


def repair(folder: Path) -> list[Row]:
    """Put the CA into the user's stores, and return what `look` does, with reasons.

    OSError, DataDirUnusable, RecordBusy.
    """
    files = tls.load(folder)
    if files is None:
        return []
    here = _unattended()
    rows = _put(folder, files.ca_certificate(), here, here.of_user)
    return [*rows, *_on_port(folder)]


def sentence(row: Row, lang: str) -> str:
    """Return what is true of a store, in words."""
    name = text(f"store-{row.name}", lang)
    return f"{name} ({one_line(row.path)}): {_detail(row, lang)}"


# --- what they share -----------------------------------------------------------------


def _here() -> stores.Stores:
    return stores.here(SystemRunner(attended=True))


def _unattended() -> stores.Stores:
    return stores.here(SystemRunner(attended=False))


def _found(options: argparse.Namespace) -> Sequence[Store]:
    """Return the stores that are meant; Failure."""
    if not options.system:
        return _here().of_user()
    if "SUDO_USER" in os.environ and options.data_dir is None:
        raise Failure("cli-trust-sudo")  # root has another certificate of its own
    return _here().of_machine()


def _on_port(folder: Path) -> list[Row]:
    """Return what the port of a running agent shows; nothing where none runs."""
    files = tls.load(folder)
    if files is None or not is_running(folder):
        return []
    try:
        port = running_port(folder)
    except NotRunning:
        return []
    try:
        issuer = own.stranger(port, files.leaf_certificate())
    except (OSError, ValueError):
        issuer = "?"
    url = f"https://localhost:{port}"
    if issuer is None:
        return [Row("localhost", url, True, "trust-port")]
    values: dict[str, object] = {"port": port, "issuer": f'"{issuer}"'}
    return [Row("localhost", url, False, "trust-intercepted", values)]


def _certificate(folder: Path) -> x509.Certificate:
    """Return the CA of the data folder, made now if there is none."""
    return (tls.load(folder) or _made(folder)).ca_certificate()


def _made(folder: Path) -> tls.Files:
    """Make the certificate, or return the one that a running agent uses."""
    try:
        instance = Instance(folder)
    except AlreadyRunning:
        return _in_use(folder)
    try:
        return tls.load_or_create(folder)
    finally:
        instance.close()


def _in_use(folder: Path) -> tls.Files:
    with contextlib.suppress(NotRunning):
        running_port(folder)  # one that is just starting makes its certificate first
    files = tls.load(folder)
    if files is None:
        raise Failure("cli-trust-old")
    return files


def _print(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Print each store, in words or for programs."""
    if options.json:
        listed = [
            {
                "name": row.name,
                "path": row.path,
                "trusted": row.trusted,
                "detail": _detail(row, options.lang),
            }
            for row in rows
        ]
        answer(json.dumps({"stores": listed}, ensure_ascii=False))
        return
    for row in rows:
        answer(sentence(row, options.lang))
    if not rows:
        answer(text("trust-none", options.lang))


def _detail(row: Row, lang: str) -> str:
    return one_line(text(row.key, lang, **row.values)).strip()
