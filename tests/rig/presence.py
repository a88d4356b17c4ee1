"""Waits for a reader to have a card, or none; a program of its own, fed by lines.

winscard looks once in a process where its service is. So that a test may have a service
of its own beside the shared one, each service is looked at from another process.
"""

from __future__ import annotations

import sys
import time

from smartcard import scard

_SECONDS = 10
#: By reader: pcscd's count of cards that came or went, when one was last seen in it.
_counts: dict[str, int] = {}


def wait(reader: str, *, present: bool) -> str:
    """Wait in PC/SC itself for the wanted state; return what went wrong, or nothing."""
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if code != scard.SCARD_S_SUCCESS:
        return str(scard.SCardGetErrorMessage(code))
    try:
        return _wait(context, reader, present)
    finally:
        scard.SCardReleaseContext(context)


def _wait(context: object, reader: str, present: bool) -> str:
    """Wait until pcscd itself has looked: a new card before that passes for the old.

    After a reset that failed it says "empty" at once, and counts the removal later.
    """
    known = scard.SCARD_STATE_UNAWARE
    empty = 0
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        code, states = scard.SCardGetStatusChange(context, 1000, [(reader, known)])
        if code == scard.SCARD_S_SUCCESS:
            _, known, atr = states[0]
            count = known >> 16
            if present and known & scard.SCARD_STATE_PRESENT and atr:
                _counts[reader] = count
                return ""
            empty = known & scard.SCARD_STATE_EMPTY
            if empty and not present and count != _counts.get(reader):
                return ""
        elif code == scard.SCARD_E_TIMEOUT and not present and empty:
            return ""  # it has looked twice since
        elif code == scard.SCARD_E_UNKNOWN_READER:
            time.sleep(0.01)  # the service has just started
        elif code != scard.SCARD_E_TIMEOUT:
            return str(scard.SCardGetErrorMessage(code))
    return f"{reader}: no card state {present} in {_SECONDS} s"


if __name__ == "__main__":
    for line in sys.stdin:
        word, _, name = line.strip().partition(" ")
        print(wait(name, present=word == "present"), flush=True)  # noqa: T201
