"""One card holder: the class, and how one is put together; pure, no I/O.

Source: card content 6.2 and the table of the identity file (ID file v5).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

#: The year that cards are counted from, so that they never go stale.
YEAR = datetime.datetime.now(datetime.UTC).year

#: Tags from here on came with applet 1.8.
_FIRST_OF_1_8 = 0x1A


@dataclass(frozen=True)
class Persona:
    """One card holder and the card's particulars.

    `identity` holds the texts of EF(ID#RN) by tag, without what only a chip can give:
    its number (02) and the hashes of photo (11) and basic key (1A). `address` holds
    those of EF(ID#Address). `valid` are the card's and the certificates' first and
    last day. `applets` are those that such a card exists with, its own first.
    `certificates` is False where the holder's keys and certificates are absent,
    `non_repudiation` where only those for signatures are. `rekeyed` are cards of 1.7
    that got certificates and signatures of the EC hierarchy later, on their RSA keys.
    A card that is not `active` was never activated at the town hall.
    """

    name: str
    applets: tuple[str, ...]
    birth: datetime.date
    valid: tuple[datetime.date, datetime.date]
    identity: Mapping[int, str] = field(repr=False)
    address: Mapping[int, str] = field(repr=False)
    tries: int = 3
    certificates: bool = True
    non_repudiation: bool = True
    foreigner: bool = False
    photo: str = "adult.jpg"
    rekeyed: bool = False
    active: bool = True

    def texts(self, applet: str) -> Mapping[int, str]:
        """Return `identity` as far as cards of the applet have its tags."""
        if applet == "1.8":
            return self.identity
        return {t: text for t, text in self.identity.items() if t < _FIRST_OF_1_8}

    @property
    def applet(self) -> str:
        """The applet of the card unless another is asked for."""
        return self.applets[0]

    @property
    def surname(self) -> str:
        """The surname (tag 07)."""
        return self.identity[0x07]

    @property
    def given_names(self) -> str:
        """The first two given names (tag 08)."""
        return self.identity[0x08]

    @property
    def national_number(self) -> str:
        """Eleven digits (tag 06)."""
        return self.identity[0x06]


def national_number(birth: datetime.date, order: int) -> str:
    """Return date, order number (odd: man, even: woman) and check digits."""
    nine = f"{birth:%y%m%d}{order:03}"
    century = 2_000_000_000 if birth.year >= 2000 else 0
    return f"{nine}{97 - (century + int(nine)) % 97:02}"


def card_number(ten: str) -> str:
    """Return a citizen's card number: ten digits and their remainder by 97."""
    return f"{ten}{int(ten) % 97 or 97:02}"


def day(text: str) -> datetime.date:
    """Return a day from its ISO 8601 form."""
    return datetime.date.fromisoformat(text)


_TEN_YEARS = (day(f"{YEAR - 2}-03-11"), day(f"{YEAR + 8}-03-11"))
_CITIZEN = ("1.8", "1.7")


def person(
    name: str,
    *,
    card: str,
    birth: datetime.date,
    written: str,
    sex: str,
    surname: str,
    given: str,
    initial: str = "",
    nationality: str,
    birthplace: str,
    issued_at: str,
    address: tuple[str, str, str],
    valid: tuple[datetime.date, datetime.date] = _TEN_YEARS,
    applets: tuple[str, ...] = _CITIZEN,
    noble: str = "",
    document: str = "1",
    more: Mapping[int, str] | None = None,
    tries: int = 3,
    certificates: bool = True,
    foreigner: bool = False,
    photo: str = "adult.jpg",
) -> Persona:
    """Put a persona together from readable values; `written` is the birth date."""
    texts = {
        0x01: card,
        0x03: f"{valid[0]:%d.%m.%Y}",
        0x04: f"{valid[1]:%d.%m.%Y}",
        0x05: issued_at,
        0x06: national_number(birth, 997 if sex == "M" else 998),
        0x07: surname,
        0x08: given,
        0x09: initial,
        0x0A: nationality,
        0x0B: birthplace,
        0x0C: written,
        0x0D: sex,
        0x0E: noble,
        0x0F: document,
        0x10: "0",
        **(more or {}),
    }
    return Persona(
        name=name,
        applets=applets,
        valid=valid,
        birth=birth,
        identity=texts,
        address=dict(enumerate(address, start=1)),
        tries=tries,
        certificates=certificates,
        foreigner=foreigner,
        photo=photo,
    )
