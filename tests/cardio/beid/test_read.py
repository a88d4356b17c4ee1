"""Reading: what comes out, in how few commands, and what bad readers do to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509

from cardio.apdu import INS
from cardio.beid.card import BeidCard
from cardio.beid.identity import parse_address, parse_identity
from cardio.channel import Apdu, Channel
from cardio.errors import (
    CardError,
    CardMute,
    CardNotActivated,
    CardRemoved,
    CardReset,
    CardUnreadable,
    FileAbsent,
    NoCertificate,
)
from cardio.files import EF
from cardio.virtual.personas import PERSONAS
from cardio.virtual.profile import load_profile
from tests.cardio.channels import (
    Answer,
    Fault,
    Recorder,
    ScriptedChannel,
    is_ins,
    virtual_channel,
)
from tests.cardio.expected import expected, expected_address

CARDS = [
    (name, applet) for name, persona in PERSONAS.items() for applet in persona.applets
]


def _card(channel: Channel) -> BeidCard:
    card = BeidCard(channel)
    card.recognise()
    return card


@pytest.mark.parametrize(("name", "applet"), CARDS)
@pytest.mark.parametrize("strict", [False, True])
def test_each_persona_reads_as_it_was_made(
    name: str, applet: str, strict: bool
) -> None:
    """Identity and address, field by field, and every file byte by byte."""
    profile = load_profile(name, applet=applet)
    card = _card(virtual_channel(profile, strict=strict))
    identity = parse_identity(card.read(EF.IDENTITY)).to_json()
    assert identity == expected(name, applet, profile)
    address = parse_address(card.read(EF.ADDRESS)).to_json()
    assert address == expected_address(name)
    for ef, data in profile.files.items():
        assert card.read(ef) == data


@pytest.mark.parametrize("applet", ["1.7", "1.8"])
def test_certificates_are_read_without_their_padding(applet: str) -> None:
    """A certificate ends where its DER ends, and no byte behind is asked for."""
    profile = load_profile("expired", applet=applet)
    recorder = Recorder(virtual_channel(profile))
    card = _card(recorder)
    for ef in (EF.AUTHENTICATION, EF.SIGNATURE, EF.CA, EF.ROOT, EF.RRN):
        recorder.sent.clear()
        der = card.read_certificate(ef)
        assert x509.load_der_x509_certificate(der)
        assert profile.files[ef].startswith(der)
        assert len(recorder.sent) == 1 + -(-len(der) // 256)
        *_, last = recorder.sent
        assert int(last[4:8], 16) + (int(last[8:10], 16) or 256) == len(der)


def test_reading_takes_few_commands() -> None:
    """Each file: one SELECT, full blocks, one 6Cxx at the end and nothing more."""
    profile = load_profile("adult")
    recorder = Recorder(virtual_channel(profile))
    card = _card(recorder)
    for ef in (EF.IDENTITY, EF.ADDRESS, EF.PHOTO, EF.IDENTITY_SIGNATURE):
        recorder.sent.clear()
        size = len(card.read(ef))
        assert len(recorder.sent) == 1 + size // 256 + (2 if size % 256 else 1)
    recorder.sent.clear()
    size = len(card.read(EF.BASIC_KEY))
    assert len(recorder.sent) == 3  # SELECT, 6Cxx, the whole: its length is known


def test_a_kids_card_has_no_certificates() -> None:
    """All zeros: no certificate, and only one block was looked at."""
    recorder = Recorder(virtual_channel(load_profile("kids")))
    card = _card(recorder)
    for ef in (EF.AUTHENTICATION, EF.SIGNATURE):
        recorder.sent.clear()
        with pytest.raises(NoCertificate):
            card.read_certificate(ef)
        assert len(recorder.sent) == 2


@pytest.mark.parametrize(("name", "has"), [("adult", True), ("kids", False)])
def test_a_look_at_the_certificate_is_two_commands(name: str, has: bool) -> None:
    """Whether a card can log in shows in the first bytes of one file."""
    recorder = Recorder(virtual_channel(load_profile(name)))
    card = _card(recorder)
    recorder.sent.clear()
    assert card.has_certificate(EF.AUTHENTICATION) is has
    assert len(recorder.sent) == 2
    absent = BeidCard(ScriptedChannel(("00A4080C", "6A82")))
    assert not absent.has_certificate(EF.AUTHENTICATION)


def test_a_missing_file_is_absent() -> None:
    """1.7 has no basic key: absent as a file, missing as a certificate."""
    card = _card(virtual_channel(load_profile("adult-1.7")))
    with pytest.raises(FileAbsent):
        card.read(EF.BASIC_KEY)
    script = ScriptedChannel(("00A4080C", "6A82"))
    with pytest.raises(NoCertificate):
        BeidCard(script).read_certificate(EF.AUTHENTICATION)


def _reads_at(offset: int) -> Callable[[Apdu], bool]:
    """Pick READ BINARY at this offset."""

    def hits(apdu: Apdu) -> bool:
        return apdu[1] == INS.READ_BINARY and apdu[2:4] == offset.to_bytes(2, "big")

    return hits


@pytest.mark.parametrize("hiccup", ["6986", "6B00", "9000"])
@pytest.mark.parametrize("offset", [0, 256, 512])
def test_a_readers_hiccup_loses_nothing(hiccup: str, offset: int) -> None:
    """Some readers answer nonsense once in the middle of a file: asked again."""
    profile = load_profile("adult")
    faulty = Fault(virtual_channel(profile), _reads_at(offset), hiccup)
    card = _card(faulty)
    assert card.read(EF.PHOTO) == profile.files[EF.PHOTO]
    faulty = Fault(virtual_channel(profile), _reads_at(offset), hiccup)
    certificate = _card(faulty).read_certificate(EF.AUTHENTICATION)
    assert profile.files[EF.AUTHENTICATION].startswith(certificate)
    assert len(certificate) > offset


@pytest.mark.parametrize("status", ["6986", "9000", "6400", "6581", "6982"])
def test_a_lasting_refusal_is_unreadable(status: str) -> None:
    """Asked again once and no more; nothing half-read is given out."""
    faulty = Fault(
        virtual_channel(load_profile("adult")),
        _reads_at(512),
        status,
        times=99,
    )
    with pytest.raises(CardUnreadable):
        _card(faulty).read(EF.PHOTO)


@pytest.mark.parametrize("status", ["6283", "6985", "6D00"])
@pytest.mark.parametrize("ins", [INS.SELECT, INS.READ_BINARY])
def test_a_card_that_is_not_activated_is_named(ins: INS, status: str) -> None:
    """Fresh cards refuse their files until the town hall activates them."""
    faulty = Fault(
        virtual_channel(load_profile("adult")), is_ins(ins), status, times=99
    )
    with pytest.raises(CardNotActivated):
        _card(faulty).read(EF.IDENTITY)


@pytest.mark.parametrize("error", [CardRemoved(), CardReset(), CardMute()])
def test_a_vanished_card_ends_the_read(error: CardError) -> None:
    """What the channel reports in the middle of a file reaches the caller as it is."""
    faulty = Fault(virtual_channel(load_profile("adult")), _reads_at(256), error)
    with pytest.raises(type(error)):
        _card(faulty).read(EF.PHOTO)


@pytest.mark.parametrize(
    ("answer", "ef"),
    [
        ("41" * 256 + "9000", EF.PHOTO),
        ("30827FFF" + "41" * 252 + "9000", EF.AUTHENTICATION),
        ("3080" + "41" * 254 + "9000", EF.AUTHENTICATION),
        ("30820400" + "41" * 10 + "9000", EF.AUTHENTICATION),
        ("6100", EF.PHOTO),
    ],
)
def test_a_file_without_end_is_given_up(answer: Answer, ef: EF) -> None:
    """Endless, oversized and cut-off files end as CardUnreadable, within bounds."""
    inner = virtual_channel(load_profile("adult"))
    always = Fault(inner, is_ins(INS.READ_BINARY), answer, times=9999)
    recorder = Recorder(Fault(always, is_ins(INS.GET_RESPONSE), "6100", times=9999))
    card = _card(recorder)
    read = card.read if ef is EF.PHOTO else card.read_certificate
    with pytest.raises(CardUnreadable):
        read(ef)
    assert len(recorder.sent) < 300


def test_an_old_card_is_read_without_a_status_query() -> None:
    """Applet 1.1 counts a VERIFY without data as a wrong PIN: it never gets one."""
    script = ScriptedChannel(
        ("80E400001C", "00" * 16 + "A503010101110002000101" + "0F9000"),
        ("80E400001C", "00" * 16 + "A503010101110002000101" + "0F9000"),
    )
    status = _card(script).pin_status()
    assert (status.tries_left, status.blocked) == (None, False)
    assert script.sent == ["80E400001C"] * 2
