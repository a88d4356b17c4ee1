"""Sleep, remote sessions and readers that lie, played by a scripted winscard."""

from __future__ import annotations

import time

import pytest

from cardio import apdu
from cardio.errors import (
    CardReset,
    ServiceRefused,
    ServiceStopped,
    ServiceUnavailable,
)
from cardio.files import ATR_1_8
from tests.cardio.fake_winscard import (
    AWAY,
    EMPTY,
    PNP,
    PRESENT,
    FakeWinscard,
    inserted,
)
from tests.cardio.watching import watching

pcsc = pytest.importorskip("cardio.pcsc", reason="pyscard is not installed")
scard = pcsc.scard
MUTE = scard.SCARD_STATE_MUTE

LOSSES = {
    "service stopped": scard.SCARD_E_SERVICE_STOPPED,
    "no service": scard.SCARD_E_NO_SERVICE,
    "invalid handle": scard.SCARD_E_INVALID_HANDLE,
    "comm error": scard.SCARD_F_COMM_ERROR,
    "system cancelled": scard.SCARD_E_SYSTEM_CANCELLED,
    "shutdown": scard.SCARD_P_SHUTDOWN,
    "internal error": scard.SCARD_F_INTERNAL_ERROR,
    "Windows' invalid handle": 0x06,
    "Windows' broken pipe": 0x6D,
    "never heard of": 0x80100FFF,
}
losses = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@pytest.fixture
def winscard(monkeypatch: pytest.MonkeyPatch) -> FakeWinscard:
    """Two readers without keys, one with a card."""
    monkeypatch.setattr(pcsc._Pads, "has", lambda *_: False)
    return FakeWinscard(monkeypatch, {"A": inserted(1), "B": (EMPTY, b"")})


BOTH = {"A": ATR_1_8, "B": None}


@pytest.mark.parametrize("sign", [0, 1 << 32], ids=["unsigned", "signed"])
@losses
def test_a_watch_goes_on_after_a_loss(
    winscard: FakeWinscard, loss: int, sign: int
) -> None:
    """No readers, which ends every card's stay, then at once all of them anew."""
    with watching() as reports:
        assert reports.next() == BOTH
        winscard.wake_with((loss & 0xFFFFFFFF) - (sign if loss > 0xFFFF else 0))
        assert reports.next() == {}
        assert reports.next() == BOTH
        assert winscard.contexts == 2
        winscard.readers["B"] = inserted(1)
        winscard.wake()
        assert reports.next() == {"A": ATR_1_8, "B": ATR_1_8}
    assert not winscard.open


