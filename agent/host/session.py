"""What tells of sleep and screen lock on this system; chooses its file.

Apart from `agent.host` itself, which every command loads: this needs an event loop.
"""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from agent.host._session_linux import watch_session
else:
    from agent.host._session_elsewhere import watch_session

__all__ = ["watch_session"]
