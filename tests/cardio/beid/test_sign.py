"""Signing: one PIN, one VERIFY, nothing in between, LOG OFF on every way out."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    encode_dss_signature,
)

from cardio.apdu import INS
from cardio.beid.algorithms import ES384, RS256
from cardio.beid.card import BeidCard
from cardio.beid.pinpad import quirks
from cardio.card import Expected
from cardio.channel import Apdu, Channel, Stopped, Trace
from cardio.errors import (
    CardChanged,
    CardError,
    CardMute,
    CardNotActivated,
    CardRemoved,
    CardReset,
    CardUnreadable,
    MalformedData,
    NoCertificate,
    PinBlocked,
    PinIncorrect,
    UnsupportedCard,
)
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.signature import SignatureAlgorithm
from cardio.virtual.profile import Profile, load_profile
from tests.cardio.channels import (
    Answer,
    Fault,
    Recorder,
    ScriptedChannel,
    is_ins,
    virtual_channel,
)

BLOCK = "241234FFFFFFFFFF"
VERIFY = "0020000108" + BLOCK
ALGORITHMS = {"1.7": RS256, "1.8": ES384}
CARDS = ["1.7", "1.8"]


def _profile(applet: str) -> Profile:
    return load_profile("expired", applet=applet)


def _digest(applet: str) -> bytes:
    return hashlib.new(ALGORITHMS[applet].hash_name, b"to be signed").digest()


def _sign(
    channel: Channel,
    applet: str,
    *,
    pin: bytes = b"1234",
    expected: Expected | None = None,
    key: Key = Key.AUTHENTICATION,
) -> bytes:
    """Recognise, ask the tries as a dialog would, and sign."""
    card = BeidCard(channel)
    card.recognise()
    if expected is None:
        expected = Expected(card.card_data.chip_serial, card.pin_status().tries_left)
    if isinstance(channel, Recorder):
        channel.sent.clear()
        channel.objects.clear()
    with Pin(bytearray(pin)) as typed:
        return card.sign(key, ALGORITHMS[applet], _digest(applet), typed, expected)


def _check(stored: bytes, digest: bytes, signature: bytes) -> None:
    """Verify a raw signature with a certificate file, its padding cut off."""
    der = stored[: 4 + int.from_bytes(stored[2:4], "big")]
    key = x509.load_der_x509_certificate(der).public_key()
    if isinstance(key, rsa.RSAPublicKey):
        scheme = padding.PKCS1v15()
        key.verify(signature, digest, scheme, Prehashed(hashes.SHA256()))
        return
    assert isinstance(key, ec.EllipticCurvePublicKey)
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    key.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA384())))


SEQUENCES = {
    "1.8": [
        "80E400011F",
        "002241B6050480028482",
        VERIFY,
        "002A9E9A30{digest}",
        "00C0000060",
        "80E60000",
    ],
    "1.7": [
        "80E400001C",
        "0020000100",
        "002241B6050480088482",
        VERIFY,
        "002A9E9A20{digest}",
        "00C0000000",
        "80E60000",
    ],
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("applet", CARDS)
def test_a_signature_is_exactly_these_commands(applet: str, strict: bool) -> None:
    """SAFETY 1 as bytes: nothing between VERIFY and PSO, LOG OFF last, no reset."""
    recorder = Recorder(virtual_channel(_profile(applet), strict=strict))
    _sign(recorder, applet)
    digest = _digest(applet).hex().upper()
    expected = [command.format(digest=digest) for command in SEQUENCES[applet]]
    assert recorder.sent == expected
    assert [end.reset_at_end for end in recorder.transactions] == [False]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("applet", CARDS)
@pytest.mark.parametrize(
    ("key", "ef"),
    [
        (Key.AUTHENTICATION, EF.AUTHENTICATION),
        (Key.NON_REPUDIATION, EF.SIGNATURE),
    ],
)
def test_signatures_verify(applet: str, strict: bool, key: Key, ef: EF) -> None:
    """Both keys of both applets, against the certificates; twice on one card."""
    profile = _profile(applet)
    channel = virtual_channel(profile, strict=strict)
    for _ in range(2):
        signature = _sign(channel, applet, key=key)
        _check(profile.files[ef], _digest(applet), signature)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("applet", CARDS)
def test_a_wrong_pin_costs_one_try_each(applet: str, strict: bool) -> None:
    """63Cx tells what is left; the last one blocks, and then no VERIFY is sent."""
    recorder = Recorder(virtual_channel(_profile(applet), strict=strict))
    for left in (2, 1):
        with pytest.raises(PinIncorrect) as caught:
            _sign(recorder, applet, pin=b"9999")
        assert caught.value.tries_left == left
        assert recorder.instructions()[-2:] == [INS.VERIFY, INS.LOG_OFF]
    with pytest.raises(PinBlocked):
        _sign(recorder, applet, pin=b"9999")
    with pytest.raises(PinBlocked):
        _sign(recorder, applet)
    assert VERIFY not in recorder.sent


@pytest.mark.parametrize("applet", CARDS)
def test_asking_the_tries_costs_none(applet: str) -> None:
    """However often it is asked, the counter stays."""
    card = BeidCard(virtual_channel(_profile(applet)))
    card.recognise()
    assert [card.pin_status().tries_left for _ in range(5)] == [3] * 5


@pytest.mark.parametrize("name", ["one-try", "blocked"])
@pytest.mark.parametrize("applet", CARDS)
def test_the_tries_of_other_cards(name: str, applet: str) -> None:
    """One try left and none are told as they are."""
    card = BeidCard(virtual_channel(load_profile(name, applet=applet)))
    card.recognise()
    status = card.pin_status()
    tries = {"one-try": 1, "blocked": 0}[name]
    assert (status.tries_left, status.blocked) == (tries, tries == 0)


@pytest.mark.parametrize("applet", CARDS)
@pytest.mark.parametrize("tries", [2, 1, 0, None])
def test_other_tries_than_shown_stop_before_the_pin(
    applet: str, tries: int | None
) -> None:
    """The card has three tries, the dialog said otherwise: no VERIFY, no LOG OFF."""
    profile = _profile(applet)
    recorder = Recorder(virtual_channel(profile))
    with pytest.raises(CardChanged):
        _sign(recorder, applet, expected=Expected(profile.chip_serial, tries))
    assert set(recorder.instructions()) <= {INS.GET_CARD_DATA, INS.VERIFY}
    assert VERIFY not in recorder.sent


@pytest.mark.parametrize("applet", CARDS)
def test_another_card_than_shown_stops_before_the_pin(applet: str) -> None:
    """Another chip serial: the PIN of one person never goes to another's card."""
    recorder = Recorder(virtual_channel(_profile(applet)))
    with pytest.raises(CardChanged):
        _sign(recorder, applet, expected=Expected(bytes(16), 3))
    assert VERIFY not in recorder.sent
    assert INS.LOG_OFF not in recorder.instructions()


