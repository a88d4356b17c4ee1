"""What the tray shows, as a value that goes over its pipe; pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from agent.texts import text
from agent.ui.frames import BadFrame, Message
from cardio.atr import looks_belgian
from cardio.readers import ReaderState


class State(enum.Enum):
    """How it stands, at a glance."""

    NO_READER = "no-reader"
    NO_CARD = "no-card"
    READY = "ready"
    BUSY = "busy"
    PROBLEM = "problem"


#: The mark of a counter.
COUNTER = "tray-counter"
#: The mark of an agent that not every browser trusts.
UNTRUSTED = "tray-untrusted"
#: A newer release is known.
NEWER = "tray-newer"
#: The commands of the menu, in its order; each has a text, `tray-menu-…`.
COMMANDS = (
    "next",
    "readers",
    "test",
    "pin",
    "sites",
    "trust",
    "journal",
    "language",
    "start",
    "help",
    "about",
    "quit",
)


def state_of(readers: Iterable[ReaderState], *, working: bool, fault: bool) -> State:
    """Return how it stands; never touches a card: its ATR is enough.

    `working`: a request is under way. `fault`: the readers cannot be asked.
    """
    states = tuple(readers)
    if working:
        return State.BUSY
    if fault:
        return State.PROBLEM
    if not states:
        return State.NO_READER
    filled = [state.atr for state in states if state.atr is not None]
    if not filled:
        return State.NO_CARD
    # A PKCS#11 module tells no ATR.
    usable = any(not atr or looks_belgian(atr) for atr in filled)
    return State.READY if usable else State.PROBLEM


@dataclass(frozen=True)
class TrayState:
    """Everything that the tray shows.

    `marks` are keys of the catalogues that say what is special about this run, `last`
    the last message in words, `starts` whether the agent starts with the computer:
    None where the agent is not there to stay, as in the demo.
    """

    state: State
    lang: str
    virtual: bool = False
    marks: tuple[str, ...] = ()
    last: str = ""
    starts: bool | None = None

    @property
    def offered(self) -> tuple[str, ...]:
        """The commands of the menu: "next" at a counter alone."""
        absent = {"start", "trust"} if self.starts is None else set()
        absent |= set() if COUNTER in self.marks else {"next"}
        return tuple(name for name in COMMANDS if name not in absent)

    def to_message(self) -> Message:
        """Return it as the agent sends it."""
        return {"state": asdict(self) | {"state": self.state.value}}

    @classmethod
    def from_message(cls, message: Message) -> TrayState:
        """Return what the agent sent; BadFrame."""
        try:
            members = dict(message["state"])
            members["state"] = State(members["state"])
            members["marks"] = tuple(members["marks"])
            return cls(**members)
        except (KeyError, TypeError, ValueError):
            raise BadFrame from None

    def lines(self) -> list[str]:
        """Return what is said above the menu: state, marks, the last message."""
        marks = [*(["test-card"] if self.virtual else []), *self.marks]
        return [
            text(f"tray-{self.state.value}", self.lang),
            *(text(mark, self.lang).strip() for mark in marks),
            *([self.last] if self.last else []),
        ]

    def title(self) -> str:
        """Return all of that in one line, for a pointer that rests on the icon."""
        name = text("window-title", self.lang)
        return text("labelled", self.lang, label=name, value=" · ".join(self.lines()))
