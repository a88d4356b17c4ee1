"""`--card pkcs11:`: the real program over OpenSC's module and a card in a real pcscd.

Each test runs the program as a process, since a module reads its environment once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import relyingparty as rp
from cardio.files import EF
from cardio.virtual import pki
from cardio.virtual.profile import Profile, load_profile
from tests.agent.calls import PORTAL, ask_identity, ask_login
from tests.agent.program import Program, run, started
from tests.bench.program import ORIGIN as BENCH
from tests.bench.program import Agent
from tests.cardio.opensc.module import opensc_module, without_cache
from tests.cardio.sweep import Struck, pulled
from tests.rig.pcscd import Pcscd, wait_until
from tests.rig.transcript import RecordedCard

pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
pytestmark = [
    pytest.mark.pcscd,
    pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards"),
]

VERIFY, PSO, LOG_OFF, GET_CARD_DATA = 0x20, 0x2A, 0xE6, 0xE4
STATUS = bytes.fromhex("0020000100")
NONCE = "n" * 44
#: Until a removal is told.
SECONDS = 2.0


@pytest.fixture
def card_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What names OpenSC's module on the command line."""
    without_cache(tmp_path, monkeypatch)
    return f"pkcs11:{opensc_module()}"


@contextmanager
def agent(card: str, folder: Path) -> Iterator[tuple[Program, int, Path]]:
    """Run the agent; yields the program, its port and its CA."""
    words = ("run", "--card", card, "--ui", "terminal", "--lang", "en")
    with started(*words, "--data-dir", str(folder / "data")) as program:
        port = program.port()
        yield program, port, folder / "data" / "tls" / "ca.pem"
        assert program.end() == 0


def verifies(card: RecordedCard) -> int:
    """Count the VERIFYs with a PIN in them."""
    return sum(each.ins == VERIFY and each.size > 5 for each in card.exchanges)


def validated(token: Any, origin: str = PORTAL) -> rp.Identity:
    """Return who the token names, as a portal finds it."""
    validator = rp.TokenValidator(
        origin, pki.test_roots(), allow_test=True, revocation=None
    )
    return validator.validate(token, NONCE)


def test_card_list_shows_the_slots(pcscd: Pcscd, card_option: str) -> None:
    """The slots have the readers' names; no PIN is tried."""
    with pcscd.card("adult-1.7") as card:
        result = run("card", "list", "--json", "--card", card_option)
    assert result.returncode == 0, result.stderr
    readers = {one["name"]: one for one in json.loads(result.stdout)["readers"]}
    assert readers[pcscd.reader]["card"] == {
        "kind": "belgian-eid",
        "applet": "1.7",
        "signing": True,
    }
    assert [one["card"] for name, one in readers.items() if name != pcscd.reader] == [
        None
    ]
    assert verifies(card) == 0


@pytest.mark.parametrize(
    ("persona", "applet", "signing"),
    [("adult", "1.8", True), ("kids", "1.8", False), ("adult-1.7", "1.7", True)],
)
def test_the_applet_is_told_by_the_keys(
    pcscd: Pcscd, card_option: str, persona: str, applet: str, signing: bool
) -> None:
    """OpenSC tells no applet version; what it shows of the keys decides."""
    with pcscd.card(persona):
        result = run("card", "list", "--json", "--card", card_option)
    found = [one["card"] for one in json.loads(result.stdout)["readers"] if one["card"]]
    assert [(one["applet"], one["signing"]) for one in found] == [(applet, signing)]


@pytest.mark.parametrize("action", ["read", "verify", "change-pin"])
def test_what_opensc_cannot_do_is_said_of_the_module(
    pcscd: Pcscd, card_option: str, action: str
) -> None:
    """One sentence, exit code 1: not another card or reader helps, but another road."""
    with pcscd.card("adult-1.7") as card:
        result = run("card", action, "--lang", "en", "--card", card_option)
    assert (result.returncode, result.stdout) == (1, "")
    module = Path(card_option.removeprefix("pkcs11:")).resolve()
    assert result.stderr == (
        f"eid-agent: The PKCS#11 module {module} cannot do this with this card."
        " Leave --card out.\n"
    )
    assert verifies(card) == 0


