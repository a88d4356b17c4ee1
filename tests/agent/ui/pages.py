"""Every page that the window process has, as questions that the agent could ask."""

from __future__ import annotations

import dataclasses
import zlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from agent.host.peers import UNKNOWN
from agent.pdf.document import NOTICES
from agent.texts import text
from agent.ui import (
    AlwaysUsed,
    AskedPinChange,
    Awaited,
    Choice,
    Consent,
    Login,
    Outcome,
    PinChange,
    Review,
    Reviewed,
    Signing,
)
from agent.ui import Values as ValuesQuestion
from agent.ui.frames import Message
from agent.ui.pages import Info, MenuPage, Pick
from agent.ui.traystate import COMMANDS
from agent.ui.windows import card, consent, info, pin, sign
from agent.ui.windows.page import Page
from cardio.beid.identity import DOCUMENT_TYPES
from tests.agent.hostile import HOSTILE

SITE = "https://portaal.wonen.example"
LONG = (
    "https://een-heel-lange-naam.van-een-website.met-veel-onderdelen."
    "die-niet-op-een-regel-past.gemeente-antwerpen.vlaanderen.example:8443"
)
#: "paypal" with a Cyrillic letter.
LOOKALIKE = "https://www.xn--pypal-4ve.voorbeeld.example"
ALL_DATA = ("identity", "address", "photo")
HOSTILE_TEXTS = [words for words, _ in HOSTILE]
GERMAN = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"

#: Every member that the identity file can have, as the API gives it.
IDENTITY: Message = {
    "fileVersion": "05",
    "cardNumber": "592000010012",
    "chipNumber": "534c494e33660013930d2061c018063f",
    "validFrom": "2022-03-07",
    "validUntil": "2032-03-07",
    "issuingMunicipality": "Gent",
    "nationalNumber": "85030799812",
    "surname": "Voorbeeld",
    "givenNames": "Lotte Maria",
    "thirdGivenNameInitial": "A",
    "nationality": "Belg",
    "placeOfBirth": "Gent",
    "dateOfBirth": "1985-03-07",
    "sex": "F",
    "nobleCondition": "",
    "documentType": {"code": "1", "name": DOCUMENT_TYPES["1"]},
    "specialStatus": {"code": "0", "name": "none"},
    "photoHash": "0f" * 48,
    "duplicate": "01",
    "specialOrganisation": "1",
    "memberOfFamily": True,
    "protection": "1",
    "workPermitMention": "2",
    "employerVatNumber1": "0123456789",
    "employerVatNumber2": "0123456789",
    "regionalFileNumber": "12345",
    "basicKeyHash": "a5" * 48,
    "brexitMention1": "1",
    "brexitMention2": "2",
    "cardAMention1": "1",
    "cardAMention2": "2",
    "cardEuStartDate": "2021-01-31",
}
ADDRESS: Message = {
    "streetAndNumber": "Teststraat 12 bus 3",
    "postalCode": "9000",
    "municipality": "Gent",
}
#: As large as on a card, in RGB; a grey one.
PHOTO = {
    "width": 140,
    "height": 200,
    "pixels": b64encode(zlib.compress(b"\x88" * 140 * 200 * 3)).decode(),
}
_ADULT = {
    name: value
    for name, value in IDENTITY.items()
    if name not in ("duplicate", "specialOrganisation", "memberOfFamily", "protection")
    and "ention" not in name
    and "mployer" not in name
    and name not in ("regionalFileNumber", "cardEuStartDate")
}
_HOSTILE_IDENTITY = dict(
    zip(
        (name for name, value in IDENTITY.items() if isinstance(value, str)),
        HOSTILE_TEXTS[-24:],
        strict=False,
    )
)
_RIGHT_TO_LEFT = _ADULT | {
    "surname": "בן־גוריון",
    "givenNames": "محمد عبد الرحمن",
    "placeOfBirth": "القدس",
    "issuingMunicipality": GERMAN,
}

Make = Callable[[str], Page]


def _of(build: Callable[[Message], Page], question: Any, **more: object) -> Make:
    """Return what builds a page in a language, for a question without one."""

    def make(lang: str) -> Page:
        asked = dataclasses.asdict(dataclasses.replace(question, lang=lang))
        if asked.get("reason") and "code" in asked:
            key = "unwanted" if asked["code"] == "unwanted" else asked["code"]
            asked["reason"] = text(key, lang, tries=2)
        return build(asked | more)

    return make


