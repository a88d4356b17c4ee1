"""Virtual readers: what a client sees of cards that come, go and are shared."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cardio.apdu import get_card_data, verify_status
from cardio.channel import Apdu
from cardio.errors import CardRemoved, CardReset, NoCard, NoReader
from cardio.readers import ReaderState
from cardio.virtual.card import VirtualCard
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from tests.cardio.virtual.wire import V_GOOD, profile

#: Long enough for a thread on a busy machine, short enough for a failing test.
SOON = 10


@pytest.fixture
def readers() -> VirtualReaders:
    """Return one reader with a card."""
    readers = VirtualReaders()
    readers.insert(VirtualCard(profile("1.8")))
    return readers


@contextmanager
def running(work: Callable[[], Any]) -> Iterator[queue.Queue[Any]]:
    """Run a function in a thread; its result or error comes out of the queue."""
    results: queue.Queue[Any] = queue.Queue()

    def run() -> None:
        try:
            results.put(work())
        except Exception as error:
            results.put(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield results
    thread.join(SOON)
    assert not thread.is_alive()


def test_states(readers: VirtualReaders) -> None:
    """Name, ATR, and a number that changes with each card put in."""
    assert readers.virtual
    (first,) = readers.readers()
    assert first == ReaderState(DEFAULT_NAME, profile("1.8").atr, first.insertion)
    readers.remove()
    (empty,) = readers.readers()
    assert empty.atr is None
    readers.insert(VirtualCard(profile("1.7")))
    (second,) = readers.readers()
    assert second.atr == profile("1.7").atr
    assert second.insertion != first.insertion


def test_nothing_to_connect_to(readers: VirtualReaders) -> None:
    """Unknown readers and empty ones; readers that were taken away."""
    with pytest.raises(NoReader):
        readers.connect("Another reader")
    readers.plug("Second")
    with pytest.raises(NoCard):
        readers.connect("Second")
    readers.unplug("Second")
    with pytest.raises(NoReader):
        readers.connect("Second")
    with pytest.raises(NoReader):
        readers.unplug("Second")
    with pytest.raises(NoReader):
        readers.insert(VirtualCard(profile("1.8")), "Second")
    with pytest.raises(ValueError, match="of this name"):
        readers.plug(DEFAULT_NAME)


def test_one_card_a_reader(readers: VirtualReaders) -> None:
    """A full reader takes no second card; pulling from an empty one does nothing."""
    with pytest.raises(ValueError, match="holds a card"):
        readers.insert(VirtualCard(profile("1.8")))
    readers.remove()
    readers.remove()


def test_several_readers() -> None:
    """Cards go where they are put."""
    readers = VirtualReaders("Left", "Right")
    readers.insert(VirtualCard(profile("1.7")), "Right")
    assert [state.atr for state in readers.readers()] == [None, profile("1.7").atr]
    assert readers.connect("Right").transmit(get_card_data()).data[21] == 0x17
    with pytest.raises(NoCard):
        readers.connect("Left")


def test_a_pulled_card(readers: VirtualReaders) -> None:
    """Open channels fail, also after the same card was put in again."""
    card = VirtualCard(profile("1.7"))
    readers.remove()
    readers.insert(card)
    channel = readers.connect(DEFAULT_NAME)
    assert channel.transmit(get_card_data()).sw == 0x9000
    readers.remove()
    with pytest.raises(CardRemoved):
        channel.transmit(get_card_data())
    with pytest.raises(CardRemoved), channel.transaction():
        pytest.fail("a transaction with a pulled card")
    readers.insert(card)
    with pytest.raises(CardRemoved):
        channel.transmit(get_card_data())
    channel.close()
    channel.close()


def test_pulled_in_the_middle(readers: VirtualReaders) -> None:
    """A card that goes while it computes gives no answer."""

    class Pulled(VirtualCard):
        def transmit(self, apdu: Apdu) -> bytes:
            readers.remove()
            return super().transmit(apdu)

    readers.remove()
    readers.insert(Pulled(profile("1.8")))
    channel = readers.connect(DEFAULT_NAME)
    with pytest.raises(CardRemoved), channel.transaction():
        channel.transmit(get_card_data())


def test_a_reader_taken_away(readers: VirtualReaders) -> None:
    """With the reader goes its card."""
    channel = readers.connect(DEFAULT_NAME)
    readers.unplug(DEFAULT_NAME)
    assert readers.readers() == ()
    with pytest.raises(CardRemoved):
        channel.transmit(get_card_data())


def test_inserting_powers_the_card(readers: VirtualReaders) -> None:
    """No right outlives a stay in the reader."""
    card = VirtualCard(profile("1.8"))
    card.transmit(bytes.fromhex(V_GOOD))
    readers.remove()
    readers.insert(card)
    assert readers.connect(DEFAULT_NAME).transmit(verify_status()).sw == 0x63C3


def test_transactions_exclude_each_other(readers: VirtualReaders) -> None:
    """Another channel waits to the end of a transaction, and of those inside it."""
    mine, other = (readers.connect(DEFAULT_NAME) for _ in range(2))
    intruded = threading.Event()

    def intrude() -> int:
        sw = other.transmit(get_card_data()).sw
        intruded.set()
        return sw

    transaction = mine.transaction()
    transaction.__enter__()
    with running(intrude) as results:
        with mine.transaction():
            mine.transmit(get_card_data())
        assert not intruded.wait(0.2)
        transaction.__exit__(None, None, None)
        assert results.get(timeout=SOON) == 0x9000


def test_waiting_ends_with_the_card(readers: VirtualReaders) -> None:
    """Who waits for a transaction of another hears that the card is gone."""
    mine, other = (readers.connect(DEFAULT_NAME) for _ in range(2))
    with mine.transaction(), running(lambda: other.transmit(b"")) as results:
        readers.remove()
        assert isinstance(results.get(timeout=SOON), CardRemoved)


def test_reset_at_end(readers: VirtualReaders) -> None:
    """The reset drops the rights; other channels hear of it, this one goes on."""
    mine, other = (readers.connect(DEFAULT_NAME) for _ in range(2))
    with mine.transaction() as transaction:
        assert mine.transmit(bytes.fromhex(V_GOOD)).sw == 0x9000
        transaction.reset_at_end = True
    assert mine.transmit(verify_status()).sw == 0x63C3
    with pytest.raises(CardReset):
        other.transmit(verify_status())
    assert readers.connect(DEFAULT_NAME).transmit(verify_status()).sw == 0x63C3


def test_reset_at_end_after_an_error(readers: VirtualReaders) -> None:
    """An error inside does not save the card from its reset."""
    channel = readers.connect(DEFAULT_NAME)

    def fail() -> None:
        with channel.transaction() as transaction:
            channel.transmit(bytes.fromhex(V_GOOD))
            transaction.reset_at_end = True
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert channel.transmit(verify_status()).sw == 0x63C3


def test_state_stays_between_channels(readers: VirtualReaders) -> None:
    """As in PC/SC, a PIN right that nobody dropped is there for the next program."""
    first = readers.connect(DEFAULT_NAME)
    first.transmit(bytes.fromhex(V_GOOD))
    first.close()
    assert readers.connect(DEFAULT_NAME).transmit(verify_status()).sw == 0x9000


def test_watch(readers: VirtualReaders) -> None:
    """The first report comes at once, each later one with a change."""
    watch = readers.watch()
    assert watch.wait() == readers.readers()
    with running(watch.wait) as results:
        assert results.empty()
        readers.remove()
        (state,) = results.get(timeout=SOON)
        assert state.atr is None
    with running(watch.wait) as results:
        readers.plug("Second")
        assert len(results.get(timeout=SOON)) == 2


def test_watch_that_was_busy(readers: VirtualReaders) -> None:
    """What changed in the meantime is reported once, as it is now."""
    watch = readers.watch()
    watch.wait()
    readers.remove()
    readers.insert(VirtualCard(profile("1.7")))
    states = watch.wait()
    assert states is not None
    assert states[0].atr == profile("1.7").atr
    watch.cancel()
    assert watch.wait() is None


def test_watch_is_cancelled(readers: VirtualReaders) -> None:
    """A waiting watch ends, its neighbour goes on."""
    watch, neighbour = readers.watch(), readers.watch()
    watch.wait()
    neighbour.wait()
    with running(watch.wait) as ended, running(neighbour.wait) as going:
        watch.cancel()
        assert ended.get(timeout=SOON) is None
        assert going.empty()
        readers.remove()
        assert going.get(timeout=SOON) == readers.readers()
