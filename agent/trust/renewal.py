"""Replaces a CA that ends, and keeps stores that appear later in step (SAFETY 14).

In this order, so that at each moment a trusted CA signed what the agent serves: make
the next pair; import its CA wherever the present one is; serve the next leaf; take the
old CA out. Each step can be done again after a crash, which leaves a CA too many at
worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cryptography import x509

from agent import tls
from agent.trust import work
from agent.trust.record import Place, Record
from agent.trust.store import Store, StoreUnusable
from agent.trust.work import Open, Row

#: Puts the leaf of these files into the running endpoint, for new connections.
Serve = Callable[[tls.Files], None]


def adopt(
    stores: Iterable[Store], ca: x509.Certificate, open_store: Open, record: Record
) -> list[Row]:
    """Put the CA into stores that appeared since; returns these. OSError.

    Only where the person had it installed before. A store from which the person took
    the CA stands in the record, and is left alone.
    """
    opened = (open_store(p.name, p.path) for p in record.places() if p.ca == ca)
    if not any(store is not None and not store.system for store in opened):
        return []
    return work.install([s for s in stores if not record.has(s)], ca, record)


def renew(
    data_dir: Path,
    stores: Sequence[Store],
    open_store: Open,
    record: Record,
    serve: Serve,
) -> list[Row]:
    """Do what is due, and return the stores that refused; OSError, DataDirUnusable.

    A store that refuses puts the change off until the present certificate has ended:
    then the old CA is worth nothing there.
    """
    if (following := tls.prepare(data_dir)) is not None:
        if (present := tls.load(data_dir)) is not None:
            _note_by_hand(stores, present.ca_certificate(), record)
        refused = _spread(following.ca_certificate(), open_store, record)
        if refused and present is not None:
            return refused
        tls.switch(data_dir)
    files = tls.load(data_dir)
    if files is None:  # damaged while the agent runs: the next start makes one
        return []
    serve(files)
    refused = _spread(files.ca_certificate(), open_store, record)
    forget({files.ca_certificate()}, open_store, record)
    return refused


def _note_by_hand(
    stores: Iterable[Store], ca: x509.Certificate, record: Record
) -> None:
    """Write down where a person imported the CA by hand: it is renewed there, too."""
    for row, store in zip(work.status(stores, ca), stores, strict=True):
        if row.trusted and not record.has(store):
            record.add(store, ca)


def _spread(ca: x509.Certificate, open_store: Open, record: Record) -> list[Row]:
    """Put a CA wherever another of ours is; return the stores that refuse."""
    rows = []
    for place in record.places():
        store = open_store(place.name, place.path)
        if place.ca == ca or store is None or not store.there():
            continue
        [row] = work.status([store], place.ca)
        if row.trusted is False:  # the person took it out: not put in again
            record.add(store, ca)
            continue
        rows += work.install([store], ca, record) if row.trusted else [row]
    return [row for row in rows if not row.trusted]


def forget(keep: set[x509.Certificate], open_store: Open, record: Record) -> list[Row]:
    """Take other CAs of ours out, but never the only one that a store has; OSError."""
    old = [place for place in record.places() if place.ca not in keep]
    return work.remove(
        [place for place in old if _replaced(place, keep, open_store)],
        open_store,
        record,
    )


def _replaced(place: Place, keep: set[x509.Certificate], open_store: Open) -> bool:
    store = open_store(place.name, place.path)
    if store is None or not store.there():
        return True
    try:
        return not store.check(place.ca) or any(store.check(ca) for ca in keep)
    except StoreUnusable:
        return False