@pytest.mark.parametrize(
    ("persona", "tries", "blocked"),
    [("adult-1.7", 3, False), ("one-try", 1, False), ("blocked", 0, True)],
)
def test_pin_status_comes_from_the_card_beside_the_module(
    pcscd: Pcscd, card_option: str, persona: str, tries: int, blocked: bool
) -> None:
    """OpenSC asks no Belgian card for its tries; none is spent by asking."""
    with pcscd.card(persona) as card:
        result = run("card", "pin-status", "--json", "--card", card_option)
    assert json.loads(result.stdout) == {"triesLeft": tries, "blocked": blocked}
    assert verifies(card) == 0


def test_a_login_through_opensc_is_accepted_and_leaves_no_pin_right(
    pcscd: Pcscd, card_option: str, tmp_path: Path
) -> None:
    """A token that a portal accepts; one VERIFY, and afterwards the card is closed.

    OpenSC's own C_Logout sends nothing: without LOG OFF of ours the status query would
    answer 9000.
    """
    with pcscd.card("adult-1.7") as card:
        with agent(card_option, tmp_path) as (program, port, ca):
            with ask_login(port, ca) as login:
                question = program.until("PIN: $")
                program.type("1234")
            assert login.status == 200, login.body
            assert card.transmit(STATUS) == b"\x63\xc3"
        assert "portal.example" in question
        assert "Tries left: 3" in question
        assert verifies(card) == 1
        after = [each.ins for each in card.exchanges if each.ins in (PSO, LOG_OFF)]
        assert after == [PSO, LOG_OFF]
    person = validated(login.body)
    assert person.surname


def test_an_expired_certificate_that_shows_only_in_the_login_gives_no_token(
    pcscd: Pcscd, card_option: str, tmp_path: Path
) -> None:
    """OpenSC shows a 1.7 card's certificates after the PIN: the signature is kept."""
    with (
        pcscd.card(load_profile("expired", applet="1.7")) as card,
        agent(card_option, tmp_path) as (program, port, ca),
    ):
        with ask_login(port, ca) as login:
            program.until("PIN: $")
            program.type("1234")
        assert (login.status, login.body["code"]) == (424, "certificate-expired")
        assert "signature" not in login.body
        assert verifies(card) == 1
        assert card.transmit(STATUS) == b"\x63\xc3"


def test_a_second_login_asks_for_the_pin_again(
    pcscd: Pcscd, card_option: str, tmp_path: Path
) -> None:
    """No login outlives its signature: two tokens, two PINs, two VERIFYs."""
    with (
        pcscd.card("adult-1.7") as card,
        agent(card_option, tmp_path) as (program, port, ca),
    ):
        for count in (1, 2):
            with ask_login(port, ca) as login:
                program.until("PIN: $")
                program.type("1234")
            assert login.status == 200, login.body
            assert verifies(card) == count


def test_a_wrong_pin_costs_one_try(
    pcscd: Pcscd, card_option: str, tmp_path: Path
) -> None:
    """Counted by the card itself; the answer says how many are left."""
    with pcscd.card("adult-1.7") as card:
        with agent(card_option, tmp_path) as (program, port, ca):
            with ask_login(port, ca) as login:
                program.until("PIN: $")
                program.type("4321")
            assert login.status == 422
            assert login.body["code"] == "pin-incorrect"
            assert login.body["triesLeft"] == 2
        assert verifies(card) == 1
        assert card.count(PSO) == 0
        assert card.transmit(STATUS) == b"\x63\xc2"


def test_identity_is_refused_before_anything_is_asked(
    pcscd: Pcscd, card_option: str, tmp_path: Path
) -> None:
    """A module without data objects: `unsupported-card`, no consent to nothing."""
    with (
        pcscd.card("adult-1.7"),
        agent(card_option, tmp_path) as (_, port, ca),
        ask_identity(port, ca) as reading,
    ):
        pass
    assert (reading.status, reading.body["code"]) == (424, "unsupported-card")
    assert reading.body["title"].endswith("again without --card.")


