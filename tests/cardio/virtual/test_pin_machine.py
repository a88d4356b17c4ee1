"""The PIN's state machine: random commands against a model written from the manuals.

Source of the model: applet manuals 5.1 (PIN once, just before, mixed) and 6 (VERIFY,
CHANGE REFERENCE DATA, MSE:SET, PSO:CDS, LOG OFF). What they leave open has two
readings, lenient and strict, as the project's safety rules name them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import Profile, load_profile

#: Commands that may stand between VERIFY and a signature of key 83.
WINDOW = {"1.7": 0, "1.8": 1}
#: Algorithm number, bytes to be signed, and how the signature is announced.
SIGNING = {"1.7": (0x08, 32, 0x6100), "1.8": (0x02, 48, 0x6160)}
#: Each example is 40 commands, some of them signatures.
MOST = 500
PINS = ("1234", "0000", "12345", "123456789012")
AID = "00A404000FA00000003029057000AD13100101FF"


class Model:
    """What the manuals say of PIN, rights and environment, and nothing else."""

    def __init__(self, applet: str, *, strict: bool) -> None:
        self.window = WINDOW[applet]
        self.announced = SIGNING[applet][2]
        self.strict = strict
        self.pin = "1234"
        self.tries = 3
        self.waiting = False
        self.reset()

    def reset(self) -> None:
        """No rights, no key chosen, nothing to fetch; the counter stays."""
        self.key: int | None = None
        self.waiting = False
        self.drop()

    def drop(self) -> None:
        self.lasting = False
        self.pending: int | None = None

    def settle(self) -> None:
        if self.pending is not None:
            self.lasting, self.pending = True, None

    def other(self) -> None:
        """Any command that is neither a PIN's nor a signature."""
        if self.pending == 0:
            self.settle()
        elif self.pending is not None:
            self.pending -= 1

    @property
    def verified(self) -> bool:
        return self.lasting or self.pending is not None

    def compare(self, pin: str) -> int:
        if self.tries == 0:
            self.drop()
            return 0x6983
        if pin != self.pin:
            self.tries -= 1
            self.drop()
            return 0x6983 if self.strict and not self.tries else 0x63C0 | self.tries
        self.tries = 3
        self.settle()
        self.pending = self.window
        return 0x9000

    def status(self) -> int:
        if self.tries == 0:
            sw = 0x6983
        else:
            sw = 0x9000 if self.verified else 0x63C0 | self.tries
        if self.strict:
            self.other()
        return sw

    def change(self, old: str, new: str | None) -> int:
        """Change, or try to with a block that is no PIN's (None)."""
        if new is None and self.tries:
            self.drop()
            return 0x6A80
        sw = self.compare(old)
        if sw == 0x9000 and new is not None:
            self.pin = new
        return sw

    def sign(self, *, right_length: bool) -> int:
        if self.key is None:
            self.other()
            return 0x6985
        if self.key == 0x83:
            allowed, self.pending = self.pending is not None, None
        else:
            self.settle()
            allowed = self.lasting
        if not allowed:
            return 0x6982
        self.waiting = right_length
        return self.announced if right_length else 0x6700

    def log_off(self) -> int:
        self.drop()
        if self.strict:
            self.key = None
        return 0x9000

    def fetch(self) -> int:
        sw = 0x9000 if self.waiting else 0x6985
        self.waiting = False
        if self.strict:
            self.other()
        return sw


def block(pin: str) -> str:
    """Return a PIN's block in hex."""
    return f"2{len(pin):X}{pin}".ljust(16, "F")


