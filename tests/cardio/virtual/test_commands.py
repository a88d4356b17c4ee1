"""Status words and T=0 behaviour, command by command, as the manuals' tables have them.

The fact sheet's checklist (its section 10) is covered by the numbers in the docstrings.
"""

from __future__ import annotations

import pytest

from cardio.files import EF
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
    pso,
    select,
)

BOTH = pytest.mark.parametrize("applet", APPLETS)
STRICT = pytest.mark.parametrize("strict", [False, True], ids=["usual", "strict"])


@BOTH
@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        # SELECT FILE: no data ever comes back (3); all that programs send is taken
        ("00A404000FA00000003029057000AD13100101FF", "9000"),
        ("00A4040C0FA00000003029057000AD13100101FF", "9000"),
        ("00A404000FA00000003029057000AD13100101FF00", "9000"),
        ("00A4040C0CA000000177504B43532D3135", "9000"),
        ("00A4040C07A0000002471001", "6A82"),
        ("00A4040C04A0000000", "6A87"),
        ("00A4020C023F00", "9000"),
        ("00A4020C02DF00", "9000"),
        ("00A4020C02DF01", "9000"),
        ("00A4020C022F00", "9000"),
        ("00A4020C024031", "6A82"),
        ("00A4020C03403100", "6A87"),
        ("00A4020C00", "6A87"),
        ("00A4020C", "6A87"),
        ("00A4020002DF00", "6A86"),
        ("00A4000C023F00", "6A86"),
        ("00A4030C023F00", "6A86"),
        ("00A4080C063F00DF014031", "9000"),
        ("00A4080C04DF014031", "9000"),
        ("00A4080C022F00", "9000"),
        ("00A4080C043F00DF00", "9000"),
        ("00A4080C02DF00", "9000"),
        ("00A4080C023F00", "9000"),
        ("00A4080C024031", "6A82"),
        ("00A4080C03DF0140", "6A87"),
        ("00A4080C00", "6A87"),
        ("00A4080C083F00DF01DF014031", "6A82"),
        ("00A4080C063F00DF00503D", "6A82"),
        # READ BINARY without a file
        ("00B0000010", "6986"),
        # GET CARD DATA: other lengths (7)
        ("80E4000000", "6C1C"),
        ("80E40000", "6C1C"),
        ("80E4000010", "6C1C"),
        ("80E40000FF", "6C1C"),
        ("80E401001C", "6B00"),
        ("80E400021C", "6B00"),
        # GET RESPONSE with nothing to fetch (8)
        ("00C0000000", "6985"),
        ("00C0000010", "6985"),
        # VERIFY, CHANGE REFERENCE DATA: parameters, lengths
        ("0020000008241234FFFFFFFFFF", "6A88"),
        ("0020010108241234FFFFFFFFFF", "6A86"),
        ("0020008408241234FFFFFFFFFF", "6A88"),
        ("0020000107241234FFFFFFFF", "6700"),
        ("0020000108", "6700"),
        ("0020000109241234FFFFFFFFFFFF", "6700"),
        ("0020000100", "63C3"),
        ("00200001", "63C3"),
        ("0024000110241234FFFFFFFFFF245678FFFFFFFF", "6700"),
        ("0024000100", "6700"),
        ("0024000210241234FFFFFFFFFF245678FFFFFFFFFF", "6A88"),
        ("0024010110241234FFFFFFFFFF245678FFFFFFFFFF", "6A86"),
        # MSE:SET (11, 12)
        ("002241B60504800284", "6700"),
        ("002241B605048002847F00", "6A88"),
        ("002241B6040480028482", "6700"),
        ("002241B605058002" + "8482", "6A80"),
        ("002241B605048102" + "8482", "6A80"),
        ("002241B605048002" + "8382", "6A80"),
        ("002241B605048080" + "8482", "6A80"),
        ("002241B605048003" + "8482", "6A80"),
        ("002241B605048002" + "8481", "6A88"),
        ("002241B605048002" + "8487", "6A80"),
        ("002241B605048002" + "8484", "6A88"),
        ("0022F1B605048002" + "8482", "6B00"),
        ("002241B805048002" + "8482", "6B00"),
        ("002241B600", "6700"),
        # PSO:CDS
        ("002A9E9A20" + "00" * 32, "6985"),
        ("002A9E9B20" + "00" * 32, "6B00"),
        ("002A9E9A", "6985"),
        # LOG OFF: case 1 with four or five bytes
        ("80E60000", "9000"),
        ("80E6000000", "9000"),
        ("80E60100", "6B00"),
        ("80E6000100", "6B00"),
        ("80E600000100", "6700"),
        # classes (21) and instructions
        ("04A4040C0FA00000003029057000AD13100101FF", "6E00"),
        ("81A4040C0FA00000003029057000AD13100101FF", "6E00"),
        # a selection on another logical channel has a status word of its own
        ("01A4040C0FA00000003029057000AD13100101FF", "6999"),
        ("02A4020C02DF00", "6999"),
        ("03A4080C022F00", "6999"),
        ("01B0000010", "6E00"),
        ("0CB0000010", "6E00"),
        ("90E400001C", "6E00"),
        ("FF00000000", "6E00"),
        ("80A4040C0FA00000003029057000AD13100101FF", "6E00"),
        ("00E400001C", "6E00"),
        ("00E60000", "6E00"),
        ("0070000001", "6D00"),
        ("00D6000001FF", "6D00"),
        ("0082000000", "6D00"),
        ("8000000000", "6D00"),
        # GET CHALLENGE
        ("0084000000", "6700"),
        ("0084010008", "6B00"),
        # no command at all
        ("", "6700"),
        ("00", "6700"),
        ("00B0", "6700"),
        ("00B000", "6700"),
        # lengths that do not agree, extended lengths
        ("00A4020C0240", "6700"),
        ("00A4020C024031FFFF", "6700"),
        ("00B000000000FF", "6700"),
    ],
)
def test_after_reset(applet: str, apdu: str, answer: str) -> None:
    """One command after a reset: applet and MF are selected, nothing else (2)."""
    assert Wire(applet).send(apdu) == answer