BAD_ENDS: list[Answer] = [
    "6C08",
    "6100",
    "6108",
    "6700",
    "6985",
    "6D00",
    "6F00",
    "6581",
    "9001",
    "63D1",
    CardReset(),
    CardMute(),
    CardRemoved(),
    MalformedData("an answer of 1 bytes"),
    RuntimeError("a bug"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("answer", BAD_ENDS, ids=repr)
@pytest.mark.parametrize("after", [False, True], ids=["lost-way-in", "lost-way-out"])
@pytest.mark.parametrize("applet", CARDS)
def test_verify_is_never_repeated(applet: str, after: bool, answer: Answer) -> None:
    """Whatever happens to VERIFY: once, no PSO after it, LOG OFF, buffers wiped."""
    inner = virtual_channel(_profile(applet))
    recorder = Recorder(Fault(inner, is_ins(INS.VERIFY), answer, after=after))
    with pytest.raises((CardError, RuntimeError, KeyboardInterrupt)):
        _sign(recorder, applet)
    assert recorder.sent.count(VERIFY) == 1
    assert recorder.sent[-2:] == [VERIFY, "80E60000"]
    _assert_wiped(recorder)


@pytest.mark.parametrize(
    "answer",
    [end for end in BAD_ENDS if not str(end).startswith("61")],  # 61xx announces
    ids=repr,
)
@pytest.mark.parametrize("applet", CARDS)
def test_log_off_follows_a_failed_signature(applet: str, answer: Answer) -> None:
    """Whatever happens to PSO, the PIN right does not outlive the transaction."""
    recorder = Recorder(
        Fault(virtual_channel(_profile(applet)), is_ins(INS.PSO), answer)
    )
    with pytest.raises((CardError, RuntimeError, KeyboardInterrupt)):
        _sign(recorder, applet)
    assert recorder.sent.count(VERIFY) == 1
    assert recorder.instructions()[-2:] == [INS.PSO, INS.LOG_OFF]
    assert [end.reset_at_end for end in recorder.transactions] == [False]
    _assert_wiped(recorder)


@pytest.mark.parametrize(
    "answer",
    ["6400", "6D00", "6108", CardReset(), CardMute(), MalformedData("x")],
    ids=repr,
)
@pytest.mark.parametrize("applet", CARDS)
def test_a_refused_log_off_resets_the_card(applet: str, answer: Answer) -> None:
    """The signature is given out all the same, and the reset drops the right."""
    recorder = Recorder(
        Fault(virtual_channel(_profile(applet)), is_ins(INS.LOG_OFF), answer)
    )
    assert len(_sign(recorder, applet)) == ALGORITHMS[applet].signature_size
    assert [end.reset_at_end for end in recorder.transactions] == [True]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_an_interrupted_log_off_resets_the_card(error: BaseException) -> None:
    """Even what is no card error leaves no PIN right behind."""
    recorder = Recorder(
        Fault(virtual_channel(_profile("1.8")), is_ins(INS.LOG_OFF), error)
    )
    with pytest.raises(type(error)):
        _sign(recorder, "1.8")
    assert [end.reset_at_end for end in recorder.transactions] == [True]


def _assert_wiped(recorder: Recorder) -> None:
    """Every object that held the PIN block on its way holds zeros now."""
    held = [item for item in recorder.objects if isinstance(item, bytearray)]
    assert len(held) == 1
    assert not any(held[0])


def test_the_pin_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Neither log nor error holds digits or block; the sent buffer is wiped."""
    recorder = Recorder(virtual_channel(_profile("1.8")))
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(PinIncorrect) as caught,
    ):
        _sign(Trace(recorder, logging.getLogger("test")), "1.8", pin=b"864297")
    shown = (caplog.text + repr(caught.value)).replace(" ", "")
    assert "> 00 20 00 01 08 **" in caplog.text
    assert "864297" not in shown
    _assert_wiped(recorder)


class KeepingPin(Pin):
    """A PIN that keeps the blocks it gave out, to look at them afterwards."""

    def __init__(self, digits: bytearray) -> None:
        self.blocks: list[bytearray] = []
        super().__init__(digits)

    def block(self) -> bytearray:
        """Give out a block and keep it."""
        self.blocks.append(super().block())
        return self.blocks[-1]


@pytest.mark.parametrize("answer", [None, "63C2", "6C08", CardReset()], ids=repr)
def test_the_pin_block_is_wiped(answer: Answer | None) -> None:
    """After a signature, a refusal and a reset alike the block holds zeros."""
    profile = _profile("1.8")
    channel = virtual_channel(profile)
    if answer is not None:
        channel = Fault(channel, is_ins(INS.VERIFY), answer)
    card = BeidCard(channel)
    card.recognise()
    expected = Expected(profile.chip_serial, 3)
    with KeepingPin(bytearray(b"1234")) as pin, contextlib.suppress(CardError):
        card.sign(Key.AUTHENTICATION, ES384, _digest("1.8"), pin, expected)
    assert len(pin.blocks) == 1
    assert not any(pin.blocks[0])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("6A88", NoCertificate),
        ("6985", CardNotActivated),
        ("6A80", CardUnreadable),
        ("6D00", CardNotActivated),
        (CardReset(), CardReset),
    ],
    ids=repr,
)
def test_a_refused_key_never_sees_the_pin(
    answer: Answer, error: type[CardError]
) -> None:
    """MSE comes before VERIFY, so that a card without the key costs no PIN."""
    recorder = Recorder(
        Fault(virtual_channel(_profile("1.8")), is_ins(INS.MSE), answer)
    )
    with pytest.raises(error):
        _sign(recorder, "1.8")
    assert recorder.instructions() == [INS.GET_CARD_DATA, INS.MSE]


def test_a_request_that_ended_meanwhile_costs_no_pin() -> None:
    """Somebody cancelled while the card was asked: no VERIFY, and so no LOG OFF."""
    stop = threading.Event()

    def cancel(apdu: Apdu) -> bool:
        if apdu[1] == INS.MSE:
            stop.set()
        return False

    recorder = Recorder(Fault(virtual_channel(_profile("1.8")), cancel, "6F00"))
    card = BeidCard(recorder)
    expected = Expected(card.recognise().chip_serial, card.pin_status().tries_left)
    recorder.sent.clear()
    with Pin(bytearray(b"1234")) as pin, pytest.raises(Stopped):
        card.sign(Key.AUTHENTICATION, ES384, _digest("1.8"), pin, expected, stop=stop)
    assert recorder.instructions() == [INS.GET_CARD_DATA, INS.MSE]


def test_a_kids_card_has_no_key() -> None:
    """No certificate, no key: said before the PIN goes anywhere."""
    recorder = Recorder(virtual_channel(load_profile("kids")))
    with pytest.raises(NoCertificate):
        _sign(recorder, "1.8")
    assert VERIFY not in recorder.sent


@pytest.mark.parametrize("version", ["10", "11"])
def test_old_cards_do_not_sign(version: str) -> None:
    """1.0 and 1.1 are read only: refused without a command."""
    data = "00" * 16 + f"A503010101{version}0002000101" + "0F9000"
    script = ScriptedChannel(("80E400001C", data))
    card = BeidCard(script)
    card.recognise()
    with Pin(bytearray(b"1234")) as pin, pytest.raises(UnsupportedCard):
        card.sign(Key.AUTHENTICATION, RS256, bytes(32), pin, Expected(bytes(16), None))
    assert script.sent == ["80E400001C"]


@pytest.mark.parametrize("algorithm", [ES384, RS256])
@pytest.mark.parametrize("size", [0, 20, 64])
def test_a_digest_of_the_wrong_length_is_refused(
    algorithm: SignatureAlgorithm, size: int
) -> None:
    """A mistake of ours must not cost the person a PIN."""
    profile = _profile("1.8")
    recorder = Recorder(virtual_channel(profile))
    card = BeidCard(recorder)
    card.recognise()
    recorder.sent.clear()
    with Pin(bytearray(b"1234")) as pin, pytest.raises(ValueError, match="signs"):
        card.sign(
            Key.AUTHENTICATION,
            algorithm,
            bytes(size),
            pin,
            Expected(profile.chip_serial, 3),
        )
    assert recorder.sent == []


def test_a_signature_of_the_wrong_size_is_refused() -> None:
    """A reader that loses bytes must not make a token that fails far away."""
    recorder = Recorder(
        Fault(virtual_channel(_profile("1.8")), is_ins(INS.GET_RESPONSE), "AABB9000")
    )
    with pytest.raises(CardUnreadable):
        _sign(recorder, "1.8")
    assert recorder.instructions()[-1] == INS.LOG_OFF


def test_a_reader_that_swallows_verify_gets_no_status_query() -> None:
    """On GemPC Pinpad the query never reaches the card: the tries stay unknown."""
    profile = _profile("1.7")
    recorder = Recorder(virtual_channel(profile))
    card = BeidCard(recorder, quirks=quirks("Gemalto GemPC Pinpad 00 00"))
    card.recognise()
    assert card.pin_status().tries_left is None
    expected = Expected(profile.chip_serial, None)
    with Pin(bytearray(b"1234")) as pin:
        card.sign(Key.AUTHENTICATION, RS256, _digest("1.7"), pin, expected)
    assert "0020000100" not in recorder.sent


@pytest.mark.parametrize("applet", CARDS)
def test_internal_authenticate_is_never_sent(applet: str) -> None:
    """5000 of them block a 1.7 card: reading and signing send none."""
    recorder = Recorder(virtual_channel(_profile(applet)))
    card = BeidCard(recorder)
    card.recognise()
    for ef in _profile(applet).files:
        card.read(ef)
    seen = set(recorder.instructions())
    _sign(recorder, applet)
    assert INS.INTERNAL_AUTHENTICATE not in seen | set(recorder.instructions())
