"""A card that answers anything: always a CardError, never a second PIN."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardio.apdu import INS, Response
from cardio.beid.algorithms import ES384
from cardio.beid.card import BeidCard
from cardio.card import Expected
from cardio.channel import Apdu, Channel
from cardio.errors import CardError
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.virtual.profile import load_profile
from tests.cardio.channels import Recorder, ScriptedChannel, virtual_channel

#: Answers near the truth and far from it: any status word, any short data.
STATUSES = st.sampled_from(
    [
        "9000",
        "6100",
        "6130",
        "6160",
        "6C00",
        "6C05",
        "6C60",
        "6283",
        "6400",
        "6581",
        "6700",
        "6982",
        "6983",
        "6985",
        "6986",
        "63C0",
        "63C2",
        "6A80",
        "6A82",
        "6A86",
        "6A88",
        "6B00",
        "6D00",
        "6E00",
    ]
)
ANSWERS = st.one_of(
    STATUSES,
    st.builds(lambda data, sw: data.hex() + sw, st.binary(max_size=256), STATUSES),
    st.binary(max_size=300).map(bytes.hex),
)


class Garbling(Recorder):
    """Lets the real card answer the first commands, and then anything comes."""

    def __init__(self, inner: Channel, honest: int, answers: list[str]) -> None:
        super().__init__(inner)
        self._honest = honest
        self._answers = answers

    def transmit(self, apdu: Apdu) -> Response:
        """Answer honestly, then from the list, whose last answer repeats."""
        response = super().transmit(apdu)
        if len(self.sent) <= self._honest:
            return response
        answer = self._answers[0]
        if len(self._answers) > 1:
            self._answers.pop(0)
        return Response.from_bytes(bytes.fromhex(answer))


@given(st.integers(1, 7), st.lists(ANSWERS, min_size=1, max_size=8))
def test_a_garbling_card_gets_one_pin(honest: int, answers: list[str]) -> None:
    """From any point of a signature on: an error or 96 bytes, one VERIFY, LOG OFF."""
    profile = load_profile("adult")
    garbling = Garbling(virtual_channel(profile), honest, answers)
    card = BeidCard(garbling)
    card.recognise()
    expected = Expected(profile.chip_serial, 3)
    with Pin(bytearray(b"1234")) as pin:
        try:
            signature = card.sign(Key.AUTHENTICATION, ES384, bytes(48), pin, expected)
        except CardError:
            signature = bytes(96)
    assert len(signature) == 96
    instructions = garbling.instructions()
    verifies = instructions.count(INS.VERIFY)
    assert verifies <= 1
    assert (instructions[-1] == INS.LOG_OFF) is (verifies == 1)


@pytest.mark.parametrize("ef", [EF.IDENTITY, EF.PHOTO, EF.AUTHENTICATION])
@given(answers=st.lists(ANSWERS, min_size=1, max_size=8))
def test_a_garbling_card_is_read_or_refused(ef: EF, answers: list[str]) -> None:
    """Reading ends with bytes or a CardError, after a bounded number of commands."""
    steps = [("", answers[min(i, len(answers) - 1)]) for i in range(600)]
    script = ScriptedChannel(*steps)
    for read in (BeidCard(script).read, BeidCard(script).read_certificate):
        try:
            assert isinstance(read(ef), bytes)
        except CardError:
            continue
