"""Writes small private files in one step; touches the folder that it is given."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Replace a file, readable by its owner alone (mode 0600); OSError."""
    handle, new = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file)
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise
