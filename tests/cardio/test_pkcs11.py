"""`Pkcs11Cards` and `Pkcs11Card` on SoftHSM2: recognition, login, signatures, slots."""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

from cardio import cryptoki
from cardio.beid.algorithms import ES384, RS256
from cardio.beid.beside import Beside
from cardio.card import Card, Expected, PinEntry
from cardio.channel import Stopped
from cardio.cryptoki import CKR, Cryptoki, Refused
from cardio.errors import (
    CardBusy,
    CardChanged,
    CardMute,
    ModuleUnusable,
    NoCertificate,
    NoReader,
    PinIncorrect,
    UnsupportedCard,
)
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.pkcs11_source import Pkcs11Cards
from cardio.signature import SignatureAlgorithm
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.cardio import softhsm
from tests.rig.pcscd import wait_until

PERSONAS = ("adult-1.7", "adult")
SHORT, LONG = 0.05, 10.0
PS256 = SignatureAlgorithm("PS256", "sha256", 32, 0, 256)


@dataclass
class Bench:
    """The tokens: the source, the library as it is, and the slots' names."""

    cards: Pkcs11Cards
    library: Any
    names: tuple[str, str]
    path: Path

    def open(self, number: int, **options: Any) -> closing[Card]:
        """Open the card of persona `number`."""
        return closing(self.cards.open(self.names[number], **options))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two tokens, an RSA card's and an EC card's; their slots are taken for readers.

    The readers beside them are empty, so that a LOG OFF finds no card to go to.
    """
    path = softhsm.module()
    if path is None:
        pytest.skip("softhsm2 is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    try:
        softhsm.make_tokens(folder, PERSONAS)
        library = softhsm.open_library(path.resolve())
        for number, persona in enumerate(PERSONAS):
            softhsm.personalise(library, number, persona)
        names = tuple(
            softhsm.token(library, number).slot.slot_description
            for number in range(len(PERSONAS))
        )
        beside = Beside(VirtualReaders(*names))
        cards = Pkcs11Cards(path, beside, hardware=False)
        yield Bench(cards, library, names, path)  # type: ignore[arg-type]  # two of them
    finally:
        os.environ.pop("SOFTHSM2_CONF")
        if before is not None:
            os.environ["SOFTHSM2_CONF"] = before


def pin(digits: str = softhsm.PIN) -> Pin:
    """Return a PIN that somebody typed."""
    return Pin(bytearray(digits.encode()))


def sign(
    card: Card,
    algorithm: SignatureAlgorithm,
    *,
    digits: str = softhsm.PIN,
    key: Key = Key.AUTHENTICATION,
) -> bytes:
    """Sign the hash of `text`, as the service does it."""
    expected = Expected(card.recognise().chip_serial, card.pin_status().tries_left)
    digest = hashlib.new(algorithm.hash_name, b"text").digest()
    with pin(digits) as secret:
        return card.sign(key, algorithm, digest, secret, expected)


def public_key(persona: str, key: Key = Key.AUTHENTICATION) -> Any:
    """Return the public key of a persona."""
    return load_profile(persona).keys[key].public_key()


def check_ecdsa(signature: bytes, key: ec.EllipticCurvePublicKey) -> None:
    """Verify r||s of P-384; raises InvalidSignature."""
    r, s = int.from_bytes(signature[:48]), int.from_bytes(signature[48:])
    der = utils.encode_dss_signature(r, s)
    key.verify(der, b"text", ec.ECDSA(hashes.SHA384()))


def logged_out(bench: Bench, number: int) -> bool:
    """Tell whether the token has no login in this process: its keys do not show."""
    session = softhsm.token(bench.library, number).open()
    try:
        wanted = {softhsm.Attribute.CLASS: softhsm.ObjectClass.PRIVATE_KEY}
        return not list(session.get_objects(wanted))
    finally:
        session.close()


# --- slots and recognition -----------------------------------------------------------


def test_slots_are_readers(bench: Bench) -> None:
    """By their descriptions; a token that is in counts as a card without an ATR."""
    states = {state.name: state for state in bench.cards.readers()}
    assert set(bench.names) <= set(states)
    assert all(states[name].atr == b"" for name in bench.names)
    assert bench.cards.readers() == bench.cards.readers()


def test_software_slots_are_no_readers(bench: Bench) -> None:
    """Unless asked for: nobody can put a card into them."""
    assert Pkcs11Cards(bench.path, None).readers() == ()


def test_a_watch_reports_once_and_can_be_cancelled(bench: Bench) -> None:
    """The first look is at once; a wait without news ends when it is called off."""
    watch = bench.cards.watch()
    assert watch.wait() == bench.cards.readers()
    results: list[object] = []
    waiting = threading.Thread(target=lambda: results.append(watch.wait()))
    waiting.start()
    watch.cancel()
    waiting.join(10)
    assert results == [None]


@pytest.mark.parametrize(("number", "applet"), [(0, "1.7"), (1, "1.8")])
def test_each_token_is_recognised_by_its_key(
    bench: Bench, number: int, applet: str
) -> None:
    """And two tokens are two cards, the same ones each time."""
    with bench.open(number) as card, bench.open(1 - number) as other:
        data = card.recognise()
        assert (data.applet, card.signs) == (applet, True)
        assert other.recognise().chip_serial != data.chip_serial
    with bench.open(number) as again:
        assert again.recognise() == data
        assert again.pin_entry is PinEntry.TYPED


def test_a_token_of_another_family_is_unsupported(bench: Bench) -> None:
    """SoftHSM2's free slot holds a token that is nobody's."""
    names = {state.name for state in bench.cards.readers()} - set(bench.names)
    (free,) = names
    with pytest.raises(UnsupportedCard):
        bench.cards.open(free)


def test_an_unknown_slot_is_no_reader(bench: Bench) -> None:
    """Named exactly or not at all."""
    with pytest.raises(NoReader):
        bench.cards.open("nowhere")


@pytest.mark.parametrize("number", [0, 1])
def test_certificates_come_without_padding(bench: Bench, number: int) -> None:
    """Those that are there, byte for byte; progress is told of them."""
    told: list[int] = []
    stored = load_profile(PERSONAS[number]).files[EF.AUTHENTICATION]
    with bench.open(number, progress=told.append) as card:
        certificate = card.read_certificate(EF.AUTHENTICATION)
        assert stored[: len(certificate)] == certificate
        assert not any(stored[len(certificate) :])
        assert told == [len(certificate)]
        assert card.has_certificate(EF.SIGNATURE)
        assert not card.has_certificate(EF.CA)
        with pytest.raises(NoCertificate):
            card.read_certificate(EF.CA)


def test_files_are_not_shown_by_such_a_module(bench: Bench) -> None:
    """Identity, address and photo: unsupported, not merely absent."""
    with bench.open(0) as card:
        assert not card.has_files
        for ef in (EF.IDENTITY, EF.ADDRESS, EF.PHOTO, EF.RRN):
            with pytest.raises(UnsupportedCard):
                card.read(ef)


def test_a_stopped_reading_ends_before_the_next_call(bench: Bench) -> None:
    """Nobody wants it any more."""
    stop = threading.Event()
    with bench.open(0, stop=stop) as card:
        card.recognise()
        stop.set()
        with pytest.raises(Stopped):
            card.read_certificate(EF.AUTHENTICATION)


# --- signatures ----------------------------------------------------------------------


def test_pkcs1_of_an_rsa_card(bench: Bench) -> None:
    """RS256 as the card itself makes it; the token is logged out afterwards."""
    with bench.open(0) as card:
        signature = sign(card, RS256)
    key = public_key("adult-1.7")
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, b"text", padding.PKCS1v15(), hashes.SHA256())
    assert logged_out(bench, 0)


def test_pss_of_an_rsa_card(bench: Bench) -> None:
    """The salt is as long as the digest."""
    with bench.open(0) as card:
        signature = sign(card, PS256)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    public_key("adult-1.7").verify(signature, b"text", scheme, hashes.SHA256())


def test_ecdsa_of_an_ec_card(bench: Bench) -> None:
    """ES384 as r||s, and no byte of DER around it."""
    with bench.open(1) as card:
        signature = sign(card, ES384)
        assert len(signature) == 96
        check_ecdsa(signature, public_key("adult"))
        check_ecdsa(sign(card, ES384), public_key("adult"))  # the same session again
    assert logged_out(bench, 1)


def test_a_key_that_always_asks_gets_its_login_before_the_signature(
    bench: Bench,
) -> None:
    """CKA_ALWAYS_AUTHENTICATE: refused by the token without one just before."""
    with bench.open(1) as card:
        signature = sign(card, ES384, key=Key.NON_REPUDIATION)
    check_ecdsa(signature, public_key("adult", Key.NON_REPUDIATION))


class Counted(Cryptoki):
    """The module's own functions, with a list of what was called."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.called: list[str] = []
        self.pins: list[bytearray | None] = []

    def login(
        self, session: int, pin: bytearray | None, *, context_specific: bool = False
    ) -> None:
        self.called.append("context login" if context_specific else "login")
        self.pins.append(pin)
        super().login(session, pin, context_specific=context_specific)

    def logout(self, session: int) -> None:
        self.called.append("logout")
        super().logout(session)

    def sign(self, session: int, data: bytes) -> bytes:
        self.called.append("sign")
        return super().sign(session, data)


