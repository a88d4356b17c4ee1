"""What the tray's menu does, over a real service and the virtual card.

The windows are a stand-in that writes the pages down and answers as told; the tray is
one, too, where a test has to say what was chosen. Both are real in the tests of
`test_tray.py` and in those of windows.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import preferences, tls
from agent.cli import parser
from agent.commands.menu import Menu, start_command
from agent.host import _autostart_linux, _autostart_macos, _autostart_windows, autostart
from agent.journal import Contents, Entry, Journal
from agent.origins import Grant, end
from agent.originstore import OriginStore, today
from agent.settings import Settings
from agent.texts import LANGUAGES, text
from agent.ui import Cancelled, PinChange
from agent.ui.desktop import DesktopInterface
from agent.ui.pages import AnyPage, Info, MenuPage, Pick
from agent.ui.traystate import COMMANDS, State, TrayState
from cardio.pin import Pin
from tests.agent.people import PORTAL, running

Answer = Callable[[AnyPage], Any]


class FakeWindows(DesktopInterface):
    """Shows nothing; `pages` are what it was to show, `answer` what a person does.

    Without an answer a page stays open.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pages: asyncio.Queue[AnyPage] = asyncio.Queue()
        self.answers: list[Any] = []
        self.closed = asyncio.Event()
        self.forward = 0
        self.crashed = False
        #: What is typed; the person thinks for ever without.
        self.pins: tuple[bytes, bytes] | None = None
        self.typing = asyncio.Event()
        self.last_tries = 0

    @asynccontextmanager
    async def conversation(  # type: ignore[override]
        self, more_time: Callable[[], bool], seconds: float
    ) -> AsyncIterator[FakeWindows]:
        """Be one window."""
        try:
            yield self
        finally:
            self.closed.set()

    async def page(self, page: AnyPage) -> Any:
        """Write a page down, and answer it."""
        self.pages.put_nowait(page)
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if answer is None:
            raise Cancelled
        return answer

    async def change_last_try(self, question: PinChange) -> bool:
        """Stop."""
        self.last_tries += 1
        return False

    async def old_and_new_pin(self, question: PinChange) -> tuple[Pin, Pin]:
        """Type both."""
        self.typing.set()
        if self.pins is None:
            await asyncio.Event().wait()
            raise Cancelled
        old, new = self.pins
        return Pin(bytearray(old)), Pin(bytearray(new))

    def come_forward(self) -> None:
        """Count."""
        self.forward += 1


class Stage:
    """A menu with what it works on."""

    def __init__(self, agent: Any, folder: Path | None) -> None:
        self.agent = agent
        self.windows = FakeWindows()
        self.ended = asyncio.Event()
        self.menu = Menu(agent.service, self.windows, self.ended.set, folder)
        self.shown: list[TrayState] = []
        self.changed = asyncio.Event()
        self.menu.link.show = self._show  # type: ignore[method-assign]
        agent.service.watch(self.menu.changed)

    def _show(self, shown: TrayState) -> None:
        self.shown.append(shown)
        self.changed.set()

    async def until(self, state: State) -> None:
        """Wait until the tray is told a state."""
        async with asyncio.timeout(20):
            while not self.shown or self.shown[-1].state is not state:
                self.changed.clear()
                await self.changed.wait()

    async def page(self, command: str, *answers: Any) -> Any:
        """Choose a command and return the first page."""
        self.windows.answers = list(answers)
        self.menu.do(command)
        return await self.next()

    async def next(self) -> Any:
        """Return the next page."""
        async with asyncio.timeout(20):
            return await self.windows.pages.get()


@asynccontextmanager
async def staged(
    folder: Path | None, *personas: str, **members: Any
) -> AsyncIterator[Stage]:
    """Run a service with readers, and its menu."""
    settings = Settings(data_dir=folder, **members)
    async with running(*personas, settings=settings) as agent:
        stage = Stage(agent, folder)
        yield stage
        await stage.menu.close()


@pytest.fixture(autouse=True)
def no_config_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started with this computer."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


