"""Foreign text as dialogs and terminal show it; pure."""

from __future__ import annotations

from cardio.display import is_hidden, one_line

__all__ = ["is_hidden", "one_line", "quoted", "site_name"]


def quoted(text: str) -> str:
    """Return a site's own words between quotation marks that they cannot close."""
    return one_line(text).replace('"', "'")


def site_name(origin: str) -> str:
    """Return an origin as it is shown: without the scheme where that is https."""
    return one_line(origin.removeprefix("https://"))
