"""What happens to the card while a PIN is typed: then no PIN reaches any card.

Counted by the cards themselves, since tries alone would not show a right PIN that went
to the wrong card.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.commands import Failure, change_pin
from cardio import apdu
from cardio.apdu import PIN_INSTRUCTIONS
from cardio.beid.source import BeidCards
from cardio.channel import Apdu
from cardio.pin import Pin
from cardio.virtual.profile import Profile, load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.people import Person, running
from tests.cardio.fake_pinpad import BOTH, FakePinPadReaders
from tests.rig.transcript import RecordedCard

APPLETS = pytest.mark.parametrize("applet", ["1.7", "1.8"])
STRICT = pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
KEYS = pytest.mark.parametrize("keys", [False, True], ids=["typed", "on-reader"])


class Changeable(RecordedCard):
    """A card that becomes another one without its reader noticing."""

    other: RecordedCard | None = None

    def transmit(self, apdu: Apdu) -> bytes:
        """Let the other one answer, once there is one."""
        if self.other is not None:
            return self.other.transmit(apdu)
        return super().transmit(apdu)


def pins_sent(*cards: RecordedCard) -> int:
    """Count commands with a PIN in them; a status query has none."""
    sent = [each for card in cards for each in card.exchanges]
    return sum(each.ins in PIN_INSTRUCTIONS and each.size > 5 for each in sent)


def somebody_else(profile: Profile) -> Profile:
    """The same card but for its chip serial: the same PIN would be right on it."""
    return replace(profile, chip_serial=bytes(reversed(profile.chip_serial)))


class Scene:
    """A card in a reader, and what is done to it while the person types."""

    def __init__(self, applet: str, strict: bool) -> None:
        profile = load_profile("adult", applet=applet)
        self.card = Changeable(profile, strict=strict)
        self.other = RecordedCard(somebody_else(profile), strict=strict)
        self.readers = VirtualReaders("Reader")
        self.readers.insert(self.card)
        #: PINs that another program sent.
        self.theirs = 0

    def swap(self) -> None:
        """Somebody takes the card out and puts another one in."""
        self.readers.remove()
        self.readers.insert(self.other)

    def swap_unnoticed(self) -> None:
        """The same, and the reader tells nobody."""
        self.card.other = self.other

    def spend(self) -> None:
        """Another program sends a wrong PIN."""
        channel = self.readers.connect("Reader")
        with Pin(bytearray(b"9999")) as pin:
            assert channel.transmit(apdu.verify(pin.block())).sw == 0x63C2
        self.theirs = 1

    def restart(self) -> None:
        """Another program resets the card and spends a try in a session of its own."""
        self.card.reset()
        self.spend()

    def check(self) -> None:
        """No PIN of ours reached a card, and no try is gone but theirs."""
        assert pins_sent(self.card, self.other) == self.theirs
        assert (self.card.tries_left, self.other.tries_left) == (3 - self.theirs, 3)


MEANWHILE = pytest.mark.parametrize(
    "meanwhile", [Scene.swap, Scene.swap_unnoticed, Scene.spend, Scene.restart]
)


@MEANWHILE
@KEYS
@STRICT
@APPLETS
async def test_no_pin_reaches_a_card_that_changed_during_the_question(
    applet: str, strict: bool, keys: bool, meanwhile: Callable[[Scene], None]
) -> None:
    """A login: swapped, or a try spent by another program; nothing is sent."""
    scene = Scene(applet, strict)
    pads = FakePinPadReaders(scene.readers, [("1234",)])

    class Slow(Person):
        async def _hear(self, question: Any) -> None:
            meanwhile(scene)
            await super()._hear(question)

    source = BeidCards(pads if keys else scene.readers)
    async with running(person=Slow(), source=source) as agent:
        answer = await agent.login()
    assert answer.status in (409, 424), answer.body
    assert answer.body["code"] in ("card-changed", "card-removed")
    assert len(agent.person.questions) == 1
    assert pads.typed == [("1234",)]  # nobody was made to press keys
    scene.check()


@KEYS
@APPLETS
async def test_a_reader_that_gets_or_loses_its_keys_is_another_one(
    applet: str, keys: bool
) -> None:
    """Asked in one place, typed in another: `card-changed`, and no PIN is sent."""
    scene = Scene(applet, strict=False)
    pads = FakePinPadReaders(scene.readers, [("1234",)])
    before, after = (BOTH, None) if keys else (None, BOTH)
    pads.pad = before

    class Slow(Person):
        async def _hear(self, question: Any) -> None:
            pads.pad = after
            await super()._hear(question)

    async with running(person=Slow(), source=BeidCards(pads)) as agent:
        answer = await agent.login()
    assert (answer.status, answer.body["code"]) == (409, "card-changed")
    assert pads.typed == [("1234",)]
    scene.check()


@MEANWHILE
@KEYS
@STRICT
@APPLETS
def test_no_pin_reaches_a_card_that_changed_during_a_pin_change(
    monkeypatch: pytest.MonkeyPatch,
    keyboard: int,
    applet: str,
    strict: bool,
    keys: bool,
    meanwhile: Callable[[Scene], None],
) -> None:
    """The same while the old and new PIN are typed."""
    scene = Scene(applet, strict)
    pads = FakePinPadReaders(scene.readers, [("1234", "4321", "4321")])
    source = BeidCards(pads if keys else scene.readers)
    monkeypatch.setattr(change_pin, "card_source", lambda _: source)
    asked = change_pin._asked

    def slowly(*question: Any) -> change_pin.Pins:
        pins = asked(*question)
        meanwhile(scene)
        return pins

    monkeypatch.setattr(change_pin, "_asked", slowly)
    os.write(keyboard, b"y\n" if keys else b"1234\n4321\n4321\n")
    options = argparse.Namespace(card="virtual", reader=None, lang="en", json=False)
    with pytest.raises(Failure) as caught:
        change_pin.main(options)
    assert "another card than a moment ago" in caught.value.sentence("en")
    assert "The PIN was not changed." in caught.value.sentence("en")
    assert len(pads.typed) == 1
    scene.check()
