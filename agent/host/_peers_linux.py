"""Linux: whose process is at the other end of a connection; reads /proc.

`/proc/net/tcp` tells the user of each socket, that of sandboxed processes too, whose
own folders in /proc are closed (proc_pid_net(5)).
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import struct
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from agent.host.peers import Address, Listener, Peer, plain

assert sys.platform == "linux"

_NET = Path("/proc/net")
_ESTABLISHED = "01"
_LISTENING = "0A"
#: The addresses of loopback, as the kernel writes them.
_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
#: Where the columns stand in a line: the user and the inode.
_LOCAL, _STATE, _UID, _INODE = 1, 3, 7, 9


def peer(client: Address, server: Address) -> Peer | None:
    """Return who holds the client's end of an established connection, None if nobody.

    `client` and `server` are the two ends as we see them.
    """
    columns = _row(plain(client), plain(server))
    if columns is None:
        return None
    inode = int(columns[_INODE])
    return Peer(int(columns[_UID]) == os.geteuid(), functools.partial(_program, inode))


def listeners(ports: Collection[int]) -> dict[int, Listener]:
    """Return who listens on which of these ports."""
    inner = {_ours("", (host, 0)).partition(":")[0] for host in _LOOPBACK}
    found: dict[int, Listener] = {}
    for columns in _listening():
        host, _, port = columns[_LOCAL].partition(":")
        number = int(port, 16)
        if number not in ports:
            continue
        before = found.get(number)
        program = before.program if before else _program(int(columns[_INODE]))
        everywhere = host not in inner or (before is not None and before.everywhere)
        found[number] = Listener(everywhere, program)
    return found


def _listening() -> Iterator[list[str]]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in (_NET / table).read_text("ascii").splitlines()[1:]:
                columns = line.split()
                if columns[_STATE] == _LISTENING:
                    yield columns


def _row(client: Address, server: Address) -> list[str] | None:
    """Return the columns of the client's socket in the kernel's tables."""
    version = ipaddress.ip_address(client[0]).version
    ways = [("tcp6", "::ffff:"), ("tcp", "")] if version == 4 else [("tcp6", "")]
    for table, prefix in ways:
        ends = f" {_ours(prefix, client)} {_ours(prefix, server)} {_ESTABLISHED} "
        for line in (_NET / table).read_text("ascii").splitlines():
            if ends in line:
                return line.split()
    return None


def _ours(prefix: str, address: Address) -> str:
    """Write an address as the kernel does: words of 32 bits in the machine's order."""
    packed = ipaddress.ip_address(prefix + address[0]).packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"


def _program(inode: int) -> str | None:
    """Return the program of a process that has the socket and lets us look."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is closed to us
            for entry in (process / "fd").iterdir():
                if str(entry.readlink()) == wanted:
                    # Not `comm`, which the process itself writes.
                    return (process / "exe").readlink().name.removesuffix(" (deleted)")
    return None
