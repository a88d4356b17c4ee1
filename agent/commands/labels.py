"""What `eid-agent card` calls the fields and states of a card, in four languages."""

from __future__ import annotations

_KEYS = (
    "surname",
    "givenNames",
    "thirdGivenNameInitial",
    "nobleCondition",
    "sex",
    "dateOfBirth",
    "placeOfBirth",
    "nationality",
    "nationalNumber",
    "streetAndNumber",
    "postalCode",
    "municipality",
    "documentType",
    "cardNumber",
    "validFrom",
    "validUntil",
    "issuingMunicipality",
)

_NAMES = {
    "nl": "Naam|Voornamen|Derde voornaam|Adellijke titel|Geslacht|Geboren op|"
    "Geboren in|Nationaliteit|Rijksregisternummer|Straat en nummer|Postcode|Gemeente|"
    "Soort kaart|Kaartnummer|Geldig vanaf|Geldig tot|Afgegeven in",
    "fr": "Nom|Prénoms|Troisième prénom|Titre de noblesse|Sexe|Date de naissance|"
    "Lieu de naissance|Nationalité|Numéro national|Rue et numéro|Code postal|Commune|"
    "Type de carte|Numéro de carte|Valable à partir du|Valable jusqu'au|Délivrée à",
    "de": "Name|Vornamen|Dritter Vorname|Adelstitel|Geschlecht|Geburtsdatum|"
    "Geburtsort|Staatsangehörigkeit|Nationalregisternummer|Straße und Nummer|"
    "Postleitzahl|Gemeinde|Art der Karte|Kartennummer|Gültig ab|Gültig bis|"
    "Ausgestellt in",
    "en": "Surname|Given names|Third given name|Title|Sex|Date of birth|"
    "Place of birth|Nationality|National number|Street and number|Postal code|"
    "Municipality|Kind of card|Card number|Valid from|Valid until|Issued at",
}

#: Names of the fields by language, in the order in which they are shown.
LABELS = {
    lang: dict(zip(_KEYS, names.split("|"), strict=True))
    for lang, names in _NAMES.items()
}

#: Sentences of `card list` and `card pin-status` by language.
WORDS = {
    "nl": {
        "no-readers": "Er is geen kaartlezer. Sluit er een aan.",
        "belgian": "Belgische identiteitskaart (applet {applet})",
        "empty": "leeg",
        "unknown": "een kaart die geen Belgische identiteitskaart is",
        "tries": "Pogingen over voor de pincode: {tries}",
        "tries-unknown": "Deze kaart zegt niet hoeveel pogingen er over zijn.",
    },
    "fr": {
        "no-readers": "Il n'y a pas de lecteur de cartes. Branchez-en un.",
        "belgian": "carte d'identité belge (applet {applet})",
        "empty": "vide",
        "unknown": "une carte qui n'est pas une carte d'identité belge",
        "tries": "Essais restants pour le code PIN : {tries}",
        "tries-unknown": "Cette carte ne dit pas combien d'essais il reste.",
    },
    "de": {
        "no-readers": "Es gibt kein Kartenlesegerät. Schließen Sie eines an.",
        "belgian": "belgischer Personalausweis (Applet {applet})",
        "empty": "leer",
        "unknown": "eine Karte, die kein belgischer Personalausweis ist",
        "tries": "Verbleibende Versuche für die PIN: {tries}",
        "tries-unknown": "Diese Karte sagt nicht, wie viele Versuche übrig sind.",
    },
    "en": {
        "no-readers": "There is no card reader. Connect one.",
        "belgian": "Belgian identity card (applet {applet})",
        "empty": "empty",
        "unknown": "a card that is no Belgian identity card",
        "tries": "Tries left for the PIN: {tries}",
        "tries-unknown": "This card does not tell how many tries are left.",
    },
}
