"""The windows as a person meets them: real ones, by keyboard, read by a screen reader.

The real program with virtual cards in a real pcscd, on a desktop of its own. What the
person reads and presses goes through AT-SPI and X; what the card heard is its own list.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Problem
from agent.instance import tell
from agent.texts import text, tries_left
from agent.ui import Awaited, frames
from agent.words import quoted
from cardio import tlv
from cardio.apdu import INS
from cardio.channel import Apdu
from cardio.files import EF
from cardio.virtual.profile import load_profile
from tests.agent.calls import Call
from tests.agent.hostile import HOSTILE
from tests.agent.program import ROOT, Program, started
from tests.rig.desktop import Desktop, Node, NoDesktop, want
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

pytest.importorskip("PySide6", reason="PySide6 is not installed")
pytestmark = pytest.mark.pcscd

PIN, WRONG = "1234", "9999"
NONCE = "n" * 44


#: How long the hurried agent's questions stay open.
SECONDS = 6.0


class Hurried(Program):
    """The program with questions that stay open for seconds."""

    launcher = ("-m", "tests.rig.hurried", str(SECONDS))


def words(key: str, **values: object) -> str:
    """Return what a window says, in English."""
    return text(key, "en", **values)


def heading(key: str, **values: object) -> dict[str, Any]:
    """Return what to wait for: a page with this heading."""
    return want(words(key, **values), "label", has=["showing"])


def button(key: str) -> dict[str, Any]:
    """Return what to wait for: a button that can be pressed."""
    return want(words(key), "push button", has=["showing", "sensitive"])


@dataclass
class Place:
    """A desktop, a PC/SC service, and a running agent that both belong to."""

    desktop: Desktop
    pcscd: Pcscd
    folder: Path
    agent: Program
    port: int
    calls: list[Call] = field(default_factory=list)
    _origins: int = 0

    # --- the page ---------------------------------------------------------------------

    def ask(self, path: str, body: Any, origin: str = "") -> Call:
        """Let a page ask; one of its own, unless it is named."""
        self._origins += 1
        origin = origin or f"https://portal-{self._origins}.example"
        call = Call(self.port, self.folder / "tls" / "ca.pem", path, body, origin)
        call.start()
        self.calls.append(call)
        return call

    def login(self, origin: str = "") -> Call:
        """Let a page ask for a login."""
        return self.ask("/v1/authenticate", {"challengeNonce": NONCE}, origin)

    def identity(self, origin: str = "", **more: Any) -> Call:
        """Let a page ask for the identity."""
        return self.ask("/v1/identity", {"include": ["identity"], **more}, origin)

    # --- the person -------------------------------------------------------------------

    def sees(self, *there: dict[str, Any]) -> list[Node]:
        """Wait until a window that is before the person shows this."""
        return self.desktop.wait(*there, want(has=["active"]))

    def press(self, key: str) -> None:
        """Go to a button by Tab, once it can be pressed, and press it."""
        self.desktop.wait(button(key))
        self.go_to(words(key))
        self.desktop.keys("space")

    def go_to(self, name: str) -> None:
        """Press Tab until this has the focus."""
        for _ in range(20):
            nodes = self.desktop.wait(want(has=["focused"]))
            here = next(node for node in nodes if "focused" in node.states)
            if here.name == name:
                return
            self.desktop.keys("Tab")
            left = want(here.name, here.role, has=["focused"])
            self.desktop.wait(want(has=["focused"]), gone=[left])
        raise AssertionError(f"Tab does not reach {name!r}")

    def read_on(self) -> None:
        """Go through all values, after which they can be given."""
        self.sees(heading("window-values"), button("window-below-down"))
        while further := self._further():
            self.press("window-below-down")
            self.desktop.wait(gone=[want(further)])
        self.desktop.wait(button("window-send"))

    def _further(self) -> str:
        """Return what is said of values that were not seen yet; "" where all were."""
        said = words("window-below", count="").partition(":")[0]
        names = (node.name for node in self.desktop.nodes())
        return next((name for name in names if name.startswith(said)), "")

    def to_pin(self) -> None:
        """Agree to a login; the field has the focus then."""
        self.sees(heading("window-login"))
        self.press("window-to-pin")
        self.sees(heading("window-pin"), FIELD)

    def type_pin(self, digits: str) -> None:
        """Type a PIN and send it."""
        self.sees(FIELD)
        self.desktop.type(digits)
        self.press("window-log-in")

    def open_menu(self, command: str, *there: dict[str, Any]) -> None:
        """Ask for the menu as a second start does, and choose a command."""
        tell(self.folder, "show")
        self.sees(heading("window-menu"), *there)
        self.press(f"tray-menu-{command}")

    def change_pin(self, old: str, new: str) -> None:
        """Type what a change of the PIN wants, each field left by Return."""
        fields = ("window-change-old", "window-change-new", "window-change-again")
        for name, digits in zip(fields, (old, new, new), strict=True):
            self.sees(want(words(name), "password text", has=["focused"]))
            self.desktop.type(digits)
            self.desktop.keys("Return")
        self.press("window-change-do")

    @contextlib.contextmanager
    def unaware(self) -> Iterator[None]:
        """Let the agent stand still meanwhile."""
        self.agent.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.agent.process.send_signal(signal.SIGCONT)

    def closes(self) -> None:
        """Close the window by Escape."""
        self.sees()
        self.desktop.keys("Escape")
        self.sees_nothing()

    def sees_nothing(self) -> None:
        """Wait until there is no window."""
        self.desktop.wait(gone=[want()])

    def window_process(self) -> int:
        """Return the process of the window that is there."""
        return self.desktop.nodes()[0].process


#: The field for a PIN, ready to be typed into.
FIELD = want(words("window-pin-label"), "password text", has=["focused", "showing"])


def answer(call: Call) -> tuple[int, str]:
    """Wait for a page's answer; return its status and, for a problem, its code."""
    call.join(20)
    assert not call.is_alive(), "no answer"
    return call.status, (call.body or {}).get("code", "")


