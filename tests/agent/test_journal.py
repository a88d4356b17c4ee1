"""What was shared, with whom, when: what is written, kept, shown and erased."""

from __future__ import annotations

import asyncio
import datetime
import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from agent import host, journal
from agent.exclusive import exclusive
from agent.journal import Entry, Journal
from agent.settings import Settings
from agent.ui import Consent, Permission, Unavailable
from cardio.virtual.profile import load_profile
from tests.agent.people import PORTAL, Person, running
from tests.agent.program import run, started

ENTRY = Entry(PORTAL, "identity", ("identity", "photo"), "given")
NOW = datetime.datetime(2026, 5, 17, 12, 30, 45, tzinfo=datetime.UTC)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what sets the journal's clock; it begins at NOW."""

    def set_to(time: datetime.datetime) -> None:
        monkeypatch.setattr(journal, "_now", lambda: time)

    set_to(NOW)
    return set_to


class Absent(Person):
    """Nobody can be asked."""

    async def consent(self, question: Consent) -> Permission:
        """There is no terminal and no window."""
        raise Unavailable


def _entries(folder: Path) -> list[dict[str, Any]]:
    return list(Journal(folder).read().entries)


# --- at the running agent ------------------------------------------------------------


async def test_what_is_shared_is_written_down_by_name(tmp_path: Path) -> None:
    """Time, site, call, names of data, outcome, program: before the page's answer."""
    settings = Settings(data_dir=tmp_path)
    async with running("adult", settings=settings) as agent:
        assert (await agent.identity("address", "identity")).status == 200
        (entry,) = _entries(tmp_path)
        written = datetime.datetime.fromisoformat(entry.pop("time"))
        age = datetime.datetime.now(datetime.UTC) - written
        assert age < datetime.timedelta(minutes=1)
        assert entry.pop("program").startswith("python")
        assert entry == {
            "origin": PORTAL,
            "call": "identity",
            "data": ["identity", "address"],
            "outcome": "given",
        }
        assert (await agent.login()).status == 200
        login = _entries(tmp_path)[1]
        assert (login["call"], login["data"]) == ("authenticate", ["certificate"])
    assert stat.S_IMODE((tmp_path / journal.FILE).stat().st_mode) == 0o600


async def test_the_journal_holds_no_value(tmp_path: Path) -> None:
    """No name, number, address, PIN, nonce or purpose."""
    settings = Settings(data_dir=tmp_path)
    async with running("adult", settings=settings) as agent:
        members = {"purpose": "a secret reason", "challenge": "c" * 44}
        answer = await agent.identity("identity", "address", "photo", **members)
        token = await agent.login()
    written = (tmp_path / journal.FILE).read_text()
    values = [
        *map(str, answer.body["identity"].values()),
        *answer.body["address"].values(),
        token.body["signature"],
        "a secret reason",
        "c" * 44,
        "n" * 44,
        load_profile("adult").chip_serial.hex(),
    ]
    for value in values:
        assert len(value) < 5 or value not in written


@pytest.mark.parametrize(
    ("person", "persona", "outcome"),
    [
        (Person(agrees=False), "one-try", "user-denied"),
        (Person(closes=True), "adult", "user-cancelled"),
        (Person(pin=b"9999"), "adult", "pin-incorrect"),
    ],
)
async def test_what_was_asked_and_not_given_is_told_apart(
    tmp_path: Path, person: Person, persona: str, outcome: str
) -> None:
    """The person refused, closed the question, or mistyped."""
    settings = Settings(data_dir=tmp_path)
    async with running(persona, person=person, settings=settings) as agent:
        await agent.login()
    assert [entry["outcome"] for entry in _entries(tmp_path)] == [outcome]


async def test_what_reached_nobody_does_not_fill_the_journal(tmp_path: Path) -> None:
    """No card, bad bodies, another question that is open: a page could do it alone."""
    person = Person(thinks=True)
    settings = Settings(data_dir=tmp_path)
    async with running("", "adult", person=person, settings=settings) as agent:
        agent.readers.remove("Reader 1")
        assert (await agent.login()).body["code"] == "no-card"
        assert (await agent.identity()).status == 400
        agent.readers.insert(agent.cards[0], "Reader 1")
        first = asyncio.create_task(agent.login())
        await person.asked.wait()
        assert (await agent.login()).body["code"] == "busy"
        assert _entries(tmp_path) == []
        first.cancel()
        await asyncio.wait_for(person.left.wait(), 5)
    assert [entry["outcome"] for entry in _entries(tmp_path)] == ["cancelled"]


