"""Several commands in one input: two bytes of length before each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: Longer than any command of T=0, so that too long ones are there, too.
MAX_COMMAND = 320


def split_commands(data: bytes) -> Iterator[bytes]:
    """Take commands apart; every input holds some."""
    while len(data) >= 2:
        length = int.from_bytes(data[:2], "big") % (MAX_COMMAND + 1)
        yield data[2 : 2 + length]
        data = data[2 + length :]


def join_commands(commands: Iterable[bytes]) -> bytes:
    """Write commands one after the other."""
    return b"".join(len(one).to_bytes(2, "big") + one for one in commands)