def pins(card: RecordedCard) -> int:
    """Return how many PINs the card was given."""
    return sum(one.ins == INS.VERIFY and one.size > 5 for one in card.exchanges)


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """One desktop for all."""
    try:
        desktop = Desktop()
    except NoDesktop as reason:
        pytest.skip(str(reason))
    with desktop:
        yield desktop


@contextlib.contextmanager
def _running(
    program: type[Program], desktop: Desktop, pcscd: Pcscd, folder: Path
) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**desktop.env, **pcscd.env}.items():
            patch.setenv(name, value)
        patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
        patch.setenv("HOME", str(folder / "home"))
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        arguments = ("run", "--ui", "desktop", "--lang", "en")
        with started(*arguments, "--data-dir", str(folder), of=program) as agent:
            patch.undo()
            yield Place(desktop, pcscd, folder, agent, agent.port())


@pytest.fixture(scope="module")
def shared_agent(
    desktop: Desktop, pcscd_service: Pcscd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One agent for all tests that leave it running."""
    folder = tmp_path_factory.mktemp("agent")
    with _running(Program, desktop, pcscd_service, folder) as place:
        yield place


@pytest.fixture
def place(shared_agent: Place) -> Iterator[Place]:
    """The shared agent, with no window left over before and after."""
    yield shared_agent
    _tidy(shared_agent)


@pytest.fixture
def hurried(desktop: Desktop, pcscd_service: Pcscd, tmp_path: Path) -> Iterator[Place]:
    """An agent of the test's own, whose questions end soon."""
    with _running(Hurried, desktop, pcscd_service, tmp_path) as place:
        yield place
        _tidy(place)


@pytest.fixture
def own(desktop: Desktop, pcscd_service: Pcscd, tmp_path: Path) -> Iterator[Place]:
    """An agent that the test may end."""
    with _running(Program, desktop, pcscd_service, tmp_path) as place:
        yield place


def _tidy(place: Place) -> None:
    if place.desktop.nodes():
        place.closes()
    for call in place.calls:
        call.join(10)
    place.calls.clear()


# --- login ----------------------------------------------------------------------------


def test_a_login_by_keyboard(place: Place) -> None:
    """Who asks and what they get is read first; the PIN goes to the card once."""
    with place.pcscd.card() as card:
        call = place.login("https://town.example")
        nodes = place.sees(heading("window-login"), want("town.example", "label"))
        first = next(node for node in nodes if "focused" in node.states)
        assert first.name == words("window-cancel")
        assert "town.example" in first.description
        place.to_pin()
        place.desktop.type(PIN)
        [shown] = [n for n in place.sees(FIELD) if n.role == "password text"]
        assert shown.text is not None
        assert len(shown.text) == 4
        assert not set(shown.text) & set(PIN)
        place.press("window-log-in")
        place.sees(heading("window-done"))
        assert answer(call) == (200, "")
        assert pins(card) == 1
        place.closes()


def test_wrong_twice_then_the_last_try_knowingly(place: Place) -> None:
    """Each wrong PIN says what is left; the last is a step of its own."""
    with place.pcscd.card() as card:
        call = place.login()
        place.to_pin()
        place.type_pin(WRONG)
        left = words("window-tries", tries=tries_left(2, "en"))
        place.sees(heading("window-wrong"), want(left, "label"))
        place.type_pin("9998")
        place.sees(heading("window-last-try"))
        assert pins(card) == 2
        place.press("window-last-try-yes")
        place.type_pin(PIN)
        place.sees(heading("window-done"))
        assert answer(call) == (200, "")
        assert (pins(card), card.tries_left) == (3, 3)


def test_who_stops_before_the_last_try_loses_none(place: Place) -> None:
    """Return on the button that goes on does nothing; Stop ends it."""
    with place.pcscd.card("one-try") as card:
        call = place.login()
        place.sees(heading("window-last-try"), button("window-last-try-yes"))
        place.go_to(words("window-last-try-yes"))
        place.desktop.keys("Return", "KP_Enter")
        place.sees(heading("window-last-try"))
        place.press("window-last-try-no")
        assert answer(call) == (403, "user-denied")
        assert (pins(card), card.tries_left) == (0, 1)


def test_the_last_try_wrong_says_what_a_blocked_card_means(place: Place) -> None:
    """And a blocked card gets no PIN any more."""
    with place.pcscd.card("one-try") as card:
        call = place.login()
        place.sees(heading("window-last-try"))
        place.press("window-last-try-yes")
        place.to_pin()
        place.type_pin(WRONG)
        place.sees(heading("window-ended-blocked"), want(words("window-blocked-still")))
        assert answer(call)[1] == "pin-blocked"
        place.closes()
        assert answer(place.login())[1] == "pin-blocked"
        assert pins(card) == 1


# --- data -----------------------------------------------------------------------------


def test_data_leave_after_they_were_seen(place: Place) -> None:
    """Consent, then the values, then the answer."""
    with place.pcscd.card() as card:
        call = place.identity(purpose="Your fishing permit")
        purpose = words("window-purpose", purpose="Your fishing permit")
        place.sees(heading("window-consent"), want(purpose, "label"))
        place.press("window-once")
        place.read_on()
        assert call.is_alive()
        place.press("window-send")
        place.sees(heading("window-done"))
        assert answer(call) == (200, "")
        assert pins(card) == 0


@pytest.mark.parametrize("step", ["window-once", "window-send"])
def test_data_stay_when_refused(place: Place, step: str) -> None:
    """At either step."""
    with place.pcscd.card():
        call = place.identity()
        if step == "window-send":
            place.press("window-once")
            place.read_on()
        place.sees(button(step))
        place.press("window-refuse")
        assert answer(call) == (403, "user-denied")


def test_always_is_shown_at_its_next_use(place: Place) -> None:
    """The second time nobody is asked, and a window says so."""
    with place.pcscd.card():
        first = place.identity("https://always.example")
        place.press("window-always")
        place.read_on()
        place.press("window-send")
        assert answer(first) == (200, "")
        second = place.identity("https://always.example")
        place.sees(heading("window-notice"), want("always.example", "label"))
        assert answer(second) == (200, "")


# --- readers and cards ----------------------------------------------------------------


def test_a_card_is_chosen_among_two(place: Place) -> None:
    """By the arrow keys; the PIN goes to the chosen one alone."""
    one, other = (RecordedCard(load_profile(name)) for name in ("adult", "adult-1.7"))
    with place.pcscd.insert(one), place.pcscd.insert(other, slot=1):
        call = place.login()
        place.sees(heading("window-choose"))
        place.desktop.keys("space", "Down", "space")
        place.press("window-continue")
        place.to_pin()
        place.type_pin(PIN)
        assert answer(call) == (200, "")
        assert (pins(one), pins(other)) == (0, 1)


def test_a_card_that_is_put_in_goes_on_by_itself(place: Place) -> None:
    """Nothing has to be pressed."""
    call = place.login()
    place.sees(heading("window-awaited-no-card"))
    with place.pcscd.card():
        place.to_pin()
        place.type_pin(PIN)
        assert answer(call) == (200, "")


def test_who_closes_the_request_for_a_card_cancels(place: Place) -> None:
    """By Escape."""
    call = place.login()
    place.sees(heading("window-awaited-no-card"))
    place.desktop.keys("Escape")
    assert answer(call)[1] == "user-cancelled"


def test_a_card_that_is_none_of_ours_is_sent_out(place: Place) -> None:
    """The window says so, and goes on once it was changed for a good one."""
    with place.pcscd.insert(ForeignCard(load_profile("adult"))) as pull:
        call = place.identity()
        place.sees(heading("window-awaited-unsupported-card"))
        pull()
        place.sees(heading("window-awaited-no-card"))
    with place.pcscd.card():
        place.sees(heading("window-consent"))
        place.desktop.keys("Escape")
        assert answer(call)[1] == "user-cancelled"


class ForeignCard(RecordedCard):
    """A card that knows no instruction of ours."""

    def transmit(self, apdu: Apdu) -> bytes:
        """Refuse."""
        return b"\x6d\x00"


#: How to come to each kind of question about a card.
KINDS: dict[str, Callable[[Place], Call]] = {}
#: The card that it takes, where that is another one.
CARDS = {"trying_last": "one-try"}


def _kind(function: Callable[[Place], Call]) -> Callable[[Place], Call]:
    KINDS[function.__name__.strip("_")] = function
    return function


@_kind
def _trying_last(place: Place) -> Call:
    call = place.login()
    place.sees(heading("window-last-try"), button("window-last-try-yes"))
    return call


@_kind
def _agreeing(place: Place) -> Call:
    call = place.login()
    place.sees(heading("window-login"))
    return call


@_kind
def _typing_pin(place: Place) -> Call:
    call = place.login()
    place.to_pin()
    place.desktop.type(PIN)
    return call


@_kind
def _consenting(place: Place) -> Call:
    call = place.identity()
    place.sees(heading("window-consent"))
    return call


@_kind
def _seeing_values(place: Place) -> Call:
    call = place.identity()
    place.press("window-once")
    place.sees(heading("window-values"))
    return call


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_that_is_pulled_ends_the_question(place: Place, kind: str) -> None:
    """The window says why; nothing was tried."""
    card = RecordedCard(load_profile(CARDS.get(kind, "adult")))
    tries = card.tries_left
    with place.pcscd.insert(card) as pull:
        call = KINDS[kind](place)
        pull()
        place.sees(heading("window-ended-removed"))
        assert answer(call)[1] == "card-removed"
        assert (pins(card), card.tries_left) == (0, tries)


@pytest.mark.parametrize("kind", ["typing_pin", "seeing_values", "trying_last"])
def test_a_card_that_is_swapped_unseen_ends_the_question(
    place: Place, kind: str
) -> None:
    """While the agent stands still another card takes its place, and gets no PIN."""
    with contextlib.ExitStack() as stack:
        first = RecordedCard(load_profile(CARDS.get(kind, "adult")))
        pull = stack.enter_context(place.pcscd.insert(first))
        call = KINDS[kind](place)
        with place.unaware():
            pull()
            place.pcscd.wait_for_card(present=False)
            other = stack.enter_context(place.pcscd.card("adult-1.7"))
            if kind == "typing_pin":
                place.press("window-log-in")
            if kind == "trying_last":
                place.press("window-last-try-yes")
        assert pins(first) == 0
        assert answer(call)[1] in ("card-removed", "card-changed")
        assert (pins(other), other.tries_left) == (0, 3)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_card_that_is_pulled_at_the_choice_ends_it(
    place: Place, swapped: bool
) -> None:
    """Nor is another one taken for it, which took its place unseen."""
    one, other = (RecordedCard(load_profile(name)) for name in ("adult", "adult-1.7"))
    with contextlib.ExitStack() as stack:
        pull = stack.enter_context(place.pcscd.insert(one))
        stack.enter_context(place.pcscd.insert(other, slot=1))
        call = place.login()
        place.sees(heading("window-choose"))
        with place.unaware():
            pull()
            place.pcscd.wait_for_card(present=False)
            if swapped:
                stack.enter_context(place.pcscd.insert(other := _another()))
                place.desktop.keys("space")
                place.press("window-continue")
        assert answer(call)[1] in ("card-removed", "card-changed")
        assert pins(one) == pins(other) == 0


def _another() -> RecordedCard:
    return RecordedCard(load_profile("foreigner"))


def test_a_wrong_card_that_is_swapped_unseen_for_a_good_one_goes_on(
    place: Place,
) -> None:
    """What is awaited is there, whichever way it came."""
    with contextlib.ExitStack() as stack:
        wrong = ForeignCard(load_profile("adult"))
        pull = stack.enter_context(place.pcscd.insert(wrong))
        call = place.login()
        place.sees(heading("window-awaited-unsupported-card"))
        with place.unaware():
            pull()
            place.pcscd.wait_for_card(present=False)
            card = stack.enter_context(place.pcscd.card())
        place.sees(heading("window-login"))
        place.desktop.keys("Escape")
        assert answer(call)[1] == "user-cancelled"
        assert pins(card) == pins(wrong) == 0


#: What a card says of a person, and how it has to be shown.
SAID = {
    0x07: ("abc\u202edef <b>bold</b>&amp;", "abc\ufffddef <b>bold</b>&amp;"),
    0x08: ("a\x1b[2Jb\nsecond\u200bline", "a\ufffd[2Jb\ufffdsecond\ufffdline"),
    0x0B: ("القدس ירושלים", "القدس ירושלים"),
    0x0E: ("W" * 190, "W" * 190),
}


def test_hostile_values_of_a_card_are_shown_harmless(place: Place) -> None:
    """No markup, one line, nothing that hides or turns; the page has the bytes."""
    adult = load_profile("adult")
    told = tlv.parse(adult.files[EF.IDENTITY])
    told |= {tag: value.encode() for tag, (value, _) in SAID.items()}
    files = {**adult.files, EF.IDENTITY: tlv.encode(told)}
    with place.pcscd.card(dataclasses.replace(adult, files=files)):
        call = place.identity()
        place.press("window-once")
        place.read_on()
        names = [node.name for node in place.desktop.nodes()]
        for _, shown in SAID.values():
            assert any(name.endswith(f": {shown}") for name in names), names
        assert not any(set(name) & set("\u202e\u200b\x1b\n") for name in names)
        place.press("window-send")
        assert answer(call) == (200, "")
        assert call.body["identity"]["surname"] == SAID[0x07][0]


# --- from the menu --------------------------------------------------------------------


def test_the_pin_is_changed_from_the_menu(place: Place) -> None:
    """Old, new, new again; a wrong old one is told with what is left, tried once."""
    with place.pcscd.card() as card:
        for old, left in ((WRONG, 2), (PIN, 3)):
            place.open_menu("pin")
            place.change_pin(old, "4321")
            if old == WRONG:
                wrong = text("cli-old-pin-wrong", "en", tries=tries_left(2, "en"))
                place.sees(want(words("window-words", words=wrong), "label"))
            else:
                place.sees(want(words("change-done"), "label"))
            assert card.tries_left == left
            place.closes()
        assert card.count(INS.CHANGE_REFERENCE_DATA) == 2


def test_a_window_or_card_that_goes_while_the_pin_is_changed_changes_none(
    place: Place,
) -> None:
    """A window says why."""
    card = RecordedCard(load_profile("adult"))
    with place.pcscd.insert(card) as pull:
        field = want(words("window-change-old"), "password text", has=["focused"])
        place.open_menu("pin")
        place.sees(field)
        place.desktop.type(PIN)
        os.kill(place.window_process(), signal.SIGKILL)
        crashed = words("window-words", words=words("change-crashed"))
        place.sees(want(crashed, "label"))
        place.open_menu("pin")
        place.sees(field)
        place.desktop.type(PIN)
        pull()
        removed = Problem("card-removed").title("en")
        place.sees(want(words("window-words", words=removed), "label"))
        assert card.count(INS.CHANGE_REFERENCE_DATA) == 0
        place.closes()


def test_the_menu_says_who_trusts_the_agent_and_repairs_it(place: Place) -> None:
    """In a home of the agent's own; a second start shows this menu."""
    place.open_menu("trust", want(words("window-trust-no"), "label"))
    place.sees(heading("tray-menu-trust"))
    place.press("window-trust-repair")
    place.sees(want(words("window-trust-yes"), "label"))
    place.closes()


# --- the request ends -----------------------------------------------------------------


def test_a_page_that_goes_away_takes_its_window_along(place: Place) -> None:
    """In the middle of typing the PIN, too."""
    with place.pcscd.card() as card:
        call = place.login()
        place.to_pin()
        place.desktop.type(PIN)
        call.leave()
        place.sees_nothing()
        assert pins(card) == 0


def test_the_time_ends_unless_the_person_wants_more(hurried: Place) -> None:
    """The window offers more; without it, it says that the time is up."""
    with hurried.pcscd.card() as card:
        call = hurried.identity()
        hurried.sees(heading("window-consent"))
        hurried.desktop.wait(button("window-more-time"))
        hurried.desktop.keys("shift+Tab")
        hurried.sees(want(words("window-more-time"), has=["focused"]))
        pressed = time.monotonic()
        hurried.desktop.keys("space")
        hurried.sees(heading("window-ended-timeout"))
        assert time.monotonic() - pressed > SECONDS - 0.5
        assert answer(call)[1] == "timeout"
        assert pins(card) == 0


def test_two_at_once(place: Place) -> None:
    """The second page is told that there is a question already."""
    with place.pcscd.card():
        first = place.identity()
        place.sees(heading("window-consent"))
        assert answer(place.login())[1] == "busy"
        place.desktop.keys("Escape")
        assert answer(first)[1] == "user-cancelled"


def test_closing_the_window_is_cancelling(place: Place) -> None:
    """By the window manager's own key."""
    with place.pcscd.card() as card:
        call = place.login()
        place.to_pin()
        place.desktop.keys("alt+F4")
        assert answer(call)[1] == "user-cancelled"
        assert pins(card) == 0


# --- what must not happen -------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "page", "allow"),
    [
        (Place.login, "window-login", "window-to-pin"),
        (Place.identity, "window-consent", "window-once"),
    ],
)
def test_who_is_typing_answers_nothing(
    place: Place, ask: Callable[[Place], Call], page: str, allow: str
) -> None:
    """A window comes up under the fingers: no PIN, no consent, and no refusal."""
    with place.pcscd.card() as card:
        call = ask(place)
        place.sees(heading(page))
        place.desktop.type(f"{PIN}\n ")
        nodes = place.sees(heading(page), button(allow))
        assert "password text" not in [node.role for node in nodes]
        assert call.is_alive()
        place.desktop.keys("Escape")
        assert answer(call)[1] == "user-cancelled"
        assert pins(card) == 0


