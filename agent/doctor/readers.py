"""Service, readers and cards; touches them through what it is given.

Of a card are read: what it is, its certificates and how many tries are left, which
costs none. A service that does not answer is waited for no longer than a few seconds.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from cryptography import x509

from agent import host
from agent.doctor.endpoint import judge_dates
from agent.doctor.findings import Finding, found
from agent.host import machine
from agent.inspection import Found, look_into_all, on_card
from agent.validity import SOON
from cardio.beid.pinpad import STANDARD, quirks
from cardio.card import Card, CardSource
from cardio.errors import (
    CardBusy,
    CardError,
    CardMute,
    CardNotActivated,
    ModuleUnusable,
    NoCertificate,
    ServiceRefused,
    ServiceStopped,
    ServiceUnavailable,
    UnsupportedCard,
)
from cardio.files import EF

T = TypeVar("T")

#: A card is read within it, slow ones too.
SECONDS = 30.0
#: Below it a person is told.
_ALL_TRIES = 3

#: What is said of a card that cannot be used.
_CARDS: tuple[tuple[type[CardError], str], ...] = (
    (UnsupportedCard, "card-unknown"),
    (CardBusy, "card-busy"),
    (CardNotActivated, "card-inactive"),
    (CardMute, "card-mute"),
    (CardError, "card-illegible"),
)


class Silent(Exception):
    """The service did not answer in time."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what work returns; Silent when that takes too long.

    winscard knows no time limit: the thread is left behind then.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # told to who waits
            failed.append(error)

    thread = threading.Thread(target=run, name="doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise Silent
    return done[0]


def look(
    source: Callable[[], CardSource], now: datetime.datetime, seconds: float = SECONDS
) -> Iterator[Finding]:
    """Tell how it stands with service, drivers, readers and cards.

    `source` makes the readers; ImportError where their library is missing.
    """
    try:
        made = source()
        readers = within(seconds, lambda: look_into_all(made))
    except ImportError:
        yield found("service-library")
        return
    except Silent:
        yield found("service-mute")
        return
    except (ServiceUnavailable, ModuleUnusable) as error:
        yield service_fault(error, installed=machine.service_installed())
        return
    yield found("service-good")
    if not made.virtual:
        yield driver(
            len(readers), machine.usb_readers(), installed=machine.driver_installed()
        )
        yield from virtual_reader()
    yield from judge_readers(readers)
    for reader in readers:
        if reader.card is not None:
            yield from _card(made, reader, now, seconds)


def service_fault(error: CardError, *, installed: bool) -> Finding:
    """Return what is wrong with the service that nobody could ask."""
    if isinstance(error, ModuleUnusable):
        return found("service-module", path=error.path)
    if not installed:
        return found("service-absent")
    if isinstance(error, ServiceRefused):
        return found("service-refused")
    stopped = isinstance(error, ServiceStopped)
    return found("service-stopped" if stopped else "service-mute")


def driver(shown: int, by_usb: int, *, installed: bool) -> Finding:
    """Return how it stands with the driver: readers that it should show, and does."""
    if by_usb and not installed:
        return found("driver-missing")
    if by_usb and not shown:
        return found("driver-unseen")
    return found("driver-good")


def virtual_reader() -> Iterator[Finding]:
    """Tell whether other computers can put a card into the virtual reader."""
    holders = host.listeners(machine.vpcd_ports())
    opened = [port for port, holder in sorted(holders.items()) if holder.everywhere]
    if opened:
        yield found("vpcd-open", port=opened[0])
    else:
        yield found("vpcd-none")


def judge_readers(readers: Sequence[Found]) -> Iterator[Finding]:
    """Return what is said of each reader, and of each card that cannot be used.

    An empty reader counts only where no reader holds a card.
    """
    if not readers:
        yield found("reader-none")
        return
    for reader in readers:
        yield _reader(reader.state.name)
    for reader in readers:
        name = reader.state.name
        if reader.error is not None:
            key = next(key for kind, key in _CARDS if isinstance(reader.error, kind))
            yield found(key, reader=name)
        elif reader.card is not None:
            yield _judge_card(reader)
    if all(reader.state.atr is None for reader in readers):
        yield found("card-none")


def _reader(name: str) -> Finding:
    known = quirks(name)
    if known == STANDARD:
        return found("reader-good", reader=name)
    key = "reader-gempc" if known.intercepts_verify else "reader-spr"
    return found(key, reader=name)


def _judge_card(reader: Found) -> Finding:
    assert reader.card is not None
    name, applet = reader.state.name, reader.card.applet
    if not reader.active:
        return found("card-inactive", reader=name)
    usable = applet in ("1.7", "1.8")
    return found("card-good" if usable else "card-old", reader=name, applet=applet)


def _card(
    source: CardSource, reader: Found, now: datetime.datetime, seconds: float
) -> Iterator[Finding]:
    """Tell the dates of a card's certificate, and the tries left."""
    name = reader.state.name

    def work(card: Card) -> tuple[bytes | None, int | None]:
        card.recognise()
        try:
            certificate = card.read_certificate(EF.AUTHENTICATION)
        except (NoCertificate, CardNotActivated):
            certificate = None
        return certificate, card.pin_status().tries_left if card.signs else None

    try:
        der, tries = within(seconds, lambda: on_card(source, name, work))
    except Silent:
        yield found("card-mute", reader=name)
        return
    except CardError:
        yield found("card-illegible", reader=name)
        return
    if der is None:
        yield found("card-certificate-none")
        return
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        yield found("card-illegible", reader=name)
    else:
        yield judge_dates("card-certificate", certificate, now, SOON)
    yield judge_tries(tries)


def judge_tries(tries: int | None) -> Finding:
    """Return what a number of tries means."""
    if tries is None:
        return found("pin-unknown")
    if tries == 0:
        return found("pin-blocked")
    return found("pin-few" if tries < _ALL_TRIES else "pin-good", tries=tries)
