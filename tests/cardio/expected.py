"""What `card read` and the client must say of a persona, from what was generated.

Written down a second time from the generator's input, tag by tag, without the client.
"""

from __future__ import annotations

import hashlib

from cardio.files import EF
from cardio.virtual.personas import PERSONAS
from cardio.virtual.profile import Profile

TYPES = {
    "1": "Belgian citizen",
    "6": "Kids card",
    "36": "foreigner card F+ (Regulation 1030/2002)",
}
TEXTS = {
    0x05: "issuingMunicipality",
    0x06: "nationalNumber",
    0x07: "surname",
    0x08: "givenNames",
    0x09: "thirdGivenNameInitial",
    0x0A: "nationality",
    0x0B: "placeOfBirth",
    0x0E: "nobleCondition",
    0x12: "duplicate",
    0x13: "specialOrganisation",
    0x15: "protection",
    0x16: "workPermitMention",
    0x17: "employerVatNumber1",
    0x18: "employerVatNumber2",
    0x19: "regionalFileNumber",
    0x1B: "brexitMention1",
    0x1C: "brexitMention2",
    0x1D: "cardAMention1",
    0x1E: "cardAMention2",
}


def _iso(dotted: str) -> str:
    return "-".join(reversed(dotted.split(".")))


def expected(name: str, applet: str, profile: Profile) -> dict[str, object]:
    """Write down a persona's members from what the generator was given."""
    persona = PERSONAS[name]
    stored = persona.identity
    members: dict[str, object] = {
        member: stored[tag] for tag, member in TEXTS.items() if tag in stored
    }
    photo_hash = hashlib.sha384 if applet == "1.8" else hashlib.sha256
    members |= {
        "cardNumber": stored[0x01],
        "chipNumber": profile.chip_serial.hex(),
        "validFrom": _iso(stored[0x03]),
        "validUntil": _iso(stored[0x04]),
        "dateOfBirth": persona.birth.isoformat(),
        "sex": "M" if stored[0x0D] == "M" else "F",
        "documentType": {"code": stored[0x0F], "name": TYPES[stored[0x0F]]},
        "specialStatus": {"code": "0", "name": "none"},
        "photoHash": photo_hash(profile.files[EF.PHOTO]).hexdigest(),
    }
    if 0x14 in stored:
        members["memberOfFamily"] = True
    if applet == "1.8":
        basic_key = profile.files[EF.BASIC_KEY]
        members["basicKeyHash"] = hashlib.sha384(basic_key).hexdigest()
    if 0x1F in stored:
        members["cardEuStartDate"] = _iso(stored[0x1F])
    return members


def expected_address(name: str) -> dict[str, object]:
    """Write down a persona's address likewise."""
    stored = PERSONAS[name].address
    return {
        "streetAndNumber": stored[1],
        "postalCode": stored[2],
        "municipality": stored[3],
    }
