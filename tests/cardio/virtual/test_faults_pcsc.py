"""Faults of a card in a real pcscd: what PC/SC's clients get to see of each."""

from __future__ import annotations

import pytest

from cardio.beid.algorithms import RS256
from cardio.beid.card import BeidCard
from cardio.card import Expected
from cardio.errors import (
    CardError,
    CardMute,
    CardRemoved,
    MalformedData,
    UnexpectedStatus,
)
from cardio.files import EF, Key
from cardio.pcsc import PcscReaders
from cardio.pin import Pin
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from tests.cardio.virtual.wire import profile
from tests.rig.pcscd import Pcscd, wait_until
from tests.rig.transcript import RecordedCard

pytestmark = pytest.mark.pcscd

BREAKING: dict[str, type[CardError]] = {
    "removed": CardRemoved,
    "mute": CardMute,
    "garbage": MalformedData,
    "wrong-sw": UnexpectedStatus,
    "eeprom-error": UnexpectedStatus,
    "swapped": CardRemoved,
}


def connect(pcscd: Pcscd) -> BeidCard:
    """Connect through PC/SC, with little patience for a mute card."""
    return BeidCard(PcscReaders(apdu_seconds=0.5).connect(pcscd.reader))


def read(pcscd: Pcscd) -> bytes:
    """Read the photo as a client does that has not seen the card."""
    card = connect(pcscd)
    try:
        card.recognise()
        return card.read(EF.PHOTO)
    finally:
        card.close()


@pytest.mark.parametrize("name", BREAKING)
def test_a_broken_read(pcscd: Pcscd, name: str) -> None:
    """The same typed errors as in the process; put in again, the card works."""
    inside = RecordedCard(profile("1.8"))
    card = FaultyCard(inside, Fault(name, 4))
    with pcscd.insert(card) as pull:
        with pytest.raises(BREAKING[name]):
            read(pcscd)
        assert len(inside.exchanges) == 3
        if name in ("garbage", "wrong-sw"):
            assert read(pcscd) == profile("1.8").files[EF.PHOTO]
        pull()
    with pcscd.insert(card):
        assert read(pcscd) == profile("1.8").files[EF.PHOTO]
    assert card.tries_left == 3


def test_readers_are_told_while_a_card_keeps_its_command(pcscd: Pcscd) -> None:
    """pcscd connects nobody to that reader then: it is not asked for its keypad."""
    card = FaultyCard(RecordedCard(profile("1.8")), Fault("mute", 2))
    with pcscd.insert(card) as pull:
        with pytest.raises(CardMute):
            read(pcscd)
        readers = PcscReaders()
        for _ in range(2):
            assert pcscd.reader in [state.name for state in readers.readers()]
        with pytest.raises(CardMute):
            read(pcscd)
        pull()


def test_removed_and_swapped_as_pcsc_reports_them(pcscd: Pcscd) -> None:
    """An empty reader; another insertion."""
    readers = PcscReaders()

    def state() -> tuple[bool, int]:
        (reader,) = (s for s in readers.readers() if s.name == pcscd.reader)
        return reader.atr is not None, reader.insertion

    with pcscd.insert(FaultyCard(RecordedCard(profile("1.8")), Fault("removed"))):
        with pytest.raises(CardRemoved):
            read(pcscd)
        pcscd.wait_for_card(present=False)
    with pcscd.insert(FaultyCard(RecordedCard(profile("1.8")), Fault("swapped", 2))):
        _, before = state()
        first = connect(pcscd)
        serial = first.recognise().chip_serial
        with pytest.raises(CardRemoved):
            first.recognise()
        wait_until(lambda: state()[0] and state()[1] > before, "another card is in")
        assert connect(pcscd).recognise().chip_serial != serial


def test_a_reset_costs_the_pin_right(pcscd: Pcscd) -> None:
    """PC/SC cannot be told; the card has lost the right and refuses to sign."""
    card = FaultyCard(RecordedCard(profile("1.7")))
    with pcscd.insert(card):
        client = connect(pcscd)
        client.recognise()
        status, data = client.pin_status(), client.recognise()
        # Card data, status query, MSE, VERIFY; the signature comes fifth.
        card.arm(Fault("reset", 5))
        with pytest.raises(UnexpectedStatus):
            client.sign(
                Key.AUTHENTICATION,
                RS256,
                bytes(32),
                Pin(bytearray(b"1234")),
                Expected(data.chip_serial, status.tries_left),
            )
        assert card.tries_left == 3
        client.close()