@pytest.mark.parametrize(
    ("apdu", "on_1_7", "on_1_8"),
    [
        ("80E400011F", "6B00", None),
        ("80E4000100", "6B00", "6C1F"),
        ("80B2010100", "6D00", "6986"),
        ("00B2010100", "6D00", "6E00"),
        ("002C0001", "6D00", "6982"),
        ("002C000108241234FFFFFFFFFF", "6D00", "6982"),
        ("002C0101", "6D00", "6A86"),
        ("002C0003", "6D00", "6A88"),
        ("0088028132" + "9430" + "00" * 48, "6D00", "6160"),
        ("00A4080C06" + "3F00DF014040", "6A82", "9000"),
        ("00A4080C06" + "3F00DF014038", "9000", "6A82"),
        ("00A4080C06" + "3F00DF014039", "9000", "6A82"),
        ("00A4040C0C" + "A0000001774964" + "46696C6573", "9000", "6A82"),
        ("00A4040C00", "6A87", "9000"),
        ("002241B605" + "0480408482", "6A80", "9000"),
        ("002241B605" + "0480108482", "9000", "9000"),
    ],
)
def test_versions_differ(apdu: str, on_1_7: str, on_1_8: str | None) -> None:
    """What one version has and the other has not (7, 12, 13, 19)."""
    assert Wire("1.7").send(apdu) == on_1_7
    answer = Wire("1.8").send(apdu)
    assert answer == on_1_8 or (on_1_8 is None and len(answer) == 66)


