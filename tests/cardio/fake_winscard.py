"""A winscard that plays a script: what neither Windows nor a real sleep is at hand for.

`tests.rig` has the real service; this one stands where a test needs answers that it
gives in a remote session, after a sleep or from a reader that lies.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import pytest

from cardio.files import ATR_1_8

pcsc = pytest.importorskip("cardio.pcsc", reason="pyscard is not installed")
scard = pcsc.scard

PNP = "\\\\?PnP?\\Notification"
PRESENT = scard.SCARD_STATE_PRESENT
EMPTY = scard.SCARD_STATE_EMPTY
AWAY = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE
SECONDS = 5

State = tuple[int, bytes]

#: Never the same in two tests: a thread of the one before may still give one back.
_handles = itertools.count(1)


def inserted(count: int, atr: bytes = ATR_1_8) -> State:
    """Return the state of a reader with a card, and its count of events."""
    return PRESENT | count << 16, atr


class FakeWinscard:
    """Readers by name, and codes that calls return instead of their own, in order.

    `wait` is the name of a SCardGetStatusChange with time, when it ends, `look` of one
    without.
    """

    SERVICE_STOPPED: int = scard.SCARD_E_SERVICE_STOPPED

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, readers: dict[str, State]
    ) -> None:
        self.readers = readers
        self.codes: defaultdict[str, deque[int]] = defaultdict(deque)
        self.calls: list[str] = []
        self.contexts = 0
        self.open: set[int] = set()
        self.pnp = True
        self.waits: list[int] = []
        self._news = threading.Condition()
        self._woken: list[frozenset[str]] = []
        for name in (
            "BeginTransaction",
            "Cancel",
            "Connect",
            "Disconnect",
            "EndTransaction",
            "EstablishContext",
            "GetStatusChange",
            "ListReaders",
            "Reconnect",
            "ReleaseContext",
            "Status",
            "Transmit",
        ):
            monkeypatch.setattr(pcsc.scard, f"SCard{name}", getattr(self, name))

    # --- what happens ----------------------------------------------------------------

    def wake(self, gone: Iterable[str] = ()) -> None:
        """End a wait, now or when it begins; say of these readers that they went."""
        with self._news:
            self._woken.append(frozenset(gone))
            self._news.notify_all()

    def wake_with(self, code: int) -> None:
        """End a wait with this code."""
        self.codes["wait"].append(code)
        self.wake()

    def _call(self, call: str) -> None:
        with self._news:
            self.calls.append(call)
            self._news.notify_all()

    def _code(self, call: str) -> int:
        self._call(call)
        return self.codes[call].popleft() if self.codes[call] else 0

    def called(self, call: str, count: int) -> bool:
        """Wait until something was called so often."""
        with self._news:
            enough = lambda: self.calls.count(call) >= count  # noqa: E731
            return self._news.wait_for(enough, SECONDS)

    # --- winscard --------------------------------------------------------------------

    def EstablishContext(self, _scope: int) -> tuple[int, int]:  # noqa: N802
        """Open a context, if the service runs."""
        code = self._code("establish")
        if code:
            return code, 0
        self.contexts += 1
        handle = next(_handles)
        self.open.add(handle)
        return code, handle

    def ReleaseContext(self, context: int) -> int:  # noqa: N802
        """Close a context."""
        if context not in self.open:
            return scard.SCARD_E_INVALID_HANDLE
        self.open.remove(context)
        return self._code("release")

    def ListReaders(self, _context: int, _groups: object) -> tuple[int, list[str]]:  # noqa: N802
        """Name the readers."""
        code = self._code("list")
        if not code and not self.readers:
            code = scard.SCARD_E_NO_READERS_AVAILABLE
        return code, [] if code else list(self.readers)

    def GetStatusChange(  # noqa: N802
        self, _context: int, limit: int, asked: Sequence[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        """Tell the states, at once or after a `wake`."""
        gone: frozenset[str] = frozenset()
        if limit:
            self.waits.append(limit)
            self._call("wait-begins")
            with self._news:
                assert self._news.wait_for(lambda: self._woken, 60)
                gone = self._woken.pop(0)
        code = self._code("wait" if limit else "look")
        names = [name for name, _ in asked]
        known = self.readers.keys() | ({PNP} if self.pnp else set())
        if not limit and not code and not known.issuperset(names):
            code = scard.SCARD_E_UNKNOWN_READER
        if code:
            return code, [(name, event, []) for name, event in asked]
        states = {name: self.readers.get(name, (AWAY, b"")) for name in names}
        states |= dict.fromkeys(gone & states.keys(), (AWAY, b""))
        if self.pnp:
            states |= {PNP: (0, b"")}
        return 0, [(name, states[name][0], list(states[name][1])) for name in names]

    def Cancel(self, _context: int) -> int:  # noqa: N802
        """End the wait."""
        self.wake_with(scard.SCARD_E_CANCELLED)
        return 0

    def Connect(  # noqa: N802
        self, _context: int, _name: str, _mode: int, _protocols: int
    ) -> tuple[int, int, int]:
        """Connect to a card."""
        return self._code("connect"), 7, scard.SCARD_PROTOCOL_T0

    def Status(self, _card: int) -> tuple[int, str, int, int, list[int]]:  # noqa: N802
        """Tell the answer to reset."""
        return self._code("status"), "", 0, 0, list(ATR_1_8)

    def Reconnect(self, _card: int, _mode: int, _p: int, _how: int) -> tuple[int, int]:  # noqa: N802
        """Take note of a reset."""
        return self._code("reconnect"), scard.SCARD_PROTOCOL_T0

    def Disconnect(self, _card: int, _how: int) -> int:  # noqa: N802
        """Give the card back."""
        return self._code("disconnect")

    def BeginTransaction(self, _card: int) -> int:  # noqa: N802
        """Begin."""
        return self._code("begin")

    def EndTransaction(self, _card: int, _how: int) -> int:  # noqa: N802
        """End."""
        return self._code("end")

    def Transmit(  # noqa: N802
        self, _card: int, _pci: int, _command: list[int]
    ) -> tuple[int, list[int]]:
        """Answer 9000."""
        return self._code("transmit"), [0x90, 0x00]
