"""The manuals' table of PIN sequences (5.1), row by row, as raw commands.

`M82` MSE:SET for a key, `V+` a right VERIFY, `V-` a wrong one, `C+` and `C-` the same
with CHANGE REFERENCE DATA, `S82` a signature, `S83bad` one with data of a wrong length,
`R` a read that takes a verified PIN, `X` a neutral command, `..` several of them, `RST`
a reset. A `!` says that 6982 is expected, `?` that it is on 1.7 only. Each MSE that the
table leaves to the reader stands where a program would send it.
"""

from __future__ import annotations

import pytest

from cardio.files import EF
from tests.cardio.virtual.wire import (
    APPLETS,
    CARD_DATA,
    V_BAD,
    V_GOOD,
    Wire,
    mse,
    pso,
    select,
)

#: CHANGE REFERENCE DATA grants and takes the right as VERIFY does (manuals 6).
CHANGING = {
    row: sequence.replace("V", "C")
    for row, sequence in (
        ("C1", "M83 V+ S83"),
        ("C2", "M82 V+ .. S82"),
        ("C3", "M83 V+ S83 S83!"),
        ("C4", "M83 V+ S83 .. M82 S82!"),
        ("C5", "M83 V+ X S83?"),
        ("C6", "M83 V+ X X S83!"),
        ("C7", "M82 V+ .. V- S82!"),
        ("C8", "V+ .. R"),
        ("C9", "M83 V+ .. V+ S83 .. M82 S82 R"),
    )
} | {
    "C10": "M82 V+ .. S82 C- S82!",
    "C11": "M83 V+ C- S83! .. M82 S82!",
    "C12": "M82 C+ .. V- S82!",
    "C13": "M83 V+ .. C+ S83 .. M82 S82",
}
ROWS = CHANGING | {
    "D1": "RST .. M83 V+ S83",
    "D2": "RST .. M83 .. V+ S83",
    "D3": "RST .. V+ .. M82 .. S82",
    "D4": "RST .. M82 .. V+ .. S82",
    "D5": "RST .. V+ .. R",
    "D6": "RST .. M83 .. V+ X S83?",
    "O1": "M82 V+ S82 .. S82",
    "O2": "M82 S82!",
    "J1": "M83 V+ S83 .. V+ S83",
    "J2": "M83 V+ X X .. S83!",
    "J3": "M82 V+ .. S82 M83 S83!",
    "J4": "M83 V+ S83 S83!",
    "J5": "M83 S83!",
    "J6": "M83 V+ X S83? .. V+ S83",
    "J7": "M83 V+ R R S83!",
    "X1": "V+ .. M83 V+ S83 .. M82 S82",
    "X2": "M82 V+ S82 M83 V+ S83 .. M82 S82",
    "X3": "M82 V+ .. S82 M83 V+ S83 .. M82 S82 .. S82 M83 V+ S83",
    "X4": "M83 V+ S83 .. V+ .. M82 S82",
    "X5": "V+ .. M83 V+ S83 .. M82 S82 R",
    "N1": "M83 V+ S83 .. M82 S82!",
    "N2": "M83 V+ S83bad .. M82 S82!",
    "N3": "M83 V+ .. V- S83! .. M82 S82!",
    "N4": "M83 V+ S83 .. M82 S82! R!",
    "N5": "M83 V+ S83 R!",
    "N6": "V+ R M83 S83! .. M82 S82",
}
#: SHA-256 on 1.7, SHA-384 on 1.8.
ALGORITHM = {"1.7": (0x08, 32), "1.8": (0x02, 48)}


class Session(Wire):
    """A card with a photo that takes a PIN, selected once and for all."""

    def __init__(self, applet: str, *, strict: bool) -> None:
        super().__init__(applet, strict=strict, pin_protected=frozenset({EF.PHOTO}))
        self.applet = applet
        self._start()

    def _start(self) -> None:
        self.card.reset()
        assert self.status(select("DF014035")) == "9000"

    def play(self, step: str, between: int) -> None:
        """Play one step of a row and compare what the card answers."""
        word = step.rstrip("!?")
        refused = step[-1] == "!" or (step[-1] == "?" and self.applet == "1.7")
        algorithm, length = ALGORITHM[self.applet]
        if word == "RST":
            self._start()
        elif word == "..":
            for _ in range(between):
                assert self.status(CARD_DATA) == "9000"
        elif word[0] == "S":
            self._sign(bytes(length), refused=refused, bad=word.endswith("bad"))
        else:
            command, answer = {
                "M82": (mse(algorithm, 0x82), "9000"),
                "M83": (mse(algorithm, 0x83), "9000"),
                "V+": (V_GOOD, "9000"),
                "V-": (V_BAD, "63C2"),
                "C+": (_change(V_GOOD), "9000"),
                "C-": (_change(V_BAD), "63C2"),
                "X": (CARD_DATA, "9000"),
                "R": ("00B0000010", "6982" if refused else "9000"),
            }[word]
            assert self.status(command) == answer, step

    def _sign(self, digest: bytes, *, refused: bool, bad: bool) -> None:
        if bad:
            assert self.status(pso(digest[1:])) == "6700"
        elif refused:
            assert self.status(pso(digest)) == "6982"
        else:
            assert len(self.fetch(pso(digest))) in (96, 256)


def _change(verify: str) -> str:
    """Return CHANGE REFERENCE DATA from a VERIFY's PIN to 1234, which stays."""
    return f"0024000110{verify[10:]}{V_GOOD[10:]}"


@pytest.mark.parametrize("between", [0, 1, 3])
@pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])
@pytest.mark.parametrize("applet", APPLETS)
@pytest.mark.parametrize("row", ROWS)
def test_row(row: str, applet: str, strict: bool, between: int) -> None:
    """Each signature and read is allowed or refused as the manuals print it."""
    session = Session(applet, strict=strict)
    for step in ROWS[row].split():
        session.play(step, between)


@pytest.mark.parametrize("applet", APPLETS)
@pytest.mark.parametrize(
    "ending", ["80E60000", "00A404000FA00000003029057000AD13100101FF"]
)
def test_rights_end(applet: str, ending: str) -> None:
    """LOG OFF and a new selection of the applet end the lasting right."""
    session = Session(applet, strict=False)
    for step in ["M82", "V+", "S82"]:
        session.play(step, 0)
    assert session.status(ending) == "9000"
    for step in ["M82", "S82!"]:
        session.play(step, 0)


@pytest.mark.parametrize(
    ("strict", "answer"), [(False, "6100"), (True, "6982")], ids=["usual", "strict"]
)
@pytest.mark.parametrize(
    "between", ["0020000100", "00C0000000"], ids=["status", "response"]
)
def test_what_counts_as_a_command(strict: bool, answer: str, between: str) -> None:
    """Status query and GET RESPONSE stand between on a strict card only."""
    session = Session("1.7", strict=strict)
    session.play("M83", 0)
    session.play("V+", 0)
    session.send(between)
    assert session.status(pso(bytes(32))) == answer


@pytest.mark.parametrize(
    ("strict", "answer"), [(False, "6100"), (True, "6982")], ids=["usual", "strict"]
)
def test_wrong_le_counts_as_a_command(strict: bool, answer: str) -> None:
    """A command refused with 6Cxx stands between on a strict card only."""
    session = Session("1.7", strict=strict)
    session.play("M83", 0)
    session.play("V+", 0)
    assert session.status("80E4000000") == "6C1C"
    assert session.status(pso(bytes(32))) == answer