@pytest.fixture
def counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count the calls of login, signature and logout."""
    calls = Counted(str(bench.path))
    monkeypatch.setattr(bench.cards._module, "_calls", calls)
    return calls


def test_every_signature_has_a_login_and_a_logout_of_its_own(
    bench: Bench, counted: Counted
) -> None:
    """SAFETY 7, in this order, each once; the PIN's buffer is wiped afterwards."""
    with bench.open(0) as card:
        for _ in range(2):
            counted.called.clear()
            sign(card, RS256)
            assert counted.called == ["logout", "login", "sign", "logout"]
    assert all(copy is not None and not any(copy) for copy in counted.pins)


def test_a_login_that_somebody_else_left_is_ended_first(
    bench: Bench, counted: Counted
) -> None:
    """A PIN that is wrong is found wrong, although the token was open for all."""
    with softhsm.logged_in(bench.library, 0), bench.open(0) as card:
        with pytest.raises(PinIncorrect):
            sign(card, RS256, digits="9999")
        assert counted.called == ["logout", "login", "logout"]
        assert logged_out(bench, 0)


def test_a_wrong_pin_is_one_login_and_no_signature(
    bench: Bench, counted: Counted
) -> None:
    """How many tries are left nobody knows here; the right PIN works afterwards."""
    with bench.open(0) as card:
        with pytest.raises(PinIncorrect) as caught:
            sign(card, RS256, digits="9999")
        assert caught.value.tries_left is None
        assert "9999" not in str(caught.value)
        assert counted.called.count("login") == 1
        assert "sign" not in counted.called
        assert all(copy is not None and not any(copy) for copy in counted.pins)
        sign(card, RS256)


