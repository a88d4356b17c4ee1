"""The client over any sequence of operations, with another program on the same card.

What the person and the other program do is all that may move the retry counter; each
operation succeeds or says by its type why not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cardio.apdu import PIN_INSTRUCTIONS
from cardio.beid.algorithms import algorithms
from cardio.beid.card import BeidCard
from cardio.card import Expected
from cardio.channel import Apdu
from cardio.errors import CardChanged, CardError, CardReset, PinBlocked, PinIncorrect
from cardio.files import Key
from cardio.pin import Pin
from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters
from cardio.virtual.profile import Profile, load_profile
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from tests.cardio.beid.test_algorithms_on_cards import check, digest_for

#: Each example is 25 operations, some of them signatures.
MOST = 200
PINS = ("1234", "0000", "12345", "123456789012")
KEYS = st.sampled_from([Key.AUTHENTICATION, Key.NON_REPUDIATION])
WRONG = "9999"


def attempt(work: Callable[[], None]) -> CardError | None:
    """Return how the client said no; anything but a card error is a mistake."""
    try:
        work()
    except CardError as error:
        return error
    return None


class CountingCard(VirtualCard):
    """A card that counts the PINs it was sent."""

    pins = 0

    def transmit(self, apdu: Apdu) -> bytes:
        """Count, and answer."""
        self.pins += apdu[1] in PIN_INSTRUCTIONS and len(apdu) > 5
        return super().transmit(apdu)


class Other:
    """Another program, which does not tidy up."""

    def __init__(self, machine: ClientMachine) -> None:
        self.machine = machine
        self.card = machine.card

    def nothing(self) -> None:
        """Leave the card alone."""

    def verify(self, pin: str) -> None:
        """Have a PIN compared, and keep the right."""
        machine = self.machine
        block = f"2{len(pin):X}{pin}".ljust(16, "F")
        self.card.transmit(bytes.fromhex("0020000108" + block))
        if machine.tries:
            right = pin == machine.pin
            machine.tries = 3 if right else machine.tries - 1
            machine.verified = right

    def verify_right(self) -> None:
        """Type the right PIN."""
        self.verify(self.machine.pin)

    def verify_wrong(self) -> None:
        """Use up a try."""
        self.verify(WRONG)

    def choose_key(self) -> None:
        """Leave the security environment with the other key."""
        number = {"1.7": "08", "1.8": "02"}[self.machine.applet]
        self.card.transmit(bytes.fromhex(f"002241B6050480{number}8483"))

    def read(self) -> None:
        """Select a file and read of it."""
        self.card.transmit(bytes.fromhex("00A4080C04DF014031"))
        self.card.transmit(bytes.fromhex("00B0000008"))

    def log_off(self) -> None:
        """Give its right up."""
        self.card.transmit(bytes.fromhex("80E60000"))
        self.machine.verified = False

    def reset(self) -> None:
        """End its transaction with a reset."""
        with self.machine.readers.connect(DEFAULT_NAME).transaction() as transaction:
            transaction.reset_at_end = True
        self.machine.verified = False
        self.machine.was_reset = True


MEANWHILE = st.sampled_from(
    [
        Other.nothing,
        Other.nothing,
        Other.verify_right,
        Other.verify_wrong,
        Other.choose_key,
        Other.read,
        Other.log_off,
        Other.reset,
    ]
)


class ClientMachine(RuleBasedStateMachine):
    """One card, our client, another program; what must be true of the three."""

    def __init__(self, profile: Profile, *, strict: bool) -> None:
        super().__init__()
        self.applet, self.profile = profile.applet, profile
        self.counters = Counters()
        self.card = CountingCard(profile, strict=strict, counters=self.counters)
        self.readers = VirtualReaders()
        self.readers.insert(self.card)
        self.pin, self.tries = "1234", 3
        #: Whether the other program holds a PIN right.
        self.verified = False
        self.was_reset = False
        self.other = Other(self)

    # --- what the client says --------------------------------------------------------

    def connect(self) -> BeidCard:
        card = BeidCard(self.readers.connect(DEFAULT_NAME))
        with card.transaction():
            card.recognise()
        return card

    def shown(self) -> int | None:
        """What the client shows: on 1.7 a verified PIN hides the number of tries."""
        return None if self.applet == "1.7" and self.verified else self.tries

    def ask(self, card: BeidCard) -> Expected:
        with card.transaction():
            status = card.pin_status()
        assert status.tries_left == self.shown()
        assert status.blocked == (self.shown() == 0)
        return Expected(card.card_data.chip_serial, status.tries_left)

    def operate(
        self,
        right: bool,
        meanwhile: Callable[[Other], None],
        again: bool,
        work: Callable[[BeidCard, Expected], None],
    ) -> bool:
        """Ask, let the other program act, and work; True when it was done.

        `again`: work over a connection made after the other program acted.
        """
        card = self.connect()
        expected, before = self.ask(card), self.shown()
        self.was_reset = False
        meanwhile(self.other)
        if again:
            card, self.was_reset = self.connect(), False
        sent = self.card.pins
        error = self.outcome(right, changed=self.shown() != before)
        raised = attempt(partial(work, card, expected))
        assert type(raised) is (error or type(None)), repr(raised)
        if isinstance(raised, PinIncorrect):
            assert raised.tries_left == self.tries - 1
        used = error in (None, PinIncorrect) or (error is PinBlocked and before != 0)
        assert self.card.pins - sent == (1 if used else 0)
        if used:
            self.tries = 3 if error is None else self.tries - 1
            self.verified = False  # LOG OFF, whatever became of the PIN
        return error is None

    def outcome(self, right: bool, *, changed: bool) -> type[CardError] | None:
        """What has to become of an operation with a PIN that is right or wrong."""
        if self.was_reset:
            return CardReset
        if changed:
            return CardChanged
        if self.tries == 0:
            return PinBlocked
        if right:
            return None
        return PinBlocked if self.tries == 1 else PinIncorrect

    # --- what is done ----------------------------------------------------------------

    @rule(
        key=KEYS,
        right=st.sampled_from([True, True, True, False]),
        meanwhile=MEANWHILE,
        again=st.booleans(),
        number=st.integers(0, 7),
    )
    def sign(
        self,
        key: Key,
        right: bool,
        meanwhile: Callable[[Other], None],
        again: bool,
        number: int,
    ) -> None:
        rows = algorithms(self.applet)
        row = rows[number % len(rows)]

        def work(card: BeidCard, expected: Expected) -> None:
            typed = self.pin if right else WRONG
            with Pin(bytearray(typed.encode())) as pin:
                signature = card.sign(key, row, digest_for(row), pin, expected)
            check(self.profile, key, row, signature)

        self.operate(right, meanwhile, again, work)

    @rule(
        new=st.sampled_from(PINS),
        right=st.sampled_from([True, True, True, False]),
        meanwhile=MEANWHILE,
        again=st.booleans(),
    )
    def change(
        self, new: str, right: bool, meanwhile: Callable[[Other], None], again: bool
    ) -> None:
        def work(card: BeidCard, expected: Expected) -> None:
            typed = self.pin if right else WRONG
            with (
                Pin(bytearray(typed.encode())) as old,
                Pin(bytearray(new.encode())) as other,
            ):
                card.change_pin(old, other, expected)

        if self.operate(right, meanwhile, again, work):
            self.pin = new

    @rule()
    def ask_the_status(self) -> None:
        self.ask(self.connect())

    @rule(act=MEANWHILE)
    def somebody_else_acts(self, act: Callable[[Other], None]) -> None:
        act(self.other)

    @precondition(lambda self: self.tries == 0)
    @rule()
    def the_municipality_unblocks(self) -> None:
        self.counters.tries = self.tries = 3

    @invariant()
    def only_wrong_pins_cost_tries(self) -> None:
        assert self.card.tries_left == self.tries

    @invariant()
    def no_right_of_ours_stays(self) -> None:
        """The other program's right is left to it, ours is gone (SAFETY 2)."""
        answer = self.card.transmit(bytes.fromhex("0020000100"))
        assert (answer == b"\x90\x00") == self.verified


@pytest.mark.timeout(600)
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_tries_are_spent_by_wrong_pins_alone(applet: str, strict: bool) -> None:
    """Never by a question, a status, a reset, a card that changed, or a right PIN."""
    profile = load_profile("expired", applet=applet)
    run_state_machine_as_test(
        partial(ClientMachine, profile, strict=strict),
        settings=settings(
            max_examples=min(settings.default.max_examples, MOST),
            stateful_step_count=25,
        ),
    )
