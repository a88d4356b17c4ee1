"""The people on the virtual cards, all invented; pure data, no I/O.

Texts stand as issued cards write them. Cards that have not expired were issued some
years before the current one and run for some years more, so that they never go stale.
National numbers have right check digits and an order number (998, 997) that no day has
enough births for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cardio.virtual.documents import DOCUMENTS
from cardio.virtual.persona import YEAR, Persona, card_number, day, person

_ALL = (
    person(
        "adult",
        card=card_number("5920000100"),
        birth=day("1985-03-07"),
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
    person(
        "adult-1.7",
        card=card_number("5917000200"),
        birth=day("1979-06-03"),
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
        valid=(day(f"{YEAR - 7}-09-02"), day(f"{YEAR + 3}-09-02")),
    ),
    # Document type 36 (F+ in the layout of Regulation 1030/2002) came with applet 1.8.
    person(
        "foreigner",
        card="B000000300",
        birth=day("1992-03-17"),
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
            0x1F: f"01.06.{YEAR - 3}",
        },
        foreigner=True,
    ),
    person(
        "kids",
        card=card_number("6100000400"),
        birth=day(f"{YEAR - 8}-10-09"),
        written=f"09 OKT  {YEAR - 8}",
        sex="M",
        surname="Voorbeeld",
        given="Milan",
        nationality="Belg",
        birthplace="Gent",
        issued_at="Gent",
        address=("Teststraat 12 bus 3", "9000", "Gent"),
        valid=(day(f"{YEAR - 1}-03-11"), day(f"{YEAR + 2}-03-11")),
        document="6",
        certificates=False,
        photo="child.jpg",
    ),
    # Each text as long as its field allows, in characters and in bytes.
    person(
        "long-names",
        card=card_number("5920000500"),
        birth=day("1990-09-15"),
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
    person(
        "expired",
        card=card_number("5920000600"),
        birth=day("2004-02-28"),
        written="28 FEB  2004",
        sex="M",
        surname="Verlopen",
        given="Jozef",
        initial="M",
        nationality="Belg",
        birthplace="Brugge",
        issued_at="Brugge",
        address=("Oude Toetsweg 1", "8000", "Brugge"),
        valid=(day("2020-10-05"), day("2025-10-05")),
    ),
    person(
        "one-try",
        card=card_number("5920000700"),
        birth=day("1981-12-21"),
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
    person(
        "blocked",
        card=card_number("5920000800"),
        birth=day("1996-08-13"),
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
    # What 1.7 cards became that outlived their CA: only what can be written after issue
    # (certificates, both signatures) is of the EC hierarchy.
    replace(
        person(
            "rekeyed-1.7",
            card=card_number("5917000900"),
            birth=day("1974-11-19"),
            written="19 NOV  1974",
            sex="V",
            surname="Sleutelmans",
            given="Sofie Anna",
            initial="C",
            nationality="Belg",
            birthplace="Kortrijk",
            issued_at="Kortrijk",
            address=("Voorbeeldlaan 21", "8500", "Kortrijk"),
            applets=("1.7",),
            valid=(day(f"{YEAR - 7}-05-14"), day(f"{YEAR + 3}-05-14")),
        ),
        rekeyed=True,
    ),
)

_NOT_ACTIVATED = replace(
    person(
        "not-activated",
        card=card_number("5920001000"),
        birth=day("1968-02-05"),
        written="05 FEV  1968",
        sex="M",
        surname="Enattente",
        given="Paul Louis",
        nationality="Belge",
        birthplace="Namur",
        issued_at="Namur",
        address=("Rue du Modèle 30", "5000", "Namur"),
    ),
    active=False,
)

#: Every person whose card can be read, by name.
PERSONAS: Mapping[str, Persona] = {persona.name: persona for persona in _ALL}
#: Every card that can be named: a card that cannot be read, and foreigners' documents,
#: besides the people.
CATALOGUE: Mapping[str, Persona] = {
    persona.name: persona for persona in (*_ALL, _NOT_ACTIVATED, *DOCUMENTS)
}
#: The one that is taken when none is named.
DEFAULT_PERSONA = "adult"
