"""Starts the agent with the computer, or no more; chooses the system's file."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from agent.host import _autostart_windows as _here
elif sys.platform == "darwin":
    from agent.host import _autostart_macos as _here
else:
    from agent.host import _autostart_linux as _here

start_by_itself = _here.start_by_itself
start_no_more = _here.start_no_more
starts_by_itself = _here.starts_by_itself

__all__ = ["start_by_itself", "start_no_more", "starts_by_itself"]
