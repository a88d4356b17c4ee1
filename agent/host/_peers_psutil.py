"""Windows and macOS: whose process is at the other end of a connection, by psutil.

Not run there yet. Neither system tells an ordinary user about another's processes, so
what is found here among one's own is of the same user, and what is not found is not.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path

import psutil

from agent.host.peers import Address, Listener, Peer, plain

assert sys.platform != "linux"


def peer(client: Address, server: Address) -> Peer | None:
    """Return who holds the client's end of an established connection, None if nobody.

    `client` and `server` are the two ends as we see them.
    """
    wanted = (plain(client), plain(server))
    me = psutil.Process().username()
    for process in psutil.process_iter(["username"]):
        if process.info["username"] != me:
            continue
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:  # it ended, or is closed to us
            continue
        if any(
            found.status == psutil.CONN_ESTABLISHED
            and found.raddr
            and (plain(found.laddr), plain(found.raddr)) == wanted
            for found in connections
        ):
            return Peer(same_user=True, find_program=partial(_program, process))
    return None


def listeners(ports: Collection[int]) -> dict[int, Listener]:
    """Return who listens on which of these ports; of one's own programs alone."""
    found: dict[int, Listener] = {}
    for process in psutil.process_iter():
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:  # it ended, or is closed to us
            continue
        for one in connections:
            if one.status == psutil.CONN_LISTEN and one.laddr[1] in ports:
                everywhere = plain(one.laddr)[0] not in ("127.0.0.1", "::1")
                found[one.laddr[1]] = Listener(everywhere, _program(process))
    return found


def _program(process: psutil.Process) -> str | None:
    """Return the name of a process' executable, as the system and not the process says.

    None where it ended meanwhile, or is closed to us.
    """
    try:
        return Path(process.exe()).name or None
    except psutil.Error:
        return None
