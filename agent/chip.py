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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent import chipproof, host
from agent.protocol import IdentityRequest
from cardio.card import Card, CardData
from cardio.errors import CardReset, CardUnreadable, ChipBlocked, UnsupportedCard

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


class Question:
    """48 bytes for a chip to sign; reaches a chip once, whatever is begun again.

    One for each fresh answer of a person. `permit` is asked right before the chip is.
    """

    def __init__(
        self, digest: bytes, permit: Callable[[], bool] = lambda: True
    ) -> None:
        self._digest = digest
        self._permit = permit
        self._put = False

    def put(self, card: Card) -> bytes:
        """Ask a recognised card's chip; returns r||s (96 bytes). In a transaction.

        CardReset means that the chip was not asked yet, so that all may be begun again.
        Raises what `Card.authenticate_chip` names; ChipBlocked also without permission.
        """
        try:
            return card.authenticate_chip(self._digest, self._about_to_ask)
        except CardReset:
            if self._put:
                raise CardUnreadable("reset while its chip was asked") from None
            raise

    def _about_to_ask(self) -> None:
        if self._put:
            raise RuntimeError("a chip is asked once")
        if not self._permit():
            raise ChipBlocked("no proof left today")
        self._put = True


def question(origin: str, challenge: str, limit: DailyLimit) -> Question:
    """Return the question of an identity request; counts where it is put."""
    digest = chipproof.chip_digest(origin, challenge)
    return Question(digest, lambda: limit.take(origin))


def members(card: Card, key_file: bytes | None, asked: Question) -> dict[str, object]:
    """Return what an identity answer says of the chip: `chip` or `chipUnavailable`.

    `blocked` stands for the chip's own limit and for ours. A card without EF 4040 is
    not asked. In the transaction in which `card` was recognised.
    """
    if key_file is None:
        return {"chipUnavailable": "unsupported"}
    try:
        signature = asked.put(card)
    except ChipBlocked:
        return {"chipUnavailable": "blocked"}
    except UnsupportedCard:
        return {"chipUnavailable": "unsupported"}
    return {"chip": chipproof.build(key_file, signature)}


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
        if used.day < today:
            used = _Day(today)
        used.day = today  # a clock that was ahead and is set back begins no new day
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
        except (ValueError, RecursionError):
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
    """Read what `DailyLimit` writes; ValueError, RecursionError for anything else."""
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