async def test_a_question_that_nobody_could_see_does_not_fill_the_journal(
    tmp_path: Path,
) -> None:
    """A locked screen, no window, the dialog of another reader's card."""
    person = Person(thinks=True)
    settings = Settings(data_dir=tmp_path)
    async with running("adult", "kids", person=person, settings=settings) as agent:
        agent.service.attendance.lock(locked=True)
        for call in (agent.identity("identity"), agent.login()):
            assert (await call).body["code"] == "no-user-interface"
        agent.service.attendance.lock(locked=False)
        first = asyncio.create_task(agent.identity("identity"))
        await person.asked.wait()
        assert (await agent.identity("identity")).body["code"] == "busy"
        assert _entries(tmp_path) == person.told == []
        first.cancel()
        await asyncio.wait_for(person.left.wait(), 5)
    assert [entry["outcome"] for entry in _entries(tmp_path)] == ["cancelled"]


async def test_without_a_window_nothing_is_written_down(tmp_path: Path) -> None:
    """The interface says that it can show no question."""
    settings = Settings(data_dir=tmp_path)
    async with running("adult", person=Absent(), settings=settings) as agent:
        assert (await agent.identity("identity")).body["code"] == "no-user-interface"
    assert _entries(tmp_path) == []


async def test_counter_mode_writes_counts_alone(tmp_path: Path) -> None:
    """So many of each kind a day; no site, no time."""
    settings = Settings(data_dir=tmp_path, counter=True)
    async with running("adult", settings=settings) as agent:
        for _ in range(3):
            assert (await agent.identity("identity")).status == 200
        assert (await agent.login()).status == 200
        agent.person.pin = b"9999"
        assert (await agent.login()).status == 422
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    assert _entries(tmp_path) == [
        {"day": today, "call": call, "outcome": outcome, "count": count}
        for call, outcome, count in (
            ("identity", "given", 3),
            ("person", "given", 1),
            ("authenticate", "given", 1),
            ("authenticate", "pin-incorrect", 1),
        )
    ]
    assert "portal.example" not in (tmp_path / journal.FILE).read_text()


async def test_a_journal_that_cannot_be_written_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged as an error; a link's target is not touched."""
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / journal.FILE).symlink_to(tmp_path / "target")
    async with running("adult", settings=Settings(data_dir=tmp_path)) as agent:
        assert (await agent.identity("identity")).status == 200
    assert "the journal cannot be written" in caplog.text
    assert (tmp_path / "target").read_bytes() == b""


# --- the file ------------------------------------------------------------------------


def test_lines_end_after_thirteen_months(tmp_path: Path, now: Any) -> None:
    """On disk as soon as something is written, and when it is shown."""
    book = Journal(tmp_path)
    book.add(ENTRY)
    Journal(tmp_path, counts_only=True).add(ENTRY)
    now(NOW.replace(year=2027, month=6, day=16))
    assert len(book.read().entries) == 2
    now(NOW.replace(year=2027, month=6))
    assert book.read().entries == ()
    book.add(ENTRY)
    assert (tmp_path / journal.FILE).read_bytes().count(b"\n") == 1


