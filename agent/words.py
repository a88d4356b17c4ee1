"""Foreign text as dialogs and terminal show it; pure."""

from __future__ import annotations

from cardio.display import MAX_CHARACTERS, is_hidden, one_line

__all__ = ["is_hidden", "one_line", "origin_line", "quoted", "site_name"]


def quoted(text: str) -> str:
    """Return a site's own words between quotation marks that they cannot close."""
    return one_line(text).replace('"', "'")


def site_name(origin: str) -> str:
    """Return an origin as it is shown: without the scheme where that is https."""
    return origin_line(origin.removeprefix("https://"))


def origin_line(origin: str) -> str:
    """Return an origin in one line.

    One that is too long loses its beginning: whose it is stands at the end.
    """
    if len(origin) <= MAX_CHARACTERS:
        return one_line(origin)
    return one_line("…" + origin[1 - MAX_CHARACTERS :])
