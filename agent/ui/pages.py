"""What the tray's windows show, as values: no question of a site's is among them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Info:
    """A heading, which is a key of the catalogues, and lines that are words already.

    `actions` are keys, too, of buttons beside the one that closes; the answer is which
    one was pressed. As in questions, `virtual` marks a test card, and `marks` what is
    special.
    """

    heading: str
    lines: tuple[str, ...]
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pick:
    """One of several `options`; `action` is the text of the button that takes it."""

    heading: str
    lines: tuple[str, ...]
    options: tuple[str, ...]
    action: str
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class MenuPage:
    """The tray's menu as a window; `commands` are those of `agent.ui.traystate`."""

    lines: tuple[str, ...]
    commands: tuple[str, ...]
    lang: str
    virtual: bool
    marks: tuple[str, ...] = ()


AnyPage = Info | Pick | MenuPage