def test_role_key_and_preferences_of_1_7() -> None:
    """Card content 4.01, 4.3: a SHA-1; and 2.8, 6.3.8: a text up to the first 00."""
    wire = Wire("1.7")
    assert wire.send(select("DF014038")) == "9000"
    assert len(wire.send("00B0000014")) == 2 * (20 + 2)
    assert wire.send("00B0000000") == "6C14"
    assert wire.send(select("DF014039")) == "9000"
    assert wire.send("00B0000001") == "009000"


@BOTH
def test_card_data(applet: str) -> None:
    """Chip serial, version, life cycle, and the tries on 1.8 (7, 16)."""
    wire = Wire(applet)
    data = wire.fetch(CARD_DATA)
    assert len(data) == 28
    assert data[:16] == wire.profile.chip_serial
    assert data[17:21] == b"TEST"  # so that nobody takes it for a genuine card
    assert data[21] == int(applet.replace(".", ""), 16)
    expected = {"1.7": "00030021010F", "1.8": "00010000020F"}[applet]
    assert data[22:].hex().upper() == expected
    if applet == "1.8":
        assert wire.send("80E400011F") == data.hex().upper() + "03FFFF9000"


@BOTH
def test_serial_number_agrees(applet: str) -> None:
    """GET CARD DATA, TokenInfo and the identity file name one chip (16)."""
    wire = Wire(applet)
    serial = wire.profile.chip_serial
    assert wire.profile.files[EF.TOKEN_INFO][7:23] == serial
    assert b"\x02\x10" + serial in wire.profile.files[EF.IDENTITY]


@BOTH
def test_selection_by_file_identifier_is_local(applet: str) -> None:
    """A file of another folder is not found; walking there finds it (4)."""
    wire = Wire(applet)
    assert wire.status("00A4020C02DF00") == "9000"
    assert wire.status("00A4020C024031") == "6A82"
    assert wire.status("00A4020C025031") == "9000"
    for fid in ("3F00", "DF01", "4031"):
        assert wire.status(f"00A4020C02{fid}") == "9000"
    assert wire.status("00B0000010") == "9000"


@BOTH
def test_failed_selection_keeps_the_file(applet: str) -> None:
    """After 6A82 the file selected before is still there (4)."""
    wire = Wire(applet)
    assert wire.status(select("3F00DF014031")) == "9000"
    assert wire.status("00A4020C025031") == "6A82"
    assert wire.send("00B0000003") == "010C35" + "9000"


@BOTH
def test_selecting_a_folder_leaves_the_file(applet: str) -> None:
    """There is no current file after a folder was selected."""
    wire = Wire(applet)
    wire.send(select("DF014031"))
    wire.send("00A4020C02DF01")
    assert wire.status("00B0000001") == "6986"


@BOTH
@pytest.mark.parametrize("ef", list(EF), ids=lambda ef: ef.name)
def test_read_binary(applet: str, ef: EF) -> None:
    """Each file in blocks of any program, 6Cxx on a long Le, 6B00 at the end (6)."""
    wire = Wire(applet)
    content = wire.profile.files.get(ef)
    path = "".join(f"{fid:04X}" for fid in ef.path)
    if content is None:
        assert wire.status(select(path)) == "6A82"
        return
    assert wire.status(select(path)) == "9000"
    for block in (4, 128, 248, 252, 256):
        assert _read(wire, block) == content
    assert wire.status(f"00B0{len(content):04X}01") == "6B00"
    assert wire.status(f"00B0{len(content) - 1:04X}02") == "6C01"
    assert wire.status("00B0800001") == "6B00"


def _read(wire: Wire, block: int) -> bytes:
    data = b""
    while True:
        answer = wire.send(f"00B0{len(data):04X}{block & 0xFF:02X}")
        if answer[:2] == "6C" and len(answer) == 4:
            answer = wire.send(f"00B0{len(data):04X}{answer[2:]}")
        if answer == "6B00":
            return data
        assert answer[-4:] == "9000"
        data += bytes.fromhex(answer[:-4])


