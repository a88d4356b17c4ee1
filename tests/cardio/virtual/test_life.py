"""Cards that did not reach their holder: not activated, or still in the factory."""

from __future__ import annotations

import pytest

from cardio.beid.card import BeidCard
from cardio.errors import CardNotActivated, FileAbsent
from cardio.files import EF
from cardio.virtual.counters import Counters
from cardio.virtual.profile import Life
from cardio.virtual.reader import VirtualReaders
from tests.cardio.virtual.wire import (
    APPLETS,
    CARD_DATA,
    LOG_OFF,
    SELECT_APPLET,
    STATUS,
    V_GOOD,
    Wire,
    mse,
    pso,
    select,
)

BOTH = pytest.mark.parametrize("applet", APPLETS)
CHANGE = f"0024000110{V_GOOD[10:]}245678FFFFFFFFFF"
CHIP = "00880281329430" + "5A" * 48


@BOTH
def test_files_are_not_activated(applet: str) -> None:
    """1.7 selects with the warning 6283 and refuses to read, 1.8 answers 6985."""
    wire = Wire(applet, name="not-activated")
    select_word, read_word = {"1.7": ("6283", "6985"), "1.8": ("6985", "6986")}[applet]
    for path in ("DF014031", "3F00DF005038", "2F00"):
        assert wire.send(select(path)) == select_word
        assert wire.send("00B0000010") == read_word
    assert wire.send("00A4020C02DF00") == select_word
    assert wire.send(select("DF00503D")) == "6A82"
    assert wire.send("00A4080C03DF0140") == "6A87"
    if applet == "1.8":
        assert wire.send("80B2010100") == "6986"


@BOTH
def test_keys_are_not_activated(applet: str) -> None:
    """MSE:SET refuses, after its own checks; so no signature has an environment."""
    wire = Wire(applet, name="not-activated")
    for key in (0x82, 0x83):
        assert wire.send(mse(0x02, key)) == "6985"
    assert wire.send(mse(0x02, 0x84)) == "6A88"
    assert wire.send(mse(0x03)) == "6A80"
    assert wire.send(V_GOOD) == "9000"
    assert wire.send(pso(bytes(48))) == "6985"


def test_the_chip_does_not_sign_before_activation() -> None:
    """INTERNAL AUTHENTICATE refuses, and does not count."""
    counters = Counters()
    wire = Wire("1.8", name="not-activated", counters=counters)
    assert wire.send(CHIP) == "6985"
    assert counters.authentications == 0


@BOTH
def test_the_rest_works_before_activation(applet: str) -> None:
    """Card data say personalised; applet, PIN, random bytes and LOG OFF are there."""
    wire = Wire(applet, name="not-activated")
    assert wire.send(SELECT_APPLET) == "9000"
    assert wire.fetch(CARD_DATA)[27] == 0x0F
    assert wire.send(STATUS) == "63C3"
    assert wire.send(CHANGE) == "9000"
    assert wire.send(LOG_OFF) == "9000"
    assert len(wire.fetch("0084000008")) == 8


@BOTH
def test_a_card_in_the_factory(applet: str) -> None:
    """State 07: GET CARD DATA answers, whatever else there is answers 6D00."""
    wire = Wire(applet, life=Life.PERSONALISATION)
    assert wire.fetch(CARD_DATA)[27] == 0x07
    commands = [SELECT_APPLET, select("DF014031"), "00B0000010", "00C0000010"]
    commands += [V_GOOD, STATUS, CHANGE, mse(0x02), pso(bytes(48)), LOG_OFF]
    commands += ["80B2010100", CHIP, "0084000008"]
    assert {wire.send(command) for command in commands} == {"6D00"}
    assert wire.send("80E4000000") == "6C1C"
    assert wire.send("00E400001C") == "6E00"
    assert wire.card.tries_left == 3
    if applet == "1.8":
        assert wire.fetch("80E400011F")[27:29] == b"\x07\x03"


@BOTH
@pytest.mark.parametrize("life", [Life.DEACTIVATED, Life.PERSONALISATION])
def test_the_client_says_what_is_the_matter(applet: str, life: Life) -> None:
    """Not a card that cannot be read, but one to take to the municipality."""
    readers = VirtualReaders()
    readers.insert(Wire(applet, life=life).card)
    card = BeidCard(readers.connect(readers.readers()[0].name))
    with card.transaction():
        assert card.recognise().applet == applet
        for ef in (EF.IDENTITY, EF.PHOTO, EF.BASIC_KEY):
            if ef is EF.BASIC_KEY and (applet, life) == ("1.7", Life.DEACTIVATED):
                with pytest.raises(FileAbsent):
                    card.read(ef)
                continue
            with pytest.raises(CardNotActivated):
                card.read(ef)
        with pytest.raises(CardNotActivated):
            card.read_certificate(EF.AUTHENTICATION)
