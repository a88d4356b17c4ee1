"""Runs `eid-agent` with every log on, louder than its own options can make it.

The root logger takes everything, asyncio writes down each callback with its arguments,
and aiohttp its access log, which the agent leaves out.
"""

from __future__ import annotations

import asyncio.base_events
import logging
import sys
from typing import Any

from aiohttp import web_log, web_protocol

from agent import cli

_begin_loop = asyncio.base_events.BaseEventLoop.__init__
_begin_connection = web_protocol.RequestHandler.__init__


def _loop(self: asyncio.base_events.BaseEventLoop) -> None:
    _begin_loop(self)
    self.set_debug(True)
    self.slow_callback_duration = 0


def _connection(self: Any, *arguments: Any, **options: Any) -> None:
    options["access_log"] = logging.getLogger("aiohttp.access")
    options["access_log_class"] = web_log.AccessLogger
    options["access_log_format"] = web_log.AccessLogger.LOG_FORMAT
    _begin_connection(self, *arguments, **options)


def _basic_config(**options: Any) -> None:
    _configure(**(options | {"level": 1}))


if __name__ == "__main__":
    asyncio.base_events.BaseEventLoop.__init__ = _loop  # type: ignore[method-assign]
    if "--panel" not in sys.argv:  # its token stands in its addresses
        web_protocol.RequestHandler.__init__ = _connection  # type: ignore[method-assign]
    _configure = logging.basicConfig
    logging.basicConfig = _basic_config
    sys.exit(cli.main())