def test_read_record() -> None:
    """Tag, length and value of one tag or a range; Le cuts off, too much is 6Cxx."""
    wire = Wire("1.8")
    number = wire.profile.files[EF.IDENTITY].split(b"\x06\x0b")[1][:11]
    record = b"\x06\x0b" + number
    wire.send(select("DF014031"))
    assert wire.fetch("80B2060600") == record
    assert wire.fetch("80B206060D") == record
    assert wire.fetch("80B2060604") == record[:4]
    assert wire.send("80B206060E") == "6C0D"
    assert wire.fetch("80B2060700") == record + b"\x07\x09Voorbeeld"
    assert wire.status("80B2070600") == "6A83"
    assert wire.status("80B2121200") == "6A83"
    wire.send(select("DF014035"))
    assert wire.status("80B2010100") == "6981"
    wire.send(select("DF014033"))
    assert wire.fetch("80B2020200") == b"\x02\x049000"


@pytest.mark.parametrize("le", ["01", "10", "FF"])
def test_read_record_cuts_a_long_range_off(le: str) -> None:
    """A range that is longer than Le ends in the middle of a record, without 61xx."""
    wire = Wire("1.8", name="long-names")
    wire.send(select("DF014031"))
    content = wire.profile.files[EF.IDENTITY]
    assert wire.send(f"80B2011A{le}") == content[: int(le, 16)].hex().upper() + "9000"
    assert wire.send("00C0000001") == "6985"


@pytest.mark.parametrize(
    ("tags", "answer"),
    [
        ("0000", "6A83"),
        ("0100", "6A83"),
        ("0113", "6A83"),
        ("1C1C", "6A83"),
        ("FF01", "6A83"),
    ],
)
def test_read_record_not_found(tags: str, answer: str) -> None:
    """Tags that the file has not, at either end, and ranges the wrong way round."""
    wire = Wire("1.8")
    wire.send(select("DF014031"))
    assert wire.send(f"80B2{tags}00") == answer


@pytest.mark.parametrize("ef", [EF.PHOTO, EF.CDF, EF.AUTHENTICATION, EF.BASIC_KEY])
def test_read_record_of_other_files(ef: EF) -> None:
    """Only identity and address are rows of tag, length and value."""
    wire = Wire("1.8")
    wire.send(select("".join(f"{fid:04X}" for fid in ef.path)))
    assert wire.send("80B2010100") == "6981"


def test_read_record_takes_the_files_condition() -> None:
    """A file that wants the PIN wants it here, too."""
    wire = Wire("1.8", pin_protected=frozenset({EF.IDENTITY}))
    wire.send(select("DF014031"))
    assert wire.send("80B2060600") == "6982"
    wire.send(V_GOOD)
    assert wire.status("80B2060600") == "9000"


def test_read_record_of_a_long_range() -> None:
    """More than 256 bytes come in pieces: 61 00, then what is left."""
    wire = Wire("1.8", name="long-names")
    content = wire.profile.files[EF.IDENTITY]
    assert len(content) > 512
    wire.send(select("DF014031"))
    first = wire.send("80B2011A00")
    assert len(first) == 2 * 258
    assert first[-4:] == "6100"
    second = wire.send("00C0000000")
    assert second[-4:] == f"61{len(content) - 512:02X}"
    assert wire.fetch("80B2011A00") == content


@BOTH
@STRICT
def test_get_response(applet: str, strict: bool) -> None:
    """A long Le keeps the data, a short one gets a part, others lose them (8, 14)."""
    wire = Wire(applet, strict=strict)
    length, announced = {"1.7": (32, "6100"), "1.8": (48, "6160")}[applet]
    size = {"1.7": 256, "1.8": 96}[applet]
    wire.send(mse({"1.7": 0x08, "1.8": 0x02}[applet]))
    wire.send(V_GOOD)
    assert wire.send(pso(bytes(length))) == announced
    if applet == "1.8":
        assert wire.send("00C0000000") == "6C60"
        assert wire.send("00C0000061") == "6C60"
    part = wire.send("00C0000050")
    assert part[-4:] == f"61{size - 0x50:02X}"
    rest = wire.send(f"00C00000{size - 0x50:02X}")
    assert rest[-4:] == "9000"
    assert len(part + rest) == 2 * size + 8
    assert wire.send("00C0000001") == "6985"
    assert wire.send(pso(bytes(length))) == announced
    assert wire.status(CARD_DATA) == "9000"
    assert wire.send("00C0000001") == "6985"


