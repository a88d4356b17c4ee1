"""Asks the chip to prove itself, within limits; touches one small file of the agent's.

The one road of the program to INTERNAL AUTHENTICATE: for an identity request whose
person has just answered, and for `card verify`, which a person typed (SAFETY 3).
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path

from agent import chipproof, host
from agent.protocol import IdentityRequest
from cardio.card import Card, CardData
from cardio.errors import (
    CardChanged,
    ChipBlocked,
    FileAbsent,
    NoCertificate,
    UnsupportedCard,
)
from cardio.files import EF

_log = logging.getLogger(__name__)

#: Proofs that one origin gets in a day (UTC).
LIMIT = 20

_FILE = "chip-proofs.json"
_APPLET = "1.8"


def possible(card: CardData | None) -> bool:
    """Tell whether this card's chip may be asked at all."""
    return card is not None and card.applet == _APPLET


def wanted(request: IdentityRequest, card: CardData | None) -> bool:
    """Tell whether the chip's proof belongs to the answer, and can be had."""
    asked = request.challenge is not None and "identity" in request.include
    return asked and possible(card)


def unsupported(challenge: str | None) -> dict[str, object]:
    """Return what an identity answer says where the chip is not asked."""
    return {} if challenge is None else {"chipUnavailable": "unsupported"}


@dataclass(frozen=True)
class ChipAnswer:
    """EF 4040 and what the chip made of a digest (r||s, 96 bytes)."""

    key_file: bytes
    signature: bytes


def ask(card: Card, serial: bytes, digest: bytes) -> ChipAnswer:
    """Ask a chip once; the card must be the one with this serial number.

    Never to be repeated, whatever it raises: ChipBlocked, UnsupportedCard (also for a
    card without EF 4040, which is then not asked), CardChanged and other CardErrors.
    """
    with card.transaction():
        if card.recognise().chip_serial != serial:
            raise CardChanged("another card than the one that was asked about")
        try:
            key_file = card.read(EF.BASIC_KEY)
        except (FileAbsent, NoCertificate):
            raise UnsupportedCard(card.atr, "the card has no public key") from None
    return ChipAnswer(key_file, card.authenticate_chip(digest))


def members(
    card: Card, serial: bytes, origin: str, challenge: str, limit: DailyLimit
) -> dict[str, object]:
    """Return what an identity answer says of the chip: `chip` or `chipUnavailable`.

    `blocked` stands for the chip's own limit and for ours. For a person's fresh answer
    alone, once for each.
    """
    if not limit.take(origin):
        return {"chipUnavailable": "blocked"}
    try:
        answer = ask(card, serial, chipproof.chip_digest(origin, challenge))
    except ChipBlocked:
        return {"chipUnavailable": "blocked"}
    except UnsupportedCard:
        return {"chipUnavailable": "unsupported"}
    return {"chip": chipproof.build(answer.key_file, answer.signature)}


@dataclass
class _Day:
    """What was used of a day; origins only as hashes with that day's salt."""

    day: str
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    counts: dict[str, int] = field(default_factory=dict)
    #: Where an origin that is not in `counts` begins.
    begin: int = 0


class DailyLimit:
    """At most LIMIT proofs an origin and day; survives the agent's end in `folder`.

    The file names nobody: a random salt, new each day, and hashes of origins. A proof
    that cannot be counted is not made, and a damaged file ends its day. Without folder
    the count lives as long as the agent.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / _FILE
        self._lock = threading.Lock()
        self._used: _Day | None = None

    def take(self, origin: str) -> bool:
        """Count one proof for an origin; False when there is none left today."""
        with self._lock:
            today = datetime.datetime.now(datetime.UTC).date().isoformat()
            try:
                return self._take(origin, today)
            except OSError as error:
                _log.warning("chip proofs cannot be counted: %s", type(error).__name__)
                return False

    def _take(self, origin: str, today: str) -> bool:
        used = self._used or self._load(today)
        if used.day < today:  # a clock that is set back begins no new day
            used = _Day(today)
        key = hashlib.sha256(used.salt + origin.encode()).hexdigest()
        count = used.counts.get(key, used.begin)
        self._used = used
        if count >= LIMIT:
            return False
        used.counts[key] = count + 1
        self._save(used)
        return True

    def _load(self, today: str) -> _Day:
        if self._path is None:
            return _Day(today)
        try:
            return _parse(host.read_private(self._path))
        except FileNotFoundError:
            return _Day(today)
        except ValueError:
            _log.warning("%s is damaged; no chip proofs today", _FILE)
            damaged = _Day(today, begin=LIMIT)
            self._save(damaged)
            return damaged

    def _save(self, used: _Day) -> None:
        if self._path is None:
            return
        stored = {
            "day": used.day,
            "salt": used.salt.hex(),
            "counts": used.counts,
            "begin": used.begin,
        }
        host.write_private(self._path, json.dumps(stored).encode())


def _parse(data: bytes) -> _Day:
    """Read what `DailyLimit` writes; ValueError for anything else."""
    match json.loads(data):
        case {
            "day": str(day),
            "salt": str(salt),
            "counts": dict(counts),
            "begin": int(begin),
        } if all(type(count) is int for count in counts.values()):
            return _Day(day, bytes.fromhex(salt), counts, begin)
        case _:
            raise ValueError("not what was written")