async def test_what_is_in_the_reader_names_no_person(tmp_path: Path) -> None:
    """Reader and kind of card, no more."""
    async with staged(tmp_path, "adult", "") as stage:
        page = await stage.page("readers")
        assert page.heading == "tray-menu-readers"
        assert "Reader 0" in page.lines[0]
        assert "1.8" in page.lines[0]
        assert text("card-empty", "en") in page.lines[1]
        assert len(page.lines) == 2


async def test_testing_the_card_shows_what_card_verify_says(tmp_path: Path) -> None:
    """Each check on a line, and the verdict; several cards are chosen among."""
    async with staged(tmp_path, "adult", "adult-1.7") as stage:
        chosen = await stage.page("test", 1)
        assert isinstance(chosen, Pick)
        assert len(chosen.options) == 2
        waiting = await stage.next()
        assert waiting.heading == "window-testing"
        page = await stage.next()
        assert page.heading == "tray-menu-test"
        # As `card verify` says of a 1.7 card without a root of its own.
        assert page.lines[-1].startswith(text("verdict-open", "en"))
        assert page.lines[-1].endswith(text("card-is-test", "en"))
        sent = [one.command for one in stage.agent.cards[1].exchanges]
        assert not [one for one in sent if one[:2] == b"\x00\x88"]  # SAFETY 3


async def test_testing_without_a_card_says_what_to_do(tmp_path: Path) -> None:
    """The same words as everywhere."""
    async with staged(tmp_path, "") as stage:
        page = await stage.page("test")
        assert page.lines == (text("no-card", "en"),)


async def test_a_site_is_taken_back(tmp_path: Path) -> None:
    """As `origins revoke` does; then the list is shown again."""
    store = OriginStore(tmp_path)
    store.add(lambda _: (Grant(PORTAL, "login", end(today())),))
    async with staged(tmp_path, "adult") as stage:
        page = await stage.page("sites", 0)
        assert isinstance(page, Pick)
        assert "portal.example" in page.options[0]
        page = await stage.next()
        assert isinstance(page, Info)
        assert text("origins-none", "en") in page.lines
        assert not store.read().grants


async def test_the_journal_is_shown_the_newest_first(tmp_path: Path) -> None:
    """As `eid-agent journal` has it."""
    for site in ("https://first.example", "https://last.example"):
        Journal(tmp_path).add(Entry(site, "identity", ("identity",), "given"))
    async with staged(tmp_path, "adult") as stage:
        page = await stage.page("journal")
        assert "last.example" in page.lines[0]
        assert "first.example" in page.lines[1]


async def test_a_journal_of_thousands_of_lines_is_shown_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of few lines opens at once; older ones are a button away, and back."""
    line = {"time": "2026-11-25T12:00:00Z", "call": "identity", "data": ["identity"]}
    entries = tuple(
        line | {"origin": f"https://site-{number}.example", "outcome": "given"}
        for number in range(10_000)
    )
    monkeypatch.setattr(Journal, "read", lambda _self: Contents(entries))
    async with staged(tmp_path, "adult") as stage:
        answers = ("window-older", "window-older", "window-newer")
        pages = [await stage.page("journal", *answers)]
        pages += [await stage.next() for _ in answers]
        assert max(len(page.lines) for page in pages) < 100
        assert [page.lines[1].split()[1] for page in pages] == [
            f"https://site-{number}.example" for number in (9999, 9949, 9899, 9949)
        ]
        assert "10000" in pages[0].lines[0]
        assert pages[0].actions == ("window-older",)
        assert pages[1].actions == ("window-newer", "window-older")


async def test_the_oldest_lines_of_a_journal_have_no_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last part is the rest."""
    entry = {"day": "2026-11-25", "call": "identity", "outcome": "given", "count": 1}
    monkeypatch.setattr(Journal, "read", lambda _self: Contents((entry,) * 51))
    async with staged(tmp_path, "adult") as stage:
        await stage.page("journal", "window-older")
        rest = await stage.next()
        assert len(rest.lines) == 2
        assert rest.actions == ("window-newer",)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a Firefox profile; certutil is Debian's."""
    if shutil.which("certutil") is None:
        pytest.skip("libnss3-tools is not installed")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / ".mozilla/firefox"
    (root / "own").mkdir(parents=True)
    (root / "profiles.ini").write_text("[Profile0]\nName=x\nIsRelative=1\nPath=own\n")
    return tmp_path


