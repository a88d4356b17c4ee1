"""The road over the official module, as far as a fake of it can show it.

NOT RUN: the real module. See `tests.cardio.fake_official_module` for what is played.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

from pkcs11 import Attribute, TokenNotPresent

from agent import relyingparty as rp
from agent.protocol import AuthenticateRequest
from agent.ui import Login
from cardio import pkcs11
from cardio.apdu import INS
from cardio.beid.algorithms import ES384
from cardio.beid.beside import Beside
from cardio.card import Card, Expected, PinEntry
from cardio.cryptoki import CKR, Refused
from cardio.errors import (
    CardChanged,
    CardRemoved,
    FileAbsent,
    MalformedData,
    NoCertificate,
)
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.pkcs11_source import Pkcs11Cards
from cardio.virtual import pki
from cardio.virtual.card import VirtualCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.people import NONCE, PORTAL, Agent, Answer, Person, running
from tests.cardio.fake_official_module import SLOT, FakeOfficialModule
from tests.rig.transcript import RecordedCard

pytestmark = pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards")

#: Until a removal is told.
SECONDS = 2.0


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeOfficialModule:
    """A fake module with the default persona's card in it."""
    module = FakeOfficialModule(load_profile("adult"))
    monkeypatch.setattr(pkcs11, "_start", lambda _: (module, module))
    return module


@pytest.fixture
def source(fake: FakeOfficialModule, tmp_path: Path) -> Pkcs11Cards:
    """The fake's slots, without PC/SC beside them."""
    path = tmp_path / "fake-module.so"
    path.touch()
    return Pkcs11Cards(path, None)


@asynccontextmanager
async def agent(source: Pkcs11Cards, person: Person) -> AsyncIterator[Agent]:
    """Run an agent over the fake."""
    async with running(person=person, source=source) as running_agent:
        yield running_agent


def opened(source: Pkcs11Cards) -> closing[Card]:
    """Open the card in the fake's slot."""
    return closing(source.open(SLOT))


@pytest.mark.parametrize("persona", ["adult", "adult-1.7", "kids"])
def test_fake_card_data_tell_applet_and_chip_serial(
    fake: FakeOfficialModule, source: Pkcs11Cards, persona: str
) -> None:
    """From the data object that holds GET CARD DATA."""
    fake.profile = load_profile(persona)
    with opened(source) as card:
        data = card.recognise()
        assert data.applet == fake.profile.applet
        assert data.chip_serial == fake.profile.chip_serial
        assert card.pin_entry is PinEntry.MODULE
        assert card.has_files


