"""Windows and macOS: sleep and screen lock are not told of yet; touches nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.host.attendant import Attendant


@asynccontextmanager
async def watch_session(_told: Attendant) -> AsyncIterator[None]:
    """Run the block."""
    yield