def test_return_never_allows(place: Place) -> None:
    """Neither on what allows nor in the field; a Return there goes on to the button."""
    with place.pcscd.card() as card:
        call = place.login()
        place.sees(button("window-to-pin"))
        place.go_to(words("window-to-pin"))
        place.desktop.keys("Return", "KP_Enter")
        place.sees(heading("window-login"))
        place.desktop.keys("space")
        place.sees(FIELD)
        place.desktop.type(PIN)
        place.desktop.wait(button("window-log-in"))
        place.desktop.keys("Return", "Return", "KP_Enter")
        place.sees(want(words("window-log-in"), has=["focused"]))
        assert call.is_alive()
        assert pins(card) == 0
        place.desktop.keys("Escape")
        assert answer(call)[1] == "user-cancelled"


def test_hostile_words_stay_words(place: Place) -> None:
    """A site's purpose is shown as it is, in quotation marks that it cannot close."""
    said = [words_ for words_, allowed in HOSTILE if allowed and len(words_) < 40]
    purpose = " ".join(said)[:200]
    with place.pcscd.card():
        call = place.identity(purpose=purpose)
        shown = words("window-purpose", purpose=quoted(purpose))
        place.sees(heading("window-consent"), want(shown, "label"))
        place.desktop.keys("Escape")
        assert answer(call)[1] == "user-cancelled"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_window_that_dies_or_hangs_costs_no_try(
    place: Place, number: signal.Signals
) -> None:
    """In the middle of a PIN; the person is told, and the next request works."""
    with place.pcscd.card() as card:
        call = place.login()
        place.to_pin()
        place.desktop.type(PIN)
        process = place.window_process()
        os.kill(process, number)
        if number == signal.SIGSTOP:
            assert answer(place.identity())[1] == "busy"  # the agent goes on
            call.leave()
            place.sees_nothing()
        else:
            assert answer(call) == (409, "user-cancelled")
            told = words("window-words", words=words("window-crashed"))
            place.sees(heading("window-ended"), want(told, "label"))
        assert (pins(card), card.tries_left) == (0, 3)
        after = place.login()
        place.to_pin()
        place.type_pin(PIN)
        assert answer(after) == (200, "")