@BOTH
def test_stray_le_is_passed_over(applet: str) -> None:
    """A case 4 command with its Le is answered as the one without it."""
    wire = Wire(applet)
    length, announced = {"1.7": (32, "6100"), "1.8": (48, "6160")}[applet]
    wire.send(mse({"1.7": 0x08, "1.8": 0x02}[applet]) + "00")
    assert wire.status(V_GOOD + "00") == "9000"
    assert wire.send(pso(bytes(length)) + "00") == announced


# --- PIN -----------------------------------------------------------------------------


@BOTH
@STRICT
def test_tries_run_out(applet: str, strict: bool) -> None:
    """63C2, 63C1, then 63C0 (strict: 6983); blocked, the right PIN does not help."""
    wire = Wire(applet, strict=strict)
    last = "6983" if strict else "63C0"
    assert [wire.send(V_BAD) for _ in range(3)] == ["63C2", "63C1", last]
    assert [wire.send(V_BAD), wire.send(V_GOOD), wire.send(STATUS)] == ["6983"] * 3
    change = "0024000110" + V_GOOD[10:] + "245678FFFFFFFFFF"
    assert wire.send(change) == "6983"
    wire.card.power_on()
    assert wire.send(V_GOOD) == "6983"


@BOTH
@STRICT
def test_status_query_is_free(applet: str, strict: bool) -> None:
    """VERIFY without data tells the tries, then that the PIN is verified (9)."""
    wire = Wire(applet, strict=strict)
    assert [wire.send(STATUS) for _ in range(5)] == ["63C3"] * 5
    assert wire.send(V_BAD) == "63C2"
    assert wire.send(STATUS) == "63C2"
    assert wire.send(V_GOOD) == "9000"
    assert wire.send(STATUS) == "9000"
    assert wire.send(LOG_OFF) == "9000"
    assert wire.send(STATUS) == "63C3"
    assert wire.send(V_GOOD) == "9000"
    wire.card.reset()
    assert wire.send(STATUS) == "63C3"


@pytest.mark.parametrize("apdu", [STATUS, "00200001"])
def test_status_query_costs_a_try_on_1_1(apdu: str) -> None:
    """The trap of old cards: an empty VERIFY is a wrong PIN there."""
    wire = Wire("1.7")
    old = Wire("1.7", applet="1.1")
    assert wire.send(apdu) == "63C3"
    assert [old.send(apdu) for _ in range(3)] == ["63C2", "63C1", "63C0"]


@BOTH
def test_change_reference_data(applet: str) -> None:
    """The new PIN counts at once, the old one does not; the right is granted."""
    wire = Wire(applet)
    old, new = V_GOOD[10:], "26567890FFFFFFFF"
    assert wire.send(f"0024000110{old}{new}") == "9000"
    assert wire.send(STATUS) == "9000"
    assert wire.send(V_GOOD) == "63C2"
    assert wire.send(f"0020000108{new}") == "9000"
    assert wire.card.tries_left == 3


@BOTH
@pytest.mark.parametrize(
    "block",
    [
        "1456 78FFFFFFFFFF",
        "235678FFFFFFFFFF",
        "24567FFFFFFFFFFF",
        "2D56789012345678",
        "2456789FFFFFFFFF",
        "0000000000000000",
    ],
)
def test_change_to_no_pin(applet: str, block: str) -> None:
    """A new PIN of another form is refused, which costs no try."""
    wire = Wire(applet)
    assert wire.send(f"0024000110{V_GOOD[10:]}{block}") == "6A80"
    assert wire.card.tries_left == 3
    assert wire.send(V_GOOD) == "9000"


