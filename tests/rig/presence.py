"""Waits for a reader to have a card, or none; a program of its own, fed by lines.

winscard looks once in a process where its service is. So that a test may have a service
of its own beside the shared one, each service is looked at from another process.
"""

from __future__ import annotations

import sys
import time

from smartcard import scard

_SECONDS = 10


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
    known = scard.SCARD_STATE_UNAWARE
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        code, states = scard.SCardGetStatusChange(context, 1000, [(reader, known)])
        if code == scard.SCARD_S_SUCCESS:
            _, known, atr = states[0]
            shown = bool(known & scard.SCARD_STATE_PRESENT) and bool(atr)
            if shown is present:
                return ""
        elif code == scard.SCARD_E_UNKNOWN_READER:
            time.sleep(0.01)  # the service has just started
        elif code != scard.SCARD_E_TIMEOUT:
            return str(scard.SCardGetErrorMessage(code))
    return f"{reader}: no card state {present} in {_SECONDS} s"


if __name__ == "__main__":
    for line in sys.stdin:
        word, _, name = line.strip().partition(" ")
        print(wait(name, present=word == "present"), flush=True)  # noqa: T201
