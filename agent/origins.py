"""Sites and what a person lets them do for longer; pure values, touches nothing.

A grant is given by the command `origins allow`, or in a window by "always". The latter
holds for one site, one capability, one exact set of data and one card (SAFETY 13).
"""

from __future__ import annotations

import calendar
import datetime
import hashlib
import ipaddress
import json
import re
import unicodedata
from dataclasses import dataclass

import idna

from agent.gate import is_origin

CAPABILITIES = ("identity", "login", "sign")
#: Data that can be allowed for always, in the order of the API; a photo never.
ALWAYS_DATA = ("identity", "address")
MONTHS = 13
#: Nobody allows as many sites; what holds more was not written by us.
MAX_GRANTS = 1000
_SALT_BYTES = 16

_PORTS = {"https": 443, "http": 80}
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
#: Scripts that one word of Chinese, Japanese or Korean mixes, as `unicodedata` says.
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})


class BadOrigin(ValueError):
    """No origin that a browser would send; `reason` is the key of a text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def normalised(url: str) -> str:
    """Return an origin as browsers write it; BadOrigin.

    International names become punycode (UTS #46 and IDNA 2008, as browsers do it),
    capitals small letters, and the scheme's own port is left out. http is for pages of
    this computer alone.
    """
    scheme, separator, place = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise BadOrigin("reason-origin-scheme")
    if re.search(r"[/?#\\]", place):
        raise BadOrigin("reason-origin-path")
    if "@" in place:
        raise BadOrigin("reason-origin-person")
    parts = _PLACE.fullmatch(place)
    if parts is None:
        raise BadOrigin("reason-origin-name")
    port = int(parts[2] or _PORTS[scheme])
    if not 1 <= port <= 65535:
        raise BadOrigin("reason-origin-port")
    suffix = "" if port == _PORTS[scheme] else f":{port}"
    origin = f"{scheme}://{_host(parts[1])}{suffix}"
    if not is_origin(origin):
        raise BadOrigin(f"reason-origin-{'http' if scheme == 'http' else 'name'}")
    return origin


def _host(name: str) -> str:
    try:
        if name.startswith("["):
            return f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
        if name.isascii():
            return name.lower()
        return idna.encode(name, uts46=True).decode("ascii").lower()
    except ValueError:  # an address or name that cannot be
        raise BadOrigin("reason-origin-name") from None


def mixed_labels(origin: str) -> tuple[str, ...]:
    """Return the parts of a name, as sent, whose letters are of several scripts.

    Such a part may be made to look like another. What is one script throughout is not
    found: it may look like another all the same.
    """
    host = origin.partition("://")[2]
    return tuple(label for label in re.split(r"[.:]", host) if len(_scripts(label)) > 1)


def _scripts(label: str) -> set[str]:
    """Return the scripts of a label's letters, by the first word of their names."""
    if not label.startswith("xn--"):
        return set()
    try:
        letters = label[4:].encode("ascii").decode("punycode")
    except ValueError:  # no punycode at all: shown as it is
        return set()
    first = (
        unicodedata.name(letter, "?").partition(" ")[0]
        for letter in letters
        if letter.isalpha()
    )
    scripts = {"EAST ASIAN" if name in _EAST_ASIAN else name for name in first}
    # Japanese and Chinese names mix Latin letters in, and look like no Latin word.
    return scripts - {"LATIN"} if "EAST ASIAN" in scripts else scripts


# --- grants ---------------------------------------------------------------------------


def end(begin: datetime.date) -> datetime.date:
    """Return the day on which a grant of this day no longer counts."""
    years, month = divmod(begin.month - 1 + MONTHS, 12)
    year, month = begin.year + years, month + 1
    last = calendar.monthrange(year, month)[1]
    return datetime.date(year, month, min(begin.day, last))


@dataclass(frozen=True)
class Grant:
    """What one site may do until the day `until` (UTC).

    Given by the command `origins allow` it names neither data nor card, and never
    stands for a consent to a real card's data. Given by "always" it names a card, as
    `Stored.mark` calls it, and for `identity` the exact data, in the API's order.
    """

    origin: str
    capability: str
    until: datetime.date
    data: tuple[str, ...] = ()
    card: str | None = None

    def counts(self, today: datetime.date) -> bool:
        """Tell whether it holds; one that lasts too long was not given by us."""
        return today < self.until <= end(today)


@dataclass(frozen=True)
class Stored:
    """All grants, and the salt under which cards are remembered."""

    salt: bytes
    grants: tuple[Grant, ...] = ()

    def mark(self, chip_serial: bytes) -> str:
        """Return what a card is called here: a salted hash of its chip number, hex."""
        return hashlib.sha256(self.salt + chip_serial).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the file."""
        grants = [
            {
                "origin": grant.origin,
                "capability": grant.capability,
                "until": grant.until.isoformat(),
                "data": list(grant.data),
                "card": grant.card,
            }
            for grant in self.grants
        ]
        content = {"version": 1, "salt": self.salt.hex(), "grants": grants}
        return json.dumps(content, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Stored:
        """Read what `to_bytes` wrote; ValueError for anything else."""
        try:
            match json.loads(data):
                case {"version": 1, "salt": str(salt), "grants": list(grants), **rest}:
                    pass
                case _:
                    raise ValueError("not what was written")
            stored = cls(bytes.fromhex(salt), tuple(map(_grant, grants)))
        except RecursionError:
            raise ValueError("nested too deep") from None
        if rest or len(stored.salt) != _SALT_BYTES or len(stored.grants) > MAX_GRANTS:
            raise ValueError("not what was written")
        return stored


def _grant(value: object) -> Grant:
    match value:
        case {
            "origin": str(origin),
            "capability": str(capability),
            "until": str(until),
            "data": list(data),
            "card": None | str() as card,
            **rest,
        } if not rest:
            grant = Grant(
                origin,
                capability,
                datetime.date.fromisoformat(until),
                tuple(data),
                card,
            )
        case _:
            raise ValueError("no grant")
    if normalised(origin) != origin or capability not in CAPABILITIES:
        raise ValueError("no grant")
    if not _well_formed(grant):
        raise ValueError("no grant")
    return grant


def _well_formed(grant: Grant) -> bool:
    """Tell whether a grant names what its kind has to, and nothing else."""
    if grant.card is None:
        return not grant.data
    if not re.fullmatch(r"[0-9a-f]{64}", grant.card):
        return False
    if grant.capability != "identity":
        return grant.capability == "login" and not grant.data
    ordered = tuple(part for part in ALWAYS_DATA if part in grant.data)
    return bool(grant.data) and grant.data == ordered