@BOTH
def test_change_with_a_wrong_pin(applet: str) -> None:
    """A wrong old PIN costs a try and the right, and changes nothing."""
    wire = Wire(applet)
    wire.send(V_GOOD)
    assert wire.send(f"0024000110{V_BAD[10:]}245678FFFFFFFFFF") == "63C2"
    assert wire.send(STATUS) == "63C2"
    assert wire.send(V_GOOD) == "9000"


@pytest.mark.parametrize(
    ("pin", "block"),
    [
        ("12345", "2512345FFFFFFFFF"),
        ("123456", "26123456FFFFFFFF"),
        ("123456789012", "2C123456789012FF"),
    ],
)
def test_pins_of_other_lengths(pin: str, block: str) -> None:
    """PIN blocks as the manuals print them."""
    wire = Wire("1.8", pin=pin)
    assert wire.send(V_GOOD) == "63C2"
    assert wire.send(f"0020000108{block}") == "9000"


@BOTH
def test_a_malformed_change_keeps_the_pin(applet: str) -> None:
    """6A80 costs the right that was there, but no try; 6983 goes before it."""
    wire = Wire(applet)
    wire.send(V_GOOD)
    assert wire.send(f"0024000110{V_GOOD[10:]}0000000000000000") == "6A80"
    assert wire.send(STATUS) == "63C3"
    for _ in range(3):
        wire.send(V_BAD)
    assert wire.send(f"0024000110{V_GOOD[10:]}0000000000000000") == "6983"


@BOTH
@STRICT
def test_change_spends_the_last_try(applet: str, strict: bool) -> None:
    """A wrong old PIN counts down as VERIFY's does, the third is 6983 if strict."""
    wire = Wire(applet, strict=strict)
    change = f"0024000110{V_BAD[10:]}245678FFFFFFFFFF"
    last = "6983" if strict else "63C0"
    assert [wire.send(change) for _ in range(4)] == ["63C2", "63C1", last, "6983"]


# --- security environment ------------------------------------------------------------


@BOTH
@STRICT
def test_environment_outlives_verify_and_log_off(applet: str, strict: bool) -> None:
    """MSE, VERIFY, sign is the usual order (11); LOG OFF clears it in strict mode."""
    wire = Wire(applet, strict=strict)
    length = {"1.7": 32, "1.8": 48}[applet]
    wire.send(mse({"1.7": 0x08, "1.8": 0x02}[applet]))
    assert wire.status(pso(bytes(length))) == "6982"
    wire.send(V_GOOD)
    wire.fetch(pso(bytes(length)))
    wire.send(LOG_OFF)
    assert wire.status(pso(bytes(length))) == ("6985" if strict else "6982")
    wire.card.reset()
    assert wire.status(pso(bytes(length))) == "6985"


@BOTH
def test_missing_key(applet: str) -> None:
    """A card without a key refuses it in MSE:SET."""
    wire = Wire(applet, keys={})
    assert wire.send(mse(0x02)) == "6A88"
    assert wire.send(mse(0x02, 0x83)) == "6A88"


def test_card_manager() -> None:
    """An empty AID on 1.8 leaves the applet, until its AID or a reset (1.3)."""
    wire = Wire("1.8")
    assert wire.send("00A4040C00") == "9000"
    assert wire.send(CARD_DATA) == "6D00"
    assert wire.send("00A4020C023F00") == "6A86"
    assert wire.send("00A4040C0CA000000177504B43532D3135") == "6A82"
    assert wire.send(SELECT_APPLET) == "9000"
    assert wire.status(CARD_DATA) == "9000"


def test_challenge_is_random() -> None:
    """GET CHALLENGE gives as many bytes as asked for, others each time."""
    wire = Wire("1.8")
    assert len(wire.fetch("0084000008")) == 8
    assert wire.fetch("0084000014") != wire.fetch("0084000014")
