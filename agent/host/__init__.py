"""What differs between operating systems, one file each; touches folders and files."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from agent.host import _windows as _here
else:
    from agent.host import _posix as _here

data_dir = _here.data_dir
lock = _here.lock
make_data_dir = _here.make_data_dir
make_private_dir = _here.make_private_dir
read_private = _here.read_private
write_private = _here.write_private

__all__ = [
    "data_dir",
    "lock",
    "make_data_dir",
    "make_private_dir",
    "read_private",
    "write_private",
]