def test_a_changed_card_gets_no_login(bench: Bench, counted: Counted) -> None:
    """Another identity, or other tries, than the question showed."""
    with bench.open(0) as card:
        serial = card.recognise().chip_serial
        for expected in (Expected(bytes(16), None), Expected(serial, 3)):
            with pin() as secret, pytest.raises(CardChanged):
                card.sign(Key.AUTHENTICATION, RS256, bytes(32), secret, expected)
    assert counted.called == []


def test_a_module_that_leaves_the_pin_right_does_not_sign(
    bench: Bench, counted: Counted
) -> None:
    """Without PC/SC, or with a slot that is no reader of it: refused, no login."""
    with_nothing = Pkcs11Cards(bench.path, None, hardware=False)
    elsewhere = Pkcs11Cards(bench.path, Beside(VirtualReaders("x")), hardware=False)
    for cards in (with_nothing, elsewhere):
        with (
            closing(cards.open(bench.names[0])) as card,
            pytest.raises(UnsupportedCard, match="PIN right"),
        ):
            sign(card, RS256)
    assert counted.called == []


def test_a_mechanism_that_the_module_lacks_costs_no_login(
    bench: Bench, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with OpenSC before 0.27 and a 1.8 card."""
    with bench.open(1) as card:
        slot = card._token.slot  # type: ignore[attr-defined]
        monkeypatch.setattr(slot, "mechanisms", frozenset)
        with pytest.raises(UnsupportedCard):
            sign(card, ES384)
    assert counted.called == []


def test_the_basic_key_is_never_signed_with(bench: Bench, counted: Counted) -> None:
    """SAFETY 3: over the official module that would be INTERNAL AUTHENTICATE."""
    with bench.open(1) as card, pytest.raises(UnsupportedCard):
        sign(card, ES384, key=Key.BASIC)
    assert counted.called == []


def test_a_failure_after_the_login_still_logs_out(
    bench: Bench, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong between the two."""

    def fail(session: int, data: bytes) -> bytes:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(counted, "sign", fail)
    with bench.open(0) as card, pytest.raises(RuntimeError, match="in the middle"):
        sign(card, RS256)
    assert counted.called == ["logout", "login", "logout"]
    assert logged_out(bench, 0)


def test_a_signature_that_never_began_in_time_never_comes(
    bench: Bench, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module was busy: no login later on, when nobody waits any more."""
    lane = bench.cards._module.lane
    release, began = threading.Event(), threading.Event()

    def busy() -> None:
        began.set()
        release.wait(LONG)

    with bench.open(0) as card:
        expected = Expected(card.recognise().chip_serial, None)
        other = threading.Thread(target=lambda: lane.run(busy, LONG))
        other.start()
        assert began.wait(LONG)
        monkeypatch.setattr("cardio.pkcs11_card.CALL_SECONDS", SHORT)
        with pin() as secret, pytest.raises(CardBusy):
            card.sign(Key.AUTHENTICATION, RS256, bytes(32), secret, expected)
        release.set()
        other.join(LONG)
        monkeypatch.undo()
    bench.cards.readers()
    assert counted.called == []


def test_a_login_given_up_goes_on_to_its_logout_with_its_pin(
    bench: Bench, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wiped in the middle, the PIN would reach the card as a wrong one.

    Nothing is signed when it is right at last: nobody waits for that any more.
    """
    release, ended = threading.Event(), threading.Event()
    login, logout = counted.login, counted.logout

    def slow(session: int, pin: bytearray | None, **which: bool) -> None:
        release.wait(LONG)
        login(session, pin, **which)

    def last(session: int) -> None:
        logout(session)
        if "login" in counted.called:
            ended.set()

    monkeypatch.setattr(counted, "login", slow)
    monkeypatch.setattr(counted, "logout", last)
    with bench.open(0) as card:
        expected = Expected(card.recognise().chip_serial, None)
        known = bench.cards.readers()
        with monkeypatch.context() as short:
            short.setattr("cardio.pkcs11_card.CALL_SECONDS", SHORT)
            with pin() as secret, pytest.raises(CardMute):
                card.sign(Key.AUTHENTICATION, RS256, bytes(32), secret, expected)
        assert bench.cards.readers() == known  # as before, while the login is open
        release.set()
        assert ended.wait(LONG)
    assert counted.called == ["logout", "login", "logout"]
    assert logged_out(bench, 0)


def sign_once(
    card: Card,
    stop: threading.Event | None = None,
    *,
    algorithm: SignatureAlgorithm = RS256,
) -> bytes:
    """Sign with a card that was recognised when it was opened."""
    digest = bytes(algorithm.digest_size)
    expected = Expected(card.card_data.chip_serial, None)
    with pin() as secret:
        return card.sign(
            Key.AUTHENTICATION, algorithm, digest, secret, expected, stop=stop
        )


class Busy:
    """Work that keeps the module's thread to itself until it is let go."""

    def __init__(self, bench: Bench) -> None:
        self.release = threading.Event()
        self._began = threading.Event()
        self._lane = bench.cards._module.lane
        self._caller = threading.Thread(target=self._lane.run, args=(self._work, LONG))
        self._caller.start()
        assert self._began.wait(LONG)

    def _work(self) -> None:
        self._began.set()
        self.release.wait(LONG)

    def wait_for_callers(self, count: int) -> None:
        """Return when so many calls wait for the thread."""
        wait_until(lambda: self._lane._calls.qsize() == count, "calls that wait")

    def end(self) -> None:
        """Let it go."""
        self.release.set()
        self._caller.join(LONG)


def test_a_request_that_ended_while_the_module_was_busy_gets_no_login(
    bench: Bench, counted: Counted
) -> None:
    """The person cancelled meanwhile: no PIN is asked or sent, the copy is wiped."""
    stop = threading.Event()
    with bench.open(0) as card:
        card.recognise()
        busy = Busy(bench)
        with ThreadPoolExecutor(1) as pool:
            signing = pool.submit(sign_once, card, stop)
            busy.wait_for_callers(1)
            stop.set()
            busy.end()
            with pytest.raises(Stopped):
                signing.result(LONG)
    assert "login" not in counted.called
    assert not bench.cards._signatures.under_way


def test_a_copy_of_the_pin_that_was_wiped_is_never_sent(
    bench: Bench, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module's thread came just when its caller gave up: zeros would cost a try."""
    late: list[Callable[[], bytes]] = []

    def too_late(work: Callable[[], bytes], seconds: float) -> bytes:
        late.append(work)
        raise CardMute("given up")

    lane = bench.cards._module.lane
    with bench.open(0) as card:
        card.recognise()
        with monkeypatch.context() as patched:
            patched.setattr(lane, "run", too_late)
            with pytest.raises(CardMute):
                sign_once(card)
        with pytest.raises(Stopped):
            lane.run(late[0], LONG)
    assert counted.called == []
    assert not bench.cards._signatures.under_way


def test_a_request_that_ended_during_its_login_is_not_signed(
    bench: Bench, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module's dialog was open then; its login is ended like any other."""
    stop = threading.Event()
    login = counted.login

    def cancelled(session: int, pin: bytearray | None, **which: bool) -> None:
        login(session, pin, **which)
        stop.set()

    monkeypatch.setattr(counted, "login", cancelled)
    with bench.open(0) as card:
        card.recognise()
        with pytest.raises(Stopped):
            sign_once(card, stop)
    assert counted.called == ["logout", "login", "logout"]
    assert logged_out(bench, 0)


def test_readers_are_not_looked_at_while_one_of_two_cards_signs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's end is not the second one's: its person may be typing a PIN."""
    known = bench.cards.readers()
    typing, release = threading.Event(), threading.Event()
    with bench.open(0) as first, bench.open(1) as second:
        check = second._check  # type: ignore[attr-defined]

        def waiting(*checked: Any) -> Any:
            typing.set()
            release.wait(LONG)
            return check(*checked)

        monkeypatch.setattr(second, "_check", waiting)
        for card in (first, second):
            card.recognise()
        busy = Busy(bench)
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(sign_once, first)
            busy.wait_for_callers(1)
            other = pool.submit(sign_once, second, algorithm=ES384)
            busy.wait_for_callers(2)
            busy.end()
            assert len(one.result(LONG)) == 256
            assert typing.wait(LONG)
            monkeypatch.setattr("cardio.pkcs11_source.CALL_SECONDS", SHORT)
            assert bench.cards.readers() == known
            release.set()
            assert len(other.result(LONG)) == 96
    assert not bench.cards._signatures.under_way


def test_a_pin_and_its_absence_are_not_mixed_up(bench: Bench) -> None:
    """A typed PIN is needed here; without one nothing is logged in."""
    with bench.open(0) as card:
        expected = Expected(card.recognise().chip_serial, None)
        with pytest.raises(CardChanged, match="PIN"):
            card.sign(Key.AUTHENTICATION, RS256, bytes(32), None, expected)


# --- return codes and modules that are none ------------------------------------------


def test_a_pin_buffer_can_be_emptied_after_the_call(bench: Bench) -> None:
    """The view of it that C_Login saw is gone, also when the PIN was wrong."""
    calls = Cryptoki(str(bench.path))
    secret = bytearray(b"9999")
    session = softhsm.token(bench.library, 0).open()
    try:
        with pytest.raises(Refused) as caught:
            calls.login(session.handle, secret)
        assert caught.value.code == CKR.PIN_INCORRECT
        del secret[:]
        short = bytearray(b"1")
        with pytest.raises(Refused) as caught:
            calls.login(session.handle, short)
        assert caught.value.code in (CKR.PIN_LEN_RANGE, CKR.PIN_INCORRECT)
    finally:
        session.close()


@pytest.mark.parametrize("content", [None, b"", b"not a library", "folder", "other"])
def test_a_file_that_is_no_module_is_said_to_be_none(
    tmp_path: Path, content: bytes | str | None
) -> None:
    """Absent, empty, text, a folder, or a library without C_GetFunctionList."""
    path = tmp_path / "module.so"
    if content == "folder":
        path.mkdir()
    elif content == "other":
        path = Path(softhsm.pkcs11.__file__).with_name("x")
        path = next(Path(softhsm.pkcs11.__file__).parent.glob("_pkcs11.*.so"))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(ModuleUnusable) as caught:
        Pkcs11Cards(path, None)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("missing", [0, 2, 6, 12, 18, 19, 24, 27, 42, 43, None])
def test_a_module_that_lacks_functions_is_refused_before_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int | None
) -> None:
    """To call a function that is not there would end the process.

    A FAKE of a library: no real module is like that. None: there is not even a list.
    """
    listed = cryptoki._FunctionList()
    for place in range(len(listed.functions)):
        listed.functions[place] = None if place == missing else 1

    def get_function_list(found: Any) -> int:
        found[0] = None if missing is None else ctypes.addressof(listed)
        return CKR.OK

    pointers = ctypes.POINTER(ctypes.c_void_p)
    kind = ctypes.CFUNCTYPE(ctypes.c_ulong, pointers)
    fake = SimpleNamespace(C_GetFunctionList=kind(get_function_list))
    path = tmp_path / "module.so"
    path.touch()
    with monkeypatch.context() as patched:
        patched.setattr(ctypes, "CDLL", lambda _: fake)
        with pytest.raises(ModuleUnusable, match="functions"):
            Pkcs11Cards(path, None)


def test_structures_have_the_size_of_the_standard() -> None:
    """Natural alignment on this system (CK_ULONG is a C unsigned long)."""
    ulong = ctypes.sizeof(ctypes.c_ulong)
    assert ctypes.sizeof(cryptoki.PssParameters) == 3 * ulong