def _login(left: int | None = 3, **more: Any) -> Login:
    return Login(
        **{"site": SITE, "tries_left": left, "lang": "", "virtual": False} | more
    )


def _values(identity: Message, address: Message | None) -> ValuesQuestion:
    return ValuesQuestion(SITE, ALL_DATA, identity, address, None, "", virtual=False)


def _outcome(call: str, code: str, *data: str) -> Outcome:
    reason = "" if code == "given" else "x"
    return Outcome(SITE, call, code, reason, data, "", virtual=False)


def _awaited(reason: str) -> Make:
    return _of(card.awaited, Awaited(SITE, reason, "", virtual=False))


def _change(left: int | None = 3, reader: str = "ACS ACR38U") -> PinChange:
    return PinChange(reader, left, "", virtual=False)


_CHANGE_ASKED = AskedPinChange("ACS ACR38U", 3, "", virtual=False, site=SITE)


def _working(done: int, total: int) -> Make:
    def make(lang: str) -> Page:
        question = dataclasses.asdict(_login(lang=lang))
        page = card.Working(question)
        page.show_progress(done, total)
        return page

    return make


_MARKED = {
    "virtual": True,
    "marks": ("developer-run", "named-origin"),
    "program": "curl [x]",
}
_READERS = ("ACS ACR38U 00 00", "Generic Smart Card Reader Interface " * 3, "x" * 200)
_CONSENT = Consent(SITE, ALL_DATA, None, "", virtual=False)

_UNSEEN = Signing("Verklaring op eer", None)
_SEEN = Signing(
    "Verklaring op eer",
    f'"Verklaring", 2, 12345, SHA-256 {"0f" * 32}',
    number=2,
    count=3,
    qualified=True,
)
_DOCUMENT = Reviewed(
    "Verklaring op eer.pdf",
    "Verklaring",
    ((595.0, 842.0), (595.0, 842.0)),
    12345,
    "0f" * 32,
    NOTICES,
)
_REVIEW = Review(
    SITE,
    (_DOCUMENT, dataclasses.replace(_DOCUMENT, name=GERMAN, title="", notices=())),
    "Bevestiging van uw plaats",
    "",
    virtual=False,
)


def _drawn(question: Message) -> Page:
    """Return the page of a review with the first page of a document drawn."""
    page = sign.Review(question)
    page.show_at(0, 0)
    pixels = b64encode(zlib.compress(b"\xee\xee\xff" * 320 * 400)).decode()
    page.show_drawn(0, 0, {"width": 320, "height": 400, "pixels": pixels})
    return page


