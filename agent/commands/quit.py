"""`eid-agent quit`: end the running agent; touches the data folder and its channel."""

from __future__ import annotations

import argparse

from agent.commands import Failure, data_dir
from agent.instance import NotAnswering, NotRunning, tell, wait_until_gone


def main(options: argparse.Namespace) -> int:
    """Tell the agent of the data folder to end."""
    folder = data_dir(options.data_dir)
    try:
        tell(folder, "quit")
    except NotRunning:
        raise Failure("cli-not-running", path=folder) from None
    except NotAnswering:
        raise Failure("cli-not-answering") from None
    if not wait_until_gone(folder):
        raise Failure("cli-not-answering")
    return 0
