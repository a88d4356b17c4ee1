"""Starts the frozen program: the command line, or one of its own child processes.

A frozen program is its own interpreter: where a checkout runs `python -P -m agent.…`,
it runs itself with the same words. It takes the program's parts alone.
"""

from __future__ import annotations

import os
import runpy
import sys

#: What the program starts in processes of their own.
PARTS = (
    "agent",  # with the computer
    "agent.pdf.worker",
    "agent.ui.picture",
    "agent.ui.tray",
    "agent.ui.windows",
)
#: The bootloader's, for its own libraries; certutil and browsers have theirs.
_SEARCH = "LD_LIBRARY_PATH"


def main() -> None:
    """Run what the arguments name, and end with its exit code."""
    if sys.platform == "linux":
        before = os.environ.pop(f"{_SEARCH}_ORIG", None)
        os.environ.pop(_SEARCH, None)
        if before is not None:
            os.environ[_SEARCH] = before
    words = [word for word in sys.argv[1:3] if word != "-P"]
    if words[:1] == ["-m"]:
        at = sys.argv.index("-m") + 1
        module = sys.argv[at] if at < len(sys.argv) else ""
        if module not in PARTS:
            sys.exit(f"eid-agent: no part of this program: {module}")
        del sys.argv[1 : at + 1]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        from agent.cli import main as command

        sys.exit(command())


if __name__ == "__main__":
    main()
