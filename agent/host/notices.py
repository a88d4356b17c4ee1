"""Draws a person's eye to a window that is behind others; chooses the system's file."""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from agent.host._notices_linux import noticed
else:
    from agent.host._notices_elsewhere import noticed

__all__ = ["noticed"]
