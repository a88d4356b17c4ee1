"""What a card remembers without power, and over a restart of the program."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
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
        b'{"tries": 4, "authentications": 0}',
        b'{"tries": 3, "authentications": 0, "pin": 1234}',
        b'{"tries": 3, "authentications": 0, "pin": "12"}',
        b'{"tries": 3, "authentications": null}',
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
    shutil.rmtree(state)
    assert wire.send(V_GOOD) == "6581"
    assert wire.status(STATUS)[:3] == "63C"


def test_a_state_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    """A file in the folder's place, a folder in the file's: before the card plays."""
    serial = profile("1.8").chip_serial
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        FileCounters(tmp_path / "file", serial)
    (tmp_path / f"{serial.hex()}.json").mkdir()
    with pytest.raises(OSError, match="json"):
        FileCounters(tmp_path, serial)
    assert not list(tmp_path.glob(".new-*"))


def test_a_damaged_state_ends_the_program(tmp_path: Path) -> None:
    """One sentence that names the file, and the file stays as it is."""
    file = tmp_path / f"{load_profile('adult').chip_serial.hex()}.json"
    file.write_bytes(b"{")
    result = subprocess.run(
        [sys.executable, "-m", "agent", "virtual-card", "--state", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert f"{file}: it is damaged" in result.stderr
    assert file.read_bytes() == b"{"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_is_told_at_once(tmp_path: Path) -> None:
    """The program ends with one sentence and leaves nothing half written."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from agent.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    load_profile("adult")  # so that it need not be made, which writes, too
    arguments = ("virtual-card", "--lang", "en", "--state", str(tmp_path))
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments, "--vpcd", "localhost:1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "The folder of --state cannot be used" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_chip_authentication_before_any_pin_survives(tmp_path: Path) -> None:
    """Tries that are still as personalised are kept as that, too."""
    serial = profile("1.8", "one-try").chip_serial
    Wire("1.8", name="one-try", counters=FileCounters(tmp_path, serial)).fetch(CHIP)
    again = FileCounters(tmp_path, serial)
    assert again.authentications == 1
    assert Wire("1.8", name="one-try", counters=again).send(STATUS) == "63C1"


# --- a PIN that a person chose -------------------------------------------------------

CHANGE = f"0024000110{V_GOOD[10:]}26567890FFFFFFFF"
V_CHOSEN = "002000010826567890FFFFFFFF"


def test_a_changed_pin_survives_a_restart(tmp_path: Path) -> None:
    """Like a chip's: the one the card was personalised with opens it no more."""
    serial = profile("1.8").chip_serial
    assert Wire("1.8", counters=FileCounters(tmp_path, serial)).send(CHANGE) == "9000"
    again = Wire("1.8", counters=FileCounters(tmp_path, serial))
    assert again.send(V_GOOD) == "63C2"
    assert again.send(V_CHOSEN) == "9000"


def test_a_state_without_a_pin_is_taken(tmp_path: Path) -> None:
    """Files of before PINs were kept still hold."""
    serial = profile("1.8").chip_serial
    old = {"tries": 2, "authentications": 7}
    (tmp_path / f"{serial.hex()}.json").write_text(json.dumps(old))
    assert Wire("1.8", counters=FileCounters(tmp_path, serial)).send(STATUS) == "63C2"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_the_state_is_its_owners(tmp_path: Path) -> None:
    """It may hold a PIN, if only a test PIN; and no object shows it."""
    counters = FileCounters(tmp_path / "state", profile("1.8").chip_serial)
    Wire("1.8", counters=counters).send(CHANGE)
    (file,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "567890" not in repr(counters)


class Failing(Counters):
    """Saves so many times, then fails as a broken memory does."""

    def __init__(self, saves: int) -> None:
        super().__init__()
        self.saves = saves

    def save(self) -> None:
        """Count down."""
        if self.saves == 0:
            raise OSError("broken")
        self.saves -= 1


@pytest.mark.parametrize("saves", [0, 1, 2])
def test_a_change_is_made_or_not(saves: int) -> None:
    """Where the memory fails on the way, the old PIN stays and no right is granted."""
    memory = Failing(saves)
    wire = Wire("1.8", counters=memory)
    assert wire.send(CHANGE) == "6581"
    assert wire.status(STATUS)[:3] == "63C"
    memory.saves = 2
    assert wire.send(V_GOOD) == "9000"
    assert wire.send(CHANGE) == "6581"
    assert wire.status(STATUS)[:3] == "63C"
    memory.saves = 9
    assert wire.send(V_GOOD) == "9000"
    assert wire.send(V_CHOSEN) == "63C2"
