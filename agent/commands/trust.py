"""`eid-agent trust show`: the CA certificate that browsers have to trust.

Touches the data folder: only the holder of its lock makes or renews the certificate.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from agent import certs, tls
from agent.commands import Failure, answer
from agent.commands.reasons import Located
from agent.commands.running import data_dir
from agent.instance import AlreadyRunning, Instance, NotRunning, running_port


def main(options: argparse.Namespace) -> int:
    """Print the CA as PEM; made now if this is the first start."""
    folder = data_dir(options.data_dir)
    try:
        files = tls.load(folder, certs.RENEW_BEFORE) or _made(folder)
    except tls.DataDirUnusable as error:
        raise Failure("cli-data-dir", reason=error) from None
    answer(files.ca.read_text(encoding="ascii").rstrip())
    return 0


def _made(folder: Path) -> tls.Files:
    """Make the certificate anew, or return the one that a running agent uses."""
    try:
        instance = Instance(folder)
    except AlreadyRunning:
        return _in_use(folder)
    except OSError as error:
        raise Failure("cli-data-dir", reason=Located(folder, error)) from None
    try:
        return tls.load_or_create(folder)
    finally:
        instance.close()


def _in_use(folder: Path) -> tls.Files:
    with contextlib.suppress(NotRunning):
        running_port(folder)  # one that is just starting makes its certificate first
    files = tls.load(folder)
    if files is None:
        raise Failure("cli-trust-old")
    return files