def test_a_1_8_card_that_opensc_cannot_sign_with_costs_no_pin(
    pcscd: Pcscd, card_option: str, tmp_path: Path
) -> None:
    """Before version 0.27 OpenSC has no mechanism for it: refused, no VERIFY."""
    with pcscd.card("adult") as card:
        with agent(card_option, tmp_path) as (program, port, ca):
            with ask_login(port, ca) as login:
                program.until("PIN: $")
                program.type("1234")
            if login.status == 200:
                assert validated(login.body).surname
                pytest.skip("this OpenSC signs with 1.8 cards")
            assert (login.status, login.body["code"]) == (424, "unsupported-card")
            assert login.body["title"].endswith("again without --card.")
            assert "/" not in json.dumps(login.body)  # where its software is: not told
        assert verifies(card) == 0


def commands(wire: list[int]) -> list[int]:
    """Return where a login asks for the tries, verifies the PIN, and signs."""
    verify = [at for at, ins in enumerate(wire, 1) if ins == VERIFY]
    return [*verify[-2:], wire.index(PSO) + 1]


@pytest.mark.sweep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lost", [True, False], ids=["command lost", "answer lost"])
def test_a_card_pulled_at_any_command_of_a_login(
    pcscd: Pcscd,
    card_option: str,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    lost: bool,
) -> None:
    """A typed error in time, no try lost; with the card back a login works.

    Once the signature is there it may also be a token, and then a valid one.
    """
    full = pytestconfig.getoption("--full")
    options = ("--card", card_option, "--allow-origin", BENCH)
    with Agent(os.environ, tmp_path, options) as agent:

        def ask(path: str, body: Any = None) -> tuple[int, Any]:
            with closing(agent.connection()) as connection:
                return agent.ask(connection, path, body)

        def log_in(card: Struck) -> tuple[int, Any]:
            with pcscd.insert(card):
                return ask("/v1/authenticate", {"challengeNonce": NONCE})

        def gone() -> bool:
            found = ask("/v1/readers")[1]["readers"]
            return not any(reader["card"] for reader in found)

        card = pulled(load_profile("adult-1.7"))
        assert log_in(card)[0] == 200
        every = range(1, len(card.wire) + 1)
        # Without --full: two that were answered, and a VERIFY that was lost.
        for at in every if full else commands(card.wire)[lost::2]:
            pulled_at: list[float] = []
            card.meanwhile = lambda: pulled_at.append(time.monotonic())  # noqa: B023
            card.arm(at, lost=lost)
            status, body = log_in(card)
            if status == 200:
                assert card.wire.index(PSO) < len(card.wire) - 1
                assert validated(body, BENCH).surname
            else:
                assert body["code"] in {"card-removed", "no-card"}
            if pulled_at:
                assert time.monotonic() - pulled_at[0] < SECONDS
            assert card.pins <= 1
            assert card.tries_left == 3
            wait_until(gone, "the card's removal is noticed")
            card.arm(0, lost=False)
            assert log_in(card)[0] == 200


def test_a_card_swapped_while_the_pin_is_asked_gets_none(
    pcscd: Pcscd, card_option: str, tmp_path: Path
) -> None:
    """However fast the hand: the PIN that was meant for one card reaches no other."""
    with agent(card_option, tmp_path) as (program, port, ca):
        first = RecordedCard(load_profile("adult-1.7"))
        other = RecordedCard(another_person())
        with pcscd.insert(first) as pull, ask_login(port, ca) as login:
            program.until("PIN: $")
            pull()
            with pcscd.insert(other):
                program.type("1234")
                login.join(30)
        assert login.body["code"] in ("card-removed", "card-changed"), login.body
    assert verifies(first) == verifies(other) == 0


def another_person() -> Profile:
    """Return a 1.7 card with another chip serial and the same keys."""
    profile = load_profile("adult-1.7")
    serial = bytes(reversed(profile.chip_serial))
    token_info = profile.files[EF.TOKEN_INFO].replace(profile.chip_serial, serial)
    files = {**profile.files, EF.TOKEN_INFO: token_info}
    return replace(profile, chip_serial=serial, files=files)
