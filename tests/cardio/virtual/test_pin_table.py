"""Every row of the manuals' PIN table (D1 to N6), sent as raw APDUs to both applets.

Notation of the table: M82/M83 MSE:SET, V+ good and V- wrong VERIFY, S82/S83 signature,
R and X a neutral command, `..` several neutral commands. Where a row needs an MSE that
it does not print, the runner sends it: at once before the first command of the row, and
before a signature with another key (as the manuals imply).
"""

from __future__ import annotations

import pytest

from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile

GOOD = bytes.fromhex("00200001082412 34FFFFFFFFFF")
WRONG = bytes.fromhex("00200001082499 99FFFFFFFFFF")
NEUTRAL = bytes.fromhex("80E400001C")
ALGORITHM = {"1.7": 0x08, "1.8": 0x02}
DIGEST = {"1.7": bytes(32), "1.8": bytes(48)}

#: id, sequence, what each signature gives on 1.7, and on 1.8.
ROWS = [
    ("D1", "M83 V+ S83", "OK", "OK"),
    ("D2", "M83 .. V+ S83", "OK", "OK"),
    ("D3", "V+ .. M82 .. S82", "OK", "OK"),
    ("D4", "M82 .. V+ .. S82", "OK", "OK"),
    ("D6", "M83 V+ X S83", "KO", "OK"),
    ("O1", "M82 V+ S82 .. S82", "OK OK", "OK OK"),
    ("O2", "M82 S82", "KO", "KO"),
    ("J1", "M83 V+ S83 .. V+ S83", "OK OK", "OK OK"),
    ("J2", "M83 V+ .. S83", "KO", "KO"),
    ("J3", "M82 V+ .. S82 M83 S83", "OK KO", "OK KO"),
    ("J4", "M83 V+ S83 S83", "OK KO", "OK KO"),
    ("J5", "M83 S83", "KO", "KO"),
    ("J6", "M83 V+ X S83 .. V+ S83", "KO OK", "OK OK"),
    ("J7", "M83 V+ R R S83", "KO", "KO"),
    ("X1", "M83 V+ .. V+ S83 .. M82 S82", "OK OK", "OK OK"),
    ("X2", "M82 V+ S82 M83 V+ S83 .. M82 S82", "OK OK OK", "OK OK OK"),
    (
        "X3",
        "M82 V+ .. S82 M83 V+ S83 .. M82 S82 .. S82 M83 V+ S83",
        "OK OK OK OK OK",
        "OK OK OK OK OK",
    ),
    ("X4", "M83 V+ S83 .. V+ .. M82 S82", "OK OK", "OK OK"),
    ("X5", "M83 V+ .. V+ S83 .. M82 S82 R", "OK OK", "OK OK"),
    ("N1", "M83 V+ S83 .. M82 S82", "OK KO", "OK KO"),
    ("N2", "M83 V+ S83bad .. M82 S82", "KO KO", "KO KO"),
    ("N3", "M83 V+ .. V- S83 .. M82 S82", "KO KO", "KO KO"),
    ("N4", "M83 V+ S83 .. M82 S82 R", "OK KO", "OK KO"),
    ("N5", "M83 V+ S83 R", "OK", "OK"),
    ("N6", "V+ R M83 S83 .. M82 S82", "KO OK", "KO OK"),
]


def run(card: VirtualCard, applet: str, sequence: str) -> list[str]:
    """Send a row's commands; return OK or KO (6982, or 6700 for S83bad) a signature."""
    results = []
    for step in sequence.split():
        if step.startswith("M8"):
            key = int(step[1:], 16)
            apdu = bytes(
                [0, 0x22, 0x41, 0xB6, 5, 4, 0x80, ALGORITHM[applet], 0x84, key]
            )
            assert card.transmit(apdu) == b"\x90\x00"
        elif step.startswith("S8"):
            data = b"x" if step.endswith("bad") else DIGEST[applet]
            sw = card.transmit(bytes([0, 0x2A, 0x9E, 0x9A, len(data)]) + data).hex()
            assert sw in ("6100", "6160", "6982", "6700")
            results.append("OK" if sw.startswith("61") else "KO")
        elif step == "V+":
            assert card.transmit(GOOD) == b"\x90\x00"
        elif step == "V-":
            assert card.transmit(WRONG) == b"\x63\xc2"
        else:
            for _ in range(3 if step == ".." else 1):
                assert card.transmit(NEUTRAL)[-2:] == b"\x90\x00"
    return results


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
@pytest.mark.parametrize(
    ("row", "sequence", "old", "new"), ROWS, ids=[r[0] for r in ROWS]
)
def test_row_of_the_pin_table(
    applet: str, row: str, sequence: str, old: str, new: str
) -> None:
    """Each signature of the row is granted or refused as the manual prints it."""
    card = VirtualCard(load_profile("adult", applet=applet))
    expected = old if applet == "1.7" else new
    assert run(card, applet, sequence) == expected.split(), row


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_status_query_shows_the_right_and_costs_nothing(applet: str) -> None:
    """D5 in its readable form: VERIFY without data tells the right, never a try."""
    card = VirtualCard(load_profile("adult", applet=applet))
    query = bytes.fromhex("0020000100")
    assert [card.transmit(query) for _ in range(5)] == [b"\x63\xc3"] * 5
    assert card.transmit(GOOD) == b"\x90\x00"
    assert card.transmit(query) == b"\x90\x00"
    assert card.transmit(bytes.fromhex("80E60000")) == b"\x90\x00"
    assert card.transmit(query) == b"\x63\xc3"


@pytest.mark.parametrize(("strict", "third"), [(False, "63c0"), (True, "6983")])
def test_third_wrong_pin(strict: bool, third: str) -> None:
    """The manuals leave the third answer open; the strict card says 6983 at once."""
    card = VirtualCard(load_profile("adult"), strict=strict)
    assert [card.transmit(WRONG).hex() for _ in range(4)] == [
        "63c2",
        "63c1",
        third,
        "6983",
    ]
    assert card.transmit(GOOD).hex() == "6983"


def test_strict_log_off_clears_the_security_environment() -> None:
    """In strict mode a signature after LOG OFF needs its own MSE."""
    sign = bytes([0, 0x2A, 0x9E, 0x9A, 48]) + bytes(48)
    mse = bytes.fromhex("002241B6050480028482")
    for strict, expected in ((False, "6160"), (True, "6985")):
        card = VirtualCard(load_profile("adult"), strict=strict)
        for apdu in (mse, bytes.fromhex("80E60000"), GOOD):
            assert card.transmit(apdu) == b"\x90\x00"
        assert card.transmit(sign).hex() == expected
