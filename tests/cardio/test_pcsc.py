"""The PC/SC rim against a real pcscd: readers, watches, channels, and what breaks."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cardio import apdu, part10
from cardio.apdu import INS, Response
from cardio.beid.algorithms import ES384, RS256
from cardio.beid.card import BeidCard
from cardio.card import Expected, PinEntry
from cardio.channel import Apdu, Channel
from cardio.errors import (
    CardBusy,
    CardError,
    CardMute,
    CardRemoved,
    CardReset,
    CardUnreadable,
    NoCard,
    NoReader,
    PinIncorrect,
    ServiceRefused,
    ServiceUnavailable,
)
from cardio.files import ATR_1_8, EF, Key
from cardio.part10 import ABORT, GET_KEY_PRESSED, Feature, Keypad
from cardio.pin import Pin
from cardio.readers import ReaderState
from cardio.signature import SignatureAlgorithm
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from cardio.virtual.vpcd import insert_into_vpcd
from tests.cardio.fake_pinpad import fill, read_order
from tests.cardio.watching import watching
from tests.rig.pcscd import Pcscd

pcsc = pytest.importorskip("cardio.pcsc", reason="pyscard is not installed")

pytestmark = pytest.mark.pcscd


def _atr(report: tuple[ReaderState, ...] | None, name: str) -> bytes | None:
    assert report is not None
    return {state.name: state.atr for state in report}[name]


def test_readers_show_their_cards(pcscd: Pcscd) -> None:
    """An empty reader has no ATR, a full one the card's; neither has a keypad."""
    readers = pcsc.PcscReaders()
    states = {state.name: state for state in readers.readers()}
    assert states[pcscd.reader].atr is None
    with pcscd.card():
        states = {state.name: state for state in readers.readers()}
        assert states[pcscd.reader].atr == ATR_1_8
        assert not states[pcscd.reader].pin_pad


def test_a_watch_sees_cards_come_and_go(pcscd: Pcscd) -> None:
    """The first report is at once; each stay of a card has its own number."""
    with watching() as watcher:
        assert _atr(watcher.expect(1), pcscd.reader) is None
        stays = []
        for stay in range(2):
            with pcscd.card():
                report = watcher.expect(2 + 2 * stay)
                assert _atr(report, pcscd.reader) == ATR_1_8
                assert report is not None
                stays.append(
                    next(s.insertion for s in report if s.name == pcscd.reader)
                )
            assert _atr(watcher.expect(3 + 2 * stay), pcscd.reader) is None
        assert stays[0] != stays[1]
    assert watcher.reports[-1] is None


def test_a_waiting_watch_holds_nobody_up(pcscd: Pcscd) -> None:
    """Other threads run on while winscard waits, and the wait ends when told to."""
    del pcscd
    with watching() as watcher:
        watcher.expect(1)
        began = time.monotonic()
        assert sum(range(1000)) == 499500
        assert time.monotonic() - began < 1
        watcher.stop()
        assert time.monotonic() - began < 2


def _switches(thread: threading.Thread) -> int:
    """Return how often a thread gave the processor away, which each wait does."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text("ascii")
    return int(status.split("voluntary_ctxt_switches:")[1].split()[0])


def test_while_nothing_happens_a_watch_does_nothing(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call that waits without a limit; its thread is not woken once."""
    waits: list[int] = []
    entered = threading.Event()
    wait = pcsc.scard.SCardGetStatusChange

    def counted(context: object, limit: int, states: object) -> object:
        waits.append(limit)
        if limit:
            entered.set()
        return wait(context, limit, states)

    monkeypatch.setattr(pcsc.scard, "SCardGetStatusChange", counted)
    with watching() as watcher, pcscd.card():
        while _atr(watcher.expect(len(watcher.reports) or 1), pcscd.reader) is None:
            watcher.expect(len(watcher.reports) + 1)
        _until_still(watcher.thread)
        calls, switches = len(waits), _switches(watcher.thread)
        assert waits[-1] == pcsc.scard.INFINITE
        watcher.thread.join(2)  # it stays where it is
        assert len(waits) == calls
        assert _switches(watcher.thread) == switches
    assert set(waits) == {0, pcsc.scard.INFINITE}


def _until_still(thread: threading.Thread) -> None:
    """Wait until a thread waits: others connecting to the card are news to it."""
    before = -1
    for _ in range(20):
        if before == (before := _switches(thread)):
            return
        thread.join(0.5)
    raise AssertionError("it is woken again and again")


