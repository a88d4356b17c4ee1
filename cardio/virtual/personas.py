"""The people on the virtual cards, all invented; pure data, no I/O.

Values are written as issued cards write them. The national numbers have right check
digits and order numbers from the top of the range, which nobody is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Persona:
    """One card holder.

    `identity` maps the tags 03 to 1F (without chip number and hashes) to what the card
    stores, `address` the tags 01 to 03. Dates of the certificates are ISO 8601.
    `applets` are those that the card can be personalised for, the first its own.
    """

    name: str
    applets: tuple[str, ...]
    identity: Mapping[int, str]
    address: Mapping[int, str]
    given_names: str
    issued: str
    expires: str
    card_number: str
    certificates: bool = True
    foreigner: bool = False
    tries: int = 3
    tags_1_8: Mapping[int, str] = field(default_factory=dict)

    @property
    def surname(self) -> str:
        """The family name, tag 07."""
        return self.identity[0x07]

    @property
    def national_number(self) -> str:
        """Eleven digits, tag 06."""
        return self.identity[0x06]


def national_number(birth: str, order: int) -> str:
    """Return YYMMDD, order number and check digits for a birth date in ISO 8601."""
    nine = birth[2:4] + birth[5:7] + birth[8:10] + f"{order:03}"
    full = int(nine) if birth < "2000" else int("2" + nine)
    return f"{nine}{97 - full % 97:02}"


def card_number(ten: str) -> str:
    """Return a citizen's card number: ten digits and their check digits."""
    return f"{ten}{int(ten) % 97 or 97:02}"


def _identity(
    *,
    birth: str,
    written_birth: str,
    order: int,
    sex: str,
    surname: str,
    given_names: str,
    initial: str,
    born_at: str,
    issued_at: str,
    valid: tuple[str, str],
    nationality: str = "Belg",
    document: str = "1",
    noble: str = "",
) -> dict[int, str]:
    """Return the tags that every card has."""
    return {
        0x03: _dotted(valid[0]),
        0x04: _dotted(valid[1]),
        0x05: issued_at,
        0x06: national_number(birth, order),
        0x07: surname,
        0x08: given_names,
        0x09: initial,
        0x0A: nationality,
        0x0B: born_at,
        0x0C: written_birth,
        0x0D: sex,
        0x0E: noble,
        0x0F: document,
        0x10: "0",
    }


def _dotted(iso: str) -> str:
    year, month, day = iso.split("-")
    return f"{day}.{month}.{year}"


_VALID = ("2024-03-11", "2034-03-11")
_LONG_AGO = ("2012-05-04", "2022-05-04")


def _woman_of_gent(name: str, tries: int, order: int) -> Persona:
    """Return the same kind of person with another number of tries left."""
    return Persona(
        name=name,
        applets=("1.8", "1.7"),
        identity=_identity(
            birth="1985-05-12",
            written_birth="12 MEI  1985",
            order=order,
            sex="V",
            surname="Proefkonijn",
            given_names="Lotte Maria",
            initial="A",
            born_at="Gent",
            issued_at="Gent",
            valid=_VALID,
        ),
        address={0x01: "Teststraat 12 bus 3", 0x02: "9000", 0x03: "Gent"},
        given_names="Lotte Maria",
        issued=_VALID[0],
        expires=_VALID[1],
        card_number=card_number(f"5920000{order}"),
        tries=tries,
    )


