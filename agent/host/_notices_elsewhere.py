"""Windows and macOS: the task bar or the Dock draws the eye, as Qt asks it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def noticed(
    title: str, words: str, action: str, clicked: Callable[[str], None]
) -> AsyncIterator[None]:
    """Show no notification: the window process has asked for attention by itself."""
    yield