def test_a_service_that_stays_away_is_looked_for_now_and_then(
    winscard: FakeWinscard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look is one call; nothing is said until it is there."""
    assert pcsc._LOOK_SECONDS == 5
    monkeypatch.setattr(pcsc, "_LOOK_SECONDS", 0.2)
    with watching() as reports:
        reports.next()
        winscard.codes["establish"].extend([scard.SCARD_E_NO_SERVICE] * 4)
        began = time.monotonic()
        winscard.calls.clear()
        winscard.wake_with(scard.SCARD_E_SERVICE_STOPPED)
        assert reports.next() == {}
        assert reports.next() == BOTH
        assert time.monotonic() - began >= 4 * 0.2
        away = winscard.calls[: winscard.calls.index("list")]
        assert away[away.index("wait") :] == ["wait", "release", *["establish"] * 5]


def test_a_service_that_fails_again_and_again_is_not_run_after(
    winscard: FakeWinscard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first loss in a while is followed by a look at once."""
    monkeypatch.setattr(pcsc, "_LOOK_SECONDS", 0.5)
    with watching() as reports:
        reports.next()
        for _ in range(3):
            winscard.wake_with(scard.SCARD_F_INTERNAL_ERROR)
        began = time.monotonic()
        for _ in range(3):
            assert reports.next() == {}
            assert reports.next() == BOTH
        assert time.monotonic() - began >= 2 * 0.5


def test_the_last_reader_goes_and_one_comes(winscard: FakeWinscard) -> None:
    """No readers available is no loss: the same context, the same wait."""
    with watching() as reports:
        assert reports.next() == BOTH
        kept = dict(winscard.readers)
        winscard.readers.clear()
        winscard.wake()
        while (report := reports.next()) != {}:
            assert set(report) <= set(BOTH)
        winscard.readers |= kept
        winscard.wake()
        assert reports.next() == BOTH
        assert winscard.contexts == 1
        assert set(winscard.waits) == {scard.INFINITE}


def test_a_reader_that_is_back_at_once_was_away(winscard: FakeWinscard) -> None:
    """As after a sleep: the same name, the same count, another card perhaps."""
    with watching() as reports:
        assert reports.next() == BOTH
        winscard.wake(gone={"A"})
        assert reports.next() == {"B": None}
        assert reports.next() == BOTH


def test_a_reader_away_among_others_is_told_once(winscard: FakeWinscard) -> None:
    """What happens in another reader does not make it go again."""
    winscard.readers["A"] = AWAY, b""
    with watching() as reports:
        assert reports.next() == {"A": None, "B": None}
        winscard.readers["B"] = inserted(1)
        winscard.wake()
        assert reports.next() == {"A": None, "B": ATR_1_8}


@pytest.mark.parametrize("call", ["list", "look"])
@pytest.mark.parametrize(
    "code", [scard.SCARD_E_READER_UNAVAILABLE, scard.SCARD_E_UNKNOWN_READER]
)
def test_a_reader_that_goes_during_a_look_ends_no_other_stay(
    winscard: FakeWinscard, call: str, code: int
) -> None:
    """Both ways to look do it again."""
    with watching() as reports:
        assert reports.next() == BOTH
        winscard.codes[call].append(code)
        winscard.readers["B"] = inserted(1)
        winscard.wake()
        assert reports.next() == {"A": ATR_1_8, "B": ATR_1_8}
        winscard.codes[call].append(code)
        assert len(pcsc.PcscReaders().readers()) == 2


def test_a_session_that_tells_of_no_new_readers_is_watched_all_the_same(
    winscard: FakeWinscard,
) -> None:
    """Where the pseudo-reader is unknown, a wait ends after a while to look."""
    winscard.pnp = False
    with watching() as reports:
        while not (report := reports.next()):
            pass
        assert report == BOTH
        winscard.readers["C"] = inserted(1)
        winscard.wake_with(scard.SCARD_E_TIMEOUT)
        assert reports.next() == {**BOTH, "C": ATR_1_8}
        assert scard.INFINITE not in winscard.waits


def test_a_reader_that_cries_wolf_costs_little(winscard: FakeWinscard) -> None:
    """Waits that end at once with nothing new are spread out."""
    with watching() as reports:
        reports.next()
        for _ in range(1000):
            winscard.wake()
        began = time.monotonic()
        assert winscard.called("wait", 6)
        assert time.monotonic() - began > 0.4
        assert reports.nothing_more()
        winscard.readers["A"] = EMPTY, b""
        assert reports.next() == {"A": None, "B": None}


@losses
def test_whatever_listing_says_is_a_service_away(
    winscard: FakeWinscard, loss: int
) -> None:
    """`readers` has one way to fail."""
    for call in ("establish", "list", "look"):
        winscard.codes[call].append(loss)
        with pytest.raises(ServiceUnavailable):
            pcsc.PcscReaders().readers()


@pytest.mark.parametrize("call", ["establish", "list", "look"])
@pytest.mark.parametrize(
    "code", [scard.SCARD_E_NO_SERVICE, scard.SCARD_E_SERVICE_STOPPED]
)
def test_a_service_that_stops_without_readers_means_none(
    winscard: FakeWinscard, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """On Windows, where nobody can start it without plugging a reader in."""
    monkeypatch.setattr(pcsc, "_STOPS_WITHOUT_READERS", True)
    winscard.codes[call].append(code)
    assert pcsc.PcscReaders().readers() == ()


@pytest.mark.parametrize("call", ["establish", "list", "look"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (scard.SCARD_E_NO_SERVICE, ServiceStopped),
        (scard.SCARD_E_SERVICE_STOPPED, ServiceStopped),
        (scard.SCARD_W_SECURITY_VIOLATION, ServiceRefused),
        (scard.SCARD_F_COMM_ERROR, ServiceUnavailable),
    ],
)
def test_why_the_service_is_of_no_use_is_told_apart(
    winscard: FakeWinscard, call: str, code: int, kind: type[ServiceUnavailable]
) -> None:
    """It does not run, does not let this user in, or something else."""
    winscard.codes[call].append(code)
    with pytest.raises(ServiceUnavailable) as caught:
        pcsc.PcscReaders().readers()
    assert type(caught.value) is kind


# --- a card after a sleep ------------------------------------------------------------

RESETS = [scard.SCARD_W_RESET_CARD, scard.SCARD_W_UNPOWERED_CARD]


@pytest.mark.parametrize("code", RESETS)
@pytest.mark.parametrize("call", ["connect", "status", "begin"])
def test_a_card_without_power_gets_it_before_anything_is_lost(
    winscard: FakeWinscard, call: str, code: int
) -> None:
    """A PIN that was typed meanwhile can be sent: nothing of ours was on the card."""
    winscard.codes[call].append(code)
    channel = pcsc.PcscReaders().connect("A")
    with channel.transaction():
        assert channel.transmit(apdu.get_card_data()).sw == 0x9000
    channel.close()


@pytest.mark.parametrize("code", RESETS)
def test_a_card_that_loses_its_power_in_the_middle_says_so(
    winscard: FakeWinscard, code: int
) -> None:
    """Once, since rights are gone; a second time at connecting it is an error."""
    channel = pcsc.PcscReaders().connect("A")
    winscard.codes["transmit"].append(code)
    with channel.transaction():
        with pytest.raises(CardReset):
            channel.transmit(apdu.get_card_data())
        assert channel.transmit(apdu.get_card_data()).sw == 0x9000
    channel.close()
    winscard.codes["connect"].extend([code, code])
    with pytest.raises(CardReset):
        pcsc.PcscReaders().connect("A")


@pytest.mark.parametrize("code", [0x06, 0x6D, scard.SCARD_E_SYSTEM_CANCELLED])
def test_a_remote_session_that_went_is_a_service_away(
    winscard: FakeWinscard, code: int
) -> None:
    """In the middle of a card."""
    channel = pcsc.PcscReaders().connect("A")
    winscard.codes["transmit"].append(code)
    with pytest.raises(ServiceUnavailable):
        channel.transmit(apdu.get_card_data())
    channel.close()


# --- what a reader can say -----------------------------------------------------------


def test_a_name_that_pyscard_cannot_take_stops_no_other_reader(
    winscard: FakeWinscard,
) -> None:
    """Not ASCII (UnicodeEncodeError with pcscd), none, twice, the pseudo-reader."""
    for name in ("\u202elive", "L\u00e9cteur", "", PNP, "\x1b[31m"):
        winscard.readers[name] = EMPTY, b""
    names = [state.name for state in pcsc.PcscReaders().readers()]
    assert names == ["A", "B", "\x1b[31m"]
    with watching() as reports:
        assert reports.next() == {**BOTH, "\x1b[31m": None}


def test_a_name_that_is_no_text_is_survived(
    winscard: FakeWinscard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyscard (seen with pcscd) raises SystemError for all: the watch goes on."""
    monkeypatch.setattr(pcsc, "_LOOK_SECONDS", 0.01)
    listing = scard.SCardListReaders

    def broken(*_: object) -> object:
        raise SystemError("returned a result with an exception set")

    with watching() as reports:
        assert reports.next() == BOTH
        monkeypatch.setattr(scard, "SCardListReaders", broken)
        winscard.wake()
        assert reports.next() == {}
        with pytest.raises(ServiceUnavailable):
            pcsc.PcscReaders().readers()
        monkeypatch.setattr(scard, "SCardListReaders", listing)
        assert reports.next() == BOTH


@pytest.mark.parametrize(
    ("event", "atr", "seen"),
    [
        (PRESENT, ATR_1_8, ATR_1_8),
        (PRESENT, b"\xff" * 36, b"\xff" * 36),
        (PRESENT, b"\x00", b"\x00"),
        (PRESENT, b"", b""),
        (PRESENT | MUTE, b"", b""),
        (PRESENT | MUTE, ATR_1_8, b""),
        (PRESENT | EMPTY, ATR_1_8, None),
        (PRESENT | AWAY, ATR_1_8, None),
        (EMPTY, ATR_1_8, None),
        (MUTE, ATR_1_8, None),
        (0, b"", None),
        (0xFFFFFFFF, ATR_1_8, None),
    ],
)
def test_states_that_contradict_themselves_are_read_with_care(
    winscard: FakeWinscard, event: int, atr: bytes, seen: bytes | None
) -> None:
    """A card is believed where nothing speaks against it."""
    winscard.readers = {"A": (event, atr)}
    (state,) = pcsc.PcscReaders().readers()
    assert state.atr == seen
    assert PNP not in state.name


def test_readers_of_windows_itself_are_left_out(winscard: FakeWinscard) -> None:
    """They hold no card that a person could put in, and are never asked."""
    winscard.readers["Windows Hello for Business 1"] = inserted(1)
    assert {state.name for state in pcsc.PcscReaders().readers()} == set(BOTH)
    with watching() as reports:
        assert reports.next() == BOTH
