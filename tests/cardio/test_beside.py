"""What is done beside a PKCS#11 module, in a real PC/SC service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from cardio import apdu
from cardio.apdu import INS
from cardio.beid.beside import Beside
from cardio.channel import Channel
from cardio.errors import CardBusy
from cardio.pcsc import PcscReaders
from cardio.pin import Pin
from tests.rig.pcscd import Pcscd

pytestmark = pytest.mark.pcscd


class Impatient(PcscReaders):
    """PC/SC that gives a kept card up after a moment; tells of the second attempt."""

    def __init__(self) -> None:
        super().__init__(apdu_seconds=0.3)
        self.connections = 0
        self.again = threading.Event()

    def connect(self, name: str) -> Channel:
        """Connect; the second time something was busy before."""
        self.connections += 1
        if self.connections > 1:
            self.again.set()
        return super().connect(name)


@contextmanager
def kept(pcscd: Pcscd) -> Iterator[Channel]:
    """Another program has the card, and a PIN right on it, to itself."""
    with closing(PcscReaders().connect(pcscd.reader)) as theirs, theirs.transaction():
        with Pin(bytearray(b"1234")) as pin:
            assert theirs.transmit(apdu.verify(pin.block())).sw == 0x9000
        yield theirs


def test_log_off_waits_for_a_program_that_keeps_the_card(pcscd: Pcscd) -> None:
    """Given up by PC/SC once and more: sent as soon as the card is free."""
    readers = Impatient()
    ours = threading.Thread(target=Beside(readers).log_off, args=(pcscd.reader,))
    with pcscd.card() as card:
        with kept(pcscd) as theirs:
            ours.start()
            assert readers.again.wait(20)
            assert theirs.transmit(apdu.verify_status()).sw == 0x9000
        ours.join(20)
        assert not ours.is_alive()
        assert card.count(INS.LOG_OFF) == 1
        assert card.transmit(bytes(apdu.verify_status())) == b"\x63\xc3"


def test_log_off_is_not_tried_for_ever(pcscd: Pcscd) -> None:
    """CardBusy at the end, which says that the right may still be there."""
    with pcscd.card() as card, kept(pcscd):
        with pytest.raises(CardBusy):
            Beside(Impatient(), log_off_seconds=0.5).log_off(pcscd.reader)
        assert card.count(INS.LOG_OFF) == 0