PAGES: dict[str, Make] = {
    "consent": _of(consent.consent, _CONSENT),
    "consent-always": _of(
        consent.consent,
        dataclasses.replace(
            _CONSENT, lasting=True, purpose="Uw plaats op de wachtlijst"
        ),
    ),
    "consent-marked": _of(
        consent.consent,
        dataclasses.replace(_CONSENT, site=LONG, lasting=True, **_MARKED),
    ),
    "consent-lookalike": _of(
        consent.consent, dataclasses.replace(_CONSENT, site=LOOKALIKE, program=UNKNOWN)
    ),
    "consent-hostile": _of(
        consent.consent,
        dataclasses.replace(_CONSENT, purpose=f"{GERMAN} עברית {'x' * 140}"),
    ),
    "values": _of(consent.values, _values(_ADULT, ADDRESS), photo=PHOTO),
    "values-photo": _of(consent.values, _values({}, None), photo=PHOTO),
    "values-no-photo": _of(consent.values, _values({}, None), photo={}),
    "values-all": _of(consent.values, _values(IDENTITY, ADDRESS)),
    "values-hostile": _of(consent.values, _values(_HOSTILE_IDENTITY, None)),
    "values-right-to-left": _of(consent.values, _values(_RIGHT_TO_LEFT, ADDRESS)),
    "login": _of(pin.login, _login()),
    "login-expires": _of(pin.login, _login(expires="2026-12-24", virtual=True)),
    "pin": _of(pin.pin, _login()),
    "pin-wrong": _of(pin.pin, _login(2, wrong=True)),
    "pin-marked": _of(pin.pin, _login(1, **_MARKED)),
    "last-try": _of(pin.last_try, _login(1)),
    "maybe-last-try": _of(pin.last_try, _login(None)),
    "elsewhere-reader": _of(pin.elsewhere, _login(), entry="reader"),
    "elsewhere-module": _of(
        pin.elsewhere, _login(expires="2026-12-24"), entry="module"
    ),
    "choose": _of(
        card.choose,
        Choice(SITE, _READERS, "", virtual=False, test_cards=(True, False, False)),
    ),
    "choose-hostile": _of(
        card.choose, Choice(SITE, tuple(HOSTILE_TEXTS[:9]), "", virtual=False)
    ),
    "awaited-no-reader": _awaited("no-reader"),
    "awaited-no-card": _awaited("no-card"),
    "awaited-unsupported-card": _awaited("unsupported-card"),
    "awaited-card-unreadable": _awaited("card-unreadable"),
    "working": _working(1400, 4000),
    "working-signs": _working(0, 0),
    "ended-read": _of(card.ended, _outcome("identity", "given", *ALL_DATA)),
    "ended-login": _of(card.ended, _outcome("authenticate", "given", "certificate")),
    "ended-wrong": _of(card.ended, _outcome("authenticate", "pin-incorrect")),
    "ended-blocked": _of(card.ended, _outcome("authenticate", "pin-blocked")),
    "ended-removed": _of(card.ended, _outcome("identity", "card-removed")),
    "ended-timeout": _of(card.ended, _outcome("identity", "timeout")),
    "ended-unwanted": _of(card.ended, _outcome("identity", "unwanted", "identity")),
    "ended-expired": _of(card.ended, _outcome("authenticate", "certificate-expired")),
    "sign": _of(pin.sign, _login(signing=_SEEN)),
    "sign-unseen": _of(pin.sign, _login(signing=_UNSEEN, expires="2026-12-24")),
    "sign-pin": _of(pin.pin, _login(signing=_SEEN)),
    "sign-last-try": _of(pin.last_try, _login(1, signing=_SEEN)),
    "sign-elsewhere": _of(pin.elsewhere, _login(signing=_UNSEEN), entry="reader"),
    "review": _of(_drawn, _REVIEW),
    "review-hostile": _of(
        _drawn,
        dataclasses.replace(
            _REVIEW,
            documents=tuple(
                dataclasses.replace(_DOCUMENT, name=words, title=words)
                for words in HOSTILE_TEXTS[:4]
            ),
        ),
    ),
    "ended-signed": _of(card.ended, _outcome("sign-pdf", "given", "documents")),
    "notice": _of(card.notice, AlwaysUsed(SITE, ("identity",), "", virtual=True)),
    "change": _of(pin.change, _change()),
    "change-last-try": _of(pin.change_last_try, _change(1, "Generic Reader " * 12)),
    "change-on-reader": _of(pin.change_on_reader, _change()),
    "change-asked": _of(pin.change_asked, _CHANGE_ASKED),
    "change-asked-on-reader": _of(pin.change_on_reader, _CHANGE_ASKED),
    "ended-changed": _of(card.ended, _outcome("change-pin", "given")),
    "menu": _of(
        info.menu, MenuPage(("Er is geen kaartlezer.",), COMMANDS, "", virtual=False)
    ),
    "info-journal": _of(
        info.info,
        Info(
            "tray-menu-journal",
            tuple(
                f"2026-11-25T12:00:{n:02}Z  {LONG}  aanmelden: naam  gegeven"
                for n in range(50)
            ),
            "",
            virtual=False,
            actions=("window-newer", "window-older"),
        ),
    ),
    "info-trust": _of(
        info.info,
        Info(
            "tray-menu-trust",
            ("Chromium (/home/lotte/.pki/nssdb): vertrouwt de eID-agent niet.",),
            "",
            virtual=True,
            actions=("window-trust-repair",),
        ),
    ),
    "pick-sites": _of(
        info.pick,
        Pick(
            "tray-menu-sites",
            ("Kies een website.",),
            (f"{SITE}: aanmelden", f"{LONG}: identiteit, adres"),
            "window-sites-revoke",
            "",
            virtual=False,
        ),
    ),
}
