"""What a card remembers without power, and over a restart of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters, FileCounters
from cardio.virtual.profile import load_profile
from tests.cardio.virtual.wire import STATUS, V_BAD, V_GOOD, Wire, profile

CHIP = "00880281329430" + "5A" * 48


def test_tries_survive_power_off() -> None:
    """The counter is the chip's, not the session's."""
    wire = Wire("1.8")
    wire.send(V_BAD)
    wire.card.power_on()
    assert wire.send(STATUS) == "63C2"
    wire.send(V_GOOD)
    wire.card.power_on()
    assert wire.send(STATUS) == "63C3"


def test_tries_survive_a_restart(tmp_path: Path) -> None:
    """A new program with the same folder finds the counters as they were."""
    serial = profile("1.8").chip_serial

    def start() -> Wire:
        return Wire("1.8", counters=FileCounters(tmp_path / "state", serial))

    first = start()
    assert first.send(STATUS) == "63C3"
    assert first.send(V_BAD) == "63C2"
    first.fetch(CHIP)
    second = start()
    assert second.send(STATUS) == "63C2"
    assert FileCounters(tmp_path / "state", serial).authentications == 1
    assert second.send(V_GOOD) == "9000"
    assert start().send(STATUS) == "63C3"
    assert FileCounters(tmp_path / "state", serial).authentications == 0


class Ledger(Counters):
    """Keeps each number of tries that was made to last."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[int | None] = []

    def save(self) -> None:
        """Note the tries."""
        self.saved.append(self.tries)


@pytest.mark.parametrize(("apdu", "saved"), [(V_BAD, [2]), (V_GOOD, [2, 3])])
def test_a_try_is_paid_before_the_comparison(apdu: str, saved: list[int]) -> None:
    """Cutting the power in the middle gains nobody a try."""
    ledger = Ledger()
    Wire("1.8", counters=ledger).send(apdu)
    assert ledger.saved == saved


def test_each_card_has_counters_of_its_own(tmp_path: Path) -> None:
    """Two cards in one folder do not share them; a persona's tries are the start."""
    for name, left in (("adult", 3), ("one-try", 1), ("blocked", 0)):
        card = load_profile(name)
        counters = FileCounters(tmp_path, card.chip_serial)
        assert VirtualCard(card, counters=counters).tries_left == left
        counters.save()
    assert len(list(tmp_path.glob("*.json"))) <= 3


def test_the_last_try() -> None:
    """`one-try` blocks with one wrong PIN, and the right one gives three again."""
    assert Wire("1.8", name="one-try").send(V_BAD) == "63C0"
    wire = Wire("1.8", name="one-try")
    assert wire.send(V_GOOD) == "9000"
    wire.card.reset()
    assert wire.send(STATUS) == "63C3"
    assert Wire("1.8", name="blocked").send(V_GOOD) == "6983"


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[]",
        b"{}",
        b'{"tries": "3", "authentications": 0}',
        b'{"tries": -1, "authentications": 0}',
        b"\xff",
    ],
)
def test_damaged_state(tmp_path: Path, damage: bytes) -> None:
    """A damaged file is said, not taken for three new tries."""
    serial = profile("1.8").chip_serial
    (tmp_path / f"{serial.hex()}.json").write_bytes(damage)
    with pytest.raises(ValueError, match=r"\.json is damaged"):
        FileCounters(tmp_path, serial)


def test_a_state_that_cannot_be_written(tmp_path: Path) -> None:
    """The card answers as a chip with a broken memory, and compares nothing."""
    state = tmp_path / "state"
    wire = Wire("1.8", counters=FileCounters(state, profile("1.8").chip_serial))
    state.rmdir()
    assert wire.send(V_GOOD) == "6581"
    assert wire.status(STATUS)[:3] == "63C"
