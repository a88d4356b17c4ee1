"""Looks at stores, and puts a CA in or takes it out of many; writes down where.

What one store refuses does not keep the others from being done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography import x509

from agent.trust.record import Place, Record
from agent.trust.store import Store, StoreUnusable

#: From what is written down to the store; None for a kind that is not known.
Open = Callable[[str, str], Store | None]


@dataclass(frozen=True)
class Row:
    """What is true of one store: `trusted` is None where it cannot be told.

    `key` and `values` say it in a sentence of the catalogues.
    """

    name: str
    path: str
    trusted: bool | None
    key: str
    values: dict[str, object] = field(default_factory=dict)


def status(stores: Iterable[Store], ca: x509.Certificate) -> list[Row]:
    """Return what each store thinks of the CA; changes nothing."""
    return [_look(store, ca) for store in stores]


def _look(store: Store, ca: x509.Certificate) -> Row:
    try:
        trusted = store.check(ca)
    except StoreUnusable as error:
        return _refused(store, error)
    return _row(store, trusted, "trust-yes" if trusted else "trust-no")


def install(stores: Iterable[Store], ca: x509.Certificate, record: Record) -> list[Row]:
    """Put the CA into every store that does not trust it yet; OSError."""
    return [_install(store, ca, record) for store in stores]


def _install(store: Store, ca: x509.Certificate, record: Record) -> Row:
    try:
        if store.check(ca):
            return _row(store, True, "trust-yes")
        record.add(store, ca)
        try:
            store.install(ca)
        except StoreUnusable:
            _forget_if_absent(store, ca, record)
            raise
        return _look(store, ca)
    except StoreUnusable as error:
        return _refused(store, error)


def _forget_if_absent(store: Store, ca: x509.Certificate, record: Record) -> None:
    """Drop a place that was not changed after all."""
    if not store.check(ca):
        record.drop(Place(store.name, store.path, ca))


def remove(places: Iterable[Place], open_store: Open, record: Record) -> list[Row]:
    """Undo these places; one that has vanished is done already. OSError."""
    return [_remove(place, open_store, record) for place in places]


def _remove(place: Place, open_store: Open, record: Record) -> Row:
    store = open_store(place.name, place.path)
    if store is None:  # of a later version, or of another system
        return Row(place.name, place.path, None, "trust-unknown")
    row = take_out(store, place.ca)
    if row.trusted is False:
        record.drop(place)
    return row


def take_out(store: Store, ca: x509.Certificate) -> Row:
    """Take a CA out of one store, written down or not."""
    try:
        if store.there():
            store.remove(ca)
    except StoreUnusable as error:
        return _refused(store, error)
    return _row(store, False, "trust-removed")


def _row(store: Store, trusted: bool, key: str) -> Row:
    return Row(store.name, store.path, trusted, key)


def _refused(store: Store, error: StoreUnusable) -> Row:
    return Row(store.name, store.path, None, error.key, error.values)
