"""What differs between operating systems, one file each; touches folders and files."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from agent.host import _windows as _here
else:
    from agent.host import _posix as _here

ENDING_SIGNALS = _here.ENDING_SIGNALS
as_root = _here.as_root
clock = _here.clock
channel_address = _here.channel_address
claim_port = _here.claim_port
close_channel_to_others = _here.close_channel_to_others
data_dir = _here.data_dir
lock = _here.lock
make_data_dir = _here.make_data_dir
make_private_dir = _here.make_private_dir
on_stop_signals = _here.on_stop_signals
read_private = _here.read_private
suspended_only_when = _here.suspended_only_when
write_private = _here.write_private

__all__ = [
    "ENDING_SIGNALS",
    "as_root",
    "channel_address",
    "claim_port",
    "clock",
    "close_channel_to_others",
    "data_dir",
    "lock",
    "make_data_dir",
    "make_private_dir",
    "on_stop_signals",
    "read_private",
    "suspended_only_when",
    "write_private",
]
