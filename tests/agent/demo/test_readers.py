"""Which card the demo takes in a real PC/SC service, and when it gives out the PIN."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path

import pytest

from cardio.apdu import INS
from cardio.virtual.profile import load_profile
from tests.agent.calls import ask_identity, ask_login
from tests.agent.fake_cards import FakeForeignCard, FakeGenuineCard
from tests.agent.program import run, started
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

pytestmark = pytest.mark.pcscd

DEMO = ("demo", "--no-browser", "--ui", "terminal", "--lang", "en", "--card", "pcsc")


def demo(pcscd: Pcscd, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the demo, which is expected to end by itself."""
    return run(*DEMO, "--vpcd", f"127.0.0.1:{pcscd.port}", *more)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence with which it ended, before it gave out any PIN."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("kind", [FakeGenuineCard, RecordedCard])
def test_a_persona_is_not_put_beside_another_card(
    pcscd: Pcscd, kind: type[RecordedCard]
) -> None:
    """Whoever's card it is, nobody is given a PIN for it."""
    card = kind(load_profile("adult"))
    with pcscd.insert(card):
        said = refused(demo(pcscd, "--persona", "foreigner"))
    assert f'"{pcscd.reader}" has a card already' in said
    assert card.count(INS.VERIFY) == 0


@pytest.mark.parametrize("more", [(), ("--persona", "foreigner")])
def test_a_reader_with_a_card_of_another_family(
    pcscd: Pcscd, more: tuple[str, ...]
) -> None:
    """The virtual reader is occupied, and the demo says so."""
    with pcscd.insert(FakeForeignCard()):
        said = refused(demo(pcscd, *more))
    assert f"127.0.0.1:{pcscd.port} has a card already" in said


def test_a_persona_without_a_virtual_reader(pcscd: Pcscd) -> None:
    """It cannot be shown, and what is missing is named."""
    said = refused(run(*DEMO, "--vpcd", "127.0.0.1:1", "--persona", "foreigner"))
    assert "nothing listens there" in said
    assert "vsmartcard-vpcd" in said


def test_the_persona_that_was_asked_for_is_the_card(pcscd: Pcscd) -> None:
    """In the virtual reader, where nothing was before."""
    words = ("--vpcd", f"127.0.0.1:{pcscd.port}", "--persona", "foreigner")
    with started(*DEMO, *words) as program:
        port = program.port()
        ca = Path(re.findall(r"ca: (.*)\n", program.until("test PIN: 1234\n"))[-1])
        with ask_identity(port, ca) as call:
            assert "TEST CARD" in program.until(r"\[y/n\] $")
            program.type("y")
        assert call.status == 200
        assert program.end() == 0
    serial = load_profile("foreigner").chip_serial
    assert call.body["identity"]["chipNumber"] == serial.hex()
    pcscd.wait_for_card(present=False)


def test_a_genuine_card_that_comes_later_is_not_asked_for_the_test_pin(
    pcscd: Pcscd,
) -> None:
    """The demo began with a test card and gave out its PIN."""
    with contextlib.ExitStack() as stack:
        pull = stack.enter_context(pcscd.insert(RecordedCard(load_profile())))
        program = stack.enter_context(started(*DEMO))
        port = program.port()
        ca = Path(re.findall(r"ca: (.*)\n", program.until("test PIN: 1234\n"))[-1])
        pull()
        pcscd.wait_for_card(present=False)
        card = FakeGenuineCard(load_profile("adult-1.7"))
        stack.enter_context(pcscd.insert(card))
        with ask_login(port, ca) as call:
            pass
        assert (call.status, call.body["code"]) == (424, "unsupported-card")
        assert card.count(INS.VERIFY) == 0
        assert program.end() == 0


def test_virtual_card_says_that_the_reader_is_occupied(pcscd: Pcscd) -> None:
    """After a few seconds; the card that is in stays."""
    with pcscd.card():
        vpcd = f"127.0.0.1:{pcscd.port}"
        result = run("virtual-card", "--vpcd", vpcd, "--lang", "en")
        assert f"{vpcd} has a card already" in refused(result)
        pcscd.wait_for_card(present=True)
