"""What the tray shows and what its menu does, in a running agent with windows.

Touches the data folder, and cards, windows and tray through what it is given. A page's
request goes before: it closes what the menu opened, and cards are given to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import agent
from agent import pinchange, preferences, releasecheck, tls
from agent.commands import Failure, change_pin, say, trust
from agent.commands.card import explained, reader_line
from agent.commands.journal import lines as journal_lines
from agent.commands.origins import grant_line, policy_lines
from agent.commands.reasons import Located, Words
from agent.commands.running import Beside
from agent.commands.verify import lines as verified
from agent.commands.verify import read
from agent.errors import Problem, as_problem
from agent.host import autostart
from agent.host.notices import noticed
from agent.inspection import Found, usable
from agent.journal import Journal
from agent.originstore import OriginsRefused, OriginStore
from agent.policyfile import PolicyFile
from agent.service import AgentService
from agent.texts import LANGUAGES, text
from agent.trust.record import RecordBusy
from agent.trust.work import Row
from agent.ui import Cancelled, Outcome, PinChange, Unavailable, UserInterface
from agent.ui.desktop import DesktopConversation, DesktopInterface
from agent.ui.pages import Info, MenuPage, Pick
from agent.ui.traylink import TrayLink
from agent.ui.traystate import (
    COMMANDS,
    COUNTER,
    NEWER,
    UNTRUSTED,
    TrayState,
    state_of,
)
from agent.work import Reservation
from cardio.card import PinEntry

_log = logging.getLogger(__name__)

#: How each language is called in itself.
_NAMES = {"nl": "Nederlands", "fr": "Français", "de": "Deutsch", "en": "English"}
_HELP = ("card", "window", "pin", "blocked")
#: How many lines a window shows at once: a journal of 13 months may have thousands.
_JOURNAL_LINES = 50


def with_tray(
    ui: UserInterface,
    stop: Callable[[], None],
    folder: Path | None,
    made: Callable[[Menu], None] = lambda _menu: None,
) -> Beside | None:
    """Return what keeps a tray beside a service; None where there are no windows.

    Without a folder nothing is kept of what a person chooses.
    """
    if not isinstance(ui, DesktopInterface):
        return None
    return lambda service: _tray(Menu(service, ui, stop, folder), service, made)


@asynccontextmanager
async def _tray(
    shown: Menu, service: AgentService, made: Callable[[Menu], None]
) -> AsyncIterator[None]:
    made(shown)
    tray = asyncio.create_task(shown.link.run(), name="tray")
    service.watch(shown.changed)
    shown.changed()
    try:
        yield
    finally:
        await shown.close()
        tray.cancel()
        await asyncio.gather(tray, return_exceptions=True)


class Menu:
    """One running agent's tray and menu."""

    def __init__(
        self,
        service: AgentService,
        ui: DesktopInterface,
        stop: Callable[[], None],
        folder: Path | None,
    ) -> None:
        self._service = service
        self._ui = ui
        self._stop = stop
        self._folder = folder
        self._chosen = preferences.load(folder)
        self._fault = False
        newer = releasecheck.newer_version(folder) is not None
        self._newer = newer and PolicyFile().now().updates
        self._last: Outcome | None = None
        self._people = 0
        self._counts = 0
        self._icon_only = False
        self._untrusted = False
        self._open: asyncio.Task[None] | None = None
        #: A PIN is being changed: no page's request closes that question.
        self._asking = False
        self._aside: set[asyncio.Task[None]] = set()
        self._actions: dict[str, Callable[[DesktopConversation], Awaitable[None]]] = {
            "menu": self._menu,
            "readers": self._readers,
            "test": self._test,
            "pin": self._pin,
            "sites": self._sites,
            "trust": self._trust,
            "journal": self._journal,
            "language": self._language,
            "help": self._help,
            "about": self._about,
        }
        self.link = TrayLink(self._state(), self.do, self._kind)

    async def close(self) -> None:
        """Close what the menu opened."""
        tasks = [*self._aside, *([self._open] if self._open is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what the tray shows ----------------------------------------------------------

    def changed(self, outcome: Outcome | None = None) -> None:
        """Show how it stands now; a request closes what the menu opened."""
        self._last = outcome or self._last
        if self._service.settings.counter:
            self._run_aside(self._count_people())
        if self._service.working and self._open is not None and not self._asking:
            self._open.cancel()
        self.link.show(self._state())
        if not self._service.cards()[0]:
            self._run_aside(self._ask_fault())

    async def _count_people(self) -> None:
        self._counts += 1
        number = self._counts
        with contextlib.suppress(OSError):
            people = await asyncio.to_thread(self._service.people_served)
            if number == self._counts:  # an older count may come later
                self._people = people
        self.link.show(self._state())

    async def _ask_fault(self) -> None:
        """Without readers, find out whether there is none or nobody to ask."""
        self._fault = await self._service.fault()
        self.link.show(self._state())

    def _state(self) -> TrayState:
        states, virtual = self._service.cards()
        return TrayState(
            state_of(
                states,
                working=self._service.working > 0,
                fault=self._fault and not states,
            ),
            self._lang,
            virtual,
            (*self._marks(), *self._remarks()),
            self._said(),
            self._starts(),
        )

    def _remarks(self) -> list[str]:
        """Return what the tray says, and no question does."""
        remarks = {UNTRUSTED: self._untrusted, NEWER: self._newer}
        return [remark for remark, there in remarks.items() if there]

    def _marks(self) -> tuple[str, ...]:
        settings = self._service.settings
        marks = {
            "developer-run": settings.developer,
            "tray-named-origins": bool(settings.allowed_origins),
            COUNTER: settings.counter,
        }
        return tuple(mark for mark, there in marks.items() if there)

    def trusted(self, *, everywhere: bool) -> None:
        """Show whether every browser trusts the agent."""
        self._untrusted = not everywhere
        self.link.show(self._state())

    def _said(self) -> str:
        """Return the last message in words; at a counter how many were served today."""
        last = self._last
        if self._service.settings.counter:
            return text("journal-people", self._lang, count=self._people)
        if last is None:
            return ""
        site = last.site.removeprefix("https://")
        if last.code == "given":
            return text(f"tray-given-{last.call}", self._lang, site=site)
        return text("labelled", self._lang, label=site, value=last.reason)

    def _starts(self) -> bool | None:
        return None if self._folder is None else autostart.starts_by_itself()

    @property
    def _lang(self) -> str:
        return self._service.settings.lang

    def _kind(self, kind: str) -> None:
        """Take note of what the desktop can show; say once where that is nothing."""
        self._icon_only = kind == "icon"
        if self._folder is None:  # the demo: a second start is another demo
            return
        if kind == "none" and self._say_once("none"):
            say(text("tray-none", self._lang))
            self._run_aside(self._notice())

    async def _notice(self) -> None:
        clicked = asyncio.Event()
        title, words = text("window-title", self._lang), text("tray-none", self._lang)
        action = text("window-show", self._lang)
        async with noticed(title, words, action, lambda _token: clicked.set()):
            await clicked.wait()
        self.do("menu")

    def _say_once(self, what: str) -> bool:
        """Return True the first time of all."""
        if what in self._chosen.told:
            return False
        told = (*self._chosen.told, what)
        self._keep(dataclasses.replace(self._chosen, told=told))
        return True

    def _keep(self, chosen: preferences.Preferences) -> None:
        self._chosen = chosen
        try:
            preferences.save(self._folder, chosen)
        except OSError as error:
            _log.warning("a choice could not be kept: %s", type(error).__name__)

    # --- what the menu does -----------------------------------------------------------

    def do(self, command: str) -> None:
        """Do what was chosen; a question that is open comes to the front instead."""
        if command == "quit":
            self._stop()
        elif command == "next":
            if self._open is not None:
                self._open.cancel()
            self._service.next_person()
        elif command == "start":
            self._run_aside(self._toggle_start())
        elif self._service.working or self._asking:
            self._ui.come_forward()
        elif command in self._actions:
            if self._open is not None:
                self._open.cancel()
            self._open = asyncio.create_task(self._show(command, self._open))

    def _run_aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _show(self, command: str, before: asyncio.Task[None] | None) -> None:
        """Open a window for one command, once the one before is closed."""
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        with contextlib.suppress(Cancelled, Unavailable):
            seconds = self._service.settings.dialog_seconds
            more_time = self._service.more_time
            async with self._ui.conversation(more_time, seconds) as talk:
                try:
                    await self._actions[command](talk)
                except Failure as failure:
                    await self._say(talk, command, failure.sentence(self._lang))
                except Problem as problem:
                    await self._say(talk, command, problem.title(self._lang))

    async def _say(self, talk: DesktopConversation, command: str, *lines: str) -> None:
        """Show lines below the name of the command until the window is closed."""
        await talk.page(self._info(f"tray-menu-{command}", *lines))

    def _info(self, heading: str, *lines: str, actions: tuple[str, ...] = ()) -> Info:
        _, virtual = self._service.cards()
        return Info(heading, lines, self._lang, virtual, self._marks(), actions)

    async def _menu(self, talk: DesktopConversation) -> None:
        state = self._state()
        lines = state.lines()[:1] + ([state.last] if state.last else [])
        if self._icon_only and self._say_once("icon"):
            lines.append(text("window-menu-icon", self._lang))
        if state.starts is not None:
            key = "window-menu-starts" if state.starts else "window-menu-starts-not"
            lines.append(text(key, self._lang))
        try:
            lines.append(self._trust_said(await self._stores(trust.look)))
        except Failure as failure:
            lines.append(failure.sentence(self._lang))
        offered = state.offered
        page = MenuPage(tuple(lines), offered, self._lang, state.virtual, self._marks())
        command = await talk.page(page)
        if command in self._actions:
            await self._actions[command](talk)
        elif command in COMMANDS:
            self.do(command)

    async def _readers(self, talk: DesktopConversation) -> None:
        found = await self._service.look_into_all()
        virtual = self._service.source.virtual
        lines = [reader_line(one, self._lang, virtual=virtual) for one in found]
        await self._say(talk, "readers", *lines or [text("no-reader", self._lang)])

    async def _test(self, talk: DesktopConversation) -> None:
        """Do what `card verify` does."""
        name = (await self._card(talk)).state.name
        wait = self._info("window-testing", text("window-working-leave", self._lang))
        lines = await self._meanwhile(talk, wait, self._tested(name))
        await self._say(talk, "test", *lines)

    async def _meanwhile(
        self,
        talk: DesktopConversation,
        page: Info,
        work: Coroutine[Any, Any, list[str]],
    ) -> list[str]:
        """Show a page while something is done; Cancelled when it is closed."""
        shown = asyncio.ensure_future(talk.page(page))
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({shown, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed = shown.done()
            for task in (shown, working):
                if not task.done():
                    task.cancel()
            await asyncio.gather(shown, working, return_exceptions=True)
        if closed:
            raise Cancelled
        return working.result()

    async def _tested(self, reader: str) -> list[str]:
        from agent.authenticity import judge  # takes memory

        source = self._service.source
        with self._service.beside(reader) as reservation:

            def work() -> list[str]:
                with explained():
                    content = read(source, reader, stop=reservation.stop)
                now = datetime.datetime.now(datetime.UTC)
                lines = verified(content, judge(content, [], now), self._lang)
                return [" ".join(line.split()) for line in lines]

            return await reservation.run(work)

    async def _pin(self, talk: DesktopConversation) -> None:
        """Change the PIN as `card change-pin` does, by the same rules."""
        found = await self._card(talk)
        self._asking = True
        waits: list[asyncio.Task[None]] = []
        try:
            said = await self._change(talk, found, waits)
        except Failure as failure:
            said = failure.sentence(self._lang)
        except Problem as problem:
            if problem.code != "user-cancelled":
                said = problem.title(self._lang)
            elif talk.crashed:
                said = text("change-crashed", self._lang)
            else:
                raise Cancelled from None
        finally:
            self._asking = False
            closed = any(wait.done() for wait in waits)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not closed:
            await self._say(talk, "pin", said)
            return
        # Whoever closed the window while the card was at work is told all the same.
        seconds = self._service.settings.dialog_seconds
        async with self._ui.conversation(self._service.more_time, seconds) as telling:
            await self._say(telling, "pin", said)

    async def _change(
        self,
        talk: DesktopConversation,
        found: Found,
        waits: list[asyncio.Task[None]],
    ) -> str:
        """Ask, outside any transaction, send the PINs once; return what came of it.

        What shows a page meanwhile is put into `waits`.
        """
        source, lang, name = self._service.source, self._lang, found.state.name
        async with self._service.keep(name) as reservation:

            def look() -> change_pin.Shown:
                with explained():
                    return change_pin.look(source, found.state)

            card = await reservation.run(look)
            tries = card.card.expected.tries_left
            question = PinChange(name, tries, lang, card.virtual, self._marks())
            asked = pinchange.ask(talk, question, card.card.entry)
            pins = await self._service.pose(card.stay, asked)

            def change() -> None:  # owns the PINs; begins before anything is awaited
                with explained():
                    change_pin.change(source, card, pins, lang)

            typed = card.card.entry is PinEntry.TYPED
            leave = "window-working-leave" if typed else "window-change-type-there"
            page = self._info("window-working", text(leave, lang))
            waits.append(asyncio.create_task(talk.page(page)))
            await reservation.run(change)
            return text("change-done", lang)

    async def _card(self, talk: DesktopConversation) -> Found:
        """Return the reader with the person's card; Problem, Cancelled."""
        found = await self._service.look_into_all()
        if not found:
            raise Problem("no-reader")
        cards = as_problem(lambda: usable(found))
        if len(cards) == 1:
            return cards[0]
        virtual = self._service.source.virtual
        page = Pick(
            "window-choose",
            (),
            tuple(reader_line(one, self._lang, virtual=virtual) for one in cards),
            "window-continue",
            self._lang,
            self._service.cards()[1],
            self._marks(),
        )
        chosen: int = await talk.page(page)
        return cards[chosen]

    async def _sites(self, talk: DesktopConversation) -> None:
        """List the sites; take back what one may, as `origins revoke` does."""
        store, lang = OriginStore(self._folder), self._lang
        while True:
            try:
                grants = await asyncio.to_thread(lambda: store.read().grants)
            except (OriginsRefused, OSError) as error:
                raise self._unusable(error) from None
            policy = tuple(policy_lines(PolicyFile().now(), lang))
            if not grants:
                await self._say(talk, "sites", *policy or [text("origins-none", lang)])
            page = Pick(
                "tray-menu-sites",
                (*policy, text("window-sites-which", lang)),
                tuple(grant_line(grant, lang) for grant in grants),
                "window-sites-revoke",
                lang,
                self._service.cards()[1],
                self._marks(),
            )
            site = grants[await talk.page(page)].origin
            try:
                await asyncio.to_thread(store.revoke, site)
            except (OriginsRefused, OSError) as error:
                raise self._unusable(error) from None

    def _unusable(self, error: OSError | OriginsRefused) -> Failure:
        """Return what to say of a file that cannot be used."""
        if isinstance(error, OriginsRefused):
            reason = Words(error.reason)
            return Failure("origins-refused", path=error.path, reason=reason)
        return Failure("cli-data-dir", reason=Located(self._folder or Path(), error))

    async def _trust(self, talk: DesktopConversation) -> None:
        """Say which browsers trust the agent; repair as `trust install` does."""
        rows = await self._stores(trust.look)
        while not _trusted(rows):
            lines, repair = self._trust_lines(rows), ("window-trust-repair",)
            await talk.page(self._info("tray-menu-trust", *lines, actions=repair))
            rows = await self._stores(trust.repair)
        restart = text("trust-restart", self._lang)
        await self._say(talk, "trust", *self._trust_lines(rows), restart)

    def _trust_lines(self, rows: list[Row]) -> list[str]:
        said = [trust.sentence(row, self._lang) for row in rows]
        return [self._trust_said(rows), *said]

    async def _stores(self, work: Callable[[Path], list[Row]]) -> list[Row]:
        """Look or repair, in a thread; nothing where nothing is kept. Failure."""
        if self._folder is None:
            return []
        try:
            rows = await asyncio.to_thread(work, self._folder)
        except tls.DataDirUnusable as error:
            raise Failure("cli-data-dir", reason=error) from None
        except OSError as error:
            raise self._unusable(error) from None
        except RecordBusy:
            raise Failure("cli-trust-busy") from None
        self.trusted(everywhere=_trusted(rows))
        return rows

    def _trust_said(self, rows: list[Row]) -> str:
        how = "none"
        if rows:
            how = "yes" if _trusted(rows) else "no"
        return text(f"window-trust-{how}", self._lang)

    async def _journal(self, talk: DesktopConversation) -> None:
        try:
            contents = await asyncio.to_thread(Journal(self._folder).read)
        except OSError as error:
            raise self._unusable(error) from None
        lines, first = journal_lines(contents, self._lang)[::-1], 0
        while True:
            answer = await talk.page(self._journal_part(lines, first))
            older = answer == "window-older"
            first += _JOURNAL_LINES if older else -_JOURNAL_LINES

    def _journal_part(self, lines: list[str], first: int) -> Info:
        """Return some lines, the newest at the top, and how to come to the others."""
        shown, actions = lines[first : first + _JOURNAL_LINES], []
        last = first + len(shown)
        if first:
            actions.append("window-newer")
        if last < len(lines):
            actions.append("window-older")
        if actions:
            place = {"first": first + 1, "last": last, "count": len(lines)}
            shown.insert(0, text("window-journal-part", self._lang, **place))
        return self._info("tray-menu-journal", *shown, actions=tuple(actions))

    async def _language(self, talk: DesktopConversation) -> None:
        page = Pick(
            "tray-menu-language",
            (),
            tuple(_NAMES[lang] for lang in LANGUAGES),
            "window-language-use",
            self._lang,
            self._service.cards()[1],
            self._marks(),
        )
        lang = LANGUAGES[await talk.page(page)]
        self._keep(dataclasses.replace(self._chosen, lang=lang))
        self._service.speak(lang)
        self.link.show(self._state())

    async def _toggle_start(self) -> None:
        def toggle() -> None:
            if autostart.starts_by_itself():
                autostart.start_no_more()
            else:
                autostart.start_by_itself(*start_command())

        try:
            await asyncio.to_thread(toggle)
        except OSError as error:
            _log.warning("start with the computer: %s", type(error).__name__)
        self.link.show(self._state())

    async def _help(self, talk: DesktopConversation) -> None:
        lines = [text(f"window-help-{part}", self._lang) for part in _HELP]
        # The demo has no folder, and no browser of the person's knows it.
        actions = ("window-help-doctor",) if self._folder is not None else ()
        await talk.page(self._info("tray-menu-help", *lines, actions=actions))
        wait = self._info("window-help-doctor", text("window-examining", self._lang))
        page = await self._meanwhile(talk, wait, self._examined())
        await talk.page(self._info("window-help-doctor", *page))

    async def _examined(self) -> list[str]:
        """Return what `doctor` says, what is not well first."""
        folder, source, lang = self._folder, self._service.source, self._lang
        assert folder is not None

        def work() -> list[str]:
            from agent.commands import doctor  # takes memory

            return doctor.for_a_window(folder, source, lang)

        # A thread of its own: a card that does not answer keeps no end waiting.
        return await Reservation(lambda: None).run(work)

    async def _about(self, talk: DesktopConversation) -> None:
        version = self._service.settings.version
        await self._say(
            talk,
            "about",
            text("window-about-version", self._lang, version=version),
            text("window-about-licence", self._lang),
            text("window-about-who", self._lang),
        )


def _trusted(rows: list[Row]) -> bool:
    return all(row.trusted for row in rows)


def start_command() -> tuple[list[str], Path]:
    """Return what starts the agent with the computer, and in which folder.

    No option of this run is in it (SAFETY 22). Windows' package has a program beside it
    that starts it without a console.
    """
    starter = Path(sys.executable).with_name("eid-agent-start.exe")
    if starter.is_file():
        return [str(starter)], starter.parent
    return [sys.executable, "-m", "agent", "run"], Path(agent.__file__).parents[1]
