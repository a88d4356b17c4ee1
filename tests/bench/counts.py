"""What a card saw of one client, as numbers, and what it may be at most; pure."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from cardio.apdu import INS
from cardio.files import EF
from cardio.virtual import timing
from tests.rig.transcript import Exchange


@dataclass(frozen=True)
class Cost:
    """One task of one client, as the card counted it.

    Bytes include GET RESPONSE and status words. `host_ms` is the median time between
    the card's answer and the next command: client, PC/SC service and driver, without
    the card itself. `card_seconds` is what a real card and reader would take for just
    these commands (`cardio.virtual.timing`, with its assumptions); `seconds` the whole
    task with the virtual card, which takes hardly any time.
    """

    apdus: int
    sent: int
    received: int
    host_ms: float
    card_seconds: float
    seconds: float

    @classmethod
    def of(cls, exchanges: Sequence[Exchange], seconds: float, atr: bytes) -> Cost:
        """Count the exchanges of one task."""
        pairs = itertools.pairwise(exchanges)
        gaps = [after.began - before.ended for before, after in pairs]
        return cls(
            apdus=len(exchanges),
            sent=sum(exchange.size for exchange in exchanges),
            received=sum(len(exchange.answer) for exchange in exchanges),
            host_ms=1000 * statistics.median(gaps) if gaps else 0.0,
            card_seconds=sum(_real(exchange, atr) for exchange in exchanges),
            seconds=seconds,
        )


def of_file(exchanges: Sequence[Exchange], ef: EF) -> list[Exchange]:
    """Return the commands for one file: its SELECT, and what follows until the next."""
    selected, found = b"", []
    for exchange in exchanges:
        if exchange.ins == INS.SELECT:
            selected = exchange.command[-2:]
        if selected == ef.fid.to_bytes(2, "big"):
            found.append(exchange)
    return found


def _real(exchange: Exchange, atr: bytes) -> float:
    """Seconds of a real card; of a command with a PIN the record has the head only."""
    command = exchange.command.ljust(exchange.size, b"\0")
    return timing.seconds(atr, command, exchange.answer)


#: Commands that we may need at most: identity, address, photo, both signatures and RRN
#: certificate; the same with that one known; a login of a card that was looked at.
MOST_READ, MOST_KNOWN, MOST_LOGIN = 32, 26, 10
#: Commands of the official PKCS#11 module on the same cards, counted once elsewhere.
OFFICIAL_READ = {"1.7": 44, "1.8": 47}
OFFICIAL_LOGIN = {"1.7": 20, "1.8": 24}
#: Bytes of that login, both ways, with status words.
OFFICIAL_LOGIN_BYTES = {"1.7": 172 + 1484, "1.8": 208 + 2091}

HEAD = f"{'':46}{'APDUs':>7}{'sent':>8}{'received':>10}{'host/APDU':>12}"
HEAD += f"{'real card':>11}{'whole':>9}"


def row(name: str, cost: Cost) -> str:
    """One line of the table."""
    return (
        f"{name:46}{cost.apdus:7}{cost.sent:8}{cost.received:10}"
        f"{cost.host_ms:9.2f} ms{cost.card_seconds:9.2f} s{cost.seconds:7.2f} s"
    )


def ratio(ours: Cost, theirs: Cost) -> str:
    """Ours divided by theirs; below 1 we need less."""
    numbers = (
        ours.apdus / theirs.apdus,
        ours.sent / theirs.sent,
        ours.received / theirs.received,
        ours.host_ms / theirs.host_ms,
        ours.card_seconds / theirs.card_seconds,
        ours.seconds / theirs.seconds,
    )
    a, b, c, d, e, f = numbers
    line = f"{'  ours / OpenSC':46}{a:7.2f}{b:8.2f}{c:10.2f}{d:9.2f}"
    return f"{line}   {e:9.2f}  {f:7.2f}"
