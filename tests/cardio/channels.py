"""Channels for tests: one that plays a script, one that records, one that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cardio.apdu import INS, Response
from cardio.channel import Apdu, Channel, Transaction, Wrapper
from cardio.files import ATR_1_8
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import Profile
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders

#: An answer in hex, or what `transmit` raises.
Answer = str | BaseException


def _give(answer: Answer) -> Response:
    if isinstance(answer, BaseException):
        raise answer
    return Response.from_bytes(bytes.fromhex(answer))


class ScriptedChannel(Channel):
    """Plays (beginning of the expected command in hex, answer) in this order."""

    def __init__(self, *steps: tuple[str, Answer], atr: bytes = ATR_1_8) -> None:
        self.steps = [(wanted.replace(" ", ""), answer) for wanted, answer in steps]
        self.sent: list[str] = []
        self._atr = atr

    @property
    def atr(self) -> bytes:
        return self._atr

    def transmit(self, apdu: Apdu) -> Response:
        sent = bytes(apdu).hex().upper()
        self.sent.append(sent)
        assert self.steps, f"one command too many: {sent}"
        wanted, answer = self.steps.pop(0)
        assert sent.startswith(wanted), f"{sent} instead of {wanted}"
        return _give(answer)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        yield Transaction()

    def close(self) -> None:
        """Nothing to give back."""


class Recorder(Wrapper):
    """Keeps what was sent (in hex), the very objects, and the transactions."""

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self.sent: list[str] = []
        self.objects: list[Apdu] = []
        self.transactions: list[Transaction] = []

    def transmit(self, apdu: Apdu) -> Response:
        self.sent.append(bytes(apdu).hex().upper())
        self.objects.append(apdu)
        return self.inner.transmit(apdu)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.inner.transaction() as transaction:
            self.transactions.append(transaction)
            yield transaction

    def instructions(self) -> list[int]:
        """Return the instruction byte of each command."""
        return [int(command[2:4], 16) for command in self.sent]


class Fault(Wrapper):
    """Answers commands that `hits` picks in the card's place, `times` times.

    With `after` the card does get the command, and only its answer is lost.
    """

    def __init__(
        self,
        inner: Channel,
        hits: Callable[[Apdu], bool],
        answer: Answer,
        *,
        times: int = 1,
        after: bool = False,
    ) -> None:
        super().__init__(inner)
        self._hits = hits
        self._answer = answer
        self._times = times
        self._after = after

    def transmit(self, apdu: Apdu) -> Response:
        if not self._times or not self._hits(apdu):
            return self.inner.transmit(apdu)
        self._times -= 1
        if self._after:
            self.inner.transmit(apdu)
        return _give(self._answer)


def is_ins(ins: INS) -> Callable[[Apdu], bool]:
    """Pick commands by their instruction; of VERIFY those with a PIN only."""
    return lambda apdu: apdu[1] == ins and (ins != INS.VERIFY or len(apdu) > 5)


def virtual_channel(profile: Profile, *, strict: bool = False) -> Channel:
    """Put a virtual card into a reader of its own and connect to it."""
    readers = VirtualReaders()
    readers.insert(VirtualCard(profile, strict=strict))
    return readers.connect(DEFAULT_NAME)
