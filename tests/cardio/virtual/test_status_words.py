"""The manuals' lists of status words: no command answers with one that is not its own.

The table is the manuals' (chapter 6, a list for each command); `7` and `8` stand behind
a word that only one version lists. What they leave open is written beside it.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio.files import EF
from cardio.virtual.card import VirtualCard
from cardio.virtual.command import Command, Refused
from cardio.virtual.counters import Counters
from cardio.virtual.profile import Life
from tests.cardio.virtual.test_any_bytes import BYTES
from tests.cardio.virtual.wire import (
    APPLETS,
    CARD_DATA,
    LOG_OFF,
    SELECT_APPLET,
    STATUS,
    V_BAD,
    V_GOOD,
    Wire,
    mse,
    profile,
    pso,
    select,
)

TABLE = {
    0xC0: "9000 61xx 6985 6Cxx 6D00 6E00",
    0xA4: "9000 6283:7 6400 6581 6985 6999 6A82 6A86 6A87 6D00 6E00",
    0xB0: "9000 6400 6581 6881 6982 6985 6986 6B00 6Cxx 6D00 6E00",
    0xB2: "9000 61xx 6400 6581 6881 6981 6982 6985 6986 6A83 6Cxx 6D00 6E00",
    0x20: "9000 63Cx 6400 6581 6881 6983 6A86 6A88 6D00 6E00",
    0x24: "9000 63Cx 6400 6581 6700 6881 6983 6A80 6A86 6A88 6D00 6E00",
    0x88: "9000 6400 6581 6700 6881 6982 6985 6A80 6A88 6B00 6D00 6E00",
    0x22: "9000 6400 6581 6700 6881 6985 6A80 6A88 6B00 6D00 6E00",
    0x2A: "9000 61xx 6400 6581 6700 6881 6982 6985 6A80:8 6B00 6D00 6E00",
    0xE4: "9000 6400 6581 6881 6B00 6Cxx 6E00",
    0xE6: "9000 6400 6581 6700 6881 6B00 6D00 6E00",
}
#: What the lists leave out: a VERIFY of another length; the answer to INTERNAL
#: AUTHENTICATE, which has to wait under T=0; READ RECORD is unknown to 1.7.
GAPS = {0x20: "6700", 0x88: "61xx"}
#: What a card with sound files and memory never answers, and the second word for 6E00.
UNUSED = {"6400", "6581", "6881"}
#: Commands that 1.7 does not have, publicly.
UNKNOWN = {("1.7", 0xB2), ("1.7", 0x88), ("1.7", 0x2C)}


def listed(applet: str, ins: int) -> set[str]:
    """Return a command's words for an applet."""
    words = f"{TABLE[ins]} {GAPS.get(ins, '')}".split()
    return {word[:4] for word in words if word[4:] in ("", f":{applet[-1]}")}


def family(status: str) -> str:
    """Return a word as the lists have it: 61xx, 63Cx, 6Cxx."""
    if status[:2] in ("61", "6C"):
        return f"{status[:2]}xx"
    return "63Cx" if status[:3] == "63C" else status


# --- every word that is listed, once ------------------------------------------------

SIGNATURE = {"1.7": (0x08, 32), "1.8": (0x02, 48)}
CHANGE = f"0024000110{V_GOOD[10:]}245678FFFFFFFFFF"
CHIP = "00880281329430" + "5A" * 48
ID = select("DF014031")
LATER = {"inactive": Life.DEACTIVATED, "factory": Life.PERSONALISATION}

