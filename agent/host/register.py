"""The list by which a package's removal finds its users; chooses the system's file."""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from agent.host._register_linux import note, noted
else:
    from agent.host._register_elsewhere import note, noted

__all__ = ["note", "noted"]
