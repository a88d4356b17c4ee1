"""What differs between operating systems, one file each; touches folders and files."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from agent.host import _windows as _here
else:
    from agent.host import _posix as _here

if sys.platform == "linux":
    from agent.host import _peers_linux as _peers
else:
    from agent.host import _peers_psutil as _peers

ENDING_SIGNALS = _here.ENDING_SIGNALS
append_private = _here.append_private
as_root = _here.as_root
channel_address = _here.channel_address
claim_port = _here.claim_port
clock = _here.clock
close_channel_to_others = _here.close_channel_to_others
confine = _here.confine
data_dir = _here.data_dir
has_display = _here.has_display
keep_memory_private = _here.keep_memory_private
listeners = _peers.listeners
lock = _here.lock
make_data_dir = _here.make_data_dir
make_private_dir = _here.make_private_dir
on_stop_signals = _here.on_stop_signals
peer = _peers.peer
policy_path = _here.policy_path
read_administered = _here.read_administered
read_private = _here.read_private
suspended_only_when = _here.suspended_only_when
wipe_private = _here.wipe_private
write_private = _here.write_private

__all__ = [
    "ENDING_SIGNALS",
    "append_private",
    "as_root",
    "channel_address",
    "claim_port",
    "clock",
    "close_channel_to_others",
    "confine",
    "data_dir",
    "has_display",
    "keep_memory_private",
    "listeners",
    "lock",
    "make_data_dir",
    "make_private_dir",
    "on_stop_signals",
    "peer",
    "policy_path",
    "read_administered",
    "read_private",
    "suspended_only_when",
    "wipe_private",
    "write_private",
]