#: How a word comes about: instruction, word, version or both, what goes before it.
REACHED = [
    (0xC0, "9000", "", "sign", "00C00000{rest}"),
    (0xC0, "61xx", "", "sign", "00C0000001"),
    (0xC0, "6985", "", "", "00C0000001"),
    (0xC0, "6Cxx", "", "sign|00C0000001", "00C0000000"),
    (0xC0, "6D00", "", "factory", "00C0000001"),
    (0xC0, "6E00", "", "", "80C0000001"),
    (0xA4, "9000", "", "", ID),
    (0xA4, "6283", "1.7", "inactive", ID),
    (0xA4, "6985", "1.8", "inactive", ID),
    (0xA4, "6999", "", "", "01A4020C02DF00"),
    (0xA4, "6A82", "", "", select("DF00503D")),
    (0xA4, "6A86", "", "", "00A4000C023F00"),
    (0xA4, "6A87", "", "", "00A4020C0140"),
    (0xA4, "6D00", "", "factory", SELECT_APPLET),
    (0xA4, "6E00", "", "", "80A4020C02DF00"),
    (0xB0, "9000", "", ID, "00B0000001"),
    (0xB0, "6982", "", select("DF014035"), "00B0000001"),
    (0xB0, "6985", "1.7", f"inactive {ID}", "00B0000001"),
    (0xB0, "6986", "", "", "00B0000001"),
    (0xB0, "6B00", "", ID, "00B07FFF01"),
    (0xB0, "6Cxx", "", select("2F00"), "00B0000000"),
    (0xB0, "6D00", "", "factory", "00B0000001"),
    (0xB0, "6E00", "", ID, "80B0000001"),
    (0xB2, "9000", "1.8", ID, "80B2010100"),
    (0xB2, "61xx", "1.8", ID, "80B2011A00"),
    (0xB2, "6981", "1.8", select("DF005037"), "80B2010100"),
    (0xB2, "6982", "1.8", select("DF014035"), "80B2010100"),
    (0xB2, "6986", "1.8", "", "80B2010100"),
    (0xB2, "6A83", "1.8", ID, "80B2020100"),
    (0xB2, "6Cxx", "1.8", ID, "80B20101FF"),
    (0xB2, "6D00", "1.7", ID, "80B2010100"),
    (0xB2, "6D00", "1.8", "factory", "80B2010100"),
    (0xB2, "6E00", "1.8", ID, "00B2010100"),
    (0x20, "9000", "", "", V_GOOD),
    (0x20, "63Cx", "", "", V_BAD),
    (0x20, "6983", "", "blocked", V_GOOD),
    (0x20, "6A86", "", "", "0020010108241234FFFFFFFFFF"),
    (0x20, "6A88", "", "", "0020000208241234FFFFFFFFFF"),
    (0x20, "6D00", "", "factory", STATUS),
    (0x20, "6E00", "", "", "80" + V_GOOD[2:]),
    (0x24, "9000", "", "", CHANGE),
    (0x24, "63Cx", "", "", CHANGE.replace("1234", "9999")),
    (0x24, "6700", "", "", "0024000108241234FFFFFFFFFF"),
    (0x24, "6983", "", "blocked", CHANGE),
    (0x24, "6A80", "", "", CHANGE.replace("245678", "345678")),
    (0x24, "6A86", "", "", "00240100" + CHANGE[8:]),
    (0x24, "6A88", "", "", "00240002" + CHANGE[8:]),
    (0x24, "6D00", "", "factory", CHANGE),
    (0x24, "6E00", "", "", "80" + CHANGE[2:]),
    (0x88, "61xx", "1.8", "", CHIP),
    (0x88, "6700", "1.8", "", CHIP[:8] + "31" + CHIP[10:-2]),
    (0x88, "6982", "1.8", "", CHIP.replace("008802813", "008802823")),
    (0x88, "6985", "1.8", "5000", CHIP),
    (0x88, "6985", "1.8", "inactive", CHIP),
    (0x88, "6A80", "1.8", "", CHIP.replace("9430", "9530")),
    (0x88, "6A88", "1.8", "", CHIP.replace("008802813", "008802843")),
    (0x88, "6B00", "1.8", "", CHIP.replace("008802813", "008801813")),
    (0x88, "6D00", "1.7", "", CHIP),
    (0x88, "6D00", "1.8", "factory", CHIP),
    (0x88, "6E00", "1.8", "", "80" + CHIP[2:]),
    (0x22, "9000", "", "", mse(0x02)),
    (0x22, "6700", "", "", "002241B6040480028482"),
    (0x22, "6985", "", "inactive", mse(0x02)),
    (0x22, "6A80", "", "", mse(0x80)),
    (0x22, "6A88", "", "", mse(0x02, 0x84)),
    (0x22, "6B00", "", "", mse(0x02).replace("41B6", "41B8")),
    (0x22, "6D00", "", "factory", mse(0x02)),
    (0x22, "6E00", "", "", "80" + mse(0x02)[2:]),
    (0x2A, "61xx", "", "sign", ""),
    (0x2A, "6700", "", f"{mse(0x02)}|{V_GOOD}", pso(bytes(31))),
    (0x2A, "6982", "", mse(0x02), pso(bytes(32))),
    (0x2A, "6985", "", V_GOOD, pso(bytes(32))),
    (0x2A, "6B00", "", "", "002A9E9B20" + "00" * 32),
    (0x2A, "6D00", "", "factory", pso(bytes(32))),
    (0x2A, "6E00", "", "", "80" + pso(bytes(32))[2:]),
    (0xE4, "9000", "", "", CARD_DATA),
    (0xE4, "9000", "1.8", "factory", "80E400011F"),
    (0xE4, "6B00", "", "", "80E400021C"),
    (0xE4, "6Cxx", "", "", "80E4000000"),
    (0xE4, "6E00", "", "", "00E400001C"),
    (0xE6, "9000", "", "", LOG_OFF),
    (0xE6, "6700", "", "", "80E600000100"),
    (0xE6, "6B00", "", "", "80E60001"),
    (0xE6, "6D00", "", "factory", LOG_OFF),
    (0xE6, "6E00", "", "", "00E60000"),
]
CASES = [
    (applet, *case[:2], *case[3:])
    for case in REACHED
    for applet in APPLETS
    if case[2] in ("", applet)
]


