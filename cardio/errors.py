"""Everything that can go wrong with a card, as types; imports nothing of the project.

CardError
├── ServiceUnavailable      PC/SC is not installed, stopped or refuses us
│   ├── ServiceStopped      it is not installed, or does not run
│   └── ServiceRefused      it runs and does not let this user in
├── ModuleUnusable          no PKCS#11 module is there, or it does not start
├── NoReader                no reader at all, or not the one asked for
├── SeveralReaders          a name fits several readers, or several cards and no name
├── NoCard                  the reader is empty
├── CardBusy                another program keeps the card to itself
├── UnsupportedCard         a card, but not one we can use (carries its ATR)
│   └── ModuleLacks         the PKCS#11 module cannot do it with that card
├── CardRemoved             card or reader went away in the middle
├── CardReset               another program reset the card in the middle
├── CardChanged             another card, or another number of tries, than was shown
├── CardNotActivated        a genuine card whose files are not active yet
├── CardUnreadable          garbage, silence, or an answer out of place
│   ├── CardMute            no answer within the time limit
│   ├── UnexpectedStatus    a status word that the manuals do not give for this command
│   └── MalformedData       bytes that do not have the form the manuals describe
├── FileAbsent              the card has no such elementary file
├── NoCertificate           the certificate file is absent or all zero (a Kids card)
│   └── LoginFirst          the PKCS#11 module shows certificates only during a login
├── ChipBlocked             the chip answers no challenge any more (5000 were asked)
└── PinError
    ├── PinFormat           not 4 to 12 digits; never reaches the card
    ├── PinIncorrect        the card refused it (carries the tries left, where known)
    ├── PinBlocked          no tries left
    ├── NewPinRefused       the card does not take a PIN of this form as the new one
    ├── NewPinsDiffer       typed on the reader: the new PIN and its repetition
    ├── PinEntryTimeout     nobody typed on the reader within its time
    └── PinEntryCancelled   given up where the PIN is typed: reader or module
"""

from __future__ import annotations

from pathlib import Path


class CardError(Exception):
    """Base of all failures of reader and card."""


class ServiceUnavailable(CardError):
    """The PC/SC service is absent, stopped or refuses access."""


class ServiceStopped(ServiceUnavailable):
    """The PC/SC service does not run, or is not installed."""


class ServiceRefused(ServiceUnavailable):
    """The PC/SC service does not let this user in."""


class ModuleUnusable(CardError):
    """The file at `path` is no PKCS#11 module, or one that does not start.

    `reason` is what file system, loader or module say of it.
    """

    def __init__(self, path: Path, reason: OSError | str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class NoReader(CardError):
    """There is no card reader, or not the one that was named."""


class SeveralReaders(CardError):
    """A choice among readers is needed; `names` are the candidates."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class NoCard(CardError):
    """The reader holds no card."""


class CardBusy(CardError):
    """Another program keeps the card, or the reader, to itself."""


class UnsupportedCard(CardError):
    """The card is not one this program can use, or not for that; `atr` names its kind.

    `reason` says what it lacks, where it was recognised as a Belgian card.
    """

    def __init__(self, atr: bytes, reason: str = "") -> None:
        super().__init__(reason or f"unsupported card, ATR {atr.hex().upper()}")
        self.atr = atr
        self.reason = reason


class ModuleLacks(UnsupportedCard):
    """The PKCS#11 module at `module` cannot do that with the card."""

    def __init__(self, module: Path, reason: str) -> None:
        super().__init__(b"", reason)
        self.module = module


class CardRemoved(CardError):
    """Card or reader went away during the operation."""


class CardReset(CardError):
    """Another program reset the card during the operation."""


class CardChanged(CardError):
    """Chip serial or tries left differ from what the person was shown (SAFETY 1)."""


class CardNotActivated(CardError):
    """The card's files are not active yet (6283, 6985 or 6D00 on reading)."""


class CardUnreadable(CardError):
    """The card answers, but not as a card of its kind does."""


class CardMute(CardUnreadable):
    """The card did not answer within the time limit."""


class UnexpectedStatus(CardUnreadable):
    """A status word the manuals do not give here: `sw`, for instruction `ins`."""

    def __init__(self, ins: int, sw: int) -> None:
        super().__init__(f"INS {ins:02X} answered {sw:04X}")
        self.ins = ins
        self.sw = sw


class MalformedData(CardUnreadable):
    """Bytes that do not have the documented form; the message holds no card data."""


class FileAbsent(CardError):
    """The card has no such elementary file (6A82)."""


class NoCertificate(CardError):
    """The certificate file is absent or holds only zeros."""


class LoginFirst(NoCertificate):
    """There is a certificate, but the PKCS#11 module shows it only during a login."""


class ChipBlocked(CardError):
    """INTERNAL AUTHENTICATE answers 6985: its limit is used up, or it is locked."""


class PinError(CardError):
    """Base of everything about the PIN."""


class PinFormat(PinError):
    """Not 4 to 12 digits; refused before the card sees it."""


class PinIncorrect(PinError):
    """The card refused the PIN; `tries_left` more remain, None where unknown."""

    def __init__(self, tries_left: int | None) -> None:
        known = "?" if tries_left is None else tries_left
        super().__init__(f"wrong PIN, {known} tries left")
        self.tries_left = tries_left


class PinBlocked(PinError):
    """The PIN is blocked: no attempt is compared any more."""


class NewPinRefused(PinError):
    """The card does not take a PIN of this form as the new one; the old one stays."""


class NewPinsDiffer(PinError):
    """The new PIN and its repetition, typed on the reader, are not the same."""


class PinEntryTimeout(PinError):
    """Nobody typed the PIN on the reader within its time."""


class PinEntryCancelled(PinError):
    """The entry of the PIN was cancelled on the reader."""
