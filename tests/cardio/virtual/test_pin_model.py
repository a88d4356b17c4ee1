"""The PIN's two state machines against a model written from the manuals' words alone.

The model knows what 5.1 says: a right for the session, a right for what comes next, how
many commands may stand between, what ends both. Random sequences have to agree with it,
word for word and try for try.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio.files import EF
from tests.cardio.virtual.wire import (
    CARD_DATA,
    LOG_OFF,
    STATUS,
    Wire,
    mse,
    pso,
    select,
)

BLOCKS = {"1234": "241234FFFFFFFFFF", "567890": "26567890FFFFFFFF"}
WRONG = "249999FFFFFFFFFF"
#: Some stand here twice: what leads to signatures comes more often than what ends them.
STEPS = [
    *("M82", "M83", "M83", "V+", "V+", "V+", "C+", "S", "S", "S", "S"),
    *("V-", "V0", "C-", "C!", "SX", "X", "R", "6C", "LO", "RST"),
]
SIZES = {"1.1": (0x01, 32), "1.7": (0x08, 32), "1.8": (0x02, 48)}


@dataclass
class Model:
    """What a card has to remember of its PIN."""

    applet: str
    strict: bool
    pin: str = "1234"
    tries: int = 3
    session: bool = False
    fresh: int | None = None
    key: int | None = None

    def neutral(self) -> None:
        """Count a command that stands between."""
        if self.fresh is not None:
            self.fresh -= 1
            if self.fresh < 0:
                self.fresh, self.session = None, True

    def lose(self) -> None:
        """End both rights."""
        self.session, self.fresh = False, None

    def try_pin(self, right: bool) -> str:
        """Compare a PIN; the word that VERIFY and CHANGE REFERENCE DATA answer."""
        if self.tries == 0:
            self.lose()
            return "6983"
        if not right:
            self.lose()
            self.tries -= 1
            spent = self.tries == 0 and self.strict
            return "6983" if spent else f"63C{self.tries}"
        self.tries = 3
        self.session |= self.fresh is not None
        self.fresh = 1 if self.applet == "1.8" else 0
        return "9000"

    def play(self, step: str) -> str:
        """Return the word that a step answers, and remember it."""
        handler = {"V": self.verify, "C": self.change, "S": self.sign}.get(step[0])
        if handler is not None:
            return handler(step)
        word = "9000"
        if step == "R" and not (self.session or self.fresh is not None):
            word = "6982"
        if step == "6C":
            if self.strict:
                self.neutral()
            return "6C1C"
        if step in ("LO", "RST"):
            self.lose()
            if self.strict or step == "RST":
                self.key = None
            return word
        if step[0] == "M":
            self.key = int(step[1:], 16)
        self.neutral()
        return word

    def verify(self, step: str) -> str:
        """Right, wrong, or without data: a query, on 1.1 a wrong PIN."""
        if step != "V0" or self.applet == "1.1":
            return self.try_pin(step == "V+")
        verified = self.session or self.fresh is not None
        word = "9000" if verified and self.tries else f"63C{self.tries}"
        if self.strict:
            self.neutral()
        return word if self.tries else "6983"

    def change(self, step: str) -> str:
        """Right, wrong, or to what is no PIN."""
        if step == "C!" and self.tries:
            self.lose()
            return "6A80"
        word = self.try_pin(step == "C+")
        if word == "9000":
            self.pin = next(pin for pin in BLOCKS if pin != self.pin)
        return word

    def sign(self, step: str) -> str:
        """Sign with the key that the environment names."""
        if self.key is None:
            self.neutral()
            return "6985"
        if self.key == 0x83:
            allowed, self.fresh = self.fresh is not None, None
        else:
            self.session |= self.fresh is not None
            self.fresh, allowed = None, self.session
        if not allowed:
            return "6982"
        return "6700" if step == "SX" else "61"


def command(step: str, model: Model) -> str:
    """Return the bytes of a step; the right PIN is the one that the model knows."""
    algorithm, length = SIZES[model.applet]
    right = BLOCKS[model.pin]
    other = next(block for pin, block in BLOCKS.items() if pin != model.pin)
    return {
        "M82": mse(algorithm, 0x82),
        "M83": mse(algorithm, 0x83),
        "V+": f"0020000108{right}",
        "V-": f"0020000108{WRONG}",
        "V0": STATUS,
        "C+": f"0024000110{right}{other}",
        "C-": f"0024000110{WRONG}{other}",
        "C!": f"0024000110{right}{'00' * 8}",
        "S": pso(bytes(length)),
        # Longer than any algorithm takes.
        "SX": pso(bytes(250)),
        "X": CARD_DATA,
        "R": "00B0000010",
        "6C": "80E4000000",
        "LO": LOG_OFF,
    }[step]


@pytest.mark.parametrize("applet", SIZES)
@pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=12, max_size=40))
def test_the_card_is_as_the_model(applet: str, strict: bool, steps: list[str]) -> None:
    """Each answer and the tries left, over any sequence."""
    personalised = "1.8" if applet == "1.8" else "1.7"
    wire = Wire(
        personalised,
        strict=strict,
        applet=applet,
        pin_protected=frozenset({EF.PHOTO}),
    )
    model = Model(applet, strict)
    wire.send(select("DF014035"))
    for step in steps:
        if step == "RST":
            wire.card.reset()
            model.play(step)
            wire.send(select("DF014035"))
            continue
        sent = command(step, model)
        expected = model.play(step)
        assert wire.status(sent).startswith(expected), (step, steps)
        assert wire.card.tries_left == model.tries
