"""Each fault of a virtual card: a typed error for the client, then a good card."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from cardio.apdu import get_card_data, read_binary, select_path, verify_status
from cardio.beid.card import BeidCard
from cardio.channel import Apdu
from cardio.errors import (
    CardError,
    CardMute,
    CardRemoved,
    CardReset,
    MalformedData,
    UnexpectedStatus,
)
from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import FAULTS, Fault, UnknownFault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.playable import Happening
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from tests.cardio.virtual.wire import APPLETS, V_BAD, V_GOOD, profile
from tests.rig.transcript import RecordedCard

SOON = 10
ON_BOTH = pytest.mark.parametrize("applet", APPLETS)
#: Faults that break off what the client does, and what it then hears.
BREAKING: dict[str, type[CardError]] = {
    "removed": CardRemoved,
    "mute": CardMute,
    "garbage": MalformedData,
    "wrong-sw": UnexpectedStatus,
    "eeprom-error": UnexpectedStatus,
    "reset": CardReset,
    "swapped": CardRemoved,
}


@dataclass
class Bench:
    """A reader with a faulty card, and what the card inside was asked."""

    readers: VirtualReaders
    card: FaultyCard
    inside: RecordedCard

    def connect(self) -> BeidCard:
        """Connect anew, as after an error."""
        return BeidCard(self.readers.connect(DEFAULT_NAME))


def bench(fault: str | None, applet: str = "1.8", *, slow: float = 0) -> Bench:
    """Put a card with a fault into a reader that soon gives up a mute card."""
    readers = VirtualReaders(mute_seconds=0.1)
    inside = RecordedCard(profile(applet))
    parsed = None if fault is None else Fault.parse(fault)
    card = FaultyCard(inside, parsed, slow_seconds=slow)
    readers.insert(card)
    return Bench(readers, card, inside)


# --- names ---------------------------------------------------------------------------


def test_names_and_numbers() -> None:
    """`NAME` is at the first command, `NAME:N` at the Nth."""
    assert Fault.parse("mute") == Fault("mute", 1)
    assert Fault.parse("other-photo:12") == Fault("other-photo", 12)
    assert all(Fault.parse(str(Fault(name, 3))) == Fault(name, 3) for name in FAULTS)


@pytest.mark.parametrize(
    "text",
    ["", "nothing", "mute:", "mute:0", "mute:-1", "mute:x", "mute:1:2", "mute:٣", ":1",
     "mute:1000000", " mute", "Mute"],
)  # fmt: skip
def test_what_is_no_fault(text: str) -> None:
    """It is refused with the names that there are."""
    with pytest.raises(UnknownFault, match=r"removed, mute, garbage, .*swapped"):
        Fault.parse(text)


# --- around any card -----------------------------------------------------------------


@ON_BOTH
def test_without_a_fault_nothing_changes(applet: str) -> None:
    """The wrapper hands on what the card answers."""
    seen = bench(None, applet)
    assert seen.connect().read(EF.IDENTITY) == profile(applet).files[EF.IDENTITY]
    assert seen.readers.readers()[0].atr == profile(applet).atr
    assert seen.card.tries_left == 3


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_shows_until_it_is_taken_away(name: str) -> None:
    """Every name of the list can be played; before its time nothing is wrong."""
    card = FaultyCard(VirtualCard(profile("1.8")), Fault(name, 2))
    assert card.transmit(get_card_data())[-2:] == b"\x90\x00"
    assert card.fault == Fault(name, 2)
    card.arm(None)
    assert card.fault is None
    assert card.transmit(get_card_data())[-2:] == b"\x90\x00"


def recognise_and_read(seen: Bench) -> bytes:
    """Do what a client does with a card that it has not seen."""
    card = seen.connect()
    card.recognise()
    return card.read(EF.PHOTO)


@ON_BOTH
@pytest.mark.parametrize("name", BREAKING)
@pytest.mark.parametrize("at", [2, 4])
def test_a_broken_read(applet: str, name: str, at: int) -> None:
    """A typed error at the Nth command, which the card never gets; then all is well."""
    seen = bench(f"{name}:{at}", applet)
    with pytest.raises(BREAKING[name]) as caught:
        recognise_and_read(seen)
    assert type(caught.value) is BREAKING[name]
    assert len(seen.inside.exchanges) == at - 1
    assert seen.card.fault is None
    if name == "removed":
        assert seen.readers.readers()[0].atr is None
        seen.readers.insert(seen.card)
    if name == "eeprom-error":  # the card is silent now, until somebody resets it
        with pytest.raises(CardMute):
            seen.connect().recognise()
    if name != "swapped":
        assert recognise_and_read(seen) == profile(applet).files[EF.PHOTO]
    assert seen.card.tries_left == 3


@pytest.mark.parametrize("name", BREAKING)
def test_no_fault_costs_a_try(name: str) -> None:
    """A wrong PIN at which the fault happens never reaches the card."""
    inside = VirtualCard(profile("1.8"))
    card = FaultyCard(inside, Fault(name))
    with contextlib.suppress(Happening):
        card.transmit(bytes.fromhex(V_BAD))
    assert inside.tries_left == 3


class Watched(FaultyCard):
    """A faulty card that tells when a command has come to it."""

    def __init__(self, fault: Fault, *, slow_seconds: float = 0) -> None:
        super().__init__(VirtualCard(profile("1.8")), fault, slow_seconds=slow_seconds)
        self.asked = threading.Event()

    def transmit(self, apdu: Apdu) -> bytes:
        """Tell, and answer or not."""
        self.asked.set()
        return super().transmit(apdu)


def heard_when_pulled(card: Watched) -> CardError:
    """Pull a card that somebody waits for, and return what that one hears."""
    readers = VirtualReaders(mute_seconds=600)
    readers.insert(card)
    channel = readers.connect(DEFAULT_NAME)
    heard: queue.Queue[CardError] = queue.Queue()

    def ask() -> None:
        try:
            channel.transmit(get_card_data())
        except CardError as error:
            heard.put(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert card.asked.wait(SOON)
    readers.remove()
    return heard.get(timeout=SOON)


def test_a_mute_card_is_pulled() -> None:
    """Who waits for its answer hears of the removal at once, not after the limit."""
    assert type(heard_when_pulled(Watched(Fault("mute")))) is CardRemoved


def test_a_mute_card_is_given_up() -> None:
    """The channel that waited is lost for good; the card was reset for the others."""
    seen = bench("mute")
    other = seen.readers.connect(DEFAULT_NAME)
    seen.inside.transmit(bytes.fromhex(V_GOOD))
    waiting = seen.readers.connect(DEFAULT_NAME)
    for _ in range(2):
        with pytest.raises(CardMute):
            waiting.transmit(get_card_data())
    with pytest.raises(CardReset):
        other.transmit(get_card_data())
    fresh = seen.readers.connect(DEFAULT_NAME)
    assert fresh.transmit(verify_status()).sw == 0x63C3


def test_reset_by_another_program() -> None:
    """Every channel hears of it; PIN right and selection are gone."""
    seen = bench("reset:3")
    mine, other = (seen.readers.connect(DEFAULT_NAME) for _ in range(2))
    assert mine.transmit(bytes.fromhex(V_GOOD)).sw == 0x9000
    assert mine.transmit(select_path(*EF.IDENTITY.path)).sw == 0x9000
    for channel in (mine, other):
        with pytest.raises(CardReset):
            channel.transmit(read_binary(0, 8))
    fresh = seen.readers.connect(DEFAULT_NAME)
    assert fresh.transmit(read_binary(0, 8)).sw == 0x6986
    assert fresh.transmit(verify_status()).sw == 0x63C3


@ON_BOTH
def test_swapped_for_another_person(applet: str) -> None:
    """Same ATR, another insertion, another chip: only a look at the chip tells."""
    seen = bench("swapped:2", applet)
    (before,) = seen.readers.readers()
    watch = seen.readers.watch()
    watch.wait()
    card = seen.connect()
    first = card.recognise().chip_serial
    with pytest.raises(CardRemoved):
        card.pin_status()
    states = watch.wait()
    assert states is not None
    assert (states[0].atr, states[0].insertion > before.insertion) == (before.atr, True)
    second = seen.connect()
    assert second.recognise().chip_serial != first
    assert second.read(EF.IDENTITY) != profile(applet).files[EF.IDENTITY]


def test_the_hand_is_faster_than_the_fault() -> None:
    """A card pulled while it leaves by itself leaves once; no successor appears."""
    readers = VirtualReaders()

    class Hand(FaultyCard):
        def transmit(self, apdu: Apdu) -> bytes:
            readers.remove()
            return super().transmit(apdu)

    readers.insert(Hand(VirtualCard(profile("1.8")), Fault("swapped")))
    with pytest.raises(CardRemoved):
        readers.connect(DEFAULT_NAME).transmit(get_card_data())
    assert readers.readers()[0].atr is None


def test_slow() -> None:
    """The answers are right, and the fault lasts."""
    seen = bench("slow:2", slow=0.01)
    assert seen.connect().read(EF.IDENTITY) == profile("1.8").files[EF.IDENTITY]
    assert seen.card.fault == Fault("slow", 2)


def test_a_slow_card_is_pulled() -> None:
    """It waits no longer than it is in its reader."""
    card = Watched(Fault("slow"), slow_seconds=600)
    assert type(heard_when_pulled(card)) is CardRemoved


def test_how_slow() -> None:
    """A second unless told otherwise, from the Nth command on."""
    waited: list[float] = []

    class Counting(FaultyCard):
        def wait(self, seconds: float) -> None:
            waited.append(seconds)

    card = Counting(VirtualCard(profile("1.8")), Fault("slow", 3))
    for _ in range(4):
        assert card.transmit(get_card_data())[-2:] == b"\x90\x00"
    assert waited == [1.0, 1.0]


# --- content -------------------------------------------------------------------------


def _differences(one: bytes, other: bytes) -> list[int]:
    assert len(one) == len(other)
    return [one[at] ^ other[at] for at in range(len(one)) if one[at] != other[at]]


@ON_BOTH
@pytest.mark.parametrize(
    "ef", [EF.IDENTITY, EF.ADDRESS, EF.PHOTO, EF.ADDRESS_SIGNATURE]
)
def test_a_flipped_bit(applet: str, ef: EF) -> None:
    """One bit of the file, the same one at each read; no other file has one."""
    card = bench("flipped-bit", applet).connect()
    stored = profile(applet).files
    read = card.read(ef)
    assert _differences(read, stored[ef]) == [1]
    at = next(i for i, byte in enumerate(read) if byte != stored[ef][i])
    assert any(stored[ef][at:]), "in content, not in the padding"
    assert card.read(ef) == read
    assert card.read(EF.IDENTITY_SIGNATURE) == stored[EF.IDENTITY_SIGNATURE]


def test_a_flipped_bit_from_the_nth_command_on() -> None:
    """What was read before it is right."""
    seen = bench("flipped-bit:9")
    card, stored = seen.connect(), profile("1.8").files
    assert card.read(EF.IDENTITY) == stored[EF.IDENTITY]
    count = len(seen.inside.exchanges)
    seen.card.arm(Fault("flipped-bit", count + 1))
    assert card.read(EF.IDENTITY) == stored[EF.IDENTITY]
    assert card.read(EF.IDENTITY) != stored[EF.IDENTITY]


@ON_BOTH
def test_a_wrong_signature(applet: str) -> None:
    """One bit of EF 4032 alone."""
    card = bench("wrong-rrn-signature", applet).connect()
    stored = profile(applet).files
    for ef in (EF.IDENTITY, EF.ADDRESS, EF.ADDRESS_SIGNATURE):
        assert card.read(ef) == stored[ef]
    read = card.read(EF.IDENTITY_SIGNATURE)
    assert _differences(read, stored[EF.IDENTITY_SIGNATURE]) == [1]


@pytest.mark.parametrize("name", ["adult", "kids"])
def test_another_photo(name: str) -> None:
    """The whole picture of somebody else, whatever its length; nothing else changes."""
    stored = profile("1.8", name).files
    readers = VirtualReaders()
    readers.insert(FaultyCard(VirtualCard(profile("1.8", name)), Fault("other-photo")))
    card = BeidCard(readers.connect(DEFAULT_NAME))
    photo = card.read(EF.PHOTO)
    assert photo != stored[EF.PHOTO]
    assert photo in (
        profile("1.8", other).files[EF.PHOTO] for other in ("adult", "kids")
    )
    assert card.read(EF.IDENTITY) == stored[EF.IDENTITY]


def test_a_photo_that_the_card_withholds() -> None:
    """A refusal of the card's own stays one."""
    files = {ef: data for ef, data in profile("1.8").files.items() if ef != EF.PHOTO}
    without = FaultyCard(
        VirtualCard(replace(profile("1.8"), files=files)), Fault("other-photo")
    )
    assert without.transmit(select_path(*EF.PHOTO.path)) == b"\x6a\x82"
    protected = FaultyCard(
        VirtualCard(replace(profile("1.8"), pin_protected=frozenset({EF.PHOTO}))),
        Fault("other-photo"),
    )
    assert protected.transmit(select_path(*EF.PHOTO.path)) == b"\x90\x00"
    assert protected.transmit(read_binary(0, 16)) == b"\x69\x82"


