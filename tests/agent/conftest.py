"""What several tests of the program need."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from agent.testing import eid_agent as eid_agent
from cardio.virtual import pki


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """Return a PEM file with the roots of the test cards."""
    file = tmp_path / "roots.pem"
    pems = [root.public_bytes(Encoding.PEM) for root in pki.test_roots()]
    file.write_bytes(b"".join(pems))
    return str(file)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input as a pipe; the end that is typed into."""
    read, write = os.pipe()
    with os.fdopen(read) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield write
        os.close(write)
        for thread in threading.enumerate():
            if thread.name == "terminal":
                thread.join(5)