def test_a_window_of_somebody_elses_making_answers_nothing(place: Place) -> None:
    """It shows what it is told, and what is pressed in it reaches its maker alone."""
    with place.pcscd.card() as card:
        call = place.login()
        place.sees(heading("window-login"))
        real = place.window_process()
        forged = subprocess.Popen(
            [sys.executable, "-m", "agent.ui.windows"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **place.desktop.env},
        )
        assert forged.stdin is not None
        question = Awaited("https://forged.example", "no-card", "en", virtual=False)
        asked = {"ask": "awaited", "id": 1, "screen": None, "seconds": 60}
        asked["question"] = dataclasses.asdict(question)
        forged.stdin.write(frames.encode(asked))
        forged.stdin.flush()
        place.desktop.wait(want(process=forged.pid), want(has=["active"]))
        place.desktop.wait(heading("window-awaited-no-card") | {"process": forged.pid})
        place.desktop.keys("Escape")
        said, _ = forged.communicate(timeout=10)
        assert b'{"closed": 1}' in said
        place.desktop.wait(heading("window-login") | {"process": real})
        assert call.is_alive()
        assert pins(card) == 0
        call.leave()
        place.sees_nothing()


def test_the_agents_end_leaves_no_window(own: Place) -> None:
    """SIGTERM in the middle of a question."""
    with own.pcscd.card() as card:
        own.login()
        own.to_pin()
        own.desktop.type(PIN)
        assert own.agent.end() == 0
        own.sees_nothing()
        assert pins(card) == 0