@pytest.mark.parametrize("round_", range(20))
def test_a_watch_is_cancelled_whatever_it_does(pcscd: Pcscd, round_: int) -> None:
    """Before, while, and as the wait begins: `wait` ends, always."""
    del pcscd
    with watching() as watcher:
        time.sleep(round_ / 4000)
        watcher.stop()
    assert watcher.reports[-1] is None


def test_a_cancel_just_before_the_wait_is_not_lost(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """winscard forgets a cancel that comes before its wait has begun."""
    del pcscd
    entering, cancelled = threading.Event(), threading.Event()
    wait, cancel = pcsc.scard.SCardGetStatusChange, pcsc.scard.SCardCancel

    def late(context: object, limit: int, states: object) -> object:
        if limit:
            entering.set()
            cancelled.wait(10)
        return wait(context, limit, states)

    def early(context: object) -> object:
        code = cancel(context)
        cancelled.set()
        return code

    monkeypatch.setattr(pcsc.scard, "SCardGetStatusChange", late)
    monkeypatch.setattr(pcsc.scard, "SCardCancel", early)
    with watching() as watcher:
        assert entering.wait(10)
        watcher.stop()


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
def test_a_card_reads_through_pcsc_as_it_is(pcscd: Pcscd, persona: str) -> None:
    """Every file of both applets comes out byte by byte."""
    profile = load_profile(persona)
    with pcscd.card(persona):
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        card = BeidCard(channel)
        with card.transaction():
            card.recognise()
            for ef in (EF.IDENTITY, EF.ADDRESS, EF.PHOTO, EF.ADDRESS_SIGNATURE):
                assert card.read(ef) == profile.files[ef]
            certificate = card.read_certificate(EF.AUTHENTICATION)
        assert profile.files[EF.AUTHENTICATION].startswith(certificate)
        channel.close()
        channel.close()


def test_the_pin_is_wiped_at_the_rim(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong and a right PIN through PC/SC; no list given to winscard keeps one."""
    kept: list[list[int]] = []
    transmit = pcsc.scard.SCardTransmit

    def keep(card: object, pci: int, command: list[int]) -> object:
        kept.append(command)
        return transmit(card, pci, command)

    monkeypatch.setattr(pcsc.scard, "SCardTransmit", keep)
    digest = hashlib.sha384(b"x").digest()
    with pcscd.card("adult") as played:
        card = BeidCard(pcsc.PcscReaders().connect(pcscd.reader))
        serial = card.recognise().chip_serial

        def sign(digits: bytes, tries: int) -> bytes:
            with Pin(bytearray(digits)) as pin:
                expected = Expected(serial, tries)
                return card.sign(Key.AUTHENTICATION, ES384, digest, pin, expected)

        with pytest.raises(PinIncorrect):
            sign(b"4321", 3)
        assert len(sign(b"1234", 2)) == 96
        assert played.count(INS.VERIFY) == 2
    assert len(kept) > 10
    assert not any(any(command) for command in kept)


class FakePinPadDriver:
    """What a driver of a reader with keys does in SCardControl, played by a script.

    No real one was at hand. It sends the command that it was given to the real card,
    with the digits of a test PIN in it.
    """

    TABLE = bytes.fromhex("06 04 4233AA06 07 04 4233AA07")
    PPDU = b"\x06\x07"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.orders: list[tuple[int, bytes]] = []
        #: Set to hold the person's fingers back.
        self.types = threading.Event()
        self.types.set()
        self.keys: list[int] = []
        self.begun = (0, b"")
        self.transmit_to_card = pcsc.scard.SCardTransmit
        monkeypatch.setattr(pcsc.scard, "SCardControl", self.control)
        monkeypatch.setattr(pcsc.scard, "SCardTransmit", self.transmit)
        monkeypatch.setattr(pcsc.scard, "SCardGetAttrib", self.attribute)

    def control(self, card: object, code: int, data: list[int]) -> object:
        """Tell the features, or have a PIN typed."""
        if code == pcsc.scard.SCARD_CTL_CODE(3400):
            return 0, list(self.TABLE)
        return self.do(card, code, code & 0xFF, bytes(data))

    def do(self, card: object, code: int, tag: int, data: bytes) -> object:
        """Do what a feature is for."""
        if tag == GET_KEY_PRESSED:
            if not self.keys:
                return pcsc.scard.SCARD_F_INTERNAL_ERROR, []
            return 0, [self.keys.pop(0)]
        self.orders.append((code, data))
        if tag == ABORT:
            return 0, []
        if tag in (1, 3):
            self.begun = tag, data
            return 0, []
        if tag in (2, 4):
            assert not self.keys
            assert data == b""
            tag, data = self.begun[0] // 2 + 6, self.begun[1]
        self.types.wait(20)
        order = read_order(Feature(tag), data)
        for offset, digits in zip(order.offsets, ("1234", "4321"), strict=False):
            fill(order, offset, digits)
        command = list(order.command)
        return self.transmit_to_card(card, pcsc.scard.SCARD_PCI_T0, command)

    def transmit(self, card: object, pci: object, command: list[int]) -> object:
        """Answer pseudo APDUs as a reader does; hand others to the card."""
        if command[:3] != [0xFF, 0xC2, 1]:
            return self.transmit_to_card(card, pci, command)
        if command[3] == 0:
            return 0, [*self.PPDU, 0x90, 0x00]
        assert command[4] == len(command[5:])
        return self.do(card, 0, command[3], bytes(command[5:]))

    def attribute(self, _card: object, attribute: int) -> object:
        """Tell the firmware, 5.06 and a build number."""
        assert attribute == pcsc.scard.SCARD_ATTR_VENDOR_IFD_VERSION
        return 0, list((0x05060001).to_bytes(4, sys.byteorder))


@pytest.mark.parametrize(("persona", "row"), [("adult", ES384), ("adult-1.7", RS256)])
def test_a_reader_with_keys_is_found_and_used(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, persona: str, row: SignatureAlgorithm
) -> None:
    """The table's control codes are those that are called; the card does the rest."""
    driver = FakePinPadDriver(monkeypatch)
    with pcscd.card(persona) as played:
        readers = pcsc.PcscReaders()
        assert all(state.pin_pad for state in readers.readers())
        channel = readers.connect(pcscd.reader)
        assert channel.keypad == Keypad(frozenset(Feature), (5, 6))
        card = BeidCard(channel)
        serial = card.recognise().chip_serial
        assert card.pin_entry is PinEntry.READER
        expected, digest = Expected(serial, 3), bytes(row.digest_size)
        signature = card.sign(Key.NON_REPUDIATION, row, digest, None, expected)
        assert len(signature) == row.signature_size
        card.change_pin(None, None, expected)
        with pytest.raises(PinIncorrect):
            card.sign(Key.AUTHENTICATION, row, digest, None, expected)
        channel.close()
        assert played.count(INS.CHANGE_REFERENCE_DATA) == 1
    assert [code for code, _ in driver.orders] == [0x4233AA06, 0x4233AA07, 0x4233AA06]


KEYS_AND_ABORT = " 05 04 4233AA05 0B 04 4233AA0B"
TWO_STEPS = "01 04 4233AA01 02 04 4233AA02 03 04 4233AA03 04 04 4233AA04"


@pytest.mark.parametrize("keys", [False, True], ids=["waits", "tells keys"])
def test_an_entry_in_two_steps_is_begun_and_awaited(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, *, keys: bool
) -> None:
    """Start, the keys as long as there are some, finish; one VERIFY, one change."""
    told = " 05 04 4233AA05" if keys else ""
    monkeypatch.setattr(FakePinPadDriver, "TABLE", bytes.fromhex(TWO_STEPS + told))
    driver = FakePinPadDriver(monkeypatch)
    typed = [0x00, 0x2B, 0x2B, 0x08, 0x2B, 0x2B, 0x2B, 0x0D] if keys else []
    with pcscd.card("adult") as played:
        readers = pcsc.PcscReaders()
        assert all(state.pin_pad for state in readers.readers())
        with closing(readers.connect(pcscd.reader)) as channel:
            card = BeidCard(channel)
            expected = Expected(card.recognise().chip_serial, 3)
            driver.keys += typed
            card.sign(Key.AUTHENTICATION, ES384, bytes(48), None, expected)
            driver.keys += typed
            card.change_pin(None, None, expected)
        assert played.count(INS.VERIFY) == 1
        assert played.count(INS.CHANGE_REFERENCE_DATA) == 1
    codes = [0x4233AA01, 0x4233AA02, 0x4233AA03, 0x4233AA04]
    assert [code for code, _ in driver.orders] == codes
    assert driver.keys == []


def test_a_keypad_that_tells_no_end_is_asked_no_more_once_it_is_given_up(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits for ever: the thread that asked for them ends with the connection."""
    told = bytes.fromhex(TWO_STEPS + KEYS_AND_ABORT)
    monkeypatch.setattr(FakePinPadDriver, "TABLE", told)
    driver = FakePinPadDriver(monkeypatch)
    driver.keys = [0x2B] * 10_000
    before = set(threading.enumerate())
    with pcscd.card("adult"):
        channel = pcsc.PcscReaders(apdu_seconds=2.0).connect(pcscd.reader)
        assert channel.keypad is not None
        with pytest.raises(CardMute):
            channel.enter_pin(Feature.VERIFY_PIN_DIRECT, b"x", 0.5)
        channel.close()
        for thread in set(threading.enumerate()) - before:
            if thread.name == "pcsc-channel":
                thread.join(10)
                assert not thread.is_alive()
    assert len(driver.keys) > 9_000
    assert [code for code, _ in driver.orders] == [0x4233AA01, 0x4233AA0B]


@pytest.mark.parametrize("aborts", [True, False])
def test_an_entry_that_breaks_off_between_its_steps_is_aborted(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, *, aborts: bool
) -> None:
    """Never finished: what is typed late reaches no card."""
    told = KEYS_AND_ABORT if aborts else " 05 04 4233AA05"
    monkeypatch.setattr(FakePinPadDriver, "TABLE", bytes.fromhex(TWO_STEPS + told))
    driver = FakePinPadDriver(monkeypatch)
    driver.keys = [0x2B, 0x2B]
    with (
        pcscd.card("adult") as played,
        closing(pcsc.PcscReaders().connect(pcscd.reader)) as channel,
    ):
        card = BeidCard(channel)
        expected = Expected(card.recognise().chip_serial, 3)
        with pytest.raises(CardUnreadable):
            card.sign(Key.AUTHENTICATION, ES384, bytes(48), None, expected)
        assert played.count(INS.VERIFY) == 0
        assert played.count(INS.LOG_OFF) == 1
    codes = [code for code, _ in driver.orders]
    assert codes == [0x4233AA01, *([0x4233AA0B] if aborts else [])]


def test_known_models_are_asked_by_pseudo_apdus(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FF C2 01: the list once a connection, then one for each entry."""
    model = pcscd.reader.lower()[:-6]  # as all readers of that driver
    monkeypatch.setattr(part10, "_PPDU_READERS", (model,))
    monkeypatch.setattr(FakePinPadDriver, "TABLE", b"")
    driver = FakePinPadDriver(monkeypatch)
    with pcscd.card("adult") as played:
        readers = pcsc.PcscReaders()
        assert all(state.pin_pad for state in readers.readers())
        with closing(readers.connect(pcscd.reader)) as channel:
            card = BeidCard(channel)
            expected = Expected(card.recognise().chip_serial, 3)
            assert card.pin_entry is PinEntry.READER
            card.sign(Key.AUTHENTICATION, ES384, bytes(48), None, expected)
            card.change_pin(None, None, expected)
        assert played.count(INS.VERIFY) == 1
        assert {each.command[0] for each in played.exchanges} == {0x00, 0x80}
    assert len(driver.orders) == 2


def test_a_person_may_take_longer_than_a_card(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typing on the reader has its own limit: the card's would give up too early."""
    driver = FakePinPadDriver(monkeypatch)
    driver.types.clear()
    with pcscd.card("adult"):
        channel = pcsc.PcscReaders(apdu_seconds=1.0).connect(pcscd.reader)
        card = BeidCard(channel)
        expected = Expected(card.recognise().chip_serial, 3)
        threading.Timer(1.5, driver.types.set).start()
        signature = card.sign(Key.AUTHENTICATION, ES384, bytes(48), None, expected)
        assert len(signature) == 96
        channel.close()


def test_a_reader_without_keys_says_so(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No table, another table or an error: the PIN is typed on the computer."""
    with pcscd.card("adult"):
        for code, table in ((0, []), (0, [1, 4, 0, 0, 0, 6]), (0x8010001F, [])):
            answer = (code, table)
            monkeypatch.setattr(
                pcsc.scard, "SCardControl", lambda *_, answer=answer: answer
            )
            readers = pcsc.PcscReaders()
            assert not any(state.pin_pad for state in readers.readers())
            channel = readers.connect(pcscd.reader)
            assert channel.keypad is None
            assert BeidCard(channel).pin_entry is PinEntry.TYPED
            with pytest.raises(CardUnreadable):
                channel.enter_pin(Feature.VERIFY_PIN_DIRECT, b"", 1.0)
            channel.close()


@pytest.mark.parametrize("code", [0x80100068, 0x80100069, 0x8010001D, 0x80100017])
def test_trouble_on_the_line_is_no_reader_without_keys(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A reset, a card or service that went: the PIN is not typed elsewhere for it."""
    with pcscd.card("adult"):
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        with monkeypatch.context() as trouble:
            trouble.setattr(pcsc.scard, "SCardControl", lambda *_: (code, []))
            with pytest.raises(CardError):
                _ = BeidCard(channel).pin_entry
        monkeypatch.setattr(
            pcsc.scard, "SCardControl", lambda *_: (0, [6, 4, 0, 0, 0, 6])
        )
        assert BeidCard(channel).pin_entry is PinEntry.READER
        channel.close()


@pytest.mark.parametrize(
    "table",
    [
        "01 04 4233AA01 05 04 4233AA05",
        "07 04 4233AA07",
        "",
    ],
    ids=["start-only", "modify-only", "another-model"],
)
def test_keys_that_are_not_handled_leave_the_pin_to_the_keyboard(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """An entry without an end, a keypad that only changes, pseudo APDUs that no known
    model answers.

    The PIN is typed here and signs; nothing else than the card's commands is sent.
    """
    monkeypatch.setattr(FakePinPadDriver, "TABLE", bytes.fromhex(table))
    driver = FakePinPadDriver(monkeypatch)
    with pcscd.card("adult") as played:
        readers = pcsc.PcscReaders()
        assert not any(state.pin_pad for state in readers.readers())
        with closing(readers.connect(pcscd.reader)) as channel:
            card = BeidCard(channel)
            expected = Expected(card.recognise().chip_serial, 3)
            assert card.pin_entry is PinEntry.TYPED
            assert card.changes_pin
            with Pin(bytearray(b"1234")) as pin:
                digest = bytes(48)
                card.sign(Key.AUTHENTICATION, ES384, digest, pin, expected)
        assert driver.orders == []
        assert played.count(INS.VERIFY) == 1
        assert {each.command[0] for each in played.exchanges} == {0x00, 0x80}


def test_a_pin_wiped_while_it_waits_is_sent_as_it_was(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted caller wipes its buffer: the card must not see zeros instead."""
    with pcscd.card("adult") as played:
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        command = apdu.verify(Pin(bytearray(b"1234")).block())
        run = pcsc.Worker.run

        def wiped_before(worker: object, work: object, seconds: float) -> object:
            command[:] = bytes(len(command))
            return run(worker, work, seconds)

        monkeypatch.setattr(pcsc.Worker, "run", wiped_before)
        assert channel.transmit(command).sw == 0x9000
        assert played.tries_left == 3
        channel.close()


def test_names_and_empty_readers(pcscd: Pcscd) -> None:
    """A name that no reader has, and a reader without a card."""
    with pytest.raises(NoReader):
        pcsc.PcscReaders().connect("No such reader")
    with pytest.raises(NoCard):
        pcsc.PcscReaders().connect(pcscd.reader)


def test_a_pulled_card_is_removed(pcscd: Pcscd) -> None:
    """In the middle of a transaction: CardRemoved, then and from then on."""
    with pcscd.insert(VirtualCard(load_profile("adult"))) as pull:
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        with channel.transaction():
            assert channel.transmit(apdu.get_card_data()).sw == 0x9000
            pull()
            for _ in range(2):
                with pytest.raises(CardRemoved):
                    channel.transmit(apdu.get_card_data())
        channel.close()


def test_a_card_that_another_program_keeps_is_busy_and_left_alone(
    pcscd: Pcscd,
) -> None:
    """Its transaction outlasts our patience; its PIN right survives ours."""
    before = threading.enumerate()
    with pcscd.card():
        theirs = pcsc.PcscReaders().connect(pcscd.reader)
        ours = pcsc.PcscReaders(apdu_seconds=0.5).connect(pcscd.reader)
        with theirs.transaction():
            assert theirs.transmit(apdu.verify(_pin_block())).sw == 0x9000
            with pytest.raises(CardBusy), ours.transaction():
                pass
            ours.close()
            assert theirs.transmit(apdu.verify_status()).sw == 0x9000
        # Our thread has got its transaction now, and gives it back as it was.
        with theirs.transaction():
            assert theirs.transmit(apdu.verify_status()).sw == 0x9000
        theirs.close()
        for thread in threading.enumerate():
            if thread.name == "pcsc-channel" and thread not in before:
                thread.join(10)  # it has given the card back
                assert not thread.is_alive()


def test_connecting_to_a_card_that_another_program_keeps_leaves_it_alone(
    pcscd: Pcscd,
) -> None:
    """The same before the connection is there; its late end resets nothing."""
    with pcscd.card():
        theirs = pcsc.PcscReaders().connect(pcscd.reader)
        before = threading.enumerate()
        with theirs.transaction():
            assert theirs.transmit(apdu.verify(_pin_block())).sw == 0x9000
            with pytest.raises(CardBusy):
                pcsc.PcscReaders(apdu_seconds=0.5).connect(pcscd.reader)
        for thread in threading.enumerate():
            if thread.name == "pcsc-channel" and thread not in before:
                thread.join(10)  # ours, which ends when it got through
                assert not thread.is_alive()
        with theirs.transaction():
            assert theirs.transmit(apdu.verify_status()).sw == 0x9000
        theirs.close()


def test_a_pin_entry_that_outlives_its_limit_ends_in_a_reset(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the reader's keys send after all leaves no PIN right on the card."""
    before, go = threading.enumerate(), threading.Event()
    ends: list[int] = []
    disconnect = pcsc.scard.SCardDisconnect

    def control(*_: object) -> tuple[int, list[int]]:
        assert go.wait(20)
        return 0, [0x90, 0x00]

    def ended(card: object, end: int) -> int:
        ends.append(end)
        return int(disconnect(card, end))

    with pcscd.card():
        channel = pcsc.PcscReaders(apdu_seconds=0.5).connect(pcscd.reader)
        features = {Feature.VERIFY_PIN_DIRECT: 0x42330006}
        monkeypatch.setattr(channel, "_features", features)
        monkeypatch.setattr(pcsc.scard, "SCardControl", control)
        monkeypatch.setattr(pcsc.scard, "SCardDisconnect", ended)
        with channel.transaction(), pytest.raises(CardMute):
            channel.enter_pin(Feature.VERIFY_PIN_DIRECT, b"x", 0.2)
        channel.close()
        go.set()
        for thread in threading.enumerate():
            if thread.name == "pcsc-channel" and thread not in before:
                thread.join(10)
    assert ends == [pcsc.scard.SCARD_RESET_CARD]


ALONE = """
import sys
from smartcard import scard
from cardio.errors import CardBusy
from cardio.pcsc import PcscReaders
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
code, card, _ = scard.SCardConnect(
    context, sys.argv[1], scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_PROTOCOL_T0
)
assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
readers = PcscReaders()
readers.readers()
assert sys.argv[1] not in readers._pads.known  # it is asked again later
try:
    readers.connect(sys.argv[1])
except CardBusy:
    print("busy")
scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
readers.readers()
assert readers._pads.known[sys.argv[1]] is False
readers.connect(sys.argv[1]).close()
print("free")
"""


def test_a_reader_that_another_program_has_alone_is_busy(own_pcscd: Pcscd) -> None:
    """Connected to exclusively, as some card daemons do."""
    with own_pcscd.card():
        result = subprocess.run(
            [sys.executable, "-c", ALONE, own_pcscd.reader],
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.stdout.split() == ["busy", "free"], result.stderr


def _pin_block() -> bytearray:
    return Pin(bytearray(b"1234")).block()


class LeavingCard(VirtualCard):
    """A card that is gone from the reader before it answers."""

    def transmit(self, apdu: Apdu) -> bytes:
        """Hang up."""
        raise OSError("pulled out")


def test_a_card_pulled_while_it_answers_is_removed(pcscd: Pcscd) -> None:
    """winscard then reports success and no bytes, before it knows of the removal."""
    with pcscd.insert(LeavingCard(load_profile("adult"))):
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        with channel.transaction(), pytest.raises(CardRemoved):
            channel.transmit(apdu.get_card_data())
        channel.close()


def test_a_reset_by_others_is_told_once(pcscd: Pcscd) -> None:
    """The other program's reset is one CardReset; the next command works again."""
    with pcscd.card():
        readers = pcsc.PcscReaders()
        ours, theirs = (readers.connect(pcscd.reader) for _ in range(2))
        with theirs.transaction() as transaction:
            transaction.reset_at_end = True
        with pytest.raises(CardReset):
            ours.transmit(apdu.get_card_data())
        assert ours.transmit(apdu.get_card_data()).sw == 0x9000
        with theirs.transaction() as transaction:
            transaction.reset_at_end = True
        with ours.transaction():  # nothing of ours was lost before it began
            assert ours.transmit(apdu.get_card_data()).sw == 0x9000
        for channel in (ours, theirs):
            channel.close()


def test_a_reset_drops_the_pin_right(pcscd: Pcscd) -> None:
    """`reset_at_end` really resets: a PIN that was verified counts no more."""
    with pcscd.card():
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        with channel.transaction() as transaction:
            assert channel.transmit(apdu.verify(_pin_block())).sw == 0x9000
            assert channel.transmit(apdu.verify_status()).sw == 0x9000
            transaction.reset_at_end = True
        with channel.transaction():
            assert channel.transmit(apdu.verify_status()).sw == 0x63C3
        channel.close()


class MuteCard(VirtualCard):
    """A card that does not answer GET CARD DATA until it is let go."""

    def __init__(self) -> None:
        super().__init__(load_profile("adult"))
        self.go = threading.Event()

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer at once, or not."""
        if apdu[1] == INS.GET_CARD_DATA:
            self.go.wait(20)
        return super().transmit(apdu)


def test_a_mute_card_is_given_up(pcscd: Pcscd) -> None:
    """After the time limit CardMute, at once ever after; when it wakes it is free."""
    card = MuteCard()
    with pcscd.insert(card):
        channel = pcsc.PcscReaders(apdu_seconds=0.5).connect(pcscd.reader)
        began = time.monotonic()
        with pytest.raises(CardMute), channel.transaction():
            channel.transmit(apdu.get_card_data())
        with pytest.raises(CardMute):
            channel.transmit(apdu.get_card_data())
        channel.close()
        assert time.monotonic() - began < 5
        card.go.set()
        again = pcsc.PcscReaders().connect(pcscd.reader)
        with again.transaction():
            # The channel that was given up resets the card when it wakes.
            with contextlib.suppress(CardReset):
                again.transmit(apdu.get_card_data())
            assert again.transmit(apdu.get_card_data()).sw == 0x9000
        again.close()


class FakeDeadCard(VirtualCard):
    """A card whose reader hears nothing of it any more once it is `dead`.

    Neither to a command nor to a reset or a question for its answer to reset: no card
    of plastic can be made to do that when it is wanted.
    """

    def __init__(self, dead: Callable[[str], bool]) -> None:
        self._alive = threading.Event()
        self._dead: Callable[[str], bool] = lambda _: False
        super().__init__(load_profile("adult"))
        self._dead = dead

    @property
    def atr(self) -> bytes:
        """Tell it, or never."""
        self._maybe("atr")
        return super().atr

    def reset(self) -> bytes:
        """Do so, or never end."""
        self._maybe("reset")
        return super().reset()

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer, or never."""
        self._maybe("command")
        return super().transmit(apdu)

    def _maybe(self, what: str) -> None:
        if self._dead(what):
            self._alive.wait(30)

    def pulled(self) -> None:
        """End what waits in it."""
        self._alive.set()


OPERATIONS: dict[str, Callable[[Channel], object]] = {
    "a command": lambda channel: channel.transmit(apdu.get_card_data()),
    "its reader's keys": lambda channel: channel.keypad,
    "the end with a reset": lambda channel: _reset(channel),
    "the next transaction": lambda channel: _begun(channel),
    "giving it back": lambda channel: channel.close(),
}


def _reset(channel: Channel) -> None:
    with channel.transaction() as transaction:
        transaction.reset_at_end = True
        channel.transmit(apdu.get_card_data())


def _begun(channel: Channel) -> None:
    with channel.transaction():
        channel.transmit(apdu.get_card_data())


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("dead", [("command", "reset", "atr"), ("atr",)], ids="/".join)
def test_no_operation_waits_for_ever(
    pcscd: Pcscd, operation: Callable[[Channel], object], dead: tuple[str, ...]
) -> None:
    """A card that dies for commands, for a reset, or for its answer to reset.

    With its connection open, in any operation; afterwards nothing waits that looks at
    the readers, connects or gives the card back. Pulled out, it is all over.
    """
    died: set[str] = set()
    with pcscd.insert(FakeDeadCard(died.__contains__)) as pull:
        readers = pcsc.PcscReaders(apdu_seconds=0.5)
        readers.readers()
        channel = readers.connect(pcscd.reader)
        # Another program resets it, so that the next command has to reconnect.
        with readers.connect(pcscd.reader).transaction() as transaction:
            transaction.reset_at_end = True
        with contextlib.suppress(CardReset):
            channel.transmit(apdu.get_card_data())
        died.update(dead)
        began = time.monotonic()
        with contextlib.suppress(CardError):
            operation(channel)
        channel.close()
        assert len(readers.readers()) == 2
        with contextlib.suppress(CardError):
            readers.connect(pcscd.reader).close()
        assert time.monotonic() - began < 5
        pull()
    with pcscd.card():
        again = pcsc.PcscReaders().connect(pcscd.reader)
        assert again.transmit(apdu.get_card_data()).sw == 0x9000
        again.close()


def test_a_card_that_dies_as_it_is_powered_holds_nobody_up(pcscd: Pcscd) -> None:
    """At its first answer to reset; the readers are told, connecting has its limit."""
    asked = threading.Event()

    def dead(what: str) -> bool:
        if what == "atr":
            asked.set()
        return what == "atr"

    stop = threading.Event()
    card = FakeDeadCard(dead)
    play = functools.partial(insert_into_vpcd, card, "127.0.0.1", pcscd.port, stop=stop)
    thread = threading.Thread(target=lambda: play(on_powered=lambda: None))
    thread.start()
    try:
        assert asked.wait(10)
        began = time.monotonic()
        readers = pcsc.PcscReaders(apdu_seconds=0.5)
        assert len(readers.readers()) == 2
        with pytest.raises(CardError):
            readers.connect(pcscd.reader)
        assert time.monotonic() - began < 8
    finally:
        stop.set()
        thread.join(10)
    pcscd.wait_for_card(present=False)


@contextmanager
def stopped(service: Pcscd) -> Iterator[None]:
    """Have PC/SC away while the block runs.

    winscard remembers the service's socket for the life of the process, so the one
    service of all tests is stopped, and started again at the same place.
    """
    service.stop()
    try:
        yield
    finally:
        service.start()


def test_without_a_service_there_is_nothing(pcscd: Pcscd) -> None:
    """PC/SC absent: said at once by `readers` and `connect`, an empty first report."""
    with stopped(pcscd):
        with pytest.raises(ServiceUnavailable):
            pcsc.PcscReaders().readers()
        with pytest.raises(ServiceUnavailable):
            pcsc.PcscReaders().connect("Any")
        with watching() as watcher:
            assert watcher.expect(1) == ()


def test_a_service_may_stop_and_start(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped service has no readers; the watch finds it again by itself."""
    monkeypatch.setattr(pcsc, "_LOOK_SECONDS", 0.05)
    with watching() as watcher:
        first = watcher.expect(1)
        assert first
        with stopped(pcscd):
            assert watcher.expect(2) == ()
            with pytest.raises(ServiceUnavailable):
                pcsc.PcscReaders().readers()
        third = watcher.expect(3)
        assert third
        assert {state.name for state in third} <= {state.name for state in first}


def test_a_service_that_dies_ends_its_channels(pcscd: Pcscd) -> None:
    """The service dies under an open channel: a card error, and close still works."""
    with pcscd.card():
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        with stopped(pcscd):
            with pytest.raises((ServiceUnavailable, CardRemoved)):
                channel.transmit(apdu.get_card_data())
            channel.close()


def test_a_closed_channel_answers_nothing(pcscd: Pcscd) -> None:
    """Use after close is an error of the caller, told as removal."""
    with pcscd.card():
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        assert isinstance(channel.transmit(apdu.get_card_data()), Response)
        channel.close()
        with pytest.raises(CardRemoved):
            channel.transmit(apdu.get_card_data())


MEANINGS = {
    "SCARD_E_NO_SERVICE": ServiceUnavailable,
    "SCARD_E_SERVICE_STOPPED": ServiceUnavailable,
    "SCARD_E_NO_SMARTCARD": CardRemoved,
    "SCARD_E_UNKNOWN_READER": CardRemoved,
    "SCARD_E_READER_UNAVAILABLE": CardRemoved,
    "SCARD_W_REMOVED_CARD": CardRemoved,
    "SCARD_E_NOT_TRANSACTED": CardRemoved,
    "SCARD_W_RESET_CARD": CardReset,
    "SCARD_W_UNPOWERED_CARD": CardReset,
    "SCARD_W_UNRESPONSIVE_CARD": CardUnreadable,
    "SCARD_E_SHARING_VIOLATION": CardBusy,
    "SCARD_W_SECURITY_VIOLATION": ServiceRefused,
    "SCARD_F_INTERNAL_ERROR": CardUnreadable,
}


@pytest.mark.parametrize("sign", [0, 1 << 32], ids=["unsigned", "signed"])
def test_each_return_code_has_a_meaning(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch, sign: int
) -> None:
    """What winscard returns in the middle of a card, whatever the code's sign."""
    seen: dict[str, type[CardError]] = {}
    with pcscd.card():
        channel = pcsc.PcscReaders().connect(pcscd.reader)
        for code in MEANINGS:
            value = (getattr(pcsc.scard, code) & 0xFFFFFFFF) - sign
            answer = (value, list[int]())
            monkeypatch.setattr(
                pcsc.scard, "SCardTransmit", lambda *_, answer=answer: answer
            )
            with pytest.raises(CardError) as caught:
                channel.transmit(apdu.get_card_data())
            seen[code] = type(caught.value)
        channel.close()
    assert seen == MEANINGS