def _start(applet: str, before: str) -> tuple[Wire, str]:
    """Bring a card into a state; returns it and its last status word."""
    words = before.split(" ", 1) if before[:3] in ("ina", "fac", "blo", "500") else []
    state = words[0] if words else ""
    commands = words[-1] if len(words) > 1 else "" if words else before
    wire = Wire(
        applet,
        name="long-names",
        life=LATER.get(state, Life.ACTIVE),
        tries=0 if state == "blocked" else 3,
        pin_protected=frozenset({EF.PHOTO}),
        counters=Counters(authentications=5000 if state == "5000" else 0),
    )
    algorithm, length = SIGNATURE[applet]
    signing = "|".join((mse(algorithm), V_GOOD, pso(bytes(length))))
    commands = commands.replace("sign", signing)
    status = ""
    for command in commands.split("|") if commands else []:
        status = wire.status(command)
    return wire, status


@pytest.mark.parametrize(("applet", "ins", "word", "before", "command"), CASES)
def test_each_word(applet: str, ins: int, word: str, before: str, command: str) -> None:
    """The situation that the manual names for a status word leads to it."""
    wire, status = _start(applet, before)
    if command:
        rest = status[2:] if status[:2] == "61" else ""
        status = wire.status(command.replace("{rest}", rest))
    assert family(status) == word
    assert (applet, ins) in UNKNOWN or word in listed(applet, ins)


@pytest.mark.parametrize(
    ("applet", "ins"),
    [(a, ins) for a in APPLETS for ins in TABLE if (a, ins) not in UNKNOWN],
)
def test_no_word_is_missing(applet: str, ins: int) -> None:
    """Each listed word was reached above, but for those of a card that is broken."""
    reached = {case[2] for case in CASES if case[:2] == (applet, ins)}
    missing = listed(applet, ins) - reached - UNUSED - set(GAPS.get(ins, "").split())
    # A file that 1.8 refuses to select is never read; 1.8 may say 6700 or 6A80 for a
    # length; nothing of a case 4 comes at once.
    allowed = {
        (0xA4, "1.7"): {"6985"},
        (0xB0, "1.8"): {"6985"},
        (0xB2, "1.8"): {"6985"},
        (0x2A, "1.7"): {"9000"},
        (0x2A, "1.8"): {"9000", "6A80"},
        (0x88, "1.8"): {"9000"},
    }
    assert missing == allowed.get((ins, applet), set())


# --- every other parameter and length -----------------------------------------------

#: A command, which of its bytes, and what the manuals (chapter 6) let it be; any other
#: value of that byte is refused with the word that stands last.
PARAMETERS = [
    ("00A4020C02DF00", 3, {0x0C}, "6A86"),  # SELECT FILE
    ("00A4080C04DF014031", 3, {0x0C}, "6A86"),
    (SELECT_APPLET, 3, {0x00, 0x0C}, "6A86"),  # 00: official software sends it
    (V_GOOD, 2, {0x00}, "6A86"),
    (V_GOOD, 3, {0x01}, "6A88"),
    (CHANGE, 2, {0x00}, "6A86"),
    (CHANGE, 3, {0x01}, "6A88"),
    (mse(0x02), 2, {0x41}, "6B00"),
    (mse(0x02), 3, {0xB6}, "6B00"),
    (mse(0x02), 5, {0x04}, "6A80"),
    (mse(0x02), 6, {0x80}, "6A80"),
    (mse(0x02), 8, {0x84}, "6A80"),
    ("002A9E9A20" + "5A" * 32, 2, {0x9E}, "6B00"),
    ("002A9E9A20" + "5A" * 32, 3, {0x9A}, "6B00"),
    (CARD_DATA, 2, {0x00}, "6B00"),
    (LOG_OFF, 2, {0x00}, "6B00"),
    (LOG_OFF, 3, {0x00}, "6B00"),
]


