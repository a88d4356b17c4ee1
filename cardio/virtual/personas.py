"""The people on the virtual cards, all invented; pure data, no I/O.

Texts stand as issued cards write them. Cards that have not expired were issued some
years before the current one and run for some years more, so that they never go stale.
National numbers have right check digits and an order number (998, 997) that no day has
enough births for.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

_YEAR = datetime.datetime.now(datetime.UTC).year


@dataclass(frozen=True)
class Persona:
    """One card holder and the card's particulars.

    `identity` holds the texts of EF(ID#RN) by tag, without what only a chip can give:
    its number (02) and the hashes of photo (11) and basic key (1A). `address` holds
    those of EF(ID#Address). `valid` are the card's and the certificates' first and
    last day. `applets` are those that such a card exists with, its own first.
    `certificates` is False where the holder's keys and certificates are absent.
    """

    name: str
    applets: tuple[str, ...]
    birth: datetime.date
    valid: tuple[datetime.date, datetime.date]
    identity: Mapping[int, str] = field(repr=False)
    address: Mapping[int, str] = field(repr=False)
    tries: int = 3
    certificates: bool = True
    foreigner: bool = False
    photo: str = "adult.jpg"

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


def _card_number(ten: str) -> str:
    """Return a citizen's card number: ten digits and their remainder by 97."""
    return f"{ten}{int(ten) % 97 or 97:02}"


def _day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


_TEN_YEARS = (_day(f"{_YEAR - 2}-03-11"), _day(f"{_YEAR + 8}-03-11"))
_CITIZEN = ("1.8", "1.7")


def _persona(
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


_ALL = (
    _persona(
        "adult",
        card=_card_number("5920000100"),
        birth=_day("1985-03-07"),
        written="07 MAAR 1985",
        sex="V",
        surname="Voorbeeld",
        given="Lotte Maria",
        initial="A",
        nationality="Belg",
        birthplace="Gent",
        issued_at="Gent",
        address=("Teststraat 12 bus 3", "9000", "Gent"),
    ),
    _persona(
        "adult-1.7",
        card=_card_number("5917000200"),
        birth=_day("1979-06-03"),
        written="03 JUIN 1979",
        sex="M",
        surname="Essai-Dupont",
        given="Julien René",
        initial="P",
        nationality="Belge",
        birthplace="Liège",
        issued_at="Bruxelles",
        address=("Rue de l'Épreuve 7", "1000", "Bruxelles"),
        applets=("1.7",),
        valid=(_day(f"{_YEAR - 7}-09-02"), _day(f"{_YEAR + 3}-09-02")),
    ),
    # Document type 36 (F+ in the layout of Regulation 1030/2002) came with applet 1.8.
    _persona(
        "foreigner",
        card="B000000300",
        birth=_day("1992-03-17"),
        written="17.MÄR.1992",
        sex="W",
        surname="Testouri Beispiel",
        given="Nadia",
        nationality="Tunesien",
        birthplace="Tunis",
        issued_at="Eupen",
        address=("Prüfweg 5", "4700", "Eupen"),
        applets=("1.8",),
        document="36",
        more={
            0x12: "01",  # duplicate
            0x13: "5",  # researcher
            0x14: "",  # member of family, by being there
            0x15: "20.06.2016-TN",  # protection: date and country
            0x16: "7",  # labour market: unlimited
            0x17: "0000.000.097",  # a VAT number in form, of nobody
            0x18: "",
            0x19: "TEST/2021/0001",
            0x1B: "",
            0x1C: "C",
            0x1D: "",
            0x1E: "",
            0x1F: f"01.06.{_YEAR - 3}",
        },
        foreigner=True,
    ),
    _persona(
        "kids",
        card=_card_number("6100000400"),
        birth=_day(f"{_YEAR - 8}-10-09"),
        written=f"09 OKT  {_YEAR - 8}",
        sex="M",
        surname="Voorbeeld",
        given="Milan",
        nationality="Belg",
        birthplace="Gent",
        issued_at="Gent",
        address=("Teststraat 12 bus 3", "9000", "Gent"),
        valid=(_day(f"{_YEAR - 1}-03-11"), _day(f"{_YEAR + 2}-03-11")),
        document="6",
        certificates=False,
        photo="child.jpg",
    ),
    # Each text as long as its field allows, in characters and in bytes.
    _persona(
        "long-names",
        card=_card_number("5920000500"),
        birth=_day("1990-09-15"),
        written="15 SEPT 1990",
        sex="F",
        surname="Vôörbëëldñààm-Prœfpérsööñ d'Ûîtgèströkkèñ Ôûtrè-Lôñgûé Ëxémplê",
        given="Märië-Chrïstïnë Élïsàbëth Fränçöïsë Téödör Âññàbëllë",
        initial="Ṣ",
        nationality="Bürgèr vàñ hét Köñinkrîjk dèr Prœfnèmïngën ën Tëst",
        birthplace="Ëğlïsë-Ñötrë-Dâmë-dë-l'Épréüvë-äü-Fôřêtš",
        issued_at="Sïnt-Pïeters-Proefleeuw-aan-de-Zénne-Tésté",
        noble="Bürggräfïñ vöñ Prœfëé",
        address=(
            "Burgemeester d'Épreuve-van-Testelmansplein 1234 bus 0056 AB",
            "1600",
            "Sint-Pieters-Proefleeuw-aan-de-Zenne-Bövenkant",
        ),
    ),
    # Young people get cards for five years: this one ran out in 2025.
    _persona(
        "expired",
        card=_card_number("5920000600"),
        birth=_day("2004-02-28"),
        written="28 FEB  2004",
        sex="M",
        surname="Verlopen",
        given="Jozef",
        initial="M",
        nationality="Belg",
        birthplace="Brugge",
        issued_at="Brugge",
        address=("Oude Toetsweg 1", "8000", "Brugge"),
        valid=(_day("2020-10-05"), _day("2025-10-05")),
    ),
    _persona(
        "one-try",
        card=_card_number("5920000700"),
        birth=_day("1981-12-21"),
        written="21 DEC  1981",
        sex="M",
        surname="Laatstekans",
        given="Wout Jan",
        initial="B",
        nationality="Belg",
        birthplace="Mechelen",
        issued_at="Mechelen",
        address=("Proefplein 1", "2800", "Mechelen"),
        tries=1,
    ),
    _persona(
        "blocked",
        card=_card_number("5920000800"),
        birth=_day("1996-08-13"),
        written="13.AUG. 1996",
        sex="W",
        surname="Gesperrt",
        given="Anna Lena",
        initial="K",
        nationality="Belgier",
        birthplace="Malmedy",
        issued_at="Sankt Vith",
        address=("Musterstraße 9", "4780", "Sankt Vith"),
        tries=0,
    ),
)

#: Every persona by its name.
PERSONAS: Mapping[str, Persona] = {persona.name: persona for persona in _ALL}
#: The one that is taken when none is named.
DEFAULT_PERSONA = "adult"