_PERSONAS = (
    _woman_of_gent("adult", 3, 998),
    Persona(
        name="adult-1.7",
        applets=("1.7",),
        identity=_identity(
            birth="1979-06-03",
            written_birth="03 JUIN 1979",
            order=997,
            sex="M",
            surname="Essai-Dupont",
            given_names="Julien René",
            initial="P",
            born_at="Liège",
            issued_at="Bruxelles",
            valid=("2019-09-02", "2029-09-02"),
            nationality="Belge",
        ),
        address={0x01: "Rue de l'Épreuve 7", 0x02: "1000", 0x03: "Bruxelles"},
        given_names="Julien René",
        issued="2019-09-02",
        expires="2029-09-02",
        card_number=card_number("5917000997"),
    ),
    Persona(
        name="foreigner",
        applets=("1.8",),
        identity=_identity(
            birth="1992-03-17",
            written_birth="17.MÄR.1992",
            order=996,
            sex="W",
            surname="El Mansouri Proef",
            given_names="Nadia",
            initial="",
            born_at="Tétouan",
            issued_at="Eupen",
            valid=_VALID,
            nationality="Marokko",
            document="36",
        )
        | {
            0x12: "00",
            0x13: "",
            0x14: "",
            0x15: "01.02.2016-MA",
            0x16: "7",
            0x17: "",
            0x18: "",
            0x19: "",
        },
        address={0x01: "Prüfweg 5", 0x02: "4700", 0x03: "Eupen"},
        given_names="Nadia",
        issued=_VALID[0],
        expires=_VALID[1],
        card_number="B000000996",
        foreigner=True,
        tags_1_8={0x1B: "", 0x1C: "", 0x1D: "", 0x1E: "", 0x1F: "11.03.2024"},
    ),
    Persona(
        name="kids",
        applets=("1.8", "1.7"),
        identity=_identity(
            birth="2017-10-09",
            written_birth="09 OKT  2017",
            order=995,
            sex="M",
            surname="Proefkonijn",
            given_names="Milan",
            initial="",
            born_at="Gent",
            issued_at="Gent",
            valid=("2024-03-11", "2029-03-11"),
            document="6",
        ),
        address={0x01: "Teststraat 12 bus 3", 0x02: "9000", 0x03: "Gent"},
        given_names="Milan",
        issued="2024-03-11",
        expires="2029-03-11",
        card_number=card_number("6100000995"),
        certificates=False,
    ),
    Persona(
        name="long-names",
        applets=("1.8", "1.7"),
        identity=_identity(
            birth="1960-08-21",
            written_birth="21 AUG  1960",
            order=993,
            sex="M",
            surname="van Proefschrift-Überprüfung d'Épreuves du Très Long Nom",
            given_names="Maximiliaan-Alexander Jean-Baptiste Émile-François Zoë",
            initial="Ï",
            born_at="Saint-Étienne-des-Épreuves-sur-l'Escaut",
            issued_at="Sint-Pieters-Proefleeuw-bij-Brussel",
            valid=_VALID,
            nationality="Belg en burger van het Koninkrijk der Proefnemingen",
            noble="Burggraaf van Proef",
        ),
        address={
            0x01: "Burgemeester Proefpersoon-van-Testelmansplein 1234 bus 0056",
            0x02: "1600",
            0x03: "Sint-Pieters-Proefleeuw-aan-de-Zenne-Boven",
        },
        given_names="Maximiliaan-Alexander Jean-Baptiste Émile-François Zoë",
        issued=_VALID[0],
        expires=_VALID[1],
        card_number=card_number("5920000993"),
    ),
    Persona(
        name="expired",
        applets=("1.8", "1.7"),
        identity=_identity(
            birth="1955-02-28",
            written_birth="28 FEB  1955",
            order=991,
            sex="M",
            surname="Verlopen",
            given_names="Jozef",
            initial="M",
            born_at="Brugge",
            issued_at="Brugge",
            valid=_LONG_AGO,
        ),
        address={0x01: "Oude Toetsweg 1", 0x02: "8000", 0x03: "Brugge"},
        given_names="Jozef",
        issued=_LONG_AGO[0],
        expires=_LONG_AGO[1],
        card_number=card_number("5912000991"),
    ),
    _woman_of_gent("one-try", 1, 994),
    _woman_of_gent("blocked", 0, 992),
)

#: Every persona by its name; `adult` is the default.
PERSONAS: Mapping[str, Persona] = {persona.name: persona for persona in _PERSONAS}
DEFAULT_PERSONA = "adult"