class PinMachine(RuleBasedStateMachine):
    """Sends what a program might, in any order, and compares each status word."""

    def __init__(self, profile: Profile, *, strict: bool) -> None:
        super().__init__()
        self.applet = profile.applet
        self.card = VirtualCard(profile, strict=strict)
        self.model = Model(profile.applet, strict=strict)

    def send(self, command: str, expected: Callable[[], int]) -> None:
        """Send a command that clears what was left to fetch, and compare."""
        self.model.waiting = False
        answer = self.card.transmit(bytes.fromhex(command))
        wanted = expected()
        assert answer[-2:].hex() == f"{wanted:04x}", command

    @rule(pin=st.sampled_from(PINS))
    def verify_some_pin(self, pin: str) -> None:
        self.send("0020000108" + block(pin), lambda: self.model.compare(pin))

    @rule()
    def verify_the_right_pin(self) -> None:
        self.verify_some_pin(self.model.pin)

    @rule()
    def ask_the_status(self) -> None:
        self.send("0020000100", self.model.status)

    @rule(old=st.sampled_from(PINS), new=st.sampled_from(PINS))
    def change_with_some_pin(self, old: str, new: str) -> None:
        command = "0024000110" + block(old) + block(new)
        self.send(command, lambda: self.model.change(old, new))

    @rule(new=st.sampled_from(PINS))
    def change_with_the_right_pin(self, new: str) -> None:
        self.change_with_some_pin(self.model.pin, new)

    @rule(
        new=st.sampled_from(
            ["FFFFFFFFFFFFFFFF", "23123FFFFFFFFFFF", "2412A4FFFFFFFFFF"]
        )
    )
    def change_to_what_is_no_pin(self, new: str) -> None:
        old = self.model.pin
        command = "0024000110" + block(old) + new
        self.send(command, lambda: self.model.change(old, None))

    @rule(key=st.sampled_from([0x82, 0x83]))
    def choose_a_key(self, key: int) -> None:
        def chosen() -> int:
            self.model.key = key
            self.model.other()
            return 0x9000

        number = SIGNING[self.applet][0]
        self.send(f"002241B6050480{number:02X}84{key:02X}", chosen)

    @rule()
    def choose_an_unknown_algorithm(self) -> None:
        self.send("002241B60504808084 82", lambda: self._other(0x6A80))

    @rule()
    def sign(self) -> None:
        size = SIGNING[self.applet][1]
        command = f"002A9E9A{size:02X}" + "5A" * size
        self.send(command, lambda: self.model.sign(right_length=True))

    @rule()
    def sign_a_digest_of_a_wrong_length(self) -> None:
        command = "002A9E9A05" + "5A" * 5
        self.send(command, lambda: self.model.sign(right_length=False))

    @rule(key=st.sampled_from([0x82, 0x83]))
    def sign_as_one_should(self, key: int) -> None:
        """Often enough for the rights to matter in what follows."""
        self.choose_a_key(key)
        self.verify_the_right_pin()
        self.sign()

    @rule()
    def fetch(self) -> None:
        answer = self.card.transmit(bytes.fromhex("00C0000000"))
        if answer[-2] == 0x6C:  # the exact length, as a reader repeats it
            if self.model.strict:
                self.model.other()
            answer = self.card.transmit(bytes([0, 0xC0, 0, 0, answer[-1]]))
        assert answer[-2:].hex() == f"{self.model.fetch():04x}"

    def _other(self, sw: int) -> int:
        self.model.other()
        return sw

    @rule(
        command=st.sampled_from(
            [
                ("80E400001C", 0x9000),
                ("00A4080C04DF014031", 0x9000),
                ("00A4020C02FFFF", 0x6A82),
                ("0084000008", 0x9000),
            ]
        )
    )
    def something_else(self, command: tuple[str, int]) -> None:
        self.send(command[0], lambda: self._other(command[1]))

    @rule()
    def ask_with_a_wrong_length(self) -> None:
        """6Cxx: a reader repeats it by itself, and only the strict card counts it."""

        def refused() -> int:
            if self.model.strict:
                self.model.other()
            return 0x6C1C

        self.send("80E40000FF", refused)

    @rule()
    def log_off(self) -> None:
        self.send("80E60000", self.model.log_off)

    @rule()
    def reset(self) -> None:
        self.card.reset()
        self.model.reset()

    @rule()
    def select_the_applet_again(self) -> None:
        def again() -> int:
            self.model.reset()
            return 0x9000

        self.send(AID, again)

    @invariant()
    def the_counter_is_the_models(self) -> None:
        assert self.card.tries_left == self.model.tries


@pytest.mark.timeout(600)
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("applet", WINDOW)
def test_the_pin_behaves_as_the_manuals_say(applet: str, strict: bool) -> None:
    """Every status word and the retry counter, over any sequence of commands."""
    profile = load_profile("expired", applet=applet)
    run_state_machine_as_test(
        lambda: PinMachine(profile, strict=strict),
        settings=settings(
            max_examples=min(settings.default.max_examples, MOST),
            stateful_step_count=40,
        ),
    )
