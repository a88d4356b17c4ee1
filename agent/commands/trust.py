"""`eid-agent trust show`: the CA certificate that browsers have to trust."""

from __future__ import annotations

import argparse

from agent import tls
from agent.commands import Failure, answer
from agent.commands.running import data_dir


def main(options: argparse.Namespace) -> int:
    """Print the CA as PEM; made now if this is the first start."""
    try:
        files = tls.load_or_create(data_dir(options.data_dir))
    except tls.DataDirUnusable as error:
        raise Failure("cli-data-dir", reason=error) from None
    answer(files.ca.read_text(encoding="ascii").rstrip())
    return 0
