"""What a card saw of one client, as numbers; pure."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

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


def _real(exchange: Exchange, atr: bytes) -> float:
    """Seconds of a real card; of a command with a PIN the record has the head only."""
    command = exchange.command.ljust(exchange.size, b"\0")
    return timing.seconds(atr, command, exchange.answer)


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