DAMAGE = [
    b"{",
    b"null",
    b"\xff\xff",
    b'{"time":"yesterday","origin":"","call":"","data":[],"outcome":""}',
    b'{"time":"2026-05-17T12:30:45Z","origin":1,"call":"","data":[],"outcome":""}',
    b'{"time":"2026-05-17T12:30:45Z","origin":"","call":"","data":[1],"outcome":""}',
    b'{"day":"2026-05-17","call":"identity","outcome":"given"}',
    b'{"day":"soon","call":"identity","outcome":"given","count":1}',
    b'{"dropped":-5}',
    b"[" * 5000,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_lines_are_counted_named_and_kept(
    tmp_path: Path, now: Any, damage: bytes
) -> None:
    """All others are read; writing, counting and pruning keep what they cannot read."""
    path, book = tmp_path / journal.FILE, Journal(tmp_path)
    book.add(ENTRY)
    with path.open("ab") as file:
        file.write(damage)  # torn off: without a line's end
    book.add(ENTRY)
    Journal(tmp_path, counts_only=True).add(ENTRY)
    Journal(tmp_path, counts_only=True).add(ENTRY)
    found = book.read()
    assert (len(found.entries), found.bad) == (3, (2,))
    now(NOW + datetime.timedelta(days=500))
    book.add(ENTRY)
    assert damage in path.read_bytes().split(b"\n")
    assert book.read().bad == (1,)


def test_its_size_is_bounded_and_what_went_is_counted(
    tmp_path: Path, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first; how many is told."""
    monkeypatch.setattr(journal, "MAX_BYTES", 10_000)
    monkeypatch.setattr(journal, "_KEPT_BYTES", 7_500)
    book = Journal(tmp_path)
    for number in range(300):
        now(NOW + datetime.timedelta(seconds=number))
        book.add(ENTRY)
        assert (tmp_path / journal.FILE).stat().st_size <= 10_000
    found = book.read()
    assert len(found.entries) + found.dropped == 300
    assert found.dropped > 100
    newest = f"{NOW + datetime.timedelta(seconds=299):%Y-%m-%dT%H:%M:%SZ}"
    assert found.entries[-1]["time"] == newest
    assert found.bad == ()


def test_writers_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads and both ways of writing; each line is one line."""
    monkeypatch.setattr("agent.exclusive._WAIT_SECONDS", 30.0)

    def write(counts_only: bool) -> None:
        for _ in range(25):
            Journal(tmp_path, counts_only=counts_only).add(ENTRY)

    threads = [
        threading.Thread(target=write, args=(counting,))
        for counting in (False, True, False, True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Journal(tmp_path).read()
    assert found.bad == ()
    counts = [entry["count"] for entry in found.entries if "count" in entry]
    assert (counts, len(found.entries)) == ([50], 51)


def test_erasing_waits_for_a_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And fails rather than take the file from under one."""
    monkeypatch.setattr("agent.exclusive._WAIT_SECONDS", 0.05)
    book = Journal(tmp_path)
    book.add(ENTRY)
    with exclusive(tmp_path / "journal.lock"), pytest.raises(TimeoutError):
        book.erase()
    assert len(book.read().entries) == 1
    book.erase()
    assert not (tmp_path / journal.FILE).exists()


def test_erasing_overwrites_what_was_there(tmp_path: Path) -> None:
    """A second name of the file shows zeros."""
    book = Journal(tmp_path)
    book.add(ENTRY)
    (tmp_path / "second").hardlink_to(tmp_path / journal.FILE)
    book.erase()
    assert set((tmp_path / "second").read_bytes()) == {0}


def test_the_connecting_program_is_written_where_it_is_known(tmp_path: Path) -> None:
    """A member more; without it the line has none."""
    Journal(tmp_path).add(Entry(PORTAL, "identity", (), "given", "curl"))
    assert _entries(tmp_path)[0]["program"] == "curl"


# --- the commands --------------------------------------------------------------------


def _journal(folder: Path, *arguments: str) -> Any:
    return run("journal", *arguments, "--data-dir", str(folder), "--lang", "en")


def test_the_journal_is_shown_and_erased(tmp_path: Path, now: Any) -> None:
    """In words and as JSON; bad lines are named on standard error."""
    now(datetime.datetime.now(datetime.UTC).replace(microsecond=0))
    book = Journal(tmp_path)
    book.add(ENTRY)
    book.add(Entry(PORTAL, "authenticate", ("certificate",), "user-denied"))
    book.add(Entry(PORTAL, "identity", ("address",), journal.CANCELLED))
    with (tmp_path / journal.FILE).open("ab") as file:
        file.write(b"what\n")
    shown = _journal(tmp_path)
    assert shown.returncode == 0
    first, second, third = shown.stdout.splitlines()
    assert first.endswith(f"  {PORTAL}  reading: identity, photo  given")
    assert second.endswith("login: name and national number  not given (user-denied)")
    assert third.endswith("reading: address  not given (cancelled)")
    assert "are damaged and are not shown: 4." in shown.stderr
    found = json.loads(_journal(tmp_path, "--json").stdout)
    assert found["badLines"] == [4]
    outcomes = [entry["outcome"] for entry in found["entries"]]
    assert outcomes == ["given", "user-denied", "cancelled"]
    assert _journal(tmp_path, "erase").returncode == 0
    assert _journal(tmp_path).stdout == "Nothing was shared or signed.\n"
    assert _journal(tmp_path, "erase").returncode == 0


def test_hostile_words_in_the_file_stay_one_line(tmp_path: Path) -> None:
    """Another program of the user's may have written them."""
    line = {
        "time": "2026-05-17T12:30:45Z",
        "origin": "https://a\u202eb\n.example",
        "call": "\x1b[2J",
        "data": ["\u2028"],
        "outcome": "gi\rven",
    }
    host.write_private(tmp_path / journal.FILE, json.dumps(line).encode() + b"\n")
    shown = _journal(tmp_path).stdout
    assert shown.count("\n") == 1
    assert not set(shown[:-1]) & set("\u202e\x1b\u2028\r\n")


@pytest.mark.parametrize("kind", ["link", "readable"])
def test_a_journal_that_others_reach_is_not_shown(tmp_path: Path, kind: str) -> None:
    """Exit code 1 and a sentence."""
    path = tmp_path / journal.FILE
    Journal(tmp_path).add(ENTRY)
    if kind == "link":
        path.rename(tmp_path / "there")
        path.symlink_to(tmp_path / "there")
    else:
        path.chmod(0o644)
    for arguments in ((), ("erase",)):
        result = _journal(tmp_path, *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert "The journal cannot be used" in result.stderr


def test_a_running_agent_goes_on_after_erasing(tmp_path: Path) -> None:
    """The program writes into a new file."""
    options = ("--card", "virtual", "--ui", "terminal", "--data-dir", str(tmp_path))
    with started("run", *options) as program:
        program.port()
        Journal(tmp_path).add(ENTRY)
        assert _journal(tmp_path, "erase").returncode == 0
        Journal(tmp_path).add(ENTRY)
        assert len(_entries(tmp_path)) == 1
        assert program.end() == 0