@pytest.mark.parametrize("applet", ["1.0", "1.1", *APPLETS])
@pytest.mark.parametrize(("command", "at", "right", "word"), PARAMETERS)
def test_every_other_parameter(
    applet: str, command: str, at: int, right: set[int], word: str
) -> None:
    """All 256 values of a byte: right ones are taken, the others have their word."""
    known = bytes.fromhex(command)
    for value in range(256):
        wire = Wire(applet) if applet in APPLETS else Wire("1.7", applet=applet)
        status = wire.status((known[:at] + bytes([value]) + known[at + 1 :]).hex())
        if value in right:
            assert status in ("9000", "6985")  # 6985: to sign without MSE:SET
        else:
            assert status == word, hex(value)


@pytest.mark.parametrize("applet", ["1.0", "1.1", *APPLETS])
@pytest.mark.parametrize(
    ("head", "right", "word"),
    [
        ("00200001", {0, 8}, "6700"),  # no word of VERIFY's list: see GAPS
        ("00240001", {16}, "6700"),
        ("002241B6", {5}, "6700"),
        ("00A4020C", {2}, "6A87"),
        ("00A4040C", range(5, 17), "6A87"),
        ("00A4080C", range(2, 256, 2), "6A87"),
    ],
)
def test_every_other_length(applet: str, head: str, right: set[int], word: str) -> None:
    """Data of any other length are refused, as such and without a try spent."""
    for length in range(1, 256):
        if length not in right:
            wire = Wire(applet) if applet in APPLETS else Wire("1.7", applet=applet)
            whole = f"{head}{length:02X}"
            assert wire.status(whole + "24" * length) == word, length
            assert wire.status(whole) == word, length  # they did not come
            assert wire.card.tries_left == 3


# --- and no other -------------------------------------------------------------------


@st.composite
def sequences(draw: st.DrawFn) -> list[bytes]:
    """Commands of the tables above, some of them with a byte changed."""
    known = [bytes.fromhex(case[4]) for case in CASES if case[4] and "{" not in case[4]]
    known += [bytes.fromhex(mse(0x08)), bytes.fromhex(pso(bytes(48)))]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=12))
    changed = []
    for command in chosen:
        at = draw(st.integers(0, 2 * len(command)))
        if at < len(command) and at != 1:
            command = command[:at] + bytes([draw(BYTES)]) + command[at + 1 :]
        changed.append(command)
    return changed


@given(
    st.sampled_from(["1.0", "1.1", *APPLETS]),
    st.booleans(),
    st.sampled_from(list(Life)),
    sequences(),
)
def test_no_other_word(
    applet: str, strict: bool, life: Life, commands: list[bytes]
) -> None:
    """Whatever comes in whatever state, a command answers with words of its list."""
    older = applet not in APPLETS
    wire = Wire("1.7" if older else applet, strict=strict, life=life, applet=applet)
    applet = "1.7" if older else applet  # which knows every word of theirs
    for command in commands:
        try:
            Command.from_bytes(command)
        except Refused:
            continue  # no command at all: the reader would not send it
        word = family(wire.status(command.hex()))
        if (applet, command[1]) in UNKNOWN:
            assert word in ("6D00", "6E00")
        else:
            assert word in listed(applet, command[1]), command.hex()


def test_a_broken_memory() -> None:
    """6581 to what has to remember, and to nothing else."""

    class Broken(Counters):
        def save(self) -> None:
            raise OSError("broken")

    card = VirtualCard(profile("1.8"), counters=Broken())
    for command in (V_GOOD, CHANGE, CHIP):
        assert card.transmit(bytes.fromhex(command)).hex() == "6581"
    for command in (STATUS, CARD_DATA, ID, mse(0x02), LOG_OFF):
        assert card.transmit(bytes.fromhex(command))[-2:].hex() != "6581"
