"""What several tests of the program need."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cardio.virtual import pki


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """Return a PEM file with the roots of the test cards."""
    file = tmp_path / "roots.pem"
    pems = [root.public_bytes(Encoding.PEM) for root in pki.test_roots()]
    file.write_bytes(b"".join(pems))
    return str(file)