async def test_browsers_that_do_not_trust_the_agent_are_named_and_repaired(
    home: Path,
) -> None:
    """The tray says it meanwhile, and the menu, which a second start shows."""
    folder = home / "data"
    tls.load_or_create(folder)
    async with staged(folder, "adult") as stage:
        menu = await stage.page("menu")
        assert text("window-trust-no", "en") in menu.lines
        assert text("tray-untrusted", "en") in stage.shown[-1].lines()
        page = await stage.page("trust", "window-trust-repair")
        assert page.actions == ("window-trust-repair",)
        assert any("Firefox" in line for line in page.lines)
        page = await stage.next()
        assert page.actions == ()
        assert page.lines[0] == text("window-trust-yes", "en")
        assert text("trust-restart", "en") in page.lines
        assert stage.shown[-1].marks == ()
        menu = await stage.page("menu")
        assert text("window-trust-yes", "en") in menu.lines


async def test_a_store_that_cannot_be_changed_says_why(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And may be tried again."""
    folder = home / "data"
    tls.load_or_create(folder)
    monkeypatch.setenv("PATH", "")
    async with staged(folder, "adult") as stage:
        await stage.page("trust", "window-trust-repair")
        page = await stage.next()
        assert any("libnss3-tools" in line for line in page.lines)
        assert page.actions == ("window-trust-repair",)


async def test_a_language_is_kept_and_counts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the tray, for questions, and for the next start."""
    async with staged(tmp_path, "adult") as stage:
        await stage.page("language", LANGUAGES.index("de"))
        async with asyncio.timeout(20):
            await stage.windows.closed.wait()
        assert stage.shown[-1].lang == "de"
        assert stage.agent.service.settings.lang == "de"
    assert preferences.load(tmp_path).lang == "de"
    options = parser().parse_args(["run", "--data-dir", str(tmp_path)])
    assert options.lang is None


async def test_help_and_about_say_it_in_words(tmp_path: Path) -> None:
    """Version and licence; where a PIN is typed, and where never."""
    async with staged(tmp_path, "adult") as stage:
        about = await stage.page("about")
        assert stage.agent.service.settings.version in about.lines[0]
        assert "EUPL-1.2" in about.lines[1]
        helping = await stage.page("help")
        assert text("window-help-pin", "en") in helping.lines


async def test_help_leads_to_the_page_of_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not well comes first, with what to do; then that all was looked at."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    async with staged(tmp_path, "adult") as stage:
        helping = await stage.page("help", "window-help-doctor")
        assert helping.actions == ("window-help-doctor",)
        wait, page = await stage.next(), await stage.next()
        assert wait.heading == page.heading == "window-help-doctor"
        assert "Problems found" in page.lines[0]
        assert page.lines[1].startswith("PROBLEM ")
        assert page.lines[2].startswith("-> ")
        assert any(line.startswith("good Card: Belgian") for line in page.lines)
        marks = [line.split()[0] for line in page.lines[1:] if line[:2] != "->"]
        first = list(dict.fromkeys(marks))
        assert marks == sorted(marks, key=first.index)
        assert first[-1] == "good"


async def test_the_demo_has_no_page_of_the_doctor(tmp_path: Path) -> None:
    """It has no data folder, and its browser is thrown away."""
    async with staged(None, "adult") as stage:
        assert (await stage.page("help")).actions == ()


async def test_quit_ends_the_agent(tmp_path: Path) -> None:
    """In order, as Ctrl-C does."""
    async with staged(tmp_path, "adult") as stage:
        stage.menu.do("quit")
        assert stage.ended.is_set()


async def test_the_menu_page_lists_the_commands(tmp_path: Path) -> None:
    """That of an icon alone says so the first time, and each line is done."""
    async with staged(tmp_path, "adult") as stage:
        stage.menu._kind("icon")
        page = await stage.page("menu", "about")
        assert isinstance(page, MenuPage)
        # "Next person" is a counter's alone.
        assert page.commands == tuple(name for name in COMMANDS if name != "next")
        assert text("window-menu-icon", "en") in page.lines
        assert (await stage.next()).heading == "tray-menu-about"
        page = await stage.page("menu")
        assert text("window-menu-icon", "en") not in page.lines


async def test_a_request_closes_what_the_menu_opened(tmp_path: Path) -> None:
    """And while one is open, a command brings the question forward instead."""
    async with staged(tmp_path, "adult") as stage:
        await stage.page("about")
        stage.agent.person.thinks = True
        asking = asyncio.create_task(stage.agent.identity("identity"))
        async with asyncio.timeout(20):
            await stage.agent.person.asked.wait()
            await stage.windows.closed.wait()
        assert stage.shown[-1].state is State.BUSY
        stage.menu.do("help")
        assert stage.windows.forward == 1
        assert stage.windows.pages.empty()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def test_a_desktop_without_a_tray_is_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once of all, over two runs."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    for told in (1, 0):
        async with staged(tmp_path, "adult") as stage:
            stage.menu._kind("none")
        assert capfd.readouterr().err.count(text("tray-none", "en")) == told


async def test_the_demo_does_not_send_to_a_second_start(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would be a demo of its own, with another menu."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    async with staged(None, "adult") as stage:
        stage.menu._kind("none")
    assert text("tray-none", "en") not in capfd.readouterr().err


async def test_readers_cards_and_work_are_shown_as_they_change(tmp_path: Path) -> None:
    """By the service's own events."""
    async with staged(tmp_path, "adult") as stage:
        card = stage.agent.cards[0]
        stage.agent.readers.remove("Reader 0")
        await stage.until(State.NO_CARD)
        stage.agent.readers.insert(card, "Reader 0")
        await stage.until(State.READY)
        assert not card.exchanges  # no card is touched for it
        await stage.agent.login()
        assert State.BUSY in [shown.state for shown in stage.shown]
        assert stage.shown[-1].last == text(
            "tray-given-authenticate", "en", site="portal.example"
        )


async def test_what_is_special_of_a_run_is_shown(tmp_path: Path) -> None:
    """Developer, --allow-origin and counter (SAFETY 22)."""
    members: dict[str, Any] = {"developer": True, "counter": True}
    members["allowed_origins"] = frozenset({PORTAL})
    async with staged(tmp_path, "adult", **members) as stage:
        page = await stage.page("about")
        wanted = ("developer-run", "tray-named-origins", "tray-counter")
        assert page.marks == wanted


# --- starting with the computer ------------------------------------------------------


async def test_starting_with_the_computer_is_switched(tmp_path: Path) -> None:
    """One desktop file of the user's, which is gone again; not for the demo."""
    file = tmp_path / "config" / "autostart" / "eid-agent.desktop"
    async with staged(tmp_path, "adult") as stage:
        for there in (True, False):
            stage.menu.do("start")
            await asyncio.gather(*stage.menu._aside)
            assert file.exists() is there
            assert stage.shown[-1].starts is there
    async with staged(None, "adult") as stage:
        page = await stage.page("menu")
        assert "start" not in page.commands


def test_a_packages_start_with_the_computer_is_switched_off_and_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a file of the user's that hides the package's, and goes again."""
    system = tmp_path / "system.desktop"
    system.touch()
    monkeypatch.setattr(_autostart_linux, "SYSTEM", system)
    own = tmp_path / "config" / "autostart" / "eid-agent.desktop"
    assert autostart.starts_by_itself()
    autostart.start_no_more()
    assert "Hidden=true" in own.read_text(encoding="utf-8").splitlines()
    assert not autostart.starts_by_itself()
    autostart.start_by_itself(*start_command())
    assert not own.exists()
    assert autostart.starts_by_itself()


def test_the_autostart_command_has_no_option_of_this_run() -> None:
    """No --developer, no --allow-origin is started by itself (SAFETY 22)."""
    command, folder = start_command()
    assert command[1:] == ["-m", "agent", "run"]
    assert (folder / "agent" / "__main__.py").exists()


def test_a_desktop_file_quotes_what_shells_and_desktops_read(tmp_path: Path) -> None:
    """Desktop Entry Specification: quotes, backslashes, percent signs."""
    autostart_file = tmp_path / "config" / "autostart" / "eid-agent.desktop"
    _autostart_linux.start_by_itself(['/a b/%py"', "run"], tmp_path)
    lines = autostart_file.read_text(encoding="utf-8").splitlines()
    assert 'Exec="/a b/%%py\\\\"" "run"' in lines
    assert autostart.starts_by_itself()
    _autostart_linux.start_no_more()
    assert not autostart.starts_by_itself()


def test_windows_and_macos_are_told_exactly(tmp_path: Path) -> None:
    """The command and the file that would be used; not run there."""
    adding = _autostart_windows.adding(["C:\\a b\\python.exe", "-m", "agent", "run"])
    assert adding[:3] == (
        "reg",
        "add",
        r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run",
    )
    assert '"C:\\a b\\python.exe" -m agent run' in adding
    entry = _autostart_macos.entry(["/python", "run"], tmp_path)
    assert b"<string>/python</string>" in entry
    assert b"RunAtLoad" in entry


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"lang": "xx", "told": []}', "\0", "[" * 100_000],
    ids=["empty", "no object", "no language", "no text", "nested too deep"],
)
def test_settings_that_are_damaged_count_as_none(tmp_path: Path, content: str) -> None:
    """The agent starts all the same."""
    file = tmp_path / preferences.FILE
    file.touch(mode=0o600)
    file.write_text(content, encoding="utf-8")
    assert preferences.load(tmp_path) == preferences.Preferences()


def test_settings_are_kept_for_the_user_alone(tmp_path: Path) -> None:
    """0600, and read again as they were."""
    chosen = preferences.Preferences("fr", ("none",))
    preferences.save(tmp_path, chosen)
    file = tmp_path / preferences.FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_bytes())["lang"] == "fr"
    assert preferences.load(tmp_path) == chosen


# --- changing the PIN ----------------------------------------------------------------


async def test_the_pin_is_changed_by_the_same_rules_as_on_the_command_line(
    tmp_path: Path,
) -> None:
    """One CHANGE REFERENCE DATA, and the new PIN then logs in."""
    async with staged(tmp_path, "adult") as stage:
        stage.windows.pins = (b"1234", b"4321")
        waiting = await stage.page("pin")
        assert waiting.heading == "window-working"
        done = await stage.next()
        assert done.lines == (text("change-done", "en"),)
        stage.agent.person.pin = b"4321"
        assert (await stage.agent.login()).status == 200
        assert _changes(stage) == 1


async def test_a_wrong_old_pin_costs_one_try_and_says_how_many_are_left(
    tmp_path: Path,
) -> None:
    """It is sent once."""
    async with staged(tmp_path, "adult") as stage:
        stage.windows.pins = (b"9999", b"4321")
        await stage.page("pin")
        assert (await stage.next()).lines == (text("cli-old-pin-wrong", "en", tries=2),)
        assert _changes(stage) == 1


@pytest.mark.parametrize("persona", ["blocked", "one-try"])
async def test_a_blocked_pin_and_a_last_try_are_told_before_anything_is_typed(
    tmp_path: Path, persona: str
) -> None:
    """No try is spent where the person stops."""
    async with staged(tmp_path, persona) as stage:
        page = await stage.page("pin")
        assert isinstance(page, Info)
        key = "cli-change-stopped" if persona == "one-try" else "pin-blocked"
        said = text(key, "en") if persona == "one-try" else "blocked"
        assert said in page.lines[0]
        assert stage.windows.last_tries == (persona == "one-try")
        assert not _changes(stage)


async def test_a_page_waits_while_a_pin_is_changed(tmp_path: Path) -> None:
    """One dialog at a time (SAFETY 16): the page hears `busy`, the question stays."""
    async with staged(tmp_path, "adult") as stage:
        stage.menu.do("pin")
        async with asyncio.timeout(20):
            await stage.windows.typing.wait()
        answer = await stage.agent.login()
        assert answer.body["code"] == "busy"
        assert not stage.windows.closed.is_set()
        stage.menu.do("about")
        assert stage.windows.forward == 1
        stage.agent.readers.remove("Reader 0")  # nobody types for nothing
        assert (await stage.next()).lines == (text("card-removed", "en"),)
        assert not _changes(stage)


def _changes(stage: Stage) -> int:
    """Count the CHANGE REFERENCE DATA (00 24) that the card saw."""
    sent = [one.command for one in stage.agent.cards[0].exchanges]
    return sum(command[1] == 0x24 for command in sent)