def test_fake_files_are_read_whole(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """SAFETY 6: as stored, padding included; the RRN certificate without it."""
    with opened(source) as card:
        for ef in (
            EF.IDENTITY,
            EF.IDENTITY_SIGNATURE,
            EF.ADDRESS,
            EF.ADDRESS_SIGNATURE,
            EF.PHOTO,
        ):
            assert card.read(ef) == fake.profile.files[ef]
        rrn = card.read_certificate(EF.RRN)
        assert fake.profile.files[EF.RRN].rstrip(b"\0").startswith(rrn)
        with pytest.raises(FileAbsent):
            card.read(EF.CDF)


def test_fake_absent_files_are_absent(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """A Kids card has no certificate to log in with."""
    fake.profile = load_profile("kids")
    with opened(source) as card:
        assert not card.has_certificate(EF.AUTHENTICATION)
        with pytest.raises(NoCertificate):
            card.read_certificate(EF.AUTHENTICATION)


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_fake_login_has_one_question_and_one_dialog(
    fake: FakeOfficialModule, source: Pkcs11Cards, persona: str
) -> None:
    """No PIN is typed here; the token is one that a portal accepts.

    Before, one about a try that may be the last: nobody tells how many are left.
    """
    fake.profile = load_profile(persona)
    person = Person()
    async with agent(source, person) as running_agent:
        answer = await running_agent.login()
    assert answer.status == 200, answer.body
    assert [type(question) for question in person.questions] == [Login, Login]
    assert person.last_tries == 1
    assert person.elsewhere == [PinEntry.MODULE]
    assert (fake.dialogs, fake.signed, fake.logged_in) == (1, 1, False)
    validator = rp.TokenValidator(
        PORTAL, pki.test_roots(), allow_test=True, revocation=None
    )
    assert validator.validate(answer.body, NONCE).surname


def test_fake_dialog_takes_no_pin_that_was_typed_here(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """Asked here, and now it is to be typed there: another slot or module."""
    with opened(source) as card, Pin(bytearray(b"1234")) as pin:
        expected = Expected(card.recognise().chip_serial, None)
        with pytest.raises(CardChanged, match="another place"):
            card.sign(Key.AUTHENTICATION, ES384, bytes(48), pin, expected)
    assert (fake.dialogs, fake.signed) == (0, 0)


async def test_fake_login_of_somebody_else_is_not_used(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """SAFETY 7: the module would sign with any PIN right; ours asks all the same."""
    fake.logged_in = True
    async with agent(source, Person()) as running_agent:
        assert (await running_agent.login()).status == 200
        assert (await running_agent.login()).status == 200
    assert (fake.dialogs, fake.signed, fake.logged_in) == (2, 2, False)


async def test_fake_dialog_does_not_open_for_a_person_who_refuses(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """The question of ours comes first."""
    async with agent(source, Person(agrees=False)) as running_agent:
        answer = await running_agent.login()
    assert answer.body["code"] == "user-denied"
    assert (fake.dialogs, fake.signed) == (0, 0)


@pytest.mark.parametrize(
    ("code", "called"),
    [
        (CKR.FUNCTION_CANCELED, "user-cancelled"),
        (CKR.CANCEL, "user-cancelled"),
        (CKR.PIN_INCORRECT, "pin-incorrect"),
        (CKR.PIN_LOCKED, "pin-blocked"),
        (CKR.PIN_LEN_RANGE, "user-cancelled"),
        (CKR.PIN_EXPIRED, "card-not-activated"),
        (CKR.USER_PIN_NOT_INITIALIZED, "card-not-activated"),
        (CKR.SESSION_HANDLE_INVALID, "card-removed"),
        (CKR.TOKEN_NOT_RECOGNIZED, "unsupported-card"),
        (CKR.DEVICE_REMOVED, "card-removed"),
        (CKR.TOKEN_NOT_PRESENT, "card-removed"),
        (CKR.USER_ALREADY_LOGGED_IN, "unsupported-card"),
    ],
)
async def test_fake_dialog_ends_are_typed_and_nothing_repeats(
    fake: FakeOfficialModule, source: Pkcs11Cards, code: CKR, called: str
) -> None:
    """One dialog, no signature; how many tries are left is not invented."""
    fake.dialog = [code]
    async with agent(source, Person()) as running_agent:
        answer = await running_agent.login()
    assert answer.body["code"] == called
    assert "triesLeft" not in answer.body
    assert ": 0" not in answer.body["title"]
    assert (fake.dialogs, fake.signed, fake.logged_in) == (1, 0, False)


@pytest.mark.parametrize("agrees", [True, False])
async def test_fake_second_try_is_the_last_and_is_asked_about(
    fake: FakeOfficialModule, source: Pkcs11Cards, agrees: bool
) -> None:
    """Without PC/SC beside it the flag alone tells that; used by who agrees alone."""

    class Patient(Person):
        patient = True

        async def last_try(self, question: Login) -> bool:
            agreed = await super().last_try(question)
            return agreed and (agrees or not question.wrong)

    fake.dialog, fake.flags_last_try = [CKR.PIN_INCORRECT, CKR.OK], True
    person = Patient()
    async with agent(source, person) as running_agent:
        answer = await running_agent.login()
    asked = [question for question in person.questions if isinstance(question, Login)]
    assert [question.tries_left for question in asked[:3]] == [None, None, 1]
    assert person.last_tries == 2
    if agrees:
        assert (answer.status, fake.dialogs, fake.signed) == (200, 2, 1)
    else:
        assert (answer.body["code"], fake.dialogs) == ("user-denied", 1)


@pytest.mark.parametrize(("call", "dialogs"), [("logout", 0), ("login", 1)])
async def test_fake_dialog_and_signature_do_not_come_after_the_request(
    fake: FakeOfficialModule,
    source: Pkcs11Cards,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    dialogs: int,
) -> None:
    """Cancelled before its dialog opened, or while it was open: nothing is signed."""
    begun, go = threading.Event(), threading.Event()
    really = getattr(fake, call)

    def slowly(*given: Any, **named: Any) -> None:
        begun.set()
        assert go.wait(20)
        really(*given, **named)

    monkeypatch.setattr(fake, call, slowly)
    async with agent(source, Person()) as running_agent:
        request = asyncio.create_task(
            running_agent.service.authenticate(PORTAL, AuthenticateRequest(NONCE), "en")
        )
        assert await asyncio.to_thread(begun.wait, 10)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        go.set()
        async with asyncio.timeout(10):
            await running_agent.service._reservations.idle()
    assert (fake.dialogs, fake.signed, fake.logged_in) == (dialogs, 0, False)


async def test_fake_tries_come_from_pcsc_beside_it(
    fake: FakeOfficialModule, tmp_path: Path
) -> None:
    """With one try left the person is asked about that first."""
    fake.profile = load_profile("one-try")
    readers = VirtualReaders(SLOT)
    readers.insert(VirtualCard(fake.profile))
    path = tmp_path / "fake-module.so"
    path.touch()
    person = Person()
    async with agent(Pkcs11Cards(path, Beside(readers)), person) as running_agent:
        answer = await running_agent.login()
    assert answer.status == 200, answer.body
    assert person.last_tries == 1
    asked = [question for question in person.questions if isinstance(question, Login)]
    assert [question.tries_left for question in asked] == [1, 1]


async def test_fake_identity_is_given_with_its_proof(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """All that a portal needs to believe it; no login for it."""
    async with agent(source, Person()) as running_agent:
        answer = await running_agent.identity("identity", "address", "photo")
    assert answer.status == 200, answer.body
    verified = rp.verify_identity(answer.body, pki.test_roots(), allow_test=True)
    assert verified.data_authentic
    assert verified.photo == fake.profile.files[EF.PHOTO]
    assert fake.dialogs == 0


async def test_fake_card_pulled_is_removed(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """An empty slot is an empty reader, and is seen as a change."""
    before = source.readers()
    fake.present = False
    after = source.readers()
    assert [state.atr for state in (*before, *after)] == [b"", None]
    assert after[0].insertion != before[0].insertion
    async with agent(source, Person()) as running_agent:
        answer = await running_agent.login()
    assert answer.body["code"] == "no-card"


async def test_fake_logout_that_fails_is_made_good_through_pcsc(
    fake: FakeOfficialModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module holds the login for ended then, and asks the card no second time."""

    def failing(session: int) -> None:
        if not fake.logged_in:
            raise Refused("C_Logout", CKR.USER_NOT_LOGGED_IN)
        fake.logged_in = False
        raise Refused("C_Logout", 0x30)  # CKR_DEVICE_ERROR

    monkeypatch.setattr(fake, "logout", failing)
    card = RecordedCard(fake.profile)
    readers = VirtualReaders(SLOT)
    readers.insert(card)
    path = tmp_path / "fake-module.so"
    path.touch()
    async with agent(Pkcs11Cards(path, Beside(readers)), Person()) as running_agent:
        answer = await running_agent.login()
    assert answer.body["code"] == "card-unreadable"
    assert (fake.signed, card.count(INS.LOG_OFF)) == (1, 1)


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_fake_certificate_that_is_cut_off_is_unreadable(
    fake: FakeOfficialModule, source: Pkcs11Cards, cut: int
) -> None:
    """Not handed on for a whole one."""
    whole = fake.profile.files
    short = {**whole, EF.RRN: whole[EF.RRN][:cut]}
    fake.profile = replace(fake.profile, files=short)
    with opened(source) as card, pytest.raises(MalformedData):
        card.read_certificate(EF.RRN)


def test_fake_attribute_without_its_form_is_unreadable(
    fake: FakeOfficialModule, source: Pkcs11Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As python-pkcs11 says it: by an error that is none of its own."""

    def odd(template: object) -> Any:
        raise struct.error("unpack requires a buffer of 1 bytes")

    monkeypatch.setattr(fake, "_find", odd)
    with opened(source) as card, pytest.raises(MalformedData):
        card.read(EF.IDENTITY)


def test_fake_readers_of_windows_itself_are_left_out(
    fake: FakeOfficialModule, source: Pkcs11Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can put a card into them, and the module lists them as slots."""
    (slot,) = fake.get_slots()
    windows = SimpleNamespace(**vars(slot))
    windows.slot_description = "Windows Hello for Business 1"
    monkeypatch.setattr(fake, "get_slots", lambda: [windows, slot])
    assert [state.name for state in source.readers()] == [SLOT]


def test_fake_card_pulled_or_swapped_under_an_open_session(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """Nothing that the module remembers of the first card passes for the second's."""
    with opened(source) as card:
        card.recognise()
        fake.profile = load_profile("adult-1.7")
        with pytest.raises(CardChanged):
            card.recognise()
        fake.present = False
        for look in (card.recognise, card.pin_status):
            with pytest.raises(CardRemoved):
                look()


async def test_fake_card_swapped_between_two_looks_is_noticed(
    fake: FakeOfficialModule, source: Pkcs11Cards
) -> None:
    """By its serial, when it is opened: the reader's insertion changes."""
    before = source.readers()
    fake.profile = load_profile("adult-1.7")
    with opened(source):
        pass
    assert source.readers()[0].insertion != before[0].insertion


class PulledModule(FakeOfficialModule):
    """Its card is pulled at the `at`-th call that needs it: before, or after it."""

    at = calls = 0
    before = True

    @contextmanager
    def _card(self, gone: Exception) -> Iterator[None]:
        self.calls += 1
        now = self.calls == self.at
        if now and self.before:
            self._pull()
        if not self.present:
            raise gone
        yield
        if now:
            self._pull()

    def _pull(self) -> None:
        self.present = self.logged_in = False

    def _token(self) -> Any:
        with self._card(TokenNotPresent()):
            return super()._token()

    def _find(self, template: dict[Attribute, Any]) -> Iterator[Any]:
        with self._card(TokenNotPresent()):
            found = list(super()._find(template))
        yield from found

    def login(self, *given: Any, **named: Any) -> None:
        """The dialog ends with the card's stay."""
        with self._card(Refused("C_Login", CKR.DEVICE_REMOVED)):
            super().login(*given, **named)

    def logout(self, session: int) -> None:
        """As the real one says it of a card that is gone."""
        with self._card(Refused("C_Logout", CKR.DEVICE_REMOVED)):
            super().logout(session)

    def sign_init(self, *given: Any) -> None:
        """Look for the key on the card."""
        with self._card(Refused("C_SignInit", CKR.DEVICE_REMOVED)):
            super().sign_init(*given)

    def sign(self, session: int, data: bytes) -> bytes:
        """Sign, or not."""
        with self._card(Refused("C_Sign", CKR.DEVICE_REMOVED)):
            return super().sign(session, data)


CALLS: dict[str, Callable[[Agent], Awaitable[Answer]]] = {
    "identity": lambda agent: agent.identity("identity", "address", "photo"),
    "login": lambda agent: agent.login(),
}


@pytest.mark.parametrize("before", [True, False], ids=["before it", "after it"])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_fake_card_pulled_at_any_call_of_the_module(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    persona: str,
    name: str,
    before: bool,
) -> None:
    """A typed error in time, one dialog at most; with the card back a login works."""
    path = tmp_path / "fake-module.so"
    path.touch()
    fake = PulledModule(load_profile(persona))
    monkeypatch.setattr(pkcs11, "_start", lambda _: (fake, fake))
    for at in itertools.count(1):
        fake.present, fake.dialogs = True, 0
        fake.at, fake.calls, fake.before = at, 0, before
        async with agent(Pkcs11Cards(path, None), Person()) as running_agent:
            began = time.monotonic()
            answer = await CALLS[name](running_agent)
            assert time.monotonic() - began < SECONDS
        assert (fake.dialogs, fake.logged_in) in {(0, False), (1, False)}
        if fake.present:
            assert answer.status == 200
            break
        if answer.status != 200:
            assert answer.body["code"] in {"card-removed", "no-card"}, at
        fake.present, fake.at = True, 0
        async with agent(Pkcs11Cards(path, None), Person()) as running_agent:
            assert (await running_agent.login()).status == 200
    assert at > 5
