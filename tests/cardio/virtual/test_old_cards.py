"""Applets 1.0 and 1.1 as far as they are documented: RSA-1024, three algorithms."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from cardio.files import ATR_1_7, EF
from cardio.virtual.profile import Profile, load_profile, write_profile
from tests.cardio.virtual.old import old_card
from tests.cardio.virtual.test_signatures import MESSAGE, RSA, Rsa, sign
from tests.cardio.virtual.wire import (
    CARD_DATA,
    LOG_OFF,
    V_BAD,
    V_GOOD,
    Wire,
    mse,
    pso,
    select,
)

OLD = pytest.mark.parametrize("applet", ["1.0", "1.1"])
EMPTY_VERIFY = pytest.mark.parametrize("empty", ["0020000100", "00200001"])


@pytest.fixture(scope="module")
def cards() -> dict[str, Profile]:
    """Cards that were made, each once."""
    return {}


@pytest.fixture
def wire(applet: str, cards: dict[str, Profile], tmp_path: Path) -> Wire:
    """A fresh session with the applet's card."""
    if applet not in cards:
        cards[applet] = old_card(applet, tmp_path)
    return Wire.of(cards[applet])


@OLD
@pytest.mark.parametrize(("key", "ef"), [(0x82, "AUTHENTICATION"), (0x83, "SIGNATURE")])
@pytest.mark.parametrize("case", RSA, ids=lambda case: f"{case.reference:02X}")
def test_signatures(wire: Wire, applet: str, case: Rsa, key: int, ef: str) -> None:
    """128 bytes for DigestInfo, SHA-1 and MD5; SHA-256 and PSS came with 1.7."""
    if case.reference > 0x04:
        assert wire.send(mse(case.reference, key)) == "6A80"
        return
    der = wire.profile.files[EF[ef]]
    public = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    signature = sign(wire, case.reference, key, case.data)
    assert len(signature) == 128
    public.verify(signature, MESSAGE, case.padding, case.hash)
    with pytest.raises(InvalidSignature):
        public.verify(signature, MESSAGE + b"!", case.padding, case.hash)


@OLD
def test_an_answer_is_announced_with_its_length(wire: Wire, applet: str) -> None:
    """61 80; a DigestInfo has room for 117 bytes (modulus less eleven)."""
    wire.send(V_GOOD)
    wire.send(mse(0x01))
    assert wire.send(pso(bytes(117))) == "6180"
    assert wire.send(pso(bytes(118))) == "6700"
    assert wire.send(mse(0x02)) == "9000"
    assert wire.send(pso(bytes(32))) == "6700"


@OLD
def test_no_command_between_verify_and_signature(wire: Wire, applet: str) -> None:
    """The non-repudiation key wants VERIFY just before, the other one once."""
    digest = hashlib.sha1(MESSAGE).digest()  # noqa: S324  # what the card takes
    wire.send(mse(0x02, 0x83))
    wire.send(V_GOOD)
    assert len(wire.fetch(pso(digest))) == 128
    assert wire.send(pso(digest)) == "6982"
    wire.send(V_GOOD)
    assert wire.status(CARD_DATA) == "9000"
    assert wire.send(pso(digest)) == "6982"
    wire.send(mse(0x02))
    assert len(wire.fetch(pso(digest))) == 128
    assert wire.send(LOG_OFF) == "9000"
    assert wire.send(pso(digest)) == "6982"


@OLD
@EMPTY_VERIFY
def test_an_empty_verify_is_a_wrong_pin(wire: Wire, applet: str, empty: str) -> None:
    """It costs a try and every right, and the last one blocks the card."""
    wire.send(mse(0x02))
    wire.send(V_GOOD)
    assert wire.send(empty) == "63C2"
    assert wire.send(pso(bytes(20))) == "6982"
    assert [wire.send(empty) for _ in range(3)] == ["63C1", "63C0", "6983"]
    assert wire.send(V_GOOD) == "6983"


@OLD
def test_tries_come_back(wire: Wire, applet: str) -> None:
    """A wrong PIN counts down, the right one back up."""
    assert [wire.send(one) for one in (V_BAD, V_BAD, V_GOOD, V_BAD)] == [
        "63C2",
        "63C1",
        "9000",
        "63C2",
    ]


@OLD
def test_what_came_later_is_not_there(wire: Wire, applet: str) -> None:
    """No extended card data, READ RECORD, chip authentication or EF 4040."""
    assert wire.send("80E400011F") == "6B00"
    assert wire.send("80B2010100") == "6D00"
    assert wire.send("0088028132" + "9430" + "00" * 48) == "6D00"
    assert wire.send("002C0001") == "6D00"
    assert wire.send("00A4040C00") == "6A87"
    assert wire.send(select("DF014040")) == "6A82"


@OLD
def test_how_they_are_told_apart(wire: Wire, applet: str, tmp_path: Path) -> None:
    """ATR, version byte, PrKDF's key length; DF(ID) has an AID from 1.1 on."""
    data = wire.fetch(CARD_DATA)
    assert data[21] == int(applet.replace(".", ""), 16)
    assert data[27] == 0x0F
    assert (wire.card.atr == ATR_1_7) is (applet == "1.1")
    wire.send(select("DF005035"))
    assert wire.fetch("00B0003A02") == b"\x04\x00"
    bare = replace(wire.profile, keys={})
    write_profile(bare, tmp_path / "bare")
    assert load_profile(tmp_path / "bare").files[EF.PRKDF][58:60] == b"\x04\x00"
    by_aid = wire.send("00A4040C0CA0000001774964" + "46696C6573")
    assert by_aid == {"1.0": "6A82", "1.1": "9000"}[applet]