@pytest.mark.parametrize("name", ["flipped-bit", "wrong-rrn-signature", "other-photo"])
def test_content_is_right_once_the_fault_is_taken_away(name: str) -> None:
    """Without leaving the reader."""
    seen = bench(name)
    card, stored = seen.connect(), profile("1.8").files
    files = (EF.PHOTO, EF.IDENTITY_SIGNATURE)
    assert [card.read(ef) for ef in files] != [stored[ef] for ef in files]
    seen.card.arm(None)
    assert [card.read(ef) for ef in files] == [stored[ef] for ef in files]


SELECTIONS: dict[str, Callable[[], list[str]]] = {
    "by path": lambda: ["00A4080C063F00DF014031"],
    "by identifier": lambda: ["00A4020C02DF01", "00A4020C024031"],
    "with a failed one behind": lambda: ["00A4080C04DF014031", "00A4080C04DF01FFFF"],
}


@pytest.mark.parametrize("way", SELECTIONS)
def test_the_selected_file_is_known(way: str) -> None:
    """However a program selects it."""
    card = FaultyCard(VirtualCard(profile("1.8")), Fault("wrong-rrn-signature"))
    for command in SELECTIONS[way]():
        card.transmit(bytes.fromhex(command.replace("4031", "4032")))
    block = card.transmit(read_binary(0, 256))[:-2]
    assert block != profile("1.8").files[EF.IDENTITY_SIGNATURE]
    card.reset()
    assert card.transmit(read_binary(0, 16)) == b"\x69\x86"
