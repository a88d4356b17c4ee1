"""The real program, with questions that stay open for seconds of a test's choice.

`python -m tests.rig.hurried SECONDS ARGUMENTS`: nothing but its settings differs.
"""

from __future__ import annotations

import sys
from functools import partial

from agent.cli import main
from agent.commands import run
from agent.settings import Settings

if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    run.Settings = partial(Settings, dialog_seconds=seconds)  # type: ignore[misc,assignment]
    sys.exit(main())
