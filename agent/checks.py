"""What can be asked of a card's authenticity, and the answers, as values; pure.

Each check has a stable name (JSON of `card verify`) and says true (checked and right),
false (checked and wrong) or None (could not be checked):

rrn-certificate             the National Register's, under a trusted root, in its time
identity-signature          made with that certificate's key over EF 4031
address-signature           the same over the trimmed EF 4033 and the whole of EF 4032
photo-hash                  EF 4035 against the identity file, function by its length
basic-key-hash              EF 4040 against the identity file (tag 1A)
chip                        the chip signed a fresh number with the key named there
chip-number                 tag 02 of the identity file is GET CARD DATA's serial number
card-dates                  the card is valid today
authentication-certificate  leads over a Citizen or Foreigner CA to a trusted root
signature-certificate       the same
certificate-holder          both certificates name the national number of the identity
certificate-dates           both, and their CA, are valid today
revocation                  never checked here

A root that is not known makes None, not false (SAFETY 10), and so does what holds by
SHA-1 or a short key alone. A card is valid when every check that it needs is true: not
those of files that its kind may lack (certificates of a Kids card, the address of an
official's, the chip's key below 1.8), nor revocation. A file that its kind has and the
card has not leaves its check open: it may have been taken away. So "valid" says nothing
of revocation, whose check says that nobody was asked, and of nothing else that is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cardio.files import EF

#: What has to be read from a card; a file that it lacks is left out.
FILES = (
    EF.IDENTITY,
    EF.IDENTITY_SIGNATURE,
    EF.ADDRESS,
    EF.ADDRESS_SIGNATURE,
    EF.PHOTO,
    EF.BASIC_KEY,
    EF.AUTHENTICATION,
    EF.SIGNATURE,
    EF.CA,
    EF.ROOT,
    EF.RRN,
)


@dataclass(frozen=True)
class ChipProof:
    """48 fresh random bytes, and the chip's r||s over them."""

    digest: bytes
    signature: bytes


@dataclass(frozen=True)
class CardContent:
    """What a card is and holds; where it gave no proof, `chip` is the reason.

    `virtual` marks a card of the project's own.
    """

    applet: str
    chip_serial: bytes
    files: Mapping[EF, bytes] = field(repr=False)
    chip: ChipProof | str
    virtual: bool = False


#: Reasons of a check that a card of its kind need not have.
_LACKING = frozenset({"absent-allowed", "chip-unsupported"})


@dataclass(frozen=True)
class Result:
    """What a check found: `reason` is a key of a sentence, `values` fill it."""

    ok: bool | None
    reason: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One check by its stable name; the card is not valid without a `needed` one."""

    name: str
    result: Result
    needed: bool = True

    @property
    def ok(self) -> bool | None:
        """True, false, or None for what could not be checked."""
        return self.result.ok

    @property
    def applies(self) -> bool:
        """False for a check of what this kind of card may lack, and this card does."""
        return self.needed or self.result.reason not in _LACKING


def is_valid(checks: Iterable[Check]) -> bool:
    """Tell whether nothing is wrong and nothing that is needed is open."""
    return all(check.ok or (check.ok is None and not check.needed) for check in checks)
